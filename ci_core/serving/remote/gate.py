"""A limit of calls in flight, with a bounded waiting list; of one event loop."""

from __future__ import annotations

import asyncio
import contextlib
from collections import deque


class Gate:
    """Lets so many in at a time; the rest waits in order.

    Args:
        places: how many may be in.
        max_waiting: how many may wait.

    Attributes:
        inside: how many are in.
    """

    def __init__(self, *, places: int, max_waiting: int) -> None:
        self.inside = 0
        self._places, self._max_waiting = places, max_waiting
        self._waiters: deque[asyncio.Future[None]] = deque()

    @property
    def waiting(self) -> int:
        """How many wait."""
        return len(self._waiters)

    @property
    def is_full(self) -> bool:
        """Whether one more can neither go in nor wait."""
        return self.inside >= self._places and len(self._waiters) >= self._max_waiting

    def try_enter(self) -> bool:
        """Go in when there is a place, and say whether there was."""
        if self.inside >= self._places:
            return False
        self.inside += 1
        return True

    async def enter(self, wait_s: float) -> None:
        """Wait for a place and go in.

        Raises:
            TimeoutError: there was none within `wait_s`.
        """
        waiter = asyncio.get_running_loop().create_future()
        self._waiters.append(waiter)
        try:
            async with asyncio.timeout(wait_s):
                await waiter
        except BaseException:
            if waiter.done() and not waiter.cancelled():
                self.leave()  # the place was handed over at this very moment
            else:
                with contextlib.suppress(ValueError):  # `leave` may have passed it over, and dropped it
                    self._waiters.remove(waiter)
            raise

    def leave(self) -> None:
        """Go out; the place goes to the one who waits longest."""
        while self._waiters:
            waiter = self._waiters.popleft()
            if not waiter.done():
                waiter.set_result(None)
                return
        self.inside -= 1
