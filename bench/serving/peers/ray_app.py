"""Ray Serve, one replica on a local Ray of one processor; ``BATCH=1`` uses ``serve.batch``."""

import os
import sys
import time

import numpy as np
import orjson
import ray
from predictor import labels
from ray import serve
from starlette.requests import Request
from starlette.responses import Response

SETTINGS = {"num_replicas": 1, "max_ongoing_requests": 256, "ray_actor_options": {"num_cpus": 0.5}}
MAX_LIFE_S = 1800


def answer(found):
    return Response(orjson.dumps({"outputs": found}), media_type="application/json")


@serve.deployment(**SETTINGS)
class Single:
    async def __call__(self, request: Request):
        return answer(labels(orjson.loads(await request.body())["inputs"]))


@serve.deployment(**SETTINGS)
class Batches:
    async def __call__(self, request: Request):
        return answer(await self.predict(orjson.loads(await request.body())["inputs"]))

    @serve.batch(max_batch_size=64, batch_wait_timeout_s=0.002)
    async def predict(self, inputs):
        found = np.asarray(labels(np.concatenate(inputs)))
        return [part.tolist() for part in np.split(found, np.cumsum([len(one) for one in inputs])[:-1])]


if __name__ == "__main__":
    passed_on = {name: os.environ[name] for name in ("PYTHONPATH", "WORK", "PREDICT") if name in os.environ}
    ray.init(
        num_cpus=1,
        include_dashboard=False,
        object_store_memory=100_000_000,
        logging_level="ERROR",
        log_to_driver=False,
        runtime_env={"env_vars": passed_on},
    )
    serve.start(http_options={"host": "127.0.0.1", "port": int(sys.argv[1])})
    serve.run((Batches if os.environ.get("BATCH") else Single).bind(), route_prefix="/predict", name="iris")
    time.sleep(MAX_LIFE_S)
