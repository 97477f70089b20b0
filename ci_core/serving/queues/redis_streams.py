"""The broker in Redis (6.2 or newer): a stream and a consumer group a queue; what a dead process held is claimed.

Delivery counts are Redis' own, so they survive the processes. A consumer says three times within `claim_after_s` that
it is still at work on what it took; what nobody spoke for as long as that is handed to another one. Dead letters are
the entries of the stream ``<stream>:dead``.

The client's asyncio flavour is used on the server's own loop: steps behind a queue run there too, and a message crosses
no thread.
"""

from __future__ import annotations

import asyncio
import contextlib
import heapq
import logging
import os
import socket
from dataclasses import dataclass, field
from datetime import UTC, datetime
from time import monotonic
from typing import TYPE_CHECKING, Any, Final

from ci_core.errors import MissingExtraError, QueueUrlError, SharedStreamError
from ci_core.serving.problems import DependencyError, OverloadedError
from ci_core.serving.queues import redis_scripts as scripts
from ci_core.serving.queues.base import DEAD_LETTERS_KEPT, DeadLetter, Delivery, retry_wait_s

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Sequence

    from ci_core.serving.queues.base import Failure, Queue

logger = logging.getLogger(__name__)

SCHEMES: Final = ("redis", "rediss", "unix")
_CLAIM_AFTER_S: Final = 30.0
_FORGET_CONSUMERS_MS: Final = 24 * 3600 * 1000
_FIRST_WAIT_S: Final = 0.02
_LONGEST_WAIT_S: Final = 0.5
_SOCKET_TIMEOUT_S: Final = 5.0
_LONGEST_BLOCK_S: Final = 0.5
"""Of one read: who is told to stop lets it end, as a message may be on its way."""


@dataclass(slots=True)
class _Held:
    """What this process has taken out of one stream and not acknowledged."""

    taken: dict[str, Delivery] = field(default_factory=dict)
    returned: list[tuple[float, str]] = field(default_factory=list)
    """Heap of (due, id): failed, to be delivered again to this process."""
    cursor: bytes = b"0-0"
    claim_at: float = 0.0

    @property
    def ids(self) -> list[str]:
        return [*self.taken, *(id_ for _due, id_ in self.returned)]


class RedisBroker:
    """Keeps messages in Redis Streams.

    Args:
        url: ``redis://[[user]:password@]host[:port][/db]``, ``rediss://…`` (TLS), ``unix:///path?db=0``.
        claim_after_s: how long a process may be silent before another one gets its messages.
        retry_wait: attempt → seconds until the next delivery.

    Attributes:
        is_lasting: whether messages survive the process.

    Raises:
        QueueUrlError: the address is none.
        MissingExtraError: the Redis client is not installed.
    """

    is_lasting = True

    def __init__(
        self,
        url: str,
        *,
        claim_after_s: float = _CLAIM_AFTER_S,
        retry_wait: Callable[[int], float] = retry_wait_s,
    ) -> None:
        try:
            import redis.asyncio
        except ImportError as error:
            raise MissingExtraError(extra="redis", module="redis") from error
        self._url = url
        self._claim_after_s, self._retry_wait = claim_after_s, retry_wait
        self._consumer = ""
        self._held: dict[Queue, _Held] = {}
        self._joined: set[Queue] = set()
        self._keeper: asyncio.Task[None] | None = None
        self._client = _client(redis.asyncio, url)
        self._scripts = {
            source: self._client.register_script(source)
            for name, source in vars(scripts).items()
            if name.isupper() and isinstance(source, str)
        }

    async def put(self, queue: Queue, payload: bytes, *, timeout_s: float) -> str:
        """Keep a message; see :class:`~ci_core.serving.queues.base.Broker`."""
        wait_s = _FIRST_WAIT_S
        end = monotonic() + timeout_s
        while True:
            try:
                async with asyncio.timeout(max(end - monotonic(), 0.0)):
                    id_ = await self._run(scripts.PUT, queue.stream, queue.max_length, payload)
                break
            except (DependencyError, TimeoutError) as error:
                if monotonic() + wait_s >= end:
                    raise DependencyError(f"the queue `{queue.stream}` cannot be reached") from error
            await asyncio.sleep(wait_s)
            wait_s = min(2 * wait_s, _LONGEST_WAIT_S)
        if id_ is None:
            raise OverloadedError(f"the queue `{queue.stream}` is full: {queue.max_length} messages wait")
        return str(id_.decode())

    async def take(self, queue: Queue, *, count: int, wait_s: float) -> list[Delivery]:
        """Hand out messages: those that failed and are due again, those of dead processes, then new ones."""
        await self._join(queue)
        held = self._held.setdefault(queue, _Held())
        found = await self._take_due(queue, held, count)
        if len(found) < count and monotonic() >= held.claim_at:
            found += await self._claim(queue, held, count - len(found))
        if not found:
            next_due = held.returned[0][0] if held.returned else held.claim_at
            until = min(next_due, held.claim_at) - monotonic()
            found = await self._read(queue, count, max(0.0, min(wait_s, until, _LONGEST_BLOCK_S)))
        held.taken.update((one.id, one) for one in found)
        return found

    async def _join(self, queue: Queue) -> None:
        if queue in self._joined:
            return
        if not self._consumer:  # not before: a server may be forked in between
            self._consumer = f"{socket.gethostname()}-{os.getpid()}-{os.urandom(4).hex()}"
        others = await self._run(scripts.JOIN, queue.stream, queue.reader, _FORGET_CONSUMERS_MS)
        if others:
            readers = [other.decode(errors="replace") for other in others]
            raise SharedStreamError(stream=queue.stream, reader=queue.reader, readers=readers)
        self._joined.add(queue)
        if self._keeper is None:
            self._keeper = asyncio.get_running_loop().create_task(self._keep())

    async def _take_due(self, queue: Queue, held: _Held, count: int) -> list[Delivery]:
        found: list[Delivery] = []
        while len(found) < count and held.returned and held.returned[0][0] <= monotonic():
            first = heapq.heappop(held.returned)
            try:
                entry = await self._of_group(scripts.AGAIN, queue, self._consumer, first[1])
            except DependencyError:
                heapq.heappush(held.returned, first)
                raise
            if entry is not None:
                found.append(_delivery(entry))
        return found

    async def _claim(self, queue: Queue, held: _Held, count: int) -> list[Delivery]:
        idle_ms = int(self._claim_after_s * 1000)
        result = await self._of_group(scripts.CLAIM, queue, self._consumer, idle_ms, held.cursor, count)
        if result is None:
            return []
        held.cursor, claimed = result
        if held.cursor == b"0-0":  # all were looked at
            held.claim_at = monotonic() + self._claim_after_s / 2
        return [_delivery(entry) for entry in claimed]

    async def _read(self, queue: Queue, count: int, wait_s: float) -> list[Delivery]:
        waiting = {"block": max(1, int(wait_s * 1000))} if wait_s > 0 else {}
        try:
            async with _translated():
                streams = await self._client.xreadgroup(
                    queue.reader, self._consumer, {queue.stream: ">"}, count=count, **waiting
                )
        except _GroupGoneError:
            self._forget(queue)
            return []
        entries = streams[0][1] if streams else []
        return [_delivery((id_, next(iter(fields.values())), 1)) for id_, fields in entries]

    async def acknowledge(self, queue: Queue, delivery: Delivery) -> None:
        """Forget a message; it is deleted."""
        await self._of_group(scripts.ACKNOWLEDGE, queue, delivery.id)
        self._let_go(queue, delivery)

    async def fail(self, queue: Queue, delivery: Delivery, failure: Failure) -> bool:
        """Deliver again, to this process, after a while; or make it a dead letter."""
        if not failure.is_final and delivery.attempt < queue.max_deliveries:
            due = monotonic() + self._retry_wait(delivery.attempt)
            self._let_go(queue, delivery)
            heapq.heappush(self._held.setdefault(queue, _Held()).returned, (due, delivery.id))
            return False
        letter: dict[str, str | bytes | float] = {
            "m": delivery.payload,
            "error": failure.error,
            "step": failure.step,
            "event_id": failure.event_id,
            "time": datetime.now(UTC).isoformat(),
            "attempts": delivery.attempt,
        }
        fields: list[str | bytes | float] = [part for pair in letter.items() for part in pair]
        buried = await self._of_group(scripts.BURY, queue, delivery.id, DEAD_LETTERS_KEPT, *fields)
        self._let_go(queue, delivery)
        if buried is not None and buried > 1:
            logger.error("dead letters thrown away stream=%s count=%d", queue.stream, buried - 1)
        return bool(buried)

    def _let_go(self, queue: Queue, delivery: Delivery) -> None:
        if queue in self._held:
            self._held[queue].taken.pop(delivery.id, None)

    async def depth(self, queue: Queue) -> int:
        """Return how many messages are not acknowledged, by any process."""
        async with _translated():
            return int(await self._client.xlen(queue.stream))

    async def dead_letters(self, stream: str, *, count: int = 100) -> list[DeadLetter]:
        """Return the oldest dead letters."""
        async with _translated():
            entries = await self._client.xrange(f"{stream}:dead", count=count)
        return [_dead_letter(id_.decode(), fields) for id_, fields in entries]

    async def replay(self, stream: str, letter: DeadLetter) -> bool:
        """Deliver a dead letter again; it moves to the end of its stream."""
        return bool(await self._run(scripts.REPLAY, stream, letter.id, letter.payload))

    async def close(self) -> int:
        """Leave: what was taken and not acknowledged may be claimed at once. Nothing is lost."""
        if self._keeper is not None:
            self._keeper.cancel()
            await asyncio.gather(self._keeper, return_exceptions=True)
            self._keeper = None
        with contextlib.suppress(DependencyError):  # then they are claimed a little later
            for queue, held in self._held.items():
                if held.ids:
                    await self._of_group(scripts.KEEP, queue, self._consumer, self._idle_ms, *held.ids)
                await self._of_group(scripts.LEAVE, queue, self._consumer)
        self._held.clear()
        self._joined.clear()
        async with _translated():
            await self._client.aclose()
        return 0

    @property
    def _idle_ms(self) -> int:
        return int(self._claim_after_s * 1000) + 1

    async def _keep(self) -> None:
        """Say that this process is still at work on what it took, for as long as it lives."""
        while True:
            await asyncio.sleep(self._claim_after_s / 3)
            for queue, held in list(self._held.items()):
                if not held.ids:
                    continue
                try:
                    await self._of_group(scripts.KEEP, queue, self._consumer, 0, *held.ids)
                except DependencyError as error:
                    logger.warning("messages may be delivered twice stream=%s reason=%s", queue.stream, error)

    async def _of_group(self, script: str, queue: Queue, *arguments: str | bytes | float) -> Any:
        """Run a script of the reader's group; return None when the group is gone, and its messages with it."""
        try:
            return await self._run(script, queue.stream, queue.reader, *arguments)
        except _GroupGoneError:
            self._forget(queue)
            return None

    def _forget(self, queue: Queue) -> None:
        """Make the group again at the next take: Redis was emptied, or came back without its data."""
        logger.error("the queue's group is gone, and with it what was not acknowledged stream=%s", queue.stream)
        self._joined.discard(queue)
        self._held.pop(queue, None)

    async def _run(self, script: str, stream: str, *arguments: str | bytes | float) -> Any:
        async with _translated():
            return await self._scripts[script](keys=[stream, f"{stream}:dead"], args=arguments)


class _GroupGoneError(Exception):
    """Redis does not know the group."""


def _client(library: Any, url: str) -> Any:
    from redis.asyncio.retry import Retry
    from redis.backoff import NoBackoff

    try:
        # repeated by us, where the deadline is known and the shutdown is seen
        return library.Redis.from_url(
            url,
            protocol=2,
            retry=Retry(NoBackoff(), 0),
            socket_connect_timeout=_SOCKET_TIMEOUT_S,
            socket_timeout=_SOCKET_TIMEOUT_S,
        )
    except ValueError as error:
        raise QueueUrlError(schemes=SCHEMES) from error


@contextlib.asynccontextmanager
async def _translated() -> AsyncIterator[None]:
    """Turn the client's exceptions into ours; the address, which may hold a password, is in none of them."""
    from redis.exceptions import RedisError

    try:
        yield
    except (RedisError, OSError) as error:
        if "NOGROUP" in str(error):
            raise _GroupGoneError from error
        raise DependencyError(f"the broker failed: {type(error).__name__}: {error}") from error


def _delivery(entry: Sequence[Any]) -> Delivery:
    id_, payload, attempt = entry
    return Delivery(id=id_.decode(), payload=payload, attempt=int(attempt))


def _dead_letter(id_: str, fields: dict[bytes, bytes]) -> DeadLetter:
    return DeadLetter(
        id=id_,
        payload=fields[b"m"],
        error=fields[b"error"].decode(),
        step=fields[b"step"].decode(),
        event_id=fields[b"event_id"].decode(),
        time=datetime.fromisoformat(fields[b"time"].decode()),
        attempts=int(fields[b"attempts"]),
    )
