"""Run async steps: one after the other in a chain, side by side in a graph with branches.

Sync steps are called where they stand. An async step becomes a task only when something else can go on meanwhile; the
first failure that nobody handles ends the event and cancels what is still running.
"""

from __future__ import annotations

import asyncio
import heapq
import sys
from time import monotonic, perf_counter
from typing import TYPE_CHECKING, Any

from ci_core.serving.crashes import failure_of
from ci_core.serving.engine.deadline import passed_in
from ci_core.serving.engine.failures import count_interrupted, count_until, ended_by, handle_async, interrupted
from ci_core.serving.engine.flight import Flight
from ci_core.serving.event import Event
from ci_core.serving.problems import DeadlineError

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine

    from ci_core.serving.base import StepObserver
    from ci_core.serving.engine.program import Node, Program

    AsyncRun = Callable[..., Coroutine[Any, Any, Any]]

_HAS_EAGER_TASKS = sys.version_info >= (3, 12)


def chain_async(program: Program) -> AsyncRun:
    """Return a coroutine function that runs steps one after the other and awaits those that are async."""
    links = tuple((node.index, node.step.call, node.step.wants_event, node.step.is_async) for node in program.nodes)
    names, needs_event = tuple(node.step.name for node in program.nodes), program.needs_event
    calls = program.calls

    async def run(body: Any, event: Event | None = None) -> Any:
        if needs_event and event is None:
            event = Event(body)
        deadline = None if event is None else event.deadline
        at = 0
        try:
            for at, call, wants_event, is_async in links:
                result = call(body, event) if wants_event else call(body)
                if is_async:
                    result = await result
                if deadline is not None and monotonic() >= deadline:
                    raise passed_in(names[at])
                body = result
        except BaseException as error:  # noqa: BLE001 - the handler raises it again, or answers
            return await _resume(program, at, error, body, event)
        if calls is not None:
            calls.whole += 1
        return body

    return run


async def start_drive(program: Program, body: Any, event: Event | None, times: StepObserver | None = None) -> Any:
    """Run a program from its beginning; see ``walk.start_walk``."""
    if event is None and program.needs_event:
        event = Event(body)
    return await _Drive(program, Flight(program, body, event), times).run()


async def _resume(program: Program, at: int, error: BaseException, body: Any, event: Event | None) -> Any:
    """Go on where a short cut failed; see ``walk.resume``."""
    node = program.nodes[at]
    count_until(program, at)
    result = await handle_async(program, node, error, body, (event,))
    if node.back_to is None:
        return result
    flight = Flight(program, body, event)
    flight.go_back(node, result, event)
    return await _Drive(program, flight, None, start=at + 1).run()


class _Drive:
    """One event in a graph whose steps may wait.

    Args:
        program: to run.
        flight: of the event.
        times: told how long each step took.
        start: the first node to run; those before are over.
    """

    def __init__(self, program: Program, flight: Flight, times: StepObserver | None, start: int = 0) -> None:
        self._program, self._flight, self._times = program, flight, times
        self._deadline = None if flight.event is None else flight.event.deadline
        self._missing = [sum(one >= start for one in node.depends_on) for node in program.nodes]
        self._ready = [node.index for node in program.nodes[start:] if not self._missing[node.index]]
        self._running: dict[asyncio.Task[tuple[Any, bool]], tuple[Node, Any, Event | None]] = {}
        self._bell: asyncio.Future[None] | None = None

    async def run(self) -> Any:
        """Return the answer."""
        try:
            while self._ready or self._running:
                while self._ready:
                    node = self._program.nodes[heapq.heappop(self._ready)]
                    arrived = self._flight.arrived(node)
                    if arrived:
                        await self._begin(node, arrived)
                    else:
                        self._release(node)
                for task in await self._ended():
                    await self._end(task)
        except _AnsweredError as answered:
            return answered.answer
        except asyncio.CancelledError:
            running = [self._running[task] for task in sorted(self._running, key=self._order_of_blame)]
            self._count_unheard()
            try:
                await self._cancel()  # steps of nested graphs tell who they are
            finally:
                for node, _, event in running[:1]:
                    interrupted(node.step, (event, self._flight.event))
            raise
        except Exception as error:
            await self._cancel()
            ended_by(error, self._flight.event)
            raise
        finally:
            await self._cancel()
        return self._flight.answer()

    def _order_of_blame(self, task: asyncio.Task[tuple[Any, bool]]) -> tuple[bool, int]:
        """Put first those that noticed themselves that their time was over: they kept the others from going on."""
        noticed = task.done() and not task.cancelled() and isinstance(task.exception(), DeadlineError)
        return not noticed, self._running[task][0].index

    def _count_unheard(self) -> None:
        """Count the failures that nobody takes note of any more."""
        observer = self._program.observer
        for task, (node, _, _) in self._running.items():
            has_failed = task.done() and not task.cancelled() and task.exception() is not None
            if has_failed and node.back_to is None and observer is not None:
                observer.failed(node.step.number)

    async def _ended(self) -> list[asyncio.Task[tuple[Any, bool]]]:
        """Wait until at least one of the running tasks is over; return those that are, in the order of their nodes."""
        # what `asyncio.wait` does, at half its price
        while self._running:
            done = [task for task in self._running if task.done()]
            if done:
                return sorted(done, key=lambda task: self._running[task][0].index)
            self._bell = asyncio.get_running_loop().create_future()
            await self._bell
        return []

    def _ring(self, _task: object) -> None:
        if self._bell is not None and not self._bell.done():
            self._bell.set_result(None)

    async def _begin(self, node: Node, arrived: list[Any]) -> None:
        if self._program.calls is not None:
            self._program.calls.each[node.index] += 1
        body = arrived[0]
        event = self._flight.event_for(node, body)
        try:
            if node.join is not None:
                body = arrived  # what a handler gets when they cannot be joined
                body = self._flight.joined(node, arrived)
        except Exception as error:  # noqa: BLE001 - the handler raises it again, or answers
            await self._fail(node, error, body, event)
            return
        if not node.may_wait or not (self._ready or self._running):
            await self._inline(node, body, event)
            return
        task = _start(self._attempt(node, body, event))
        self._running[task] = (node, body, event)
        if task.done():
            await self._end(task)
        else:
            task.add_done_callback(self._ring)

    async def _inline(self, node: Node, body: Any, event: Event | None) -> None:
        try:
            result, went_back = await self._attempt(node, body, event)
        except asyncio.CancelledError:
            interrupted(node.step, (event, self._flight.event))
            raise
        except Exception as error:
            if node.back_to is not None:
                raise  # the handler has been asked already, and failed
            await self._fail(node, error, body, event)
        else:
            self._arrive(node, body, result, event, went_back=went_back)

    async def _end(self, task: asyncio.Task[tuple[Any, bool]]) -> None:
        node, body, event = self._running.pop(task)
        try:
            result, went_back = task.result()
        except Exception as error:
            if node.back_to is not None:
                raise  # the handler has been asked already, and failed
            await self._fail(node, error, body, event)
        else:
            self._arrive(node, body, result, event, went_back=went_back)

    async def _attempt(self, node: Node, body: Any, event: Event | None) -> tuple[Any, bool]:
        """Return what the step makes of `body`, or what its handler makes of its failure when that leads back."""
        step = node.step
        started = perf_counter() if self._times is not None else 0.0
        try:
            call = step.call if self._times is None else step.timed_call or step.call
            result = call(body, event) if step.wants_event else call(body)
            if step.is_async:
                result = await result
            if self._deadline is not None and monotonic() >= self._deadline:
                raise passed_in(step.name)
        except BaseException as raised:  # noqa: BLE001 - raised again, as what it means for the request
            try:
                error = failure_of(raised)  # here, in the task of the step: some of these would end the loop
            except asyncio.CancelledError:
                count_interrupted(self._program, step, (self._flight.event,))
                raise
            if node.back_to is None:
                raise error  # noqa: B904 - it has its cause
            return await handle_async(self._program, node, error, body, (event, self._flight.event)), True
        if self._times is not None:
            self._times.took(step.number, perf_counter() - started)
        return result, False

    async def _fail(self, node: Node, error: Exception, body: Any, event: Event | None) -> None:
        """End the event, unless the handler leads back into the flow."""
        if node.back_to is None:
            await self._cancel()
        result = await handle_async(self._program, node, error, body, (event, self._flight.event))
        if node.back_to is None:
            raise _AnsweredError(result)
        self._arrive(node, body, result, event, went_back=True)

    def _arrive(self, node: Node, body: Any, result: Any, event: Event | None, *, went_back: bool) -> None:
        if went_back:
            self._flight.go_back(node, result, event)
        else:
            self._flight.leave(node, body, result, event)
        self._release(node)

    def _release(self, node: Node) -> None:
        """Take note that a node is over, and of the nodes that waited for nothing else."""
        for index in node.followers:
            self._missing[index] -= 1
            if not self._missing[index]:
                heapq.heappush(self._ready, index)

    async def _cancel(self) -> None:
        for task in self._running:
            task.cancel()
        if self._running:
            await asyncio.gather(*self._running, return_exceptions=True)
        self._running.clear()


class _AnsweredError(Exception):
    """Ends the run with the result of an error handler."""

    def __init__(self, answer: Any) -> None:
        super().__init__()
        self.answer = answer


def _start(work: Coroutine[Any, Any, Any]) -> asyncio.Task[Any]:
    if _HAS_EAGER_TASKS:
        # runs up to its first suspension here and now; a step that never suspends costs no turn of the loop
        return asyncio.Task(work, loop=asyncio.get_running_loop(), eager_start=True)  # type: ignore[call-arg,unused-ignore]
    # before 3.12 a coroutine that was stepped by hand could not become a task of its own afterwards: what it asked of
    # its current task (a timeout, say) would have been asked of ours
    return asyncio.create_task(work)
