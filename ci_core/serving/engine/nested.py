"""A graph as one step of another."""

from __future__ import annotations

from time import monotonic
from typing import TYPE_CHECKING, Any

from ci_core.serving.engine.deadline import until_deadline, within
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

    def call_of(run: Run) -> Run:
        call = _sync(run, graph) if not is_async else _async(spec.name, run, graph)
        return with_paths(call, spec, is_async=is_async)

    return CallableStep(
        name=spec.name,
        call=call_of(runs.plain),
        timed_call=call_of(runs.timed),
        wants_event=True,
        is_async=is_async,
    )


def _sync(run: Run, graph: GraphSpec) -> Run:
    limited = run if graph.timeout_s is None else within(run, graph.timeout_s)

    def call(body: Any, event: Event) -> Any:
        return limited(body, event.with_body(body))

    return call


def _async(name: str, run: Run, graph: GraphSpec) -> Run:
    timeout_s = graph.timeout_s
    if timeout_s is None:  # the request's deadline is enforced outside

        async def call(body: Any, event: Event) -> Any:
            return await run(body, event.with_body(body))

        return call
    limited = within(until_deadline(run), timeout_s)

    async def call_in_time(body: Any, event: Event) -> Any:
        try:
            return await limited(body, event.with_body(body))
        except DeadlineError as error:
            if event.deadline is not None and event.deadline <= monotonic():
                raise
            raise StepTimeoutError(f"the graph `{name}` took longer than {timeout_s:g} s") from error

    return call_in_time
