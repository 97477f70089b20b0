"""KServe's Python server; it speaks version 1 here, which costs it less. Its batcher is a sidecar of its own."""

import sys

from kserve import Model, ModelServer
from predictor import predict, scale


class Iris(Model):
    def __init__(self):
        super().__init__("iris")
        self.ready = True

    def load(self):
        self.ready = True

    def preprocess(self, payload, *_more):
        return scale(payload["instances"])

    def predict(self, payload, *_more):
        return predict(payload)

    def postprocess(self, result, *_more):
        return {"predictions": result.tolist()}


if __name__ == "__main__":
    ModelServer(http_port=int(sys.argv[1]), workers=1, enable_grpc=False, enable_latency_logging=False).start([Iris()])
