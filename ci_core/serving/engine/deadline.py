"""The time a request may take, enforced on everything that waits."""

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
    """Return `run` with the graph's own time limit written into the event, unless that has a nearer one."""

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
        remaining_s = event.deadline - monotonic()
        if remaining_s <= 0:
            raise DeadlineError("the deadline passed before the first step")
        try:
            async with asyncio.timeout(remaining_s) as limit:
                return await run(body, event)
        except TimeoutError:
            if not limit.expired():
                raise  # a step's own
            raise _too_late(event) from None

    return limited


def _too_late(event: Event) -> DeadlineError:
    interrupted = event.error is not None and isinstance(event.error.exception, DeadlineError)
    step = event.error.step if interrupted and event.error is not None else None
    error = DeadlineError(f"the deadline passed in step `{step}`" if step else "the deadline passed")
    if step is not None:
        event.error = StepFailure(step=step, exception=error)
    return error
