"""BentoML, as its documentation writes it; ``BATCH=1`` lets it batch adaptively, ``ASYNC=1`` makes the method async."""

import os

import bentoml
import numpy as np
from predictor import labels, predict, scale

if os.environ.get("BATCH"):

    @bentoml.service(workers=1)
    class Iris:
        @bentoml.api(route="/predict", batchable=True, max_batch_size=64, max_latency_ms=1000)
        def predict(self, inputs: np.ndarray) -> np.ndarray:
            return predict(scale(inputs))

elif os.environ.get("ASYNC"):

    @bentoml.service(workers=1)
    class Iris:
        @bentoml.api(route="/predict")
        async def predict(self, inputs: list[list[float]]) -> dict[str, list[int]]:
            return {"outputs": labels(inputs)}

else:

    @bentoml.service(workers=1)
    class Iris:
        @bentoml.api(route="/predict")
        def predict(self, inputs: list[list[float]]) -> dict[str, list[int]]:
            return {"outputs": labels(inputs)}
