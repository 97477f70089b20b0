"""Run sync steps in topological order."""

from __future__ import annotations

from time import monotonic, perf_counter
from typing import TYPE_CHECKING, Any

from ci_core.serving.engine.deadline import check_beginning, passed_in
from ci_core.serving.engine.failures import count_until, handle
from ci_core.serving.engine.flight import Flight
from ci_core.serving.engine.joins import UnfitPartError, blamed
from ci_core.serving.event import Event

if TYPE_CHECKING:
    from ci_core.serving.base import StepObserver
    from ci_core.serving.engine.program import Program


def start_walk(program: Program, body: Any, event: Event | None, times: StepObserver | None = None) -> Any:
    """Run a program from its beginning.

    Args:
        program: without async steps.
        body: of the request or message.
        event: that carries it; one is made when a step wants it.
        times: told how long each step took; None when nobody wants to know.
    """
    if event is None and program.needs_event:
        event = Event(body)
    if event is not None:
        check_beginning(event)
    return _walk(program, Flight(program, body, event), 0, times)


def resume(
    program: Program, at: int, error: BaseException, body: Any, event: Event | None, *, request: Any = None
) -> Any:
    """Go on where a short cut failed.

    Args:
        program: whose short cut it was.
        at: index of the node that failed.
        error: that it raised.
        body: that it got.
        event: of the request.
        request: body that the graph was called with, where there are joins.
    """
    if event is None and program.needs_event:
        event = Event(body)
    node = program.nodes[at]
    count_until(program, at)
    if isinstance(error, UnfitPartError):
        error = blamed(error, node.sources, request)
    own = event.with_body(body) if event is not None and node.shares_event else event
    result = handle(program, node, error, body, (own, event))
    if node.back_to is None:
        return result
    flight = Flight(program, body, event)
    flight.enter(node, body, event)  # the other branches of a fan have the same input
    flight.go_back(node, result, own)
    return _walk(program, flight, at + 1, None)


def _walk(program: Program, flight: Flight, start: int, times: StepObserver | None) -> Any:
    stamp = perf_counter() if times is not None else 0.0
    deadline = None if flight.event is None else flight.event.deadline
    calls = program.calls
    for node in program.nodes[start:]:
        arrived = flight.arrived(node)
        if not arrived:
            continue
        body, step = arrived[0], node.step
        if calls is not None:
            calls.each[node.index] += 1
        event = flight.event_for(node, body)
        try:
            if node.join is not None:
                body = arrived  # what a handler gets when they cannot be joined
                body = flight.joined(node, arrived)
            call = step.call if times is None else step.timed_call or step.call
            result = call(body, event) if step.wants_event else call(body)
            if deadline is not None and monotonic() >= deadline:
                raise passed_in(step.name)
        except BaseException as error:  # noqa: BLE001 - the handler raises it again, or answers
            result = handle(program, node, error, body, (event, flight.event))
            if node.back_to is None:
                return result
            flight.go_back(node, result, event)
        else:
            flight.leave(node, body, result, event)
        if times is not None:
            now = perf_counter()
            times.took(step.number, now - stamp)
            stamp = now
    return flight.answer()
