"""The door: owns the port of an environment and passes each request to the server process that is current.

A release is switched by changing :attr:`Door.backend`: a request whose head is complete before goes to the old
process, every later one to the new, on the same client connection. Bodies stream through in both directions, and each
side waits for the other. A slow, broken or silent client is cut off by a deadline and holds nothing of the server's.
"""

from __future__ import annotations

import asyncio
import contextlib
import math
from collections import deque
from dataclasses import dataclass
from http import HTTPStatus
from typing import TYPE_CHECKING, cast

import httptools

from ci_core.deploy.local.exchange import Exchange
from ci_core.deploy.local.wire import CONTINUE, RequestHead, door_answer

if TYPE_CHECKING:
    from ci_core.deploy.local.upstream import Backend
    from ci_core.deploy.local.wire import Headers

_SWEEP_S = 0.5
_LINGER_S = 2.0
"""How long a refused client's remaining bytes are read off, so that our answer is not destroyed by a reset."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DoorLimits:
    """What one client may cost."""

    head_bytes: int = 64 * 1024
    """Request line and headers together. 64 KiB: twice what common servers and browsers use."""
    connections: int = 4096
    """Open client connections; one more is told 503. Below the usual hard limit of open files."""
    idle_s: float = 75.0
    """Without a request. 75 s as nginx; longer than the 60 s of common load balancers, which must close first."""
    head_s: float = 10.0
    """From the first byte of a head to its end."""
    body_s: float = 30.0
    """Between two pieces of a request's body."""
    answer_s: float = 300.0
    """For the server process to begin or continue its answer. Servers have their own, shorter deadlines."""
    write_s: float = 30.0
    """For a client to take what waits for it."""


class Door:
    """Listens, and knows the current server process."""

    def __init__(self, limits: DoorLimits | None = None) -> None:
        self.limits = limits or DoorLimits()
        self.backend: Backend | None = None
        """Gets every request whose head becomes complete from now on; None answers 503."""
        self.is_closing = False
        self.clients: set[_ClientConnection] = set()
        self._is_empty = asyncio.Event()
        self._is_empty.set()
        self._sweeper: asyncio.Task[None] | None = None

    async def listen(self, host: str, port: int) -> asyncio.Server:
        """Open a listening socket; `port` 0 takes a free one.

        Raises:
            OSError: the port is taken or not allowed.
        """
        loop = asyncio.get_running_loop()
        if self._sweeper is None:
            self._sweeper = loop.create_task(self._sweep())
        return await loop.create_server(lambda: _ClientConnection(self), host, port, backlog=1024)

    async def close(self, patience_s: float) -> None:
        """Let requests in flight finish for `patience_s`, then cut everybody off; the listening sockets stay open."""
        self.is_closing = True
        for client in [client for client in self.clients if client.is_idle]:
            client.abort()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(patience_s):
                await self._is_empty.wait()
        for client in list(self.clients):
            client.abort()
        if self._sweeper is not None:
            self._sweeper.cancel()

    def enter(self, client: _ClientConnection) -> None:
        """Count a client in."""
        self.clients.add(client)
        self._is_empty.clear()

    def leave(self, client: _ClientConnection) -> None:
        """Count a client out."""
        self.clients.discard(client)
        if not self.clients:
            self._is_empty.set()

    async def _sweep(self) -> None:
        loop = asyncio.get_running_loop()
        while True:
            await asyncio.sleep(_SWEEP_S)
            now = loop.time()
            for client in [client for client in self.clients if client.deadline < now]:
                client.expire()


class _ClientConnection(asyncio.Protocol):
    """One client's connection: requests one after the other, pipelined ones answered in order."""

    def __init__(self, door: Door) -> None:
        self.peer = b"unknown"
        self.deadline = math.inf
        self.is_full = False
        self._door = door
        self._limits = door.limits
        self._loop = asyncio.get_running_loop()
        self._transport: asyncio.Transport | None = None
        self._parser = httptools.HttpRequestParser(self)
        self._queue: deque[Exchange] = deque()
        """Requests in the order they came; the first is the one being answered."""
        self._target = b""
        self._headers: Headers = []
        self._head_bytes = 0
        self._held: set[str] = set()
        self._is_last = False
        """No request after the ones in the queue will be taken."""
        self._is_lingering = False

    @property
    def is_idle(self) -> bool:
        """Whether no request is under way."""
        return not self._queue

    @property
    def takes_more(self) -> bool:
        is_last_answer = (self._is_last or self._door.is_closing) and len(self._queue) <= 1
        return not is_last_answer

    # asyncio.Protocol

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)
        peer = transport.get_extra_info("peername")
        self.peer = str(peer[0]).encode() if peer else b"unknown"
        self._door.enter(self)
        self.deadline = self._loop.time() + self._limits.idle_s
        if len(self._door.clients) > self._limits.connections:
            self.refuse(HTTPStatus.SERVICE_UNAVAILABLE, "too-many-connections", "too many connections are open")

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002 - the reason makes no difference
        self._door.leave(self)
        for exchange in self._queue:
            exchange.cancel()
        self._queue.clear()

    def data_received(self, data: bytes) -> None:
        if self._is_deaf:
            return
        was_in_head = self._is_in_head
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserUpgrade:
            self._is_last = True  # we speak nothing else; the request itself is answered as usual
        except httptools.HttpParserError:
            self._reject(HTTPStatus.BAD_REQUEST, "malformed-request", "this is not an HTTP/1.1 request")
            return
        # Of a head that is still growing, only the pieces after its first count: that one may hold a body before it.
        self._head_bytes = self._head_bytes + len(data) if was_in_head and self._is_in_head else 0
        if self._head_bytes > self._limits.head_bytes:
            self._reject_head()

    def eof_received(self) -> bool:
        """Keep the way back open for a client that has only finished sending."""
        is_waiting = bool(self._queue) and self._queue[-1].is_received and not self._is_lingering
        self._is_last = True
        return is_waiting

    def pause_writing(self) -> None:
        self.is_full = True
        self.deadline = self._loop.time() + self._limits.write_s
        if self._queue:
            self._queue[0].client_is_full(is_full=True)

    def resume_writing(self) -> None:
        self.is_full = False
        self.progress()
        if self._queue:
            self._queue[0].client_is_full(is_full=False)

    # httptools

    def on_message_begin(self) -> None:
        if self._is_deaf:
            return
        self._target, self._headers = b"", []
        self._queue.append(Exchange(self))
        if len(self._queue) == 1:
            self.deadline = self._loop.time() + self._limits.head_s
        else:
            self.hold("pipeline", is_held=True)

    def on_url(self, url: bytes) -> None:
        self._target += url

    def on_header(self, name: bytes, value: bytes) -> None:
        self._headers.append((name, value))

    def on_headers_complete(self) -> None:
        if self._is_deaf:
            return
        head = RequestHead(
            method=self._parser.get_method(),
            target=self._target,
            headers=self._headers,
            is_http_1_1=self._parser.get_http_version() == "1.1",
            keeps_alive=self._parser.should_keep_alive(),
        )
        self._queue[-1].head = head
        if sum(len(name) + len(value) for name, value in head.headers) + len(head.target) > self._limits.head_bytes:
            self._reject_head()
        elif len(self._queue) == 1:
            self._begin()

    def on_body(self, body: bytes) -> None:
        if not self._is_deaf:
            self.progress()
            self._queue[-1].receive(body)

    def on_message_complete(self) -> None:
        if not self._is_deaf:
            self._queue[-1].finish()
            self.progress()

    # ClientSide, for the exchange

    def write(self, data: bytes) -> None:
        if self._transport is not None:
            self._transport.write(data)

    def refuse(self, status: HTTPStatus, slug: str, message: str) -> None:
        if self._is_lingering or self._transport is None:
            return
        is_answering = bool(self._queue) and self._queue[0].is_started
        for exchange in self._queue:
            exchange.cancel()
        self._queue.clear()
        if is_answering:
            self.abort()
            return
        self._is_lingering = True
        self.deadline = self._loop.time() + _LINGER_S
        self._held.clear()
        self.write(door_answer(status, slug, message))
        if self._transport.can_write_eof() and not self._transport.is_closing():
            self._transport.resume_reading()
            self._transport.write_eof()

    def abort(self) -> None:
        if self._transport is not None:
            self._transport.abort()

    def hold(self, reason: str, *, is_held: bool) -> None:
        was_held = bool(self._held)
        (self._held.add if is_held else self._held.discard)(reason)
        if self._transport is None or self._transport.is_closing() or was_held == bool(self._held):
            return
        (self._transport.pause_reading if self._held else self._transport.resume_reading)()

    def progress(self) -> None:
        """Move the deadline to what is waited for now."""
        if self._is_lingering or self.is_full:
            return
        if not self._queue:
            wait_s = self._limits.idle_s
        elif self._queue[0].is_received or self._held:
            wait_s = self._limits.answer_s
        else:
            wait_s = self._limits.body_s
        self.deadline = self._loop.time() + wait_s

    def exchange_over(self) -> None:
        is_kept = self._queue[0].keeps_alive
        self._queue.popleft()
        if self._transport is None or self._transport.is_closing():
            return
        if not is_kept:
            self._queue.clear()
            self._is_lingering = True
            self._transport.close()
            return
        self.progress()
        self.hold("server", is_held=False)
        if len(self._queue) <= 1:
            self.hold("pipeline", is_held=False)
        if self._queue and self._queue[0].head is not None:
            self._begin()

    # Deadlines and refusals

    def expire(self) -> None:
        """Cut off a client, or a server, that took too long."""
        first = self._queue[0] if self._queue else None
        if first is None or first.is_started or self._is_lingering:
            self.abort()
        elif first.is_received or self._held:
            self.refuse(HTTPStatus.GATEWAY_TIMEOUT, "server-too-slow", "the server process did not answer in time")
        else:
            self.refuse(HTTPStatus.REQUEST_TIMEOUT, "client-too-slow", "the request did not arrive in time")

    def _begin(self) -> None:
        exchange = self._queue[0]
        head = exchange.head
        if head is None:
            return
        if head.method == b"CONNECT":
            self.refuse(HTTPStatus.METHOD_NOT_ALLOWED, "no-tunnel", "CONNECT is not for this server")
            return
        self.progress()
        if head.expects_continue and not exchange.is_received:
            self.write(CONTINUE)
        exchange.begin(self._door.backend)

    @property
    def _is_deaf(self) -> bool:
        """Whether what still comes in is not ours to read: after a refusal, also in the same piece of data."""
        return self._is_lingering or self._is_last

    @property
    def _is_in_head(self) -> bool:
        return bool(self._queue) and self._queue[-1].head is None

    def _reject_head(self) -> None:
        self._reject(
            HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE,
            "head-too-large",
            f"the request's head is larger than {self._limits.head_bytes} bytes",
        )

    def _reject(self, status: HTTPStatus, slug: str, message: str) -> None:
        """Refuse what came last; requests that came in whole before it are answered first."""
        if self._queue and not self._queue[-1].is_received:
            newest = self._queue.pop()
            if not self._queue:
                self._queue.append(newest)
                self.refuse(status, slug, message)
                return
        if self._queue:
            self._is_last = True
        else:
            self.refuse(status, slug, message)
