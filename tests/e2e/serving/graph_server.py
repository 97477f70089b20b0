"""A program that serves one graph, for tests of doors and clients: ``python graph_server.py granian|uvicorn PORT``.

The limits are small, so that tests reach them.
"""

from __future__ import annotations

import asyncio
import sys
from typing import Any

import numpy as np

from ci_core.serving import Graph, Model, RequestError, Router
from ci_core.serving.address import claimed
from ci_core.serving.doors import AsgiDoor
from ci_core.serving.ending import leave
from ci_core.serving.limits import Limits
from ci_core.serving.listen import listen, run
from ci_core.serving.metrics import Metrics
from ci_core.serving.options import ServeOptions
from ci_core.serving.server import Application

WEIGHTS = np.array([0.5, -1.0, 2.0, 0.25])
LIMITS = Limits(body_bytes=1_000_000, header_bytes=8192, url_chars=1000, body_timeout_s=1.0, max_in_flight=64)


class Linear(Model):
    """Four columns of numbers; answers with their weighted sum."""

    input_columns = ("a", "b", "c", "d")

    def predict(self, rows: list[dict[str, Any]]) -> list[Any]:
        try:
            matrix = np.array([[row[name] for name in self.input_columns] for row in rows], dtype=np.float64)
        except (TypeError, ValueError) as error:
            raise RequestError("expected numbers") from error
        sums = matrix @ WEIGHTS
        return [{"sum": float(value), "is_large": bool(value > 1)} for value in sums]


class Shout(Model):
    """One column of text, one of whole numbers; answers with the text, louder."""

    input_columns = ("text", "times")

    def predict(self, rows: list[dict[str, Any]]) -> list[Any]:
        return [{"text": row["text"].upper() * row["times"], "length": len(row["text"])} for row in rows]


class Broken(Model):
    def predict(self, rows: list[dict[str, Any]]) -> list[Any]:
        raise OSError("secret")


def build(graph: Graph | None = None) -> Application:
    if graph is None:
        graph = Graph("live")
        graph.to(Router.single({"linear": Linear, "shout": Shout, "broken": Broken})).respond()
    metrics = Metrics()
    application = Application(graph.spec, graph.compile(), metrics=metrics, release="r1", limits=LIMITS)
    metrics.follow_gauge(
        "graphship_requests_in_flight", "As the serving process has it.", lambda: application.in_flight
    )
    return application


def build_slow() -> Application:
    """Return an async application that waits as many seconds as its body says."""

    async def wait(body: dict[str, Any]) -> Any:
        await asyncio.sleep(body.get("wait_s", 0))
        return body

    graph = Graph("slow")
    graph.to(wait, name="wait").respond()
    return build(graph)


def _granian(application: Application, port: int) -> None:
    options = ServeOptions(limits=LIMITS, idle_timeout_s=1.0)
    with claimed(options.host, port) as claim:
        run(listen(application, options, claim.address, metrics=Metrics()))


def main(door: str, graph: str, port: int) -> None:
    application = build_slow() if graph == "slow" else build()
    if door == "granian":
        _granian(application, port)
        leave(0)
    import uvicorn

    uvicorn.run(AsgiDoor(application), port=port, log_level="error")


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], int(sys.argv[3]))
