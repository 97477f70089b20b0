"""How long a request may take: what the client, the graph and the server say, and what happens then."""

from __future__ import annotations

import asyncio
import threading
from time import monotonic
from typing import TYPE_CHECKING, Any

import orjson
import pytest

from ci_core.serving import Event, Graph, Model, Router
from ci_core.serving.limits import Limits
from ci_core.serving.metrics import Metrics
from ci_core.serving.server import Application

if TYPE_CHECKING:
    from collections.abc import Iterator


class NoteDeadline:
    def do_event(self, event: Event) -> Any:
        return {"remaining_s": event.remaining_s}


@pytest.mark.parametrize(
    ("asked_ms", "graph_s", "server_s", "expected_s"),
    [
        (None, None, None, None),
        ("60000", None, None, 60),
        (None, 60, None, 60),
        (None, None, 60, 60),
        ("60000", 120, 120, 60),
        ("120000", 60, 120, 60),
        ("120000", 120, 60, 60),
        ("60000.5", 120, None, 60.0005),
    ],
)
def test_the_smallest_limit_is_the_deadline(
    asked_ms: str | None, graph_s: float | None, server_s: float | None, expected_s: float | None
) -> None:
    graph = Graph("g", timeout=graph_s)
    graph.to(NoteDeadline, "note")
    application = Application(graph.spec, graph.compile(), metrics=Metrics(), limits=Limits(request_timeout_s=server_s))
    headers = {} if asked_ms is None else {"x-request-timeout-ms": asked_ms}
    handle = application.handle_async if application.is_async else application.handle

    before = monotonic()
    answer = handle("POST", "/", headers, b"{}")
    status, _headers, body = asyncio.run(answer) if application.is_async else answer  # type: ignore[arg-type,misc]
    took = monotonic() - before

    remaining = orjson.loads(body)["remaining_s"]
    assert status == 200
    if expected_s is None:
        assert remaining is None
    else:
        assert expected_s - took <= remaining <= expected_s


def serve_waiting(**limits: Any) -> Application:
    async def wait(body: Any) -> Any:
        if body.get("wait"):
            await asyncio.Event().wait()
        if body.get("raise"):
            raise TimeoutError("of its own")
        return body

    graph = Graph("g")
    graph.to(wait, "wait")
    return Application(graph.spec, graph.compile(), metrics=Metrics(), limits=Limits(**limits))


def ask(application: Application, body: Any, **headers: str) -> tuple[int, Any]:
    sent = {name.replace("_", "-"): value for name, value in headers.items()}
    status, _headers, answer = asyncio.run(application.handle_async("POST", "/", sent, orjson.dumps(body)))
    return status, orjson.loads(answer)


def test_an_async_graph_that_hangs_is_ended_at_the_deadline() -> None:
    application = serve_waiting(request_timeout_s=0.02)

    status, answer = ask(application, {"wait": True})

    assert (status, answer["error"]["slug"]) == (504, "deadline-exceeded")
    assert ask(application, {"a": 1}) == (200, {"a": 1})


def test_the_clients_own_timeout_ends_its_request_and_no_other() -> None:
    application = serve_waiting()

    async def ask_both() -> list[tuple[int, Any, bytes]]:
        waiting = application.handle_async("POST", "/", {"x-request-timeout-ms": "20"}, b'{"wait": true}')
        other = application.handle_async("POST", "/", {}, b'{"a": 1}')
        return list(await asyncio.gather(waiting, other))

    assert [status for status, _headers, _body in asyncio.run(ask_both())] == [504, 200]


def test_a_timeout_that_a_step_raises_itself_is_a_failure_of_the_step() -> None:
    status, answer = ask(serve_waiting(request_timeout_s=60), {"raise": True})

    assert (status, answer["error"]["slug"]) == (500, "step-failed")


class Stuck(Model):
    """Hangs until the test is over."""

    released = threading.Event()

    def predict(self, rows: list[dict[str, Any]]) -> list[Any]:
        self.released.wait()
        return [0 for _ in rows]


@pytest.fixture
def stuck() -> Iterator[type[Model]]:
    Stuck.released = threading.Event()
    yield Stuck
    Stuck.released.set()


def test_a_model_whose_answer_comes_too_late_has_failed_in_the_metrics(stuck: type[Model]) -> None:
    graph = Graph("g")
    graph.to(Router.single({"slow": stuck}), "models")
    metrics = Metrics()
    plan = graph.compile(observe=metrics.models, time_limit=True, start=False)
    application = Application(graph.spec, plan, metrics=metrics, limits=Limits(request_timeout_s=0.1))

    async def scenario() -> int:
        plan.start()
        return (await application.handle_async("POST", "/", {}, b"{}"))[0]

    assert asyncio.run(scenario()) == 504
    assert 'graphship_model_errors_total{model="slow",fault="model"} 1' in metrics.text()
    assert 'graphship_model_errors_total{model="slow",fault="request"} 0' in metrics.text()
