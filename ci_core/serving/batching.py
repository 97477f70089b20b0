"""Requests that are ready together are answered by one call of the model; none waits while the model is idle.

Three ways of calling, chosen for each call by what was learned of the model's durations (``call_times.py``):

- *directly*, when joining gains nothing: the model's time is all in its rows, or so short that a queue costs as much,
  or no two requests were ready together lately;
- *in the loop*, for calls of up to 2 ms: what arrives in one turn of the event loop is called at the end of that turn;
- *in the model's thread*, for longer ones, and as long as nothing is known: the loop goes on reading, and what arrives
  meanwhile is the next call. One thread a loop, so a model is never called twice at once by the requests of one loop.
  A single request takes this way, too: whether a second one comes during its call is not known before, and to go there
  and back costs 0.1 ms, a twentieth of the shortest such call.

What one request gets is what it would get alone: only requests with the same columns are joined, text with text (a
loader may read a column of numbers otherwise when there is text in it), and when a joint call fails, it is repeated in
halves until each failure is that of a single request.

A call that hangs takes its thread with it: its requests, and those that wait behind it, end at their deadlines, which
is the business of whoever awaits them. Nothing can interrupt a call in the loop; ``isolate`` keeps all calls in the
thread, for models that may hang.
"""

from __future__ import annotations

import asyncio
import math
import threading
import time
from collections import deque
from contextlib import suppress
from functools import partial
from typing import TYPE_CHECKING, Any

from ci_core.serving.call_times import CallTimes
from ci_core.serving.crashes import CrashError
from ci_core.serving.joint_call import call_together, shape_of
from ci_core.serving.model_thread import ModelThread
from ci_core.serving.problems import DeadlineError, OverloadedError

if TYPE_CHECKING:
    from collections.abc import Callable

    from ci_core.serving.base import ModelCall, Row
    from ci_core.serving.joint_call import Call, Clock, Outcome, Shape

_SHORT_S = 0.002
"""A call up to this long may stop the loop; a hop to a thread and back costs a twentieth of it."""
_QUEUE_COST_S = 0.00001
"""What waiting in the queue costs a request; a model whose fixed time is less gains nothing from it."""
_ALONE = 32
"""After so many calls with no company, requests do not look for it, but for each of that number."""
_DEADLINE_MARGIN = 1.5
"""Calls are planned to take this many times what they take undisturbed, where a deadline depends on it."""
_NEVER = math.inf
_WAITING_ROWS = 4096
"""Rows that may wait in any case, unless told otherwise."""


class Batcher:
    """Joins the calls of one model; awaited instead of the model.

    It may be used from several event loops, in turn or at once: nothing is shared between them.

    Args:
        call: the model's; gets at least one row and answers each.
        max_rows: of one call; a request of more rows is a call of its own.
        window_s: how long to wait for more requests, in seconds; 0 never waits.
        max_waiting_rows: rows that may wait; 16 full calls, but at least 4096, when None.
        in_flight: number of requests the server has begun and not answered; when all of them wait here, a window ends
            at once, since nobody is left to wait for. None: unknown, windows run to their end.
        isolate: call in the model's thread only, so that a call that hangs does not stop the loop.
        clock: of deadlines and durations, in seconds.
    """

    def __init__(
        self,
        call: Call,
        *,
        max_rows: int = 1024,
        window_s: float = 0.0,
        max_waiting_rows: int | None = None,
        in_flight: Callable[[], int] | None = None,
        isolate: bool = False,
        clock: Clock = time.monotonic,
    ) -> None:
        self.call, self.clock = call, clock
        self.max_rows, self.window_s = max_rows, window_s
        self.max_waiting_rows = max(_WAITING_ROWS, 16 * max_rows) if max_waiting_rows is None else max_waiting_rows
        self.in_flight, self.isolate = in_flight, isolate
        self.is_closed = False
        self._lanes: dict[asyncio.AbstractEventLoop, _Lane] = {}
        self._lanes_lock = threading.Lock()
        self._last: _Lane | None = None

    @property
    def waiting_rows(self) -> int:
        """Rows that wait to be called."""
        return sum(lane.waiting_rows for lane in list(self._lanes.values()))

    async def __call__(self, rows: list[Row], deadline: float | None = None) -> ModelCall:
        """Answer `rows`, joined with those of other requests where that helps.

        Args:
            rows: of one request.
            deadline: on the clock; rows that still wait then are not computed. None: no deadline.

        Raises:
            RequestError: as the model's call does for these rows.
            DeadlineError: the deadline passed before the call began.
            OverloadedError: too much waits already, or the model was closed.
            Exception: whatever else the model raises for these rows.
        """
        loop = asyncio.get_running_loop()
        lane = self._last
        if lane is None or lane.loop is not loop:
            lane = self._lane_of(loop)
        if not rows or lane.gains_nothing(len(rows)):
            return lane.call_directly(rows, deadline)
        pending = lane.add(rows, deadline)
        try:
            return await pending.answer
        except asyncio.CancelledError:
            lane.forget(pending)
            raise

    async def run(self, work: Callable[[], Any], n_rows: int, deadline: float | None = None) -> Any:
        """Return what `work` returns, another operation of the model for `n_rows` rows, run while no call is made.

        Raises:
            DeadlineError: the deadline passed before it began.
            OverloadedError: too much waits already, or the model was closed.
            Exception: whatever it raises.
        """
        loop = asyncio.get_running_loop()
        return await self._lane_of(loop).run(work, n_rows, deadline)

    def close(self) -> None:
        """Refuse what comes and what waits, and end the threads; a call that is under way is waited for, up to 1 s."""
        self.is_closed = True
        with self._lanes_lock:
            lanes = list(self._lanes.values())
            self._lanes.clear()
        self._last = None
        for lane in lanes:
            lane.close()

    def _lane_of(self, loop: asyncio.AbstractEventLoop) -> _Lane:
        with self._lanes_lock:
            for other in [one for one in self._lanes if one.is_closed()]:
                self._lanes.pop(other).end_thread()
            lane = self._lanes.get(loop)
            if lane is None:
                lane = self._lanes[loop] = _Lane(self, loop)
        self._last = lane
        return lane


class _Pending:
    """A request that waits."""

    __slots__ = ("answer", "deadline", "rows", "shape")

    def __init__(self, rows: list[Row], deadline: float | None, answer: asyncio.Future[ModelCall]) -> None:
        self.rows, self.answer = rows, answer
        self.deadline = _NEVER if deadline is None else deadline
        self.shape = shape_of(rows)


class _Lane:
    """The queue of one event loop; touched by that loop's thread alone."""

    def __init__(self, batcher: Batcher, loop: asyncio.AbstractEventLoop) -> None:
        self.loop = loop
        self.waiting_rows = 0
        self._waiting_requests = 0
        self._batcher = batcher
        self._times = CallTimes()
        self._queues: dict[Shape, deque[_Pending]] = {}  # one for each shape; the first is next
        self._next_call: asyncio.Handle | None = None
        self._is_in_window = False
        self._is_calling = False
        self._operations = 0  # given to the thread, and not over
        self._alone = 0  # calls in a row, the latest ones, for a single request
        self._thread: ModelThread | None = None

    def gains_nothing(self, rows: int) -> bool:
        """Whether a request of so many rows is best called at once."""
        times = self._times
        if (
            self._is_calling
            or self._operations
            or not times.is_known
            or self._batcher.isolate
            or times.expected_s(rows) > _SHORT_S
        ):
            return False
        if times.fixed_s < _QUEUE_COST_S or times.useful_rows < 2 * rows:
            return True
        if self._alone < _ALONE or self._queues or self._batcher.window_s > 0:
            return False
        self._alone += 1
        return self._alone % _ALONE != 0

    def call_directly(self, rows: list[Row], deadline: float | None) -> ModelCall:
        batcher = self._batcher
        began = batcher.clock()
        if deadline is not None and began >= deadline:
            raise _too_late()
        if batcher.is_closed:
            raise _closed()
        call = batcher.call(rows)
        if rows:
            self._times.observe(len(rows), batcher.clock() - began)
        return call

    def add(self, rows: list[Row], deadline: float | None) -> _Pending:
        """Put a request into the queue."""
        batcher = self._batcher
        if batcher.is_closed:
            raise _closed()
        self._refuse_if_full(len(rows))
        pending = _Pending(rows, deadline, self.loop.create_future())
        queue = self._queues.get(pending.shape)
        if queue is None:
            queue = self._queues[pending.shape] = deque()
        queue.append(pending)
        self.waiting_rows += len(rows)
        self._waiting_requests += 1
        if self._next_call is None:
            if not self._is_calling:
                self._plan_call(deadline)
        elif self._is_in_window and self._need_not_wait(deadline):
            self._next_call.cancel()
            self._plan_call(deadline)
        return pending

    def forget(self, pending: _Pending) -> None:
        """Take a request out of the queue, if it is still there: what nobody waits for is not kept."""
        queue = self._queues.get(pending.shape)
        if queue is None or pending not in queue:
            return
        queue.remove(pending)
        if not queue:
            del self._queues[pending.shape]
        self._left(pending)

    def close(self) -> None:
        """Refuse what waits, in the loop's own thread, and end the thread."""
        with suppress(RuntimeError):  # the loop is closed, and nobody waits
            self.loop.call_soon_threadsafe(self._refuse_all)
        self.end_thread()

    def end_thread(self) -> None:
        if self._thread is not None:
            self._thread.end()
            self._thread = None

    def _refuse_all(self) -> None:
        for queue in list(self._queues.values()):
            for pending in list(queue):
                self.forget(pending)
                _deliver(pending.answer, _closed())

    def _plan_call(self, deadline: float | None = None) -> None:
        self._is_in_window = self._batcher.window_s > 0 and not self._need_not_wait(deadline)
        if self._is_in_window:
            self._next_call = self.loop.call_later(self._batcher.window_s, self._call_next)
        else:
            self._next_call = self.loop.call_soon(self._call_next)

    def _need_not_wait(self, deadline: float | None) -> bool:
        """Whether a window ends now: enough wait, or all there are, or a request would be late."""
        batcher = self._batcher
        if self.waiting_rows >= self._most_rows():
            return True
        if deadline is not None:
            after_window = batcher.clock() + batcher.window_s
            if self._ends_at(after_window, self.waiting_rows) > deadline:
                return True
        return batcher.in_flight is not None and self._waiting_requests >= batcher.in_flight()

    def _most_rows(self) -> float:
        most = self._batcher.max_rows
        return min(most, self._times.useful_rows) if self._times.is_known else most

    def _call_next(self) -> None:
        """Call the model for what waits, here or in its thread; what is too much for one call waits for the next."""
        self._next_call = None
        requests = self._take()
        if not requests:
            return
        times, batcher = self._times, self._batcher
        rows = sum(len(pending.rows) for pending in requests)
        if times.is_known and not batcher.isolate and not self._operations and times.expected_s(rows) <= _SHORT_S:
            self._finish(requests, *self._answered(requests))
            return
        self._is_calling = True
        self._own_thread().put(partial(self._call_in_thread, requests))

    def _own_thread(self) -> ModelThread:
        if self._thread is None:
            self._thread = ModelThread()
        return self._thread

    def run(self, work: Callable[[], Any], n_rows: int, deadline: float | None) -> asyncio.Future[Any]:
        """Run another operation of the model in its thread; until it is over, all calls are made there, too."""
        batcher = self._batcher
        if batcher.is_closed:
            raise _closed()
        self._refuse_if_full(n_rows)
        answer = self.loop.create_future()
        self._operations += 1
        self.waiting_rows += n_rows

        def run() -> None:
            outcome: Any
            try:
                is_late = deadline is not None and batcher.clock() >= deadline
                outcome = _too_late() if is_late or answer.cancelled() else work()
            except BaseException as error:  # noqa: BLE001 - whatever it is, somebody waits
                outcome = error if isinstance(error, Exception) else CrashError(f"it raised {type(error).__name__}")
            with suppress(RuntimeError):  # the loop was closed meanwhile, and nobody waits
                self.loop.call_soon_threadsafe(self._end_operation, answer, outcome, n_rows)

        self._own_thread().put(run)
        return answer

    def _end_operation(self, answer: asyncio.Future[Any], outcome: Any, n_rows: int) -> None:
        self._operations -= 1
        self.waiting_rows -= n_rows
        _deliver(answer, outcome)

    def _refuse_if_full(self, n_rows: int) -> None:
        if self.waiting_rows and self.waiting_rows + n_rows > self._batcher.max_waiting_rows:
            retry_after_s = max(1.0, self._times.expected_s(self.waiting_rows))
            raise OverloadedError(f"{self.waiting_rows} rows wait for the model", retry_after_s=retry_after_s)

    def _take(self) -> list[_Pending]:
        """Take the requests of one call out of the queue; those that are too late are refused."""
        taken: list[_Pending] = []
        now = self._batcher.clock()
        while self._queues and not taken:
            shape, queue = next(iter(self._queues.items()))
            self._take_from(queue, taken, now)
            del self._queues[shape]
            if queue:
                self._queues[shape] = queue  # the others first
        return taken

    def _take_from(self, queue: deque[_Pending], taken: list[_Pending], now: float) -> None:
        rows, most, earliest = 0, self._most_rows(), _NEVER
        while queue:
            pending = queue[0]
            n_rows, deadline = len(pending.rows), pending.deadline
            if deadline <= now or pending.answer.done():
                self._left(queue.popleft())
                _deliver(pending.answer, _too_late())
                continue
            # one that is late anyway does not keep the others few
            if deadline < earliest and self._ends_at(now, n_rows) <= deadline:
                earliest = deadline
            if taken and (rows + n_rows > most or self._is_late(now, rows + n_rows, earliest)):
                break
            taken.append(queue.popleft())
            rows += n_rows
        self.waiting_rows -= rows
        self._waiting_requests -= len(taken)

    def _is_late(self, now: float, rows: int, deadline: float) -> bool:
        return deadline < _NEVER and self._ends_at(now, rows) > deadline

    def _ends_at(self, now: float, rows: int) -> float:
        return now + _DEADLINE_MARGIN * self._times.expected_s(rows)

    def _left(self, pending: _Pending) -> None:
        self.waiting_rows -= len(pending.rows)
        self._waiting_requests -= 1

    def _answered(self, requests: list[_Pending]) -> tuple[list[Outcome], list[tuple[int, float]]]:
        batcher = self._batcher
        try:
            return call_together(batcher.call, [one.rows for one in requests], batcher.clock)
        except BaseException as error:  # noqa: BLE001 - whatever it is, somebody waits for each of the requests
            return [CrashError(f"the model raised {type(error).__name__}") for _ in requests], []

    def _call_in_thread(self, requests: list[_Pending]) -> None:
        answered = self._answered(requests)
        with suppress(RuntimeError):  # the loop was closed meanwhile, and nobody waits
            self.loop.call_soon_threadsafe(self._take_back, requests, *answered)

    def _take_back(self, requests: list[_Pending], outcomes: list[Outcome], durations: list[tuple[int, float]]) -> None:
        self._is_calling = False
        self._finish(requests, outcomes, durations)

    def _finish(self, requests: list[_Pending], outcomes: list[Outcome], durations: list[tuple[int, float]]) -> None:
        self._alone = self._alone + 1 if len(requests) == 1 else 0
        for rows, seconds in durations:
            self._times.observe(rows, seconds)
        for pending, outcome in zip(requests, outcomes, strict=True):
            _deliver(pending.answer, outcome)
        if self._queues and self._next_call is None:
            self._plan_call()


def _deliver(answer: asyncio.Future[Any], outcome: Any) -> None:
    if answer.done():  # cancelled
        return
    if not isinstance(outcome, Exception):
        answer.set_result(outcome)
    elif isinstance(outcome, StopIteration):  # no future can carry it
        error = RuntimeError("the model raised StopIteration")
        error.__cause__ = outcome
        answer.set_exception(error)
    else:
        answer.set_exception(outcome)


def _too_late() -> DeadlineError:
    return DeadlineError("the deadline passed while the request waited for the model")


def _closed() -> OverloadedError:
    return OverloadedError("the model is being closed")
