from __future__ import annotations

import asyncio
import logging
from datetime import UTC, datetime, timedelta, timezone
from typing import TYPE_CHECKING, Any

import numpy as np
import orjson
import pytest

from ci_core.serving import Event, Graph, Model, RequestError, Router
from ci_core.serving.capture import Capture
from ci_core.serving.doors import AsgiDoor
from ci_core.serving.identity import EventIdentity, parse_time
from ci_core.serving.metrics import Metrics
from ci_core.serving.process import ServeOptions, build_application
from ci_core.serving.segments import read_segments

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from ci_core.serving.server import Application

    AsStep = Callable[[Callable[..., Any]], Callable[..., Any]]


class Sum(Model):
    input_columns = ("a", "b")

    def predict(self, rows: list[dict[str, Any]]) -> list[Any]:
        return [{"prediction": row["a"] + row["b"]} for row in rows]


def sum_graph() -> Graph:
    graph = Graph("sums")
    graph.to(Router.single({"sum": Sum, "other": Sum})).respond()
    return graph


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


@pytest.fixture
def application() -> Application:
    return build_application(sum_graph(), ServeOptions(release="r" * 64))


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
    ("GET", "/", None, {}, 405, "method-not-allowed"),
    ("DELETE", "/", None, {}, 405, "method-not-allowed"),
    ("POST", "/metrics", {}, {}, 405, "method-not-allowed"),
    ("POST", "/predict", {}, {}, 404, "unknown-path"),
    ("GET", "//", None, {}, 405, "method-not-allowed"),
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
    application = build_application(graph, ServeOptions())

    with caplog.at_level(logging.ERROR):
        status, _headers, answer = ask(application, body={}, x_event_id="e9")

    assert status == 500
    assert answer == {
        "error": {"slug": "step-failed", "message": "the step `broken` failed", "step": "broken", "event_id": "e9"}
    }
    assert caplog.records[0].message == "request failed path=/ step=broken event=e9"
    assert "secret-key" in (caplog.text)


def test_a_step_may_refuse_a_request_with_a_status_of_its_own(as_step: AsStep) -> None:
    class TooManyError(RequestError):
        slug, status = "too-many", 422

    def refuse(_body: Any) -> None:
        raise TooManyError("at most 3 items")

    graph = Graph("g")
    graph.to(as_step(refuse), "refuse")

    status, _headers, answer = ask(build_application(graph, ServeOptions()), body={})

    assert (status, answer["error"]["slug"], answer["error"]["message"]) == (422, "too-many", "at most 3 items")


def test_an_answer_that_json_cannot_say_is_our_fault(as_step: AsStep) -> None:
    graph = Graph("g")
    graph.to(as_step(lambda _body: object()), "odd")

    assert ask(build_application(graph, ServeOptions()), body={})[0] == 500


def test_numpy_values_are_answered_as_numbers(as_step: AsStep) -> None:
    graph = Graph("g")
    graph.to(as_step(lambda _body: {"p": np.float64(0.5), "v": np.arange(3)}), "numbers")

    assert ask(build_application(graph, ServeOptions()), body={})[2] == {"p": 0.5, "v": [0, 1, 2]}


def test_the_pages_for_those_who_run_the_service(application: Application) -> None:
    assert ask(application, "/livez", method="GET")[2] == {"status": "alive"}
    assert ask(application, "/readyz", method="GET")[2] == {"status": "ready", "ready": True, "release": "r" * 64}
    graph = ask(application, "/graph", method="GET")[2]
    assert (graph["name"], graph["release"], list(graph["models"])) == ("sums", "r" * 64, ["sum", "other"])
    assert graph["mermaid"].startswith("flowchart LR")


def test_a_draining_server_answers_on_and_asks_clients_to_go(application: Application) -> None:
    application.is_draining = True

    status, headers, _body = ask(application, body={"a": 1, "b": 1})

    assert (status, headers["connection"]) == (200, "close")
    assert ask(application, "/readyz", method="GET")[0] == 503
    assert ask(application, "/v2/health/ready", method="GET")[0] == 503
    assert ask(application, "/livez", method="GET")[0] == 200


def test_metrics_count_requests_by_status_and_rows_by_model(application: Application) -> None:
    ask(application, body=[{"a": 1, "b": 1}, {"a": 1, "b": 1}])
    ask(application, body={"a": 1, "b": 1}, path="/")
    ask(application, "/nothing")

    lines = ask(application, "/metrics", method="GET")[2].splitlines()

    assert 'graphship_requests_total{status="200"} 2' in lines
    assert 'graphship_requests_total{status="404"} 1' in lines
    assert 'graphship_model_calls_total{model="sum"} 2' in lines
    assert 'graphship_model_rows_total{model="sum"} 3' in lines
    assert "graphship_request_seconds_count 3" in lines
    assert 'graphship_request_seconds_bucket{le="+Inf"} 3' in lines


def test_latencies_fall_into_cumulative_buckets() -> None:
    metrics = Metrics()
    for seconds in (0.0004, 0.0005, 0.003, 20.0):
        metrics.count_request(200, seconds)

    lines = metrics.text(release=None, in_flight=0, capture=None).splitlines()

    assert 'graphship_request_seconds_bucket{le="0.0005"} 2' in lines
    assert 'graphship_request_seconds_bucket{le="0.005"} 3' in lines
    assert 'graphship_request_seconds_bucket{le="10.0"} 3' in lines
    assert 'graphship_request_seconds_bucket{le="+Inf"} 4' in lines
    assert "graphship_request_seconds_sum 20.003900" in lines


def test_model_calls_are_captured_with_the_events_own_id_and_time(tmp_path: Path) -> None:
    options = ServeOptions(captures=tmp_path, release="r1", time_column="at")
    application = build_application(sum_graph(), options)
    assert application.capture is not None

    ask(application, body={"a": 1, "b": 2, "at": "2013-06-15T10:00:00", "event_id": "body"})
    ask(application, body={"a": 1, "b": 2, "at": "2013-06-15T10:00:00"}, x_event_id="h", x_event_time="2013-07-01T00Z")
    ask(application, body=[{"a": 1, "b": 2, "event_id": 5, "at": "2013-06-16"}, {"a": 3, "b": 4}], x_event_id="l")
    application.capture.close()

    table = read_segments(sorted(tmp_path.rglob("*.arrow")))
    assert table["_event_id"] == ["body", "h", "5", "l/1"]
    assert table["_event_time"][:3] == [
        datetime(2013, 6, 15, 10, tzinfo=UTC),
        datetime(2013, 7, 1, tzinfo=UTC),
        datetime(2013, 6, 16, tzinfo=UTC),
    ]
    assert abs(table["_event_time"][3] - datetime.now(UTC)) < timedelta(minutes=1)
    assert table["_output"] == [3.0, 3.0, 3.0, 7.0]
    assert set(table["_release"]) == {"r1"}


def test_capture_does_not_change_the_answer(tmp_path: Path) -> None:
    plain = build_application(sum_graph(), ServeOptions())
    full = build_application(sum_graph(), ServeOptions(captures=tmp_path))
    full.capture = Capture(tmp_path, max_rows=0)
    bodies: list[Any] = [{"a": 1, "b": 2}, [{"a": 1, "b": 2}], [], {"a": "x", "b": 2}, {"a": None, "b": 1}]

    for body in bodies:
        assert ask(plain, body=body, x_event_id="e")[0::2] == ask(full, body=body, x_event_id="e")[0::2]


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("2013-06-15T10:00:00Z", datetime(2013, 6, 15, 10, tzinfo=UTC)),
        ("2013-06-15 10:00", datetime(2013, 6, 15, 10, tzinfo=UTC)),
        ("2013-06-15T10:00:00+02:00", datetime(2013, 6, 15, 10, tzinfo=timezone(timedelta(hours=2)))),
        (1371290400, datetime(2013, 6, 15, 10, tzinfo=UTC)),
        ("yesterday", None),
        (10**30, None),
        (True, None),
        (None, None),
        ([], None),
    ],
)
def test_a_time_is_iso_8601_or_seconds_and_anything_else_is_none(value: Any, expected: datetime | None) -> None:
    assert parse_time(value) == expected


def test_an_event_id_that_is_no_header_is_not_echoed() -> None:
    identity = EventIdentity()
    application = build_application(sum_graph(), ServeOptions())

    for odd in ("line\nbreak", "ünï", "x" * 300):
        status, headers, _body = ask(application, body={"a": 1, "b": 1, "event_id": odd})
        assert (status, headers.get("x-event-id")) == (200, None)
    assert identity.event_id({"event_id": {"a": 1}}, {}) is None


def test_made_up_ids_differ() -> None:
    assert len({Event(None).id for _ in range(1000)}) == 1000


def test_a_trace_id_is_read_from_traceparent() -> None:
    trace = "0af7651916cd43dd8448eb211c80319c"

    assert Event(None, headers={"traceparent": f"00-{trace}-b7ad6b7169203331-01"}).trace_id == trace
    assert Event(None, headers={"traceparent": "nonsense"}).trace_id is None


def through_asgi(door: AsgiDoor, body: list[bytes], path: str = "/", method: str = "POST") -> tuple[int, bytes]:
    chunks = [
        {"type": "http.request", "body": chunk, "more_body": index < len(body) - 1} for index, chunk in enumerate(body)
    ]
    sent: list[dict[str, Any]] = []

    async def receive() -> dict[str, Any]:
        return chunks.pop(0)

    async def send(message: dict[str, Any]) -> None:
        sent.append(message)

    scope = {"type": "http", "method": method, "path": path, "headers": [(b"x-event-id", b"e1")], "root_path": ""}
    asyncio.run(door(scope, receive, send))
    assert (b"content-length", str(len(sent[1]["body"])).encode()) in sent[0]["headers"] or method == "HEAD"
    return sent[0]["status"], sent[1]["body"]


def test_the_asgi_door_answers_bodies_that_come_in_parts(application: Application) -> None:
    status, body = through_asgi(AsgiDoor(application), [b'{"a": 1,', b' "b": 2}'])

    assert (status, orjson.loads(body)) == (200, {"prediction": 3})


def test_the_asgi_door_serves_async_graphs(as_step: AsStep) -> None:
    graph = Graph("g")
    graph.to(as_step(lambda body: body), "same")

    assert through_asgi(AsgiDoor(build_application(graph, ServeOptions())), [b'{"x":1}']) == (200, b'{"x":1}')


def test_the_asgi_door_refuses_a_body_over_the_limit(application: Application) -> None:
    door = AsgiDoor(application, body_limit_bytes=10)

    status, body = through_asgi(door, [b'{"a": 1,', b' "b": 2, "c": 3}'])

    assert (status, orjson.loads(body)["error"]["slug"]) == (413, "body-too-large")


def test_the_asgi_door_follows_the_life_span(application: Application) -> None:
    messages = [{"type": "lifespan.startup"}, {"type": "lifespan.shutdown"}]
    sent: list[str] = []

    async def receive() -> dict[str, Any]:
        return messages.pop(0)

    async def send(message: dict[str, Any]) -> None:
        sent.append(message["type"])

    asyncio.run(AsgiDoor(application)({"type": "lifespan"}, receive, send))

    assert sent == ["lifespan.startup.complete", "lifespan.shutdown.complete"]
