"""Whatever the graph: behind its queue runs in a test what runs when it is served."""

from __future__ import annotations

from typing import Any

from hypothesis import assume, given, settings
from hypothesis import strategies as st

from ci_core.errors import GraphshipError
from ci_core.serving.queues.testing import QueuedGraph
from ci_core.serving.topology import check
from tests.unit.serving.drawn_graphs import DrawnGraph, drawn_graphs

HEADERS = {"x-event-id": "e-1", "authorization": "Bearer secret", "traceparent": "of-the-client", "x-tenant": "t"}
DELIVERIES = 5
"""By default; what a step refuses (4xx) is not tried again."""


@settings(max_examples=100, deadline=None)
@given(drawn_graphs(queue=True), st.sampled_from(("x", "y")))
def test_what_lies_behind_a_queue_is_run_with_the_same_bodies_and_events_in_a_test_and_through_a_broker(
    drawn: DrawnGraph, kind: str
) -> None:
    try:
        check(drawn.spec)
    except GraphshipError:
        assume(False)
    graph = drawn.graph()
    queued = QueuedGraph(graph)

    at_once = outcome(drawn, graph, kind)
    through_broker = outcome(drawn, queued, kind)

    letters = [(letter.step, letter.error, letter.attempts) for letter in queued.dead_letters("stream")]
    _answer, failure, seen = at_once
    if failure is None or not seen:
        assert through_broker == at_once
        assert letters == []
        return
    # a test tells its author of a failure that nobody waits for when the graph is served
    step, error, is_refused = failure
    attempts = 1 if is_refused else DELIVERIES
    assert through_broker[1:] == (None, seen * attempts)
    assert letters == [(step, error, attempts)]


def outcome(drawn: DrawnGraph, graph: Any, kind: str) -> tuple[Any, Any, list[Any]]:
    """Return the answer, the failure, and what the steps behind the queue saw."""
    drawn.seen.clear()
    try:
        answer = graph.test({"kind": kind, "n": 1}, headers=HEADERS)
    except Exception as error:  # noqa: BLE001 - it is compared
        [note] = error.__notes__
        step = note.removeprefix("in step `").removesuffix("` of graph `g`")
        return (
            "error",
            (step, f"{type(error).__name__}: {error}", getattr(error, "status", 500) < 500),
            list(drawn.seen),
        )
    return answer, None, list(drawn.seen)
