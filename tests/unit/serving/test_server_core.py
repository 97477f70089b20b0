from __future__ import annotations

import asyncio
import json
import logging
import math
import re
import sys
import tracemalloc
from datetime import UTC, datetime, timedelta, timezone
from typing import TYPE_CHECKING, Any
from urllib.parse import urljoin

import numpy as np
import orjson
import pytest

from ci_core.serving import Event, Graph, Model, RequestError, Router
from ci_core.serving.base import ANSWER, IgnoreCalls, ModelCall, Role
from ci_core.serving.capture import Capture
from ci_core.serving.event import trace_id_of
from ci_core.serving.identity import EventIdentity, parse_time
from ci_core.serving.metrics import Metrics
from ci_core.serving.problems import DependencyTimeoutError, OverloadedError
from ci_core.serving.segments import read_segments
from ci_core.serving.server import Application

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

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


def test_metrics_count_requests_by_status(application: Application) -> None:
    ask(application, body={"a": 1, "b": 1})
    ask(application, body={"a": 1, "b": 1})
    ask(application, "/nothing")

    lines = ask(application, "/metrics", method="GET")[2].splitlines()

    assert 'graphship_requests_total{class="2xx",status="200"} 2' in lines
    assert 'graphship_requests_total{class="4xx",status="404"} 1' in lines


def test_model_calls_are_captured_with_the_events_own_id_and_time(tmp_path: Path) -> None:
    capture = Capture(tmp_path, release="r1")
    capture.start()
    application = serve(sum_graph(), capture=capture, identity=EventIdentity(time_column="at"))

    ask(application, body={"a": 1, "b": 2, "at": "2013-06-15T10:00:00", "event_id": "body"})
    ask(application, body={"a": 1, "b": 2, "at": "2013-06-15T10:00:00"}, x_event_id="h", x_event_time="2013-07-01T00Z")
    ask(application, body=[{"a": 1, "b": 2, "event_id": 5, "at": "2013-06-16"}, {"a": 3, "b": 4}], x_event_id="l")
    capture.close()

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


@pytest.mark.parametrize(("max_rows", "n_captured"), [(100, 4), (1, 1), (0, 0)])
def test_capture_does_not_change_the_answer(max_rows: int, n_captured: int, tmp_path: Path) -> None:
    capture = Capture(tmp_path, max_rows=max_rows)
    plain, captured = serve(sum_graph()), serve(sum_graph(), capture=capture)
    bodies: list[Any] = [
        {"a": 1, "b": 2},
        [{"a": 1, "b": 2}, {"a": 3, "b": 4, "event_id": "own"}, {"a": 5, "b": 6, "event_id": True}],
        [],
        [1, 2],
        {"a": "x", "b": 2},
        {"a": None, "b": 1},
    ]

    for body in bodies:
        assert ask(plain, body=body, x_event_id="e")[0::2] == ask(captured, body=body, x_event_id="e")[0::2]

    capture.flush()
    assert capture.written_rows == n_captured


def test_a_sample_takes_captured_rows_away_and_no_answers(tmp_path: Path) -> None:
    capture = Capture(tmp_path, sample=0.1)
    application = serve(sum_graph(), capture=capture)
    rows = [{"a": number, "b": 1} for number in range(20)]

    one_by_one = [ask(application, body=row, x_event_id=f"e{row['a']}")[2] for row in rows]
    together = [ask(application, body=rows, x_event_id=event_id)[2] for event_id in ("e0", "e1")]

    capture.flush()
    assert one_by_one == [{"prediction": number + 1} for number in range(20)]
    assert together == [[{"prediction": number + 1} for number in range(20)]] * 2
    # the CRC-32 of `e1`, `e5` and `e9` is below a tenth of 2 ** 32, and that of no other of the twenty
    assert read_segments(tmp_path.rglob("*.arrow"))["_event_id"] == [
        *("e1", "e5", "e9"),
        *(f"e1/{number}" for number in range(20)),
    ]


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


def test_an_event_id_that_is_no_header_is_not_echoed_and_is_captured(tmp_path: Path) -> None:
    capture = Capture(tmp_path)
    application = serve(sum_graph(), capture=capture)
    odd = ["line\nbreak", "ünï"]

    answers = [ask(application, body={"a": 1, "b": 1, "event_id": one}) for one in odd]

    capture.flush()
    assert [(status, headers.get("x-event-id")) for status, headers, _body in answers] == [(200, None)] * 2
    assert read_segments(tmp_path.rglob("*.arrow"))["_event_id"] == odd


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ("5", "5"),
        (5, "5"),
        (0, "0"),
        ("", None),
        (None, None),
        (True, None),
        (1.5, None),
        ([1], None),
        ({"a": 1}, None),
    ],
)
def test_the_id_in_a_body_is_text_or_a_whole_number(given: Any, expected: str | None) -> None:
    assert EventIdentity().event_id({"event_id": given}, {}) == expected


X300 = "x" * 300
X300_KEPT = "x" * 223 + "~0d4e2ca9e9cbced7a7a5380eb29e1a37"
"""What `printf 'x%.0s' $(seq 300) | sha256sum` tells."""


def renamed(event: Event) -> Event:
    event.id = X300
    return event


def test_an_id_is_kept_up_to_256_characters_and_then_its_beginning_and_digest_wherever_it_comes_from(
    as_step: AsStep, tmp_path: Path
) -> None:
    capture = Capture(tmp_path)
    application = serve(sum_graph(), capture=capture)
    graph = Graph("g")
    graph.to(as_step(renamed), "rename", full_event=True).to(Router.single({"sum": Sum}), "models")
    by_step = serve(graph, capture=capture)
    row = {"a": 1, "b": 2}
    inputs = [{"name": name, "shape": [1], "datatype": "INT64", "data": [1]} for name in "ab"]

    answers = [
        ask(application, body=row, x_event_id="y" * 256),
        ask(application, body=row, x_event_id=X300),
        ask(application, body=row | {"event_id": X300}),
        ask(application, "/v2/models/sum/infer", {"id": X300, "inputs": inputs}),
        ask(by_step, body=row),
    ]
    ask(application, body=[row, row | {"event_id": X300}], x_event_id="l")

    capture.flush()
    kept = ["y" * 256, *[X300_KEPT] * 4]
    assert [headers["x-event-id"] for _status, headers, _body in answers] == kept
    assert answers[3][2]["id"] == X300  # the protocol wants it back as it was
    assert read_segments(tmp_path.rglob("*.arrow"))["_event_id"] == [*kept, "l/0", X300_KEPT]


INFER = "/v2/models/sum/infer"


@pytest.mark.parametrize("path", ["/", INFER])
@pytest.mark.parametrize("with_own", [True, False])
def test_a_long_id_is_not_held_for_each_row_of_a_request(path: str, with_own: bool, tmp_path: Path) -> None:
    capture = Capture(tmp_path)
    application = serve(sum_graph(), capture=capture)
    n_rows, long_id = 3000, "x" * 30_000
    body: Any = [{"a": 1, "b": 2} for _ in range(n_rows)]
    if with_own:
        body[0]["event_id"] = "own"
    if path == INFER:
        inputs = [{"name": name, "shape": [n_rows], "datatype": "INT64", "data": [1] * n_rows} for name in "ab"]
        own = [{"name": "event_id", "shape": [n_rows], "datatype": "INT64", "data": [7] * n_rows}]
        body = {"id": long_id, "inputs": inputs + own * with_own}
    ask(application, path, body)  # what is made once
    capture.flush()

    tracemalloc.start()
    try:
        assert ask(application, path, body, x_event_id=long_id)[0] == 200
        capture.flush()
        peak_bytes = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()

    assert capture.written_rows == 2 * n_rows
    assert peak_bytes < 10_000_000  # an id a row would be 90 MB


def without_first(rows: list[Any]) -> list[Any]:
    return rows[1:]


@pytest.mark.parametrize(("first_id", "drops_first"), [(None, False), ("own", False), ("own", True), (None, True)])
def test_rows_that_are_split_among_models_keep_their_numbers(
    first_id: str | None, drops_first: bool, as_step: AsStep, tmp_path: Path
) -> None:
    capture = Capture(tmp_path)
    graph = Graph("g")
    flow = graph.to(as_step(without_first), "drop") if drops_first else graph
    flow.to(Router.weighted({"sum": Sum, "other": Sum}, {"sum": 1, "other": 1}, key="user"), "models")
    rows: list[Any] = [{"a": number, "b": 0, "user": f"u{number}"} for number in range(20)]
    if first_id is not None:
        rows[0]["event_id"] = first_id

    ask(serve(graph, capture=capture), body=rows, x_event_id="e")

    capture.flush()
    table = read_segments(tmp_path.rglob("*.arrow"))
    first = 1 if drops_first else 0  # what a step makes of the rows is numbered anew
    expected = {f"e/{number - first}": float(number) for number in range(first, 20)}
    if first_id is not None and not drops_first:
        expected = {first_id if number == 0 else f"e/{number}": float(number) for number in range(20)}
    assert set(table["_model"]) == {"sum", "other"}
    assert len(table["a"]) == len(expected)
    assert dict(zip(table["_event_id"], table["a"], strict=True)) == expected


def test_rows_that_are_no_objects_have_nothing_to_say_of_themselves() -> None:
    event = Event([])

    assert EventIdentity(time_column="at").rows([1, "event_id at", None], event) is None
    assert EventIdentity().rows([1, {"event_id": "k"}, [2]], event) == ((0, None), ("k", None), (2, None))
    assert EventIdentity().rows([{"event_id": ""}], event) == ((None, None),)


def test_a_table_of_tensors_says_who_and_when_of_each_row(tmp_path: Path) -> None:
    capture = Capture(tmp_path)
    application = serve(sum_graph(), capture=capture, identity=EventIdentity(time_column="at"))
    inputs = [
        {"name": "a", "shape": [3], "datatype": "INT64", "data": [1, 2, 3]},
        {"name": "b", "shape": [3], "datatype": "INT64", "data": [1, 2, 3]},
        {"name": "event_id", "shape": [3], "datatype": "BYTES", "data": ["k0", "", "k2"]},
        {"name": "at", "shape": [3], "datatype": "INT64", "data": [0, 86400, 172800]},
    ]

    assert ask(application, INFER, {"id": "v", "inputs": inputs})[0] == 200

    capture.flush()
    table = read_segments(tmp_path.rglob("*.arrow"))
    assert table["_event_id"] == ["k0", "v/1", "k2"]
    assert table["_event_time"] == [datetime(1970, 1, day, tzinfo=UTC) for day in (1, 2, 3)]


def numbered(event: Event) -> Event:
    event.id = 7  # what steps of users do, and no type checker sees
    return event


@pytest.mark.parametrize("fails", [False, True])
def test_an_event_id_that_a_step_makes_a_number_is_told_and_captured_as_text(
    fails: bool, as_step: AsStep, tmp_path: Path
) -> None:
    capture = Capture(tmp_path, sample=0.999999)
    graph = Graph("g")
    chain = graph.to(as_step(numbered), "number", full_event=True).to(Router.single({"sum": Sum}), "models")
    if fails:
        chain.to(as_step(lambda _body: 1 / 0), "divide")
    application = serve(graph, capture=capture, access_log=True)

    status, headers, answer = ask(application, body={"a": 1, "b": 2})

    capture.flush()
    assert (status, headers["x-event-id"]) == (500 if fails else 200, "7")
    assert answer == (
        {"error": {"slug": "step-failed", "message": "the step `divide` failed", "step": "divide", "event_id": "7"}}
        if fails
        else {"prediction": 3}
    )
    assert f'status="{status}"}} 1' in application.metrics.text()
    assert read_segments(tmp_path.rglob("*.arrow"))["_event_id"] == ["7"]


@pytest.mark.parametrize(
    ("given", "expected"), [("a", "a"), (7, "7"), (np.int64(7), "7"), (0, "0"), (None, r"\w+-\w+"), ("", r"\w+-\w+")]
)
def test_whatever_is_set_as_an_events_id_becomes_text_that_is_not_empty(given: Any, expected: str) -> None:
    event = Event({})

    event.id = given

    assert type(event.id) is str
    assert re.fullmatch(expected, event.id)


def test_made_up_ids_differ() -> None:
    assert len({Event(None).id for _ in range(1000)}) == 1000


def test_a_trace_id_is_read_from_traceparent() -> None:
    trace = "0af7651916cd43dd8448eb211c80319c"

    assert Event(None, headers={"traceparent": f"00-{trace}-b7ad6b7169203331-01"}).trace_id == trace
    assert Event(None, headers={"traceparent": "nonsense"}).trace_id is None


def test_only_a_valid_traceparent_is_taken_and_passed_on() -> None:
    seen: list[dict[str, str]] = []
    application = serve(noting_graph(seen))
    valid = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"

    good = ask(application, body={}, traceparent=valid, tracestate="a=1")[1]
    bad = ask(application, body={}, traceparent=valid.upper(), tracestate="a=1")[1]

    assert (good["traceparent"], "traceparent" in bad) == (valid, False)
    assert seen == [{"traceparent": valid, "tracestate": "a=1"}, {}]


@pytest.mark.parametrize(
    "traceparent",
    [
        "",
        "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331",
        "ff-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
        "00-00000000000000000000000000000000-b7ad6b7169203331-01",
        "00-0af7651916cd43dd8448eb211c80319c-0000000000000000-01",
        "00-0AF7651916CD43DD8448EB211C80319C-b7ad6b7169203331-01",
        "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01-more",
        "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01\n",
    ],
)
def test_a_traceparent_that_the_standard_does_not_allow_is_none(traceparent: str) -> None:
    assert trace_id_of(traceparent) is None


def test_a_traceparent_of_a_later_version_may_have_more_fields() -> None:
    trace = "0af7651916cd43dd8448eb211c80319c"

    assert trace_id_of(f"01-{trace}-b7ad6b7169203331-01-what-comes") == trace


def noting_graph(seen: list[dict[str, str]]) -> Graph:
    class Note:
        def do_event(self, event: Event) -> Any:
            seen.append({name: event.headers[name] for name in ("traceparent", "tracestate") if name in event.headers})
            return event.body

    graph = Graph("g")
    graph.to(Note, "note")
    return graph


def test_an_event_finds_its_time_when_it_is_asked() -> None:
    before = datetime.now(UTC)
    arrived = Event(None).time
    given = Event(None, headers={"x-event-time": "2013-06-15T10:00:00Z"})
    odd = Event(None, headers={"x-event-time": "yesterday"})

    assert before - timedelta(seconds=1) <= arrived <= datetime.now(UTC)
    assert given.time == given.with_body(1).time == datetime(2013, 6, 15, 10, tzinfo=UTC)
    assert odd.time >= before - timedelta(seconds=1)
    given.time = datetime(2014, 1, 1, tzinfo=UTC)
    assert given.time == datetime(2014, 1, 1, tzinfo=UTC)


def test_a_copy_of_an_event_carries_everything_but_the_body() -> None:
    event = Event(1, path="/p", method="PUT", headers={"a": "b"}, id="i", content_type="c", deadline=4.0)
    event.key, event.rows = "k", (("r", datetime(2013, 1, 1, tzinfo=UTC)),)

    copy = event.with_body(2)

    assert copy.body == 2
    for name in ("path", "method", "headers", "id", "content_type", "deadline", "key", "rows", "error", "time"):
        assert getattr(copy, name) == getattr(event, name)


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


def test_the_root_says_what_is_served_and_where_what_is(application: Application) -> None:
    status, headers, told = ask(application, "/", method="GET", accept="*/*")

    assert (status, headers["vary"]) == (200, "accept")
    assert told == {
        "name": "sums",
        "release": "r" * 64,
        "links": {
            "docs": "docs",
            "openapi": "openapi.json",
            "graph": "graph",
            "models": "v2/models",
            "protocol": "v2",
            "metrics": "metrics",
            "ready": "readyz",
        },
    }


@pytest.mark.parametrize("prefix", ["", "/api", "/a/b"])
def test_the_links_of_the_root_lead_to_its_pages_below_any_prefix(prefix: str, application: Application) -> None:
    links = ask(application, "/", method="GET")[2]["links"].values()

    found = [urljoin(f"http://host{prefix}/", link).removeprefix(f"http://host{prefix}") for link in links]

    assert [ask(application, page, method="GET")[0] for page in found] == [200] * 7
    assert ask(application, "//", method="GET")[2]["links"]["models"] == "../v2/models"


def test_a_browser_is_sent_from_the_root_to_the_page_for_people(application: Application) -> None:
    accept = {"accept": "text/html,application/xhtml+xml,*/*;q=0.8"}

    assert application.handle("GET", "/", accept, b"")[:2] == (
        303,
        [("location", "docs"), ("vary", "accept"), ("x-graphship-release", "r" * 64)],
    )
    assert application.handle("GET", "//", accept, b"")[1][0] == ("location", "../docs")


def test_what_is_not_asked_of_the_root_is_refused_with_what_may_be(application: Application) -> None:
    status, headers, answer = ask(application, "/", {}, "PUT")

    assert (status, headers["allow"]) == (405, "GET, HEAD, POST, OPTIONS")
    assert answer["error"]["message"] == "`/` does not take PUT; it takes GET, HEAD, POST"


def test_a_body_for_the_root_with_more_slashes_is_told_that_none_is_taken_there(application: Application) -> None:
    status, headers, answer = ask(application, "//", {})

    assert (status, headers["allow"]) == (405, "GET, HEAD, OPTIONS")
    assert answer["error"]["message"] == "`//` does not take POST; it takes GET, HEAD"


@pytest.mark.parametrize(("path", "location"), [("/docs/", "../docs"), ("/docs//", "../../docs")])
def test_the_page_with_a_slash_leads_to_the_one_without_whose_links_work(
    path: str, location: str, application: Application
) -> None:
    status, headers, body = application.handle("GET", path, {}, b"")

    assert (status, headers[0], body) == (308, ("location", location), b"")


def test_every_path_tells_its_methods(application: Application) -> None:
    assert application.handle("OPTIONS", "/", {}, b"")[:2] == (
        204,
        [("allow", "GET, HEAD, POST, OPTIONS"), ("x-graphship-release", "r" * 64)],
    )
    for path in ("/livez", "/v2", "/v2/models/sum", "/v2/models/sum/ready"):
        status, headers, body = application.handle("OPTIONS", path, {}, b"")
        assert (status, headers[0], body) == (204, ("allow", "GET, HEAD, OPTIONS"), b"")
    assert application.handle("OPTIONS", "/v2/models/sum/infer", {}, b"")[1][0] == ("allow", "POST, OPTIONS")
    assert application.handle("OPTIONS", "/none", {}, b"")[0] == 404
    assert ask(application, "/livez", {}, "PUT")[1]["allow"] == "GET, HEAD, OPTIONS"
    assert ask(application, "/v2/models/sum/infer", method="GET")[1]["allow"] == "POST, OPTIONS"
    assert ask(application, "/livez", method="HEAD")[0] == 200


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


def test_a_model_that_is_not_ready_makes_the_server_unready(application: Application) -> None:
    application.plan.unready = lambda: {"other": "it is being loaded"}  # type: ignore[method-assign]

    status, _headers, answer = ask(application, "/readyz", method="GET")

    assert (status, answer["models"]) == (503, {"other": "it is being loaded"})
    assert ask(application, "/v2/health/ready", method="GET")[0] == 503
    assert ask(application, "/v2/models/other/ready", method="GET")[0] == 503
    assert ask(application, "/v2/models/sum/ready", method="GET")[0] == 200


@pytest.mark.parametrize("status", [99, 200, 399, 600, 1000])
def test_a_failure_with_a_status_of_no_failure_is_refused_where_it_is_made(status: int) -> None:
    with pytest.raises(ValueError, match="the status of a failure is 400 to 599"):
        RequestError("no", status=status)
