"""When and where one model is called for the requests of one event loop; what the rules are is in ``batching.py``.

A lane is touched by the thread of its loop alone. At most one of its calls is under way in the model's thread. One that
hangs is left behind there, and counted; the next is made in a new thread, as long as not too many hang.
"""

from __future__ import annotations

import logging
from contextlib import suppress
from functools import partial
from typing import TYPE_CHECKING, Any, Literal, Protocol, TypeAlias

from ci_core.serving.call_times import CallTimes
from ci_core.serving.crashes import CrashError
from ci_core.serving.joint_call import call_together, shape_of
from ci_core.serving.model_thread import ModelThread
from ci_core.serving.problems import OverloadedError
from ci_core.serving.waiting import NEVER, Pending, Waiting, ends_at, too_late

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Callable

    from ci_core.serving.base import ModelCall, Row
    from ci_core.serving.joint_call import Call, Clock, Outcome

    Answered: TypeAlias = tuple[list[Outcome], list[tuple[int, float]]]
    """What each request of a call gets, and what was learned: rows and seconds."""

logger = logging.getLogger(__name__)

Isolation = Literal["never", "deadlines", "always"]
"""Which short calls happen in the model's thread nevertheless, so that one that hangs stops nothing else: none, those
for requests that have a deadline, or all."""

_SHORT_S = 0.002
"""A call up to this long may stop the loop; a hop to a thread and back costs a twentieth of it."""
_QUEUE_COST_S = 0.00001
"""What waiting in the queue costs a request; a model whose fixed time is less gains nothing from it."""
_ALONE = 32
"""After so many calls with no company, requests do not look for it, but for each of that number."""
_HANGS_FACTOR, _HANGS_S = 10.0, 1.0
"""A call that nobody waits for any more hangs when it takes this many times what it should, and this long."""
_HANGS_UNKNOWN_S = 10.0
"""The same of a call of which nothing is known: the first ones of a process may be slow."""
MOST_STUCK = 8
"""Calls of one model that hang in one loop, before no more are made: each of them has a thread and its rows."""


class Rules(Protocol):
    """What a lane goes by: the attributes of a ``Batcher``."""

    name: str
    call: Call
    clock: Clock
    max_rows: int
    window_s: float
    max_waiting_rows: int
    in_flight: Callable[[], int] | None
    joins: bool
    isolate: Isolation
    is_closed: bool


class _UnderWay:
    """A call in the model's thread."""

    __slots__ = ("began", "hangs_at", "requests")

    def __init__(self, requests: list[Pending], began: float, hangs_at: float) -> None:
        self.requests, self.began, self.hangs_at = requests, began, hangs_at

    @property
    def is_left(self) -> bool:
        """Whether nobody waits for it any more."""
        return all(one.answer.done() for one in self.requests)


class Lane:
    """The calls of one event loop.

    Args:
        rules: to go by.
        loop: whose requests these are.

    Attributes:
        waiting: what is to be called next.
        stuck: calls that were left behind, and have not come back.
    """

    def __init__(self, rules: Rules, loop: asyncio.AbstractEventLoop) -> None:
        self.loop = loop
        self.waiting = Waiting()
        self.stuck = 0
        self._rules = rules
        self._times = CallTimes()
        self._next_call: asyncio.Handle | None = None
        self._is_in_window = False
        self._under_way: _UnderWay | None = None
        self._alone = 0  # calls in a row, the latest ones, for a single request
        self._thread: ModelThread | None = None

    def gains_nothing(self, rows: int, deadline: float | None) -> bool:
        """Whether a request of so many rows is best called at once."""
        times, rules = self._times, self._rules
        if (
            self._under_way is not None
            or not times.is_known
            or rules.isolate == "always"
            or (deadline is not None and rules.isolate == "deadlines")
            or times.expected_s(rows) > _SHORT_S
        ):
            return False
        if times.fixed_s < _QUEUE_COST_S or times.useful_rows < 2 * rows:
            return True
        if self._alone < _ALONE or self.waiting or rules.window_s > 0:
            return False
        self._alone += 1
        return self._alone % _ALONE != 0

    def call_directly(self, rows: list[Row], deadline: float | None) -> ModelCall:
        """Call the model here and now."""
        rules = self._rules
        began = rules.clock()
        if deadline is not None and began >= deadline:
            raise too_late()
        if rules.is_closed:
            raise _closed()
        call = rules.call(rows)
        if rows:
            self._times.observe(len(rows), rules.clock() - began)
        return call

    def add(self, rows: list[Row], deadline: float | None) -> Pending:
        """Let a request wait for the next call."""
        shape = shape_of(rows) if self._rules.joins else object()
        return self._add(Pending(rows, len(rows), deadline, self.loop.create_future(), shape=shape))

    def add_work(self, work: Callable[[], Any], n_rows: int, deadline: float | None) -> Pending:
        """Let another operation of the model wait for its turn; it runs in the model's thread, alone."""
        return self._add(Pending([], n_rows, deadline, self.loop.create_future(), shape=object(), work=work))

    def _add(self, pending: Pending) -> Pending:
        if self._rules.is_closed:
            raise _closed()
        self._refuse_if_full(pending.n_rows)
        self.waiting.add(pending)
        if self._next_call is None:
            if self._under_way is None:
                self._plan_call()
        elif self._is_in_window and self._need_not_wait(pending.deadline):
            self._next_call.cancel()
            self._plan_call()
        return pending

    def forget(self, pending: Pending) -> None:
        """Take note that nobody waits for a request any more."""
        if self.waiting.remove(pending):
            return
        call = self._under_way
        if call is not None and call.is_left:
            self.loop.call_later(max(0.0, call.hangs_at - self._rules.clock()), self._leave_behind, call)

    def close(self) -> None:
        """Refuse what waits, in the loop's own thread, and end the thread."""
        with suppress(RuntimeError):  # the loop is closed, and nobody waits
            self.loop.call_soon_threadsafe(self._refuse_all, _closed)
        self.end_thread()

    def end_thread(self) -> None:
        """End the thread, if there is one."""
        if self._thread is not None:
            self._thread.end()
            self._thread = None

    def _refuse_all(self, reason: Callable[[], OverloadedError]) -> None:
        for pending in self.waiting.empty():
            pending.tell(reason())

    def _refuse_if_full(self, n_rows: int) -> None:
        if self.stuck >= MOST_STUCK:
            raise _hangs()
        rows = self.waiting.rows
        if rows and rows + n_rows > self._rules.max_waiting_rows:
            raise OverloadedError(
                f"{rows} rows wait for the model", retry_after_s=max(1.0, self._times.expected_s(rows))
            )

    def _plan_call(self) -> None:
        self._is_in_window = self._rules.window_s > 0 and not self._need_not_wait(self.waiting.earliest_deadline)
        if self._is_in_window:
            self._next_call = self.loop.call_later(self._rules.window_s, self._call_next)
        else:
            self._next_call = self.loop.call_soon(self._call_next)

    def _need_not_wait(self, deadline: float) -> bool:
        """Whether a window ends now: enough wait, or all there are, or a request of this deadline would be late."""
        rules, rows = self._rules, self.waiting.rows
        if rows >= self._most_rows():
            return True
        if ends_at(rules.clock() + rules.window_s, self._times.expected_s(rows)) > deadline:
            return True
        # while nothing is in flight, what waits here comes from elsewhere: out of a queue
        return rules.in_flight is not None and 0 < rules.in_flight() <= self.waiting.requests

    def _most_rows(self) -> float:
        most = self._rules.max_rows
        return min(most, self._times.useful_rows) if self._times.is_known else most

    def _call_next(self) -> None:
        """Call the model for what waits, here or in its thread; what is too much for one call waits for the next."""
        self._next_call = None
        now = self._rules.clock()
        requests = self.waiting.take(now, self._most_rows(), self._times.expected_s)
        if not requests:
            return
        is_known = self._times.is_known and requests[0].work is None
        expected_s = self._times.expected_s(sum([one.n_rows for one in requests])) if is_known else None
        if expected_s is not None and expected_s <= _SHORT_S and self._may_stop_the_loop(requests):
            self._finish(requests, *self._answered(requests))
            return
        hangs_after_s = _HANGS_UNKNOWN_S if expected_s is None else max(_HANGS_S, _HANGS_FACTOR * expected_s)
        call = self._under_way = _UnderWay(requests, now, now + hangs_after_s)
        if self._thread is None:
            self._thread = ModelThread()
        self._thread.put(partial(self._call_in_thread, call))

    def _may_stop_the_loop(self, requests: list[Pending]) -> bool:
        isolate = self._rules.isolate
        return isolate == "never" or (isolate == "deadlines" and all(one.deadline == NEVER for one in requests))

    def _answered(self, requests: list[Pending]) -> Answered:
        """Return what the model says; whatever it raises, somebody waits for each of the requests."""
        rules, work = self._rules, requests[0].work
        try:
            if work is not None:
                return [work()], []
            return call_together(rules.call, [one.rows for one in requests], rules.clock)
        except BaseException as error:  # noqa: BLE001 - as above
            if isinstance(error, Exception):
                return [error for _ in requests], []
            return [CrashError(f"the model raised {type(error).__name__}") for _ in requests], []

    def _call_in_thread(self, call: _UnderWay) -> None:
        answered = self._answered(call.requests)
        with suppress(RuntimeError):  # the loop was closed meanwhile, and nobody waits
            self.loop.call_soon_threadsafe(self._take_back, call, *answered)

    def _take_back(self, call: _UnderWay, outcomes: list[Outcome], durations: list[tuple[int, float]]) -> None:
        if call is not self._under_way:
            self.stuck -= 1  # it had been left behind
            return
        self._under_way = None
        self._finish(call.requests, outcomes, durations)

    def _leave_behind(self, call: _UnderWay) -> None:
        """Give a call up that nobody waits for and that takes far too long, so that the next one can be made."""
        if call is not self._under_way:
            return
        self._under_way = None
        self.stuck += 1
        if self._thread is not None:
            self._thread.leave()
            self._thread = None
        took_s = self._rules.clock() - call.began
        text = "call of a model hangs and is left behind model=%s seconds=%.1f stuck_calls=%d"
        logger.error(text, self._rules.name, took_s, self.stuck)
        if self.stuck >= MOST_STUCK:
            self._refuse_all(_hangs)
        elif self.waiting and self._next_call is None:
            self._plan_call()

    def _finish(self, requests: list[Pending], outcomes: list[Outcome], durations: list[tuple[int, float]]) -> None:
        self._alone = self._alone + 1 if len(requests) == 1 else 0
        for rows, seconds in durations:
            self._times.observe(rows, seconds)
        for pending, outcome in zip(requests, outcomes, strict=True):
            pending.tell(outcome)
        if self.waiting and self._next_call is None:
            self._plan_call()


def _closed() -> OverloadedError:
    return OverloadedError("the model is being closed")


def _hangs() -> OverloadedError:
    return OverloadedError(f"{MOST_STUCK} calls of the model hang", retry_after_s=_HANGS_UNKNOWN_S)
