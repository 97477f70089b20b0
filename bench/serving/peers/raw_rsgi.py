"""The least that granian can do: read JSON, predict, write JSON; ``SPEAK=rows|v2`` for bodies of graphship."""

import os

import orjson
from predictor import labels

HEADERS = [("content-type", "application/json")]
COLUMNS = ("sepal_length", "sepal_width", "petal_length", "petal_width")


def inputs(body):
    return {"outputs": labels(orjson.loads(body)["inputs"])}


def rows(body):
    return labels([[row[name] for name in COLUMNS] for row in orjson.loads(body)])


def tensors(body):
    request = orjson.loads(body)
    tensor = request["inputs"][0]
    data, (count, width) = tensor["data"], tensor["shape"]
    found = labels([data[at : at + width] for at in range(0, count * width, width)])
    outputs = [{"name": "prediction", "shape": [count], "datatype": "INT64", "data": found}]
    return {"model_name": "iris", "outputs": outputs}


answer = {"rows": rows, "v2": tensors}.get(os.environ.get("SPEAK", ""), inputs)


async def app(_scope, protocol):
    protocol.response_bytes(200, HEADERS, orjson.dumps(answer(await protocol())))


if __name__ == "__main__":
    import asyncio
    import gc
    import sys

    import uvloop
    from granian.constants import Interfaces
    from granian.server.embed import Server

    gc.collect()
    gc.freeze()
    gc.set_threshold(50_000)

    async def main():
        await Server(
            app, address="127.0.0.1", port=int(sys.argv[1]), interface=Interfaces.RSGI, log_enabled=False
        ).serve()

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(main())
