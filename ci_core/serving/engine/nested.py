"""A graph as one step of another."""

from __future__ import annotations

import asyncio
from time import monotonic
from typing import TYPE_CHECKING, Any

from ci_core.serving.engine.deadline import until_deadline
from ci_core.serving.problems import DeadlineError, StepTimeoutError
from ci_core.serving.steps.adapt import CallableStep, with_paths

if TYPE_CHECKING:
    from collections.abc import Callable

    from ci_core.serving.engine.compiled import Runs
    from ci_core.serving.event import Event
    from ci_core.serving.spec import GraphSpec, StepSpec

    Run = Callable[..., Any]


def nested_step(spec: StepSpec, graph: GraphSpec, runs: Runs, *, is_async: bool) -> CallableStep:
    """Return the callable of a nested graph; it gets a copy of the event, as a branch does.

    Args:
        spec: of the step.
        graph: nested in it.
        runs: of the nested graph.
        is_async: whether they must be awaited.
    """

    def call_of(run: Run, checked: Run) -> Run:
        call = _async(spec.name, run, graph.timeout_s) if is_async else _sync(spec.name, run, checked, graph.timeout_s)
        return with_paths(call, spec, is_async=is_async)

    return CallableStep(
        name=spec.name,
        call=call_of(runs.plain, runs.checked),
        timed_call=call_of(runs.timed, runs.timed),
        wants_event=True,
        is_async=is_async,
    )


def _sync(name: str, run: Run, checked: Run, timeout_s: float | None) -> Run:
    def call(body: Any, event: Event) -> Any:
        return (run if event.deadline is None else checked)(body, event.with_body(body))

    if timeout_s is None:
        return call

    def call_in_time(body: Any, event: Event) -> Any:
        copy = _with_limit(event, body, timeout_s)
        if copy is None:
            return call(body, event)
        try:
            return checked(body, copy)
        except DeadlineError as error:
            raise _own_limit(name, timeout_s) from error

    return call_in_time


def _async(name: str, run: Run, timeout_s: float | None) -> Run:
    async def call(body: Any, event: Event) -> Any:
        copy = event.with_body(body)
        try:
            return await run(body, copy)
        except (asyncio.CancelledError, DeadlineError):
            event.error = copy.error  # says which step in here took so long
            raise

    if timeout_s is None:
        return call
    limited = until_deadline(run)

    async def call_in_time(body: Any, event: Event) -> Any:
        copy = _with_limit(event, body, timeout_s)
        if copy is None:
            return await call(body, event)
        try:
            return await limited(body, copy)
        except DeadlineError as error:
            raise _own_limit(name, timeout_s) from error

    return call_in_time


def _with_limit(event: Event, body: Any, timeout_s: float) -> Event | None:
    """Return a copy of the event with the graph's own limit; None when the request's is nearer, and looked at outside.

    What the own limit ends can be handled, as a failure of the step; what the request's ends cannot.
    """
    limit = monotonic() + timeout_s
    if event.deadline is not None and event.deadline <= limit:
        return None
    copy = event.with_body(body)
    copy.deadline = limit
    return copy


def _own_limit(name: str, timeout_s: float) -> StepTimeoutError:
    return StepTimeoutError(f"the graph `{name}` took longer than {timeout_s:g} s")
