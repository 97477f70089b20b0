"""Bounded HTTP load from one thread, that remembers what became of every request."""

from __future__ import annotations

import asyncio
import threading
import time
from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Self

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import TracebackType

_PATIENCE_S = 30.0
_RECONNECT_S = 0.02


@dataclass(slots=True)
class Outcomes:
    """What became of the requests."""

    statuses: Counter[int] = field(default_factory=Counter)
    lost_on_kept: int = 0
    """Requests without an answer, on a connection that had carried others."""
    lost_on_new: int = 0
    """The same, as the first request of a connection: the server may have ended just before."""
    refused: int = 0
    """Connections that were not accepted; nothing was asked."""
    latencies_s: list[float] = field(default_factory=list)

    @property
    def lost(self) -> int:
        """Requests without an answer."""
        return self.lost_on_kept + self.lost_on_new

    @property
    def answered(self) -> int:
        """Requests with an answer."""
        return sum(self.statuses.values())


class Load:
    """Sends requests over kept connections, while it is entered.

    Args:
        port: returns where to, asked before each connection.
        body: JSON to post; given the number of the request.
        connections: each sends one request at a time.
        per_s: requests a second of all connections together; None: each sends the next one at once.
    """

    def __init__(
        self,
        port: Callable[[], int],
        body: Callable[[int], bytes],
        *,
        connections: int = 8,
        per_s: float | None = None,
    ) -> None:
        self.outcomes = Outcomes()
        self._port, self._body, self._connections, self._per_s = port, body, connections, per_s
        self._stopping = False
        self._sent = 0
        self._thread = threading.Thread(target=lambda: asyncio.run(self._run()))

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._stopping = True
        self._thread.join()

    def wait_for(self, answered: int) -> None:
        """Return once so many requests are answered.

        Raises:
            TimeoutError: nothing was answered for a while.
        """
        seen, since = -1, time.monotonic()
        while self.outcomes.answered < answered:
            if self.outcomes.answered != seen:
                seen, since = self.outcomes.answered, time.monotonic()
            if time.monotonic() - since > _PATIENCE_S:
                raise TimeoutError(f"{seen} requests were answered, {answered} are waited for: {self.outcomes}")
            time.sleep(0.01)

    async def _run(self) -> None:
        await asyncio.gather(*(self._connection() for _ in range(self._connections)))

    async def _connection(self) -> None:
        while not self._stopping:
            try:
                reader, writer = await asyncio.open_connection("127.0.0.1", self._port())
            except OSError:
                self.outcomes.refused += 1
                await asyncio.sleep(_RECONNECT_S)
                continue
            await self._use(reader, writer)
            writer.close()

    async def _use(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        is_new, is_open = True, True
        next_at = time.monotonic()
        while is_open and not self._stopping:
            if self._per_s is not None:
                next_at += self._connections / self._per_s
                await asyncio.sleep(max(0.0, next_at - time.monotonic()))
            started = time.perf_counter()
            try:
                status, is_open = await self._ask(reader, writer)
            except (OSError, EOFError):
                if is_new:
                    self.outcomes.lost_on_new += 1
                else:
                    self.outcomes.lost_on_kept += 1
                return
            self.outcomes.statuses[status] += 1
            self.outcomes.latencies_s.append(time.perf_counter() - started)
            is_new = False

    async def _ask(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> tuple[int, bool]:
        """Return the status of one request, and whether the connection stays open."""
        body = self._body(self._sent)
        self._sent += 1
        writer.write(b"POST / HTTP/1.1\r\nhost: a\r\ncontent-length: %d\r\n\r\n" % len(body) + body)
        async with asyncio.timeout(_PATIENCE_S):
            head = (await reader.readuntil(b"\r\n\r\n")).lower()
            length = int(head.partition(b"content-length:")[2].partition(b"\r\n")[0])
            await reader.readexactly(length)
        return int(head.split(b" ", 2)[1]), b"connection: close" not in head
