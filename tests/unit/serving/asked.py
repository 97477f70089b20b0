"""An application of a small graph, and how to ask it without a server."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import orjson

from ci_core.serving import Event, Graph, Model, Router
from ci_core.serving.base import ANSWER, IgnoreCalls, ModelCall, Role
from ci_core.serving.metrics import Metrics
from ci_core.serving.server import Application

if TYPE_CHECKING:
    from collections.abc import Callable

    from ci_core.serving.capture import Capture

    AsStep = Callable[[Callable[..., Any]], Callable[..., Any]]


class Sum(Model):
    input_columns = ("a", "b")

    def predict(self, rows: list[dict[str, Any]]) -> list[Any]:
        return [{"prediction": row["a"] + row["b"]} for row in rows]


def sum_graph() -> Graph:
    graph = Graph("sums")
    graph.to(Router.single({"sum": Sum, "other": Sum})).respond()
    return graph


class CapturedCalls(IgnoreCalls):
    """Tells a capture of model calls, as the serving process does."""

    def __init__(self, capture: Capture) -> None:
        self._capture = capture

    def answered(self, event: Event, model: str, call: ModelCall, seconds: float, role: Role = ANSWER) -> None:
        self._capture.add(event, model, call)


def serve(graph: Graph, **arguments: Any) -> Application:
    """Return the application of a graph."""
    capture = arguments.get("capture")
    plan = graph.compile(observe=None if capture is None else CapturedCalls(capture))
    return Application(graph.spec, plan, metrics=Metrics(), **arguments)


def ask(
    application: Application, path: str = "/", body: Any = None, method: str = "POST", **headers: str
) -> tuple[int, dict[str, str], Any]:
    """Return status, headers and parsed body; `body` is sent as it is when it is bytes."""
    raw = body if isinstance(body, bytes) else b"" if body is None else orjson.dumps(body)
    sent = {name.replace("_", "-"): value for name, value in headers.items()}
    if application.is_async:
        status, got, answer = asyncio.run(application.handle_async(method, path, sent, raw))
    else:
        status, got, answer = application.handle(method, path, sent, raw)
    is_json = dict(got)["content-type"] == "application/json"
    return status, dict(got), orjson.loads(answer) if is_json else answer.decode()
