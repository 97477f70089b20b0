"""A runtime of MLServer's; its batching is a matter of ``model-settings.json``."""

from mlserver import MLModel
from mlserver.codecs import NumpyCodec
from mlserver.types import InferenceResponse
from predictor import predict, scale


class Iris(MLModel):
    async def load(self):
        return True

    async def predict(self, payload):
        found = predict(scale(NumpyCodec.decode_input(payload.inputs[0])))
        return InferenceResponse(model_name=self.name, outputs=[NumpyCodec.encode_output("prediction", found)])
