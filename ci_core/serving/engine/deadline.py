"""The time a request may take: what waits is cancelled when it is over, what does not is told afterwards.

A step that waits for something (an async one, or one in a thread) is interrupted. A sync step holds the interpreter,
and nobody can interrupt it; the engine looks at the clock when it is through, and goes on no further.
"""

from __future__ import annotations

import asyncio
from time import monotonic
from typing import TYPE_CHECKING, Any

from ci_core.serving.event import Event, StepFailure
from ci_core.serving.problems import DeadlineError

if TYPE_CHECKING:
    from collections.abc import Callable

    Run = Callable[..., Any]


def within(run: Run, timeout_s: float) -> Run:
    """Return `run` with the graph's own time limit written into the event, unless that has a nearer one.

    Args:
        run: that looks at the event's deadline.
        timeout_s: limit in seconds.
    """

    def timed(body: Any, event: Event | None = None) -> Any:
        event = event or Event(body)
        limit = monotonic() + timeout_s
        if event.deadline is None or event.deadline > limit:
            event.deadline = limit
        return run(body, event)

    return timed


def until_deadline(run: Run) -> Run:
    """Return an async `run` that is cancelled when the event's deadline passes."""

    async def limited(body: Any, event: Event | None = None) -> Any:
        if event is None or event.deadline is None:
            return await run(body, event)
        check_beginning(event)
        try:
            async with asyncio.timeout(event.remaining_s) as limit:
                return await run(body, event)
        except TimeoutError:
            if not limit.expired():
                raise  # a step's own
            raise _too_late(event) from None

    return limited


def check_beginning(event: Event) -> None:
    """Let no step begin for an event that comes too late.

    Raises:
        DeadlineError: its deadline has passed.
    """
    if event.deadline is not None and monotonic() >= event.deadline:
        raise DeadlineError("the deadline passed before the first step")


def passed_in(step: str) -> DeadlineError:
    """Return what is raised when the deadline passed while `step` ran."""
    return DeadlineError(f"the deadline passed in step `{step}`")


def _too_late(event: Event) -> DeadlineError:
    """Return what is raised for an event that was cancelled; the engine has kept in it which step was running."""
    step = event.error.step if event.error is not None and isinstance(event.error.exception, DeadlineError) else None
    if step is None:
        return DeadlineError("the deadline passed")
    error = passed_in(step)
    event.error = StepFailure(step=step, exception=error)
    return error
