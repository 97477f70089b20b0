"""What happens when a step raises: who is told, and who answers instead."""

from __future__ import annotations

import asyncio
from time import monotonic
from typing import TYPE_CHECKING, Any

from ci_core.serving.crashes import failure_of
from ci_core.serving.engine.deadline import passed_in
from ci_core.serving.event import StepFailure
from ci_core.serving.problems import DeadlineError

if TYPE_CHECKING:
    from ci_core.serving.engine.program import Node, Program
    from ci_core.serving.event import Event
    from ci_core.serving.steps.adapt import CallableStep

_MARK = "__graphship_step__"
"""Attribute of an exception that left a nested graph: the step in there that raised it."""


def handle(program: Program, node: Node, error: BaseException, body: Any, events: tuple[Event | None, ...]) -> Any:
    """Return what the handler of `node` makes of its failure; raise the error again when there is none.

    Args:
        program: that `node` belongs to.
        node: that failed.
        error: that it raised; an order to stop goes on to the caller, see ``crashes.py``.
        body: that it got.
        events: the one that the step was to get, then the one that the request came with.
    """
    handler = _handler_of(program, node, error, events)
    try:
        result = _called(handler, body, events)
        _check_time(handler, events)
    except BaseException as raised:  # noqa: BLE001 - raised again, as what it means for the request
        second = _failure(program, handler, raised, events)
        _note(program, handler, second, events)
        raise second  # noqa: B904 - it has its cause
    return result


async def handle_async(
    program: Program, node: Node, error: BaseException, body: Any, events: tuple[Event | None, ...]
) -> Any:
    """Do the same where handlers may be async."""
    handler = _handler_of(program, node, error, events)
    try:
        result = _called(handler, body, events)
        if handler.is_async:
            result = await result
        _check_time(handler, events)
    except BaseException as raised:  # noqa: BLE001 - raised again, as what it means for the request
        second = _failure(program, handler, raised, events)
        _note(program, handler, second, events)
        raise second  # noqa: B904 - it has its cause
    return result


def step_of(error: BaseException) -> str | None:
    """Return the step that an error left a graph from; None of one that was raised outside of steps."""
    name: str | None = getattr(error, _MARK, None)
    return name


def mark_step(error: Exception, step: str) -> None:
    """Let an error say which step raised it, for the graph that this one is a step of."""
    setattr(error, _MARK, step)


def interrupted(step: CallableStep, events: tuple[Event | None, ...]) -> None:
    """Keep in the events which step was running when the time was over; what is inside of it has told already."""
    told = (event.error for event in events if event is not None and event.error is not None)
    inner = next((one for one in told if isinstance(one.exception, DeadlineError)), None)
    failure = inner or StepFailure(step=step.name, exception=passed_in(step.name))
    for event in events:
        if event is not None:
            event.error = failure


def count_interrupted(program: Program, step: CallableStep, events: tuple[Event | None, ...]) -> None:
    """Count a call that was cancelled as a failure if the time was over: not if a failure beside it ended the event."""
    if program.observer is not None and _is_late(events):
        program.observer.failed(step.number)


def count_until(program: Program, at: int) -> None:
    """Count the calls of a short cut that failed at the node with the index `at`."""
    if program.calls is not None:
        for index in range(at + 1):
            program.calls.each[index] += 1


def ended_by(error: Exception, event: Event | None) -> None:
    """Let the event tell of the failure that ended it, whatever failed or was cancelled beside it."""
    step = step_of(error)
    if event is not None and step is not None:
        event.error = StepFailure(step=step, exception=error)


def _handler_of(program: Program, node: Node, raised: BaseException, events: tuple[Event | None, ...]) -> CallableStep:
    error = _failure(program, node.step, raised, events)
    if node.handler is not None and _is_late(events):
        # nobody waits for an answer any more, so no handler makes one
        error = error if isinstance(error, DeadlineError) else _instead_of(error, node.step)
    if node.handler is None or isinstance(error, DeadlineError):
        _note(program, node.step, error, events)
        raise error
    # where the flow goes on, the request's event is told in the end: branches that begin later take copies of it
    _tell(program, node.step, error, events if node.back_to is None else events[:1])
    if program.handler_calls:
        program.handler_calls[node.handler.number].each[0] += 1
    return node.handler


def _failure(
    program: Program, step: CallableStep, raised: BaseException, events: tuple[Event | None, ...]
) -> Exception:
    """Return the failure of a step that `raised` is; see ``crashes.failure_of``."""
    try:
        return failure_of(raised)
    except asyncio.CancelledError:
        interrupted(step, events)
        count_interrupted(program, step, events)
        raise


def _is_late(events: tuple[Event | None, ...]) -> bool:
    event = events[-1]
    return event is not None and event.deadline is not None and monotonic() >= event.deadline


def _check_time(handler: CallableStep, events: tuple[Event | None, ...]) -> None:
    if _is_late(events):
        raise passed_in(handler.name)


def _instead_of(error: Exception, step: CallableStep) -> DeadlineError:
    """Return what is raised for a step that failed after the deadline."""
    name = _full_name(step, error)
    late = passed_in(name)
    late.__cause__ = error
    mark_step(late, name)
    return late


def _full_name(step: CallableStep, error: Exception) -> str:
    """Return the name of a step, and of the step in it that raised the error when it is a graph."""
    name: str = getattr(error, _MARK, step.name) if step.is_graph else step.name
    return name


def _called(handler: CallableStep, body: Any, events: tuple[Event | None, ...]) -> Any:
    return handler.call(body, events[0]) if handler.wants_event else handler.call(body)


def _tell(program: Program, step: CallableStep, error: Exception, events: tuple[Event | None, ...]) -> str:
    """Count a failure and write it into the events; return the full name of the step."""
    name = _full_name(step, error)
    failure = StepFailure(step=name, exception=error)
    for event in events:
        if event is not None:
            event.error = failure
    if program.observer is not None:
        program.observer.failed(step.number)
    return name


def _note(program: Program, step: CallableStep, error: Exception, events: tuple[Event | None, ...]) -> None:
    """Tell of an error that goes on to the caller, who is told the step by a note."""
    name = _tell(program, step, error, events)
    mark_step(error, name)
    note = f"in step `{name}` of graph `{program.graph}`"
    # a step may raise one and the same exception object for every event
    if note not in getattr(error, "__notes__", ()):
        error.add_note(note)
