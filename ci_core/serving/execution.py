"""The four ways a plan runs: a chain or branches, sync or async.

Each function here takes prepared steps and returns ``run(body, event)``. In an async graph, steps that could run side
by side become tasks; all others are awaited in place. Costs per event are measured in ``bench/serving``.
"""

from __future__ import annotations

import asyncio
import sys
from dataclasses import dataclass
from operator import length_hint
from typing import TYPE_CHECKING, Any, TypeAlias

from ci_core.serving.event import Event
from ci_core.serving.spec import REQUEST
from ci_core.serving.topology import upstream

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Iterable, Mapping, Sequence

    from ci_core.serving.spec import GraphSpec
    from ci_core.serving.steps.adapt import CallableStep
    from ci_core.serving.topology import Topology

Run: TypeAlias = "Callable[[Any, Event | None], Any]"
OnError: TypeAlias = "Callable[[str, Exception, Any, Event | None], Any]"

_HAS_EAGER_TASKS = sys.version_info >= (3, 12)


def chain(steps: Sequence[CallableStep], on_error: OnError) -> Run:
    """Return a function that calls sync steps one after the other."""
    if not any(step.wants_event for step in steps):
        return _chain_of_bodies(steps, on_error)
    links = tuple((step.call, step.wants_event, step.name) for step in steps)

    def run(body: Any, event: Event | None) -> Any:
        if event is None:
            event = Event(body)
        name = ""
        try:
            for call, wants_event, name in links:  # noqa: B007 - after the loop `name` tells which step failed
                body = call(body, event) if wants_event else call(body)
        except Exception as error:  # noqa: BLE001 - the handler raises it again, or answers
            return on_error(name, error, body, event)
        return body

    return run


def _chain_of_bodies(steps: Sequence[CallableStep], on_error: OnError) -> Run:
    """Return the chain of steps that never see the event: nothing but the calls happens while all goes well."""
    calls = tuple(step.call for step in steps)

    def run(body: Any, event: Event | None) -> Any:
        rest = iter(calls)
        try:
            for call in rest:
                body = call(body)
        except Exception as error:  # noqa: BLE001 - the handler raises it again, or answers
            failed = steps[len(calls) - length_hint(rest) - 1]
            return on_error(failed.name, error, body, event)
        return body

    return run


def chain_async(steps: Sequence[CallableStep], on_error: OnError) -> Run:
    """Return a coroutine function that calls steps one after the other and awaits those that are async."""
    links = tuple((step.call, step.wants_event, step.is_async, step.name) for step in steps)
    needs_event = any(step.wants_event for step in steps)

    async def run(body: Any, event: Event | None) -> Any:
        if needs_event and event is None:
            event = Event(body)
        name = ""
        try:
            for call, wants_event, is_async, name in links:  # noqa: B007 - `name` tells which step failed
                result = call(body, event) if wants_event else call(body)
                body = await result if is_async else result
        except Exception as error:  # noqa: BLE001 - the handler raises it again, or answers
            return await _settle(on_error(name, error, body, event))
        return body

    return run


@dataclass(frozen=True, slots=True, kw_only=True)
class Operation:
    """One step of a graph with branches."""

    step: CallableStep
    inputs: tuple[int, ...]
    """Slots whose values it gets: slot 0 is the request, slot n the n-th operation. Of several it gets the list."""
    runs_beside: bool
    """Whether it is async and there is another step that neither waits for it nor is waited for."""

    def take(self, slots: Sequence[Any]) -> Any:
        """Return the body that the step gets."""
        if len(self.inputs) == 1:
            return slots[self.inputs[0]]
        return [slots[index] for index in self.inputs]

    def call(self, body: Any, event: Event | None) -> Any:
        """Call the step; branches must not share one event, so each gets a copy."""
        if event is None or not self.step.wants_event:
            return self.step.call(body)
        return self.step.call(body, event.with_body(body))


def operations(spec: GraphSpec, topology: Topology, steps: Mapping[str, CallableStep]) -> tuple[Operation, ...]:
    """Return the steps of a graph in their order, with where each gets its input from."""
    slot = {REQUEST: 0} | {name: index for index, name in enumerate(topology.order, start=1)}
    after = {step.name: step.after for step in spec.steps}
    above = {name: upstream(spec, name) for name in topology.order}

    def has_neighbour(name: str) -> bool:
        return any(other != name and name not in above[other] and other not in above[name] for other in topology.order)

    return tuple(
        Operation(
            step=steps[name],
            inputs=tuple(slot[one] for one in after[name]),
            runs_beside=steps[name].is_async and has_neighbour(name),
        )
        for name in topology.order
    )


def branches(flow: Sequence[Operation], answer: int, on_error: OnError) -> Run:
    """Return a function that runs sync steps in topological order.

    Args:
        flow: the operations.
        answer: slot of the answer.
        on_error: told of a failure; its result is the answer.
    """
    needs_event = any(one.step.wants_event for one in flow)

    def run(body: Any, event: Event | None) -> Any:
        if needs_event and event is None:
            event = Event(body)
        slots = [body]
        for one in flow:
            taken = one.take(slots)
            try:
                slots.append(one.call(taken, event))
            except Exception as error:  # noqa: BLE001 - the handler raises it again, or answers
                return on_error(one.step.name, error, taken, event)
        return slots[answer]

    return run


def branches_async(flow: Sequence[Operation], answer: int, on_error: OnError) -> Run:
    """Return a coroutine function that runs steps in topological order, async branches side by side.

    Args:
        flow: the operations.
        answer: slot of the answer.
        on_error: told of the first failure; its result is the answer, and steps still running are cancelled.
    """
    needs_event = any(one.step.wants_event for one in flow)

    async def run(body: Any, event: Event | None) -> Any:
        if needs_event and event is None:
            event = Event(body)
        slots = [body]
        tasks: dict[int, asyncio.Task[Any]] = {}
        try:
            for output, one in enumerate(flow, start=1):
                await _collect(one.inputs, slots, tasks)
                work = _guarded(one, one.take(slots), event)
                if one.runs_beside:
                    tasks[output] = _start(work)
                slots.append(None if one.runs_beside else await work)
            await _collect((answer,), slots, tasks)
        except _StepFailedError as failed:
            return await _settle(on_error(failed.step, failed.error, failed.body, event))
        finally:
            await _cancel(tasks.values())
        return slots[answer]

    return run


class _StepFailedError(Exception):
    """Carries a step's exception out of a task, with what the error handler needs."""

    def __init__(self, step: str, error: Exception, body: Any) -> None:
        super().__init__(step)
        self.step, self.error, self.body = step, error, body


async def _guarded(operation: Operation, body: Any, event: Event | None) -> Any:
    try:
        result = operation.call(body, event)
        return await result if operation.step.is_async else result
    except Exception as error:
        raise _StepFailedError(operation.step.name, error, body) from error


async def _collect(inputs: Iterable[int], slots: list[Any], tasks: dict[int, asyncio.Task[Any]]) -> None:
    """Wait for those of `inputs` that are still running."""
    for index in inputs:
        if index in tasks:
            slots[index] = await tasks.pop(index)


def _start(work: Coroutine[Any, Any, Any]) -> asyncio.Task[Any]:
    if _HAS_EAGER_TASKS:
        # runs up to its first suspension here and now; a step that never suspends costs no turn of the loop
        return asyncio.Task(work, loop=asyncio.get_running_loop(), eager_start=True)  # type: ignore[call-arg,unused-ignore]
    return asyncio.create_task(work)


async def _cancel(tasks: Iterable[asyncio.Task[Any]]) -> None:
    running = list(tasks)
    for task in running:
        task.cancel()
    if running:
        await asyncio.gather(*running, return_exceptions=True)


async def _settle(result: Any) -> Any:
    """Return the answer of an error handler, which may be async too."""
    return await result if asyncio.iscoroutine(result) else result
