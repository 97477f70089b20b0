"""One request in, one answer out: what is answered, and what a failure is told as."""

from __future__ import annotations

import asyncio
import json
import logging
import math
import sys
from datetime import datetime
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from ci_core.serving import Graph, RequestError
from ci_core.serving.problems import DependencyTimeoutError, OverloadedError
from tests.unit.serving.asked import ask, serve, sum_graph

if TYPE_CHECKING:
    from collections.abc import Callable

    from ci_core.serving.server import Application

    AsStep = Callable[[Callable[..., Any]], Callable[..., Any]]


@pytest.fixture
def application() -> Application:
    return serve(sum_graph(), release="r" * 64)


def test_an_object_gets_an_answer_and_a_list_gets_a_list(application: Application) -> None:
    status, headers, one = ask(application, body={"a": 1, "b": 2}, x_event_id="e7")

    assert (status, one) == (200, {"prediction": 3})
    assert headers == {"content-type": "application/json", "x-graphship-release": "r" * 64, "x-event-id": "e7"}
    assert ask(application, body=[{"a": 1, "b": 2}, {"a": 3, "b": 4}])[2] == [{"prediction": 3}, {"prediction": 7}]


CLIENT_MISTAKES: list[tuple[str, str, Any, dict[str, str], int, str]] = [
    ("POST", "/", b"", {}, 400, "bad-request"),
    ("POST", "/", b"{", {}, 400, "bad-request"),
    ("POST", "/", b"\xff\xfe", {}, 400, "bad-request"),
    ("POST", "/", b"[" * 100_000, {}, 400, "bad-request"),
    ("POST", "/", b'{"a": NaN}', {}, 400, "bad-request"),
    ("POST", "/", 3, {}, 400, "bad-request"),
    ("POST", "/", [3], {}, 400, "bad-request"),
    ("POST", "/", {"a": 1}, {"content-type": "text/csv"}, 415, "unsupported-media-type"),
    ("POST", "/", {"a": 1, "model": "none"}, {}, 404, "unknown-model"),
    ("DELETE", "/", None, {}, 405, "method-not-allowed"),
    ("POST", "/metrics", {}, {}, 405, "method-not-allowed"),
    ("POST", "/predict", {}, {}, 404, "unknown-path"),
    ("PUT", "//", None, {}, 405, "method-not-allowed"),
    ("POST", "/", {"a": 1, "b": 1}, {"x-request-timeout-ms": "0"}, 400, "bad-request"),
    ("POST", "/", {"a": 1, "b": 1}, {"x-request-timeout-ms": "-5"}, 400, "bad-request"),
    ("POST", "/", {"a": 1, "b": 1}, {"x-request-timeout-ms": "nan"}, 400, "bad-request"),
    ("POST", "/", {"a": 1, "b": 1}, {"x-request-timeout-ms": "inf"}, 400, "bad-request"),
    ("POST", "/", {"a": 1, "b": 1}, {"x-request-timeout-ms": "soon"}, 400, "bad-request"),
    ("POST", "/", b"1e999", {}, 400, "bad-request"),
    ("POST", "/", b'"\\ud800"', {}, 400, "bad-request"),
    ("POST", "/", {"a": 1}, {"content-encoding": "br"}, 415, "unsupported-media-type"),
    ("POST", "/", b"no gzip", {"content-encoding": "gzip"}, 400, "bad-request"),
]


@pytest.mark.parametrize("mistake", CLIENT_MISTAKES)
def test_a_clients_mistake_is_a_4xx_with_a_slug_and_a_sentence(
    mistake: tuple[str, str, Any, dict[str, str], int, str], application: Application
) -> None:
    method, path, body, headers, status, slug = mistake

    got, _headers, answer = ask(application, path, body, method, **headers)

    assert (got, answer["error"]["slug"]) == (status, slug)
    assert answer["error"]["message"]


@pytest.mark.parametrize(
    "content_type",
    ["application/json", "application/json; charset=utf-8", "application/vnd.x+json", "APPLICATION/JSON"],
)
def test_json_by_any_of_its_names_is_taken(content_type: str, application: Application) -> None:
    assert ask(application, body={"a": 1, "b": 1}, content_type=content_type)[0] == 200


def test_curls_default_content_type_is_taken(application: Application) -> None:
    assert ask(application, body={"a": 1, "b": 1}, content_type="application/x-www-form-urlencoded")[0] == 200


def test_our_fault_is_a_500_that_names_the_step_and_the_event_and_hides_the_rest(
    as_step: AsStep, caplog: pytest.LogCaptureFixture
) -> None:
    graph = Graph("g")
    graph.to(as_step(lambda body: {"ok": body}["secret-key"]), "broken").respond()
    application = serve(graph)

    with caplog.at_level(logging.ERROR):
        status, _headers, answer = ask(application, body={}, x_event_id="e9")

    assert status == 500
    assert answer == {
        "error": {"slug": "step-failed", "message": "the step `broken` failed", "step": "broken", "event_id": "e9"}
    }
    assert caplog.records[0].message == "request failed path=/ step=broken event=e9 trace=None"
    assert "secret-key" in (caplog.text)


def test_a_step_may_refuse_a_request_with_a_status_of_its_own(as_step: AsStep) -> None:
    class TooManyError(RequestError):
        slug, status = "too-many", 422

    def refuse(_body: Any) -> None:
        raise TooManyError("at most 3 items")

    graph = Graph("g")
    graph.to(as_step(refuse), "refuse")

    status, _headers, answer = ask(serve(graph), body={})

    assert (status, answer["error"]["slug"], answer["error"]["message"]) == (422, "too-many", "at most 3 items")


def test_an_answer_that_json_cannot_say_is_our_fault(as_step: AsStep) -> None:
    graph = Graph("g")
    graph.to(as_step(lambda _body: object()), "odd")

    assert ask(serve(graph), body={})[0] == 500


def test_numpy_values_are_answered_as_numbers(as_step: AsStep) -> None:
    graph = Graph("g")
    graph.to(as_step(lambda _body: {"p": np.float64(0.5), "v": np.arange(3)}), "numbers")

    assert ask(serve(graph), body={})[2] == {"p": 0.5, "v": [0, 1, 2]}


def test_metrics_count_requests_by_status(application: Application) -> None:
    ask(application, body={"a": 1, "b": 1})
    ask(application, body={"a": 1, "b": 1})
    ask(application, "/nothing")

    lines = ask(application, "/metrics", method="GET")[2].splitlines()

    assert 'graphship_requests_total{class="2xx",status="200"} 2' in lines
    assert 'graphship_requests_total{class="4xx",status="404"} 1' in lines


def test_a_failure_that_says_when_to_come_back_becomes_retry_after() -> None:
    def full(_body: Any) -> None:
        raise OverloadedError("the step takes 4 calls at a time", retry_after_s=1.2)

    graph = Graph("g")
    graph.to(full, "full")

    status, headers, answer = ask(serve(graph), body={})

    assert (status, headers["retry-after"]) == (503, "2")
    assert answer["error"]["slug"] == "overloaded"
    assert answer["error"]["message"] == "the step takes 4 calls at a time"


def test_a_failing_dependency_is_told_and_logged_in_one_line_without_a_traceback(
    as_step: AsStep, caplog: pytest.LogCaptureFixture
) -> None:
    def late(_body: Any) -> None:
        raise DependencyTimeoutError("`prices` did not answer")

    graph = Graph("g")
    graph.to(as_step(late), "late")
    trace = "0af7651916cd43dd8448eb211c80319c"

    status, _headers, answer = ask(
        serve(graph), body={}, x_event_id="e1", traceparent=f"00-{trace}-b7ad6b7169203331-01"
    )

    assert (status, answer["error"]) == (
        504,
        {"slug": "dependency-timeout", "message": "`prices` did not answer", "step": "late", "event_id": "e1"},
    )
    [record] = caplog.records
    assert record.getMessage() == (
        f"request failed path=/ step=late event=e1 trace={trace} status=504 slug=dependency-timeout: "
        "`prices` did not answer"
    )
    assert record.exc_info is None


def test_no_client_can_forge_a_line_of_the_log(caplog: pytest.LogCaptureFixture) -> None:
    def broken(_body: Any) -> None:
        raise OSError("disk")

    graph = Graph("g")
    graph.to(broken, "broken")

    ask(serve(graph), body={"event_id": "e\nroot: all is well"})

    assert caplog.records[0].getMessage() == (
        r"request failed path=/ step=broken event='e\nroot: all is well' trace=None"
    )


def test_a_step_that_exits_fails_its_request_and_nothing_else(as_step: AsStep) -> None:
    def leave(body: Any) -> Any:
        return body or sys.exit("no body")

    graph = Graph("g")
    graph.to(as_step(leave), "leave")
    application = serve(graph)

    assert ask(application, body={})[0] == 500
    assert ask(application, body={"a": 1})[0] == 200


class PanicError(BaseException):
    """What libraries in Rust raise."""


@pytest.mark.parametrize("kind", [PanicError, SystemExit, asyncio.CancelledError])
@pytest.mark.parametrize("has_branches", [False, True])
def test_whatever_a_step_raises_is_an_answer_counted_and_logged(
    kind: type[BaseException], *, has_branches: bool, as_step: AsStep, caplog: pytest.LogCaptureFixture
) -> None:
    def fail(body: Any) -> Any:
        raise kind

    async def later(body: Any) -> Any:
        await asyncio.sleep(0)
        return fail(body)

    graph = Graph("g")
    start = graph.to(as_step(lambda body: body), "start")
    if has_branches:
        graph.add_step(lambda parts: parts, "join", after=[start.to(later, "bad"), start.to(later, "worse")])
    else:
        start.to(as_step(fail), "bad")
    application = serve(graph)

    status, _headers, answer = ask(application, body={})

    assert (status, answer["error"]["step"]) == (500, "bad")
    assert 'status="500"} 1' in application.metrics.text()
    assert "step=bad" in caplog.text


def test_a_step_that_awaits_what_it_cancelled_itself_may_be_handled_like_any_that_fails() -> None:
    async def cancelled(_body: Any) -> Any:
        task = asyncio.ensure_future(asyncio.sleep(3600))
        await asyncio.sleep(0)
        task.cancel()
        return await task

    graph = Graph("g")
    graph.to(cancelled, "bad").error_handler(lambda _body: {"instead": 1}, "rescue")

    assert ask(serve(graph), body={})[2] == {"instead": 1}


def test_a_request_that_is_cancelled_is_not_answered() -> None:
    begun = asyncio.Event()

    async def wait(_body: Any) -> Any:
        begun.set()
        await asyncio.sleep(3600)

    graph = Graph("g")
    graph.to(wait, "wait")
    application = serve(graph)

    async def scene() -> None:
        task = asyncio.create_task(application.handle_async("POST", "/", {}, b"{}"))
        await begun.wait()
        task.cancel()
        await task

    with pytest.raises(asyncio.CancelledError):
        asyncio.run(scene())


def test_a_failure_that_was_mended_is_not_blamed_for_the_next_one() -> None:
    graph = Graph("g")
    bad = graph.to(lambda body: body["no"], "mended")
    bad.error_handler(lambda _body: {}, "rescue", back_to="end")
    bad.to(lambda _body: {"what": object()}, "end")

    status, _headers, answer = ask(serve(graph), body={})

    assert (status, answer["error"]["slug"]) == (500, "step-failed")
    assert answer["error"]["step"] == "end"


def test_what_is_not_a_number_is_answered_as_null(as_step: AsStep) -> None:
    graph = Graph("g")
    graph.to(as_step(lambda _body: {"p": math.nan, "q": [math.inf, np.float64("-inf")], "v": np.array([math.nan])}))

    assert ask(serve(graph), body={})[2] == {"p": None, "q": [None, None], "v": [None]}


def test_the_access_log_has_a_line_of_json_a_request(caplog: pytest.LogCaptureFixture) -> None:
    application = serve(sum_graph(), access_log=True, release="r1")
    trace = "0af7651916cd43dd8448eb211c80319c"

    with caplog.at_level(logging.INFO, "ci_core.serving.access"):
        ask(application, body={"a": 1, "b": 2}, x_event_id="e1", traceparent=f"00-{trace}-b7ad6b7169203331-01")
        ask(application, "/a\nb\x7f\u2028\udc80", body={})

    first, second = (record.getMessage() for record in caplog.records)
    line = json.loads(first)
    assert datetime.fromisoformat(line.pop("time")).tzinfo is not None
    assert 0 < line.pop("ms") < 60_000
    assert line == {
        "method": "POST",
        "path": "/",
        "status": 200,
        "bytes": len('{"prediction":3}'),
        "event_id": "e1",
        "trace_id": trace,
        "release": "r1",
    }
    assert second.isascii()
    assert second.isprintable()
    assert json.loads(second)["path"] == "/a\nb\x7f\u2028\udc80"
    assert (json.loads(second)["status"], json.loads(second)["event_id"]) == (404, None)


def test_there_is_no_access_log_unless_it_is_asked_for(
    application: Application, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.INFO, "ci_core.serving.access"):
        ask(application, body={"a": 1, "b": 2})

    assert caplog.records == []


@pytest.mark.parametrize("status", [99, 200, 399, 600, 1000])
def test_a_failure_with_a_status_of_no_failure_is_refused_where_it_is_made(status: int) -> None:
    with pytest.raises(ValueError, match="the status of a failure is 400 to 599"):
        RequestError("no", status=status)
