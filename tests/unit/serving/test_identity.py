"""Who an event is, when it happened, and what captures keep of that."""

from __future__ import annotations

import re
import tracemalloc
from datetime import UTC, datetime, timedelta, timezone
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from ci_core.serving import Event, Graph, Router
from ci_core.serving.capture import Capture
from ci_core.serving.event import trace_id_of
from ci_core.serving.identity import EventIdentity, parse_time
from ci_core.serving.segments import read_segments
from tests.unit.serving.asked import Sum, ask, serve, sum_graph

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    AsStep = Callable[[Callable[..., Any]], Callable[..., Any]]


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
