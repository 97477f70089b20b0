"""LitServe, with one worker of the model; ``BATCH=1`` takes up to 64 requests that wait, for at most 2 ms."""

import os
import sys

import litserve
import numpy as np
from predictor import predict, scale


class Iris(litserve.LitAPI):
    def setup(self, device):
        pass

    def decode_request(self, request):
        return scale(request["inputs"])

    def predict(self, x):
        return predict(x)

    def encode_response(self, output):
        return {"outputs": output.tolist()}


class Batches(Iris):
    def batch(self, inputs):
        return inputs

    def predict(self, x):
        found = predict(np.concatenate(x))
        return np.split(found, np.cumsum([len(one) for one in x])[:-1])

    def unbatch(self, output):
        return output


if __name__ == "__main__":
    api = Batches(max_batch_size=64, batch_timeout=0.002) if os.environ.get("BATCH") else Iris()
    server = litserve.LitServer(api, accelerator="cpu", workers_per_device=1)
    server.run(
        host="127.0.0.1", port=int(sys.argv[1]), num_api_servers=1, log_level="warning", generate_client_file=False
    )
