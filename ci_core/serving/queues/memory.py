"""The broker inside the process: nothing to install, and nothing survives the end of the process.

A serving process that is told to stop empties its queues before it ends (as far as the time to drain allows) and counts
what it had to drop. Several workers have one such broker each: a message is worked off by the worker that took the
request.
"""

from __future__ import annotations

import asyncio
import heapq
import itertools
import logging
from collections import defaultdict, deque
from dataclasses import dataclass, field
from datetime import UTC, datetime
from time import monotonic
from typing import TYPE_CHECKING, Final

from ci_core.serving.access_log import printable
from ci_core.serving.problems import OverloadedError
from ci_core.serving.queues.base import DEAD_LETTERS_KEPT, DeadLetter, Delivery, retry_wait_s

if TYPE_CHECKING:
    from collections.abc import Callable

    from ci_core.serving.queues.base import Failure, Queue

logger = logging.getLogger(__name__)

WAITING_BYTES: Final = 256 * 1024 * 1024
"""Of one stream's messages that are not acknowledged: the default `max-length` of messages of 2.5 KB."""
DEAD_BYTES: Final = 64 * 1024 * 1024
"""Of one stream's dead letters; of more the oldest are thrown away, and the log says so."""


@dataclass(slots=True)
class _Stream:
    """Messages of one stream. A message is in exactly one of the three."""

    waiting: deque[Delivery] = field(default_factory=deque)
    taken: dict[str, Delivery] = field(default_factory=dict)
    returned: list[tuple[float, int, Delivery]] = field(default_factory=list)
    """Heap of (due, order of return, message): failed, to be delivered again."""
    dead: deque[DeadLetter] = field(default_factory=deque)
    takers: deque[asyncio.Future[None]] = field(default_factory=deque)
    """Those who wait for a message."""
    waiting_bytes: int = 0
    """Of all messages that are not acknowledged."""
    dead_bytes: int = 0

    @property
    def depth(self) -> int:
        return len(self.waiting) + len(self.taken) + len(self.returned)


class MemoryBroker:
    """Keeps messages in this process.

    Args:
        clock: seconds, monotonic.
        retry_wait: attempt → seconds until the next delivery.
        waiting_bytes: of one stream's messages that are not acknowledged; beyond, a put is refused.
        dead_bytes: of one stream's dead letters; beyond, the oldest are thrown away.

    Attributes:
        is_lasting: whether messages survive the process.
    """

    is_lasting = False

    def __init__(
        self,
        *,
        clock: Callable[[], float] = monotonic,
        retry_wait: Callable[[int], float] = retry_wait_s,
        waiting_bytes: int = WAITING_BYTES,
        dead_bytes: int = DEAD_BYTES,
    ) -> None:
        self._clock, self._retry_wait = clock, retry_wait
        self._waiting_bytes, self._dead_bytes = waiting_bytes, dead_bytes
        self._streams: defaultdict[str, _Stream] = defaultdict(_Stream)
        self._ids = itertools.count(1)

    async def put(self, queue: Queue, payload: bytes, *, timeout_s: float = 0.0) -> str:
        """Keep a message; see :class:`~ci_core.serving.queues.base.Broker`."""
        del timeout_s  # nothing to wait for
        stream = self._streams[queue.stream]
        if stream.depth >= queue.max_length:
            raise OverloadedError(f"the queue `{queue.stream}` is full: {queue.max_length} messages wait")
        if stream.waiting_bytes + len(payload) > self._waiting_bytes:
            size = f"{stream.waiting_bytes} bytes of {self._waiting_bytes}"
            raise OverloadedError(f"the queue `{queue.stream}` is full: its messages have {size}")
        stream.waiting_bytes += len(payload)
        message = Delivery(id=str(next(self._ids)), payload=payload, attempt=1)
        stream.waiting.append(message)
        _wake_one(stream)
        return message.id

    async def take(self, queue: Queue, *, count: int, wait_s: float) -> list[Delivery]:
        """Hand out messages: first those that failed and are due again, then new ones."""
        stream = self._streams[queue.stream]
        end = self._clock() + wait_s
        while True:
            found = self._take_now(stream, count)
            now = self._clock()
            if found or now >= end:
                return found
            due = stream.returned[0][0] if stream.returned else end
            await _wait(stream, min(end, due) - now)

    def _take_now(self, stream: _Stream, count: int) -> list[Delivery]:
        found: list[Delivery] = []
        while len(found) < count and stream.returned and stream.returned[0][0] <= self._clock():
            found.append(heapq.heappop(stream.returned)[2])
        while len(found) < count and stream.waiting:
            found.append(stream.waiting.popleft())
        stream.taken.update((one.id, one) for one in found)
        return found

    async def acknowledge(self, queue: Queue, delivery: Delivery) -> None:
        """Forget a message."""
        stream = self._streams[queue.stream]
        if stream.taken.pop(delivery.id, None) is not None:
            stream.waiting_bytes -= len(delivery.payload)

    async def fail(self, queue: Queue, delivery: Delivery, failure: Failure) -> bool:
        """Deliver again after a while, or give up."""
        stream = self._streams[queue.stream]
        if stream.taken.pop(delivery.id, None) is None:
            return False
        if failure.is_final or delivery.attempt >= queue.max_deliveries:
            stream.waiting_bytes -= len(delivery.payload)
            self._bury(queue.stream, delivery, failure)
            return True
        again = Delivery(id=delivery.id, payload=delivery.payload, attempt=delivery.attempt + 1)
        due = self._clock() + self._retry_wait(delivery.attempt)
        heapq.heappush(stream.returned, (due, next(self._ids), again))
        _wake_one(stream)  # whoever waits may have to wait less long
        return False

    def _bury(self, name: str, delivery: Delivery, failure: Failure) -> None:
        stream = self._streams[name]
        letter = DeadLetter(
            id=delivery.id,
            payload=delivery.payload,
            error=failure.error,
            step=failure.step,
            event_id=failure.event_id,
            time=datetime.now(UTC),
            attempts=delivery.attempt,
        )
        stream.dead.append(letter)
        stream.dead_bytes += _size(letter)
        while len(stream.dead) > DEAD_LETTERS_KEPT or (stream.dead_bytes > self._dead_bytes and len(stream.dead) > 1):
            oldest = stream.dead.popleft()
            stream.dead_bytes -= _size(oldest)
            logger.error("dead letter thrown away stream=%s event=%s", name, printable(oldest.event_id))

    async def depth(self, queue: Queue) -> int:
        """Return how many messages are not acknowledged."""
        return self._streams[queue.stream].depth

    async def dead_letters(self, stream: str, *, count: int = 100) -> list[DeadLetter]:
        """Return the oldest dead letters."""
        return list(itertools.islice(self._streams[stream].dead, count))

    async def replay(self, stream: str, letter: DeadLetter) -> bool:
        """Deliver a dead letter again."""
        one = self._streams[stream]
        if letter not in one.dead:
            return False
        one.dead.remove(letter)
        one.dead_bytes -= _size(letter)
        one.waiting_bytes += len(letter.payload)
        one.waiting.append(Delivery(id=letter.id, payload=letter.payload, attempt=1))
        _wake_one(one)
        return True

    async def close(self) -> int:
        """Drop what is left and return how many messages that were."""
        lost = sum(stream.depth for stream in self._streams.values())
        self._streams.clear()
        return lost


def _size(letter: DeadLetter) -> int:
    return len(letter.payload) + len(letter.error)


def _wake_one(stream: _Stream) -> None:
    while stream.takers:
        taker = stream.takers.popleft()
        if not taker.done():
            taker.set_result(None)
            return


async def _wait(stream: _Stream, seconds: float) -> None:
    """Wait for a message, at most `seconds`."""
    taker: asyncio.Future[None] = asyncio.get_running_loop().create_future()
    stream.takers.append(taker)
    try:
        await asyncio.wait((taker,), timeout=seconds)
    finally:
        if taker.done() and not taker.cancelled():
            _pass_on(stream)
        elif taker in stream.takers:
            stream.takers.remove(taker)


def _pass_on(stream: _Stream) -> None:
    """Wake the next taker while there is something to take: the one woken may be cancelled, or take only one."""
    if stream.waiting:
        _wake_one(stream)
