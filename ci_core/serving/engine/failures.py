"""What happens when a step raises: who is told, and who answers instead."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

from ci_core.serving.crashes import failure_of
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
        return _called(handler, body, events)
    except BaseException as raised:  # noqa: BLE001 - raised again, as what it means for the request
        second = failure_of(raised)
        _note(program, handler, second, events)
        raise second  # noqa: B904 - it has its cause


async def handle_async(
    program: Program, node: Node, error: BaseException, body: Any, events: tuple[Event | None, ...]
) -> Any:
    """Do the same where handlers may be async."""
    handler = _handler_of(program, node, error, events)
    try:
        result = _called(handler, body, events)
        return await result if handler.is_async else result
    except BaseException as raised:  # noqa: BLE001 - raised again, as what it means for the request
        second = failure_of(raised)
        _note(program, handler, second, events)
        raise second  # noqa: B904 - it has its cause


def step_of(error: BaseException) -> str | None:
    """Return the step that an error left a graph from; None of one that was raised outside of steps."""
    name: str | None = getattr(error, _MARK, None)
    return name


def interrupted(node: Node, event: Event | None) -> None:
    """Keep in the event which step was running when its time was over."""
    if event is not None:
        event.error = StepFailure(step=node.step.name, exception=DeadlineError("the time was over"))


def _handler_of(program: Program, node: Node, raised: BaseException, events: tuple[Event | None, ...]) -> CallableStep:
    try:
        error = failure_of(raised)
    except asyncio.CancelledError:
        interrupted(node, events[-1])
        raise
    # past the deadline nobody waits for an answer any more, so no handler makes one
    if node.handler is None or isinstance(error, DeadlineError):
        _note(program, node.step, error, events)
        raise error
    _tell(program, node.step, error, events)
    return node.handler


def _called(handler: CallableStep, body: Any, events: tuple[Event | None, ...]) -> Any:
    return handler.call(body, events[0]) if handler.wants_event else handler.call(body)


def _tell(program: Program, step: CallableStep, error: Exception, events: tuple[Event | None, ...]) -> str:
    """Count a failure and write it into the events; return the full name of the step."""
    name: str = getattr(error, _MARK, step.name) if step.is_graph else step.name
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
    setattr(error, _MARK, name)
    note = f"in step `{name}` of graph `{program.graph}`"
    # a step may raise one and the same exception object for every event
    if note not in getattr(error, "__notes__", ()):
        error.add_note(note)
