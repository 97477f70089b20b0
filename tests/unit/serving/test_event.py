"""What a step may set of an event."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest

from ci_core.serving import Event, Graph, steps

NOON = datetime(2026, 1, 31, 12, tzinfo=UTC)


@pytest.mark.parametrize(
    "value",
    [
        NOON,
        datetime(2026, 1, 31, 12),  # noqa: DTZ001 - what it means is what is tested
        datetime(2026, 1, 31, 14, tzinfo=timezone(timedelta(hours=2))),
        "2026-01-31T12:00:00Z",
        "2026-01-31 12:00",
        1769860800,
    ],
)
def test_a_step_sets_the_time_of_an_event_in_any_form_that_a_request_may_have(value: Any) -> None:
    event = Event({})

    event.time = value

    assert event.time == NOON
    assert event.has_own_time


@pytest.mark.parametrize("value", ["yesterday", None, True, [2026], {}])
def test_what_is_no_time_is_refused_where_it_is_set(value: Any) -> None:
    event = Event({}, time=NOON)

    with pytest.raises(TypeError, match="the time of an event is a datetime, ISO 8601 text or seconds since 1970"):
        event.time = value

    assert event.time == NOON


@pytest.mark.parametrize(
    ("given", "kept"),
    [
        ("a" * 256, "a" * 256),
        ("x" * 300, "x" * 223 + "~0d4e2ca9e9cbced7a7a5380eb29e1a37"),
        ("\ud800" * 257, "\ud800" * 223 + "~" + "7e3b0dd12f514b9cb114834ea7284cc7"),
    ],
)
def test_an_id_has_256_characters_at_most_however_it_is_set(given: str, kept: str) -> None:
    event, other = Event({}, id=given), Event({})

    other.id = given

    assert (event.id, other.id, event.with_body({}).id) == (kept, kept, kept)
    assert len(event.id) == 256


def test_a_step_finds_all_of_a_request_in_its_event() -> None:
    trace = "0af7651916cd43dd8448eb211c80319c"
    headers = {
        "x-event-id": "e1",
        "x-event-time": "2013-06-15T10:00:00Z",
        "content-type": "application/json",
        "traceparent": f"00-{trace}-b7ad6b7169203331-01",
    }
    seen: list[Event] = []
    graph = Graph("g", timeout=60)
    graph.to(steps.SetEvent(key="user")).to(seen.append, "look", full_event=True)

    graph.test({"user": "u1"}, "/p", method="PUT", headers=headers)

    (event,) = seen
    assert (event.body, event.method, event.path, event.id, event.key) == ({"user": "u1"}, "PUT", "/p", "e1", "u1")
    assert (event.time, event.trace_id) == (datetime(2013, 6, 15, 10, tzinfo=UTC), trace)
    assert (event.content_type, event.headers["x-event-id"]) == ("application/json", "e1")
    assert event.deadline is not None
    assert event.error is None
