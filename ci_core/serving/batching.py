"""Requests that are ready together are answered by one call of the model; none waits while the model is idle.

Three ways of calling, chosen for each call (``lane.py``) by what was learned of the model's durations
(``call_times.py``):

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

A call that hangs takes its thread with it. Its requests, and those that wait behind it, end at their deadlines, which
is the business of whoever awaits them. When all who asked for it have left, and it took ten times what it should (a
second at least; ten while nothing is known), it is left behind, and the next call is made in a new thread, beside it.
When eight calls hang, no more are made until one comes back.

Nothing can interrupt a call in the loop. ``isolate`` keeps short calls in the thread, too: all of them, or those for
requests that have a deadline.
"""

from __future__ import annotations

import asyncio
import threading
import time
from typing import TYPE_CHECKING, Any

from ci_core.serving.lane import MOST_STUCK, Lane

if TYPE_CHECKING:
    from collections.abc import Callable

    from ci_core.serving.base import ModelCall, Row
    from ci_core.serving.joint_call import Call, Clock
    from ci_core.serving.lane import Isolation

_WAITING_ROWS = 4096
"""Rows that may wait in any case, unless told otherwise."""


class Batcher:
    """Joins the calls of one model; awaited instead of the model.

    It may be used from several event loops, in turn or at once: nothing is shared between them.

    Args:
        call: the model's; gets at least one row and answers each.
        name: of the model, for the log.
        max_rows: of one call; a request of more rows is a call of its own.
        window_s: how long to wait for more requests, in seconds; 0 never waits.
        max_waiting_rows: rows that may wait; 16 full calls, but at least 4096, when None.
        in_flight: number of requests the server has begun and not answered; when all of them wait here, a window ends
            at once, since nobody is left to wait for. None, or none of them: unknown, windows run to their end.
        joins: whether requests share calls; else each is a call of its own.
        isolate: which short calls happen in the model's thread nevertheless.
        clock: of deadlines and durations, in seconds.
    """

    def __init__(
        self,
        call: Call,
        *,
        name: str = "model",
        max_rows: int = 1024,
        window_s: float = 0.0,
        max_waiting_rows: int | None = None,
        in_flight: Callable[[], int] | None = None,
        joins: bool = True,
        isolate: Isolation = "never",
        clock: Clock = time.monotonic,
    ) -> None:
        self.call, self.name, self.clock = call, name, clock
        self.max_rows, self.window_s = max_rows, window_s
        self.max_waiting_rows = max(_WAITING_ROWS, 16 * max_rows) if max_waiting_rows is None else max_waiting_rows
        self.in_flight, self.joins, self.isolate = in_flight, joins, isolate
        self.is_closed = False
        self._lanes: dict[asyncio.AbstractEventLoop, Lane] = {}
        self._lanes_lock = threading.Lock()
        self._last: Lane | None = None

    @property
    def waiting_rows(self) -> int:
        """Rows that wait to be called."""
        return sum(lane.waiting.rows for lane in list(self._lanes.values()))

    @property
    def stuck_calls(self) -> int:
        """Calls that were left behind because they hang, and have not come back."""
        return sum(lane.stuck for lane in list(self._lanes.values()))

    @property
    def is_stuck(self) -> bool:
        """Whether so many calls hang that no more are made in a loop."""
        return any(lane.stuck >= MOST_STUCK for lane in list(self._lanes.values()))

    async def __call__(self, rows: list[Row], deadline: float | None = None) -> ModelCall:
        """Answer `rows`, joined with those of other requests where that helps.

        Args:
            rows: of one request.
            deadline: on the clock; rows that still wait then are not computed. None: no deadline.

        Raises:
            RequestError: as the model's call does for these rows.
            DeadlineError: the deadline passed before the call began.
            OverloadedError: too much waits already, too many calls hang, or the model was closed.
            Exception: whatever else the model raises for these rows.
        """
        loop = asyncio.get_running_loop()
        lane = self._last
        if lane is None or lane.loop is not loop:
            lane = self._lane_of(loop)
        if not rows or lane.gains_nothing(len(rows), deadline):
            return lane.call_directly(rows, deadline)
        pending = lane.add(rows, deadline)
        try:
            call: ModelCall = await pending.answer
        except asyncio.CancelledError:
            lane.forget(pending)
            raise
        return call

    async def run(self, work: Callable[[], Any], n_rows: int, deadline: float | None = None) -> Any:
        """Return what `work` returns, another operation of the model for `n_rows` rows, run while no call is made.

        Raises:
            DeadlineError: the deadline passed before it began.
            OverloadedError: see :meth:`__call__`.
            Exception: whatever it raises.
        """
        lane = self._lane_of(asyncio.get_running_loop())
        pending = lane.add_work(work, n_rows, deadline)
        try:
            return await pending.answer
        except asyncio.CancelledError:
            lane.forget(pending)
            raise

    def close(self) -> None:
        """Refuse what comes and what waits, and end the threads; a call that is under way is waited for, up to 1 s."""
        self.is_closed = True
        with self._lanes_lock:
            lanes = list(self._lanes.values())
            self._lanes.clear()
        self._last = None
        for lane in lanes:
            lane.close()

    def _lane_of(self, loop: asyncio.AbstractEventLoop) -> Lane:
        with self._lanes_lock:
            for other in [one for one in self._lanes if one.is_closed()]:
                self._lanes.pop(other).end_thread()
            lane = self._lanes.get(loop)
            if lane is None:
                lane = self._lanes[loop] = Lane(self, loop)
        self._last = lane
        return lane
