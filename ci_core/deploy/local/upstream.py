"""The door's side towards a server process: pooled connections and the count of requests in flight."""

# ruff: noqa: D102 - the callbacks are asyncio's and httptools'; what they promise is said there
from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Protocol, cast

import httptools

from ci_core.deploy.local.wire import AnswerHead

if TYPE_CHECKING:
    from ci_core.deploy.local.wire import Headers

_IDLE_S = 3.0
"""A pooled connection older than this is not used again. Servers close idle ones after 5 s (uvicorn) to 30 s (granian);
staying well below keeps a request from meeting a connection that closes at that moment."""
_CONNECT_TIMEOUT_S = 5.0


class AnswerReceiver(Protocol):
    """Who asked: gets the answer piece by piece."""

    @property
    def is_head_request(self) -> bool:
        """Whether the answer has no body whatever its head says."""

    def answer_head(self, head: AnswerHead) -> None:
        """Take the head."""

    def answer_body(self, data: bytes) -> None:
        """Take a piece of the body, unframed."""

    def answer_end(self, upstream: UpstreamConnection, *, is_reusable: bool) -> None:
        """Take note of the end; the connection is the receiver's to give back or close."""

    def upstream_lost(self) -> None:
        """Take note that the connection broke before the end."""

    def upstream_is_full(self, *, is_full: bool) -> None:
        """Stop or go on sending the request's body."""


class Backend:
    """One server process as the door sees it."""

    def __init__(self, host: str, port: int) -> None:
        self.host, self.port = host, port
        self.in_flight = 0
        self._idle: list[UpstreamConnection] = []
        self._is_closed = False
        self._is_quiet = asyncio.Event()
        self._is_quiet.set()

    def begin(self) -> None:
        """Count a request in."""
        self.in_flight += 1
        self._is_quiet.clear()

    def end(self) -> None:
        """Count a request out."""
        self.in_flight -= 1
        if self.in_flight == 0:
            self._is_quiet.set()

    async def drained(self) -> None:
        """Wait until no request is in flight."""
        await self._is_quiet.wait()

    def take_idle(self) -> UpstreamConnection | None:
        """Return a pooled connection that is surely open, the freshest first."""
        oldest = asyncio.get_running_loop().time() - _IDLE_S
        while self._idle:
            connection = self._idle.pop()
            if connection.is_open and connection.idle_since > oldest:
                return connection
            connection.close()
        return None

    async def connect(self) -> UpstreamConnection:
        """Open a connection.

        Raises:
            OSError: the server process does not listen, or does not accept within 5 s.
        """
        loop = asyncio.get_running_loop()
        async with asyncio.timeout(_CONNECT_TIMEOUT_S):
            _, connection = await loop.create_connection(lambda: UpstreamConnection(self), self.host, self.port)
        return connection

    def give_back(self, connection: UpstreamConnection) -> None:
        """Pool a connection for the next request."""
        if self._is_closed or not connection.is_open:
            connection.close()
            return
        connection.resume()  # it may have been paused for a slow client
        connection.idle_since = asyncio.get_running_loop().time()
        self._idle.append(connection)

    def forget(self, connection: UpstreamConnection) -> None:
        """Drop a connection that the server closed."""
        if connection in self._idle:
            self._idle.remove(connection)

    def close(self) -> None:
        """Close the pool; connections in use close when their answer ends."""
        self._is_closed = True
        for connection in self._idle:
            connection.close()
        self._idle.clear()


class UpstreamConnection(asyncio.Protocol):
    """One connection to a server process; carries one request at a time."""

    def __init__(self, backend: Backend) -> None:
        self.idle_since = 0.0
        self.is_fresh = True
        self._backend = backend
        self._receiver: AnswerReceiver | None = None
        self._transport: asyncio.Transport | None = None
        self._parser = httptools.HttpResponseParser(self)
        self._headers: Headers = []
        self._reason = b""
        self._is_interim = False
        self._ends_at_eof = False

    @property
    def is_open(self) -> bool:
        """Whether it can carry a request."""
        return self._transport is not None and not self._transport.is_closing()

    def carry(self, receiver: AnswerReceiver) -> None:
        """Hand the answers to `receiver` from now on."""
        self._receiver = receiver

    def send(self, data: bytes) -> None:
        """Send a piece of the request as it is."""
        if self._transport is not None:
            self._transport.write(data)

    def pause(self) -> None:
        """Stop reading the answer: the client is slower than the server."""
        if self.is_open and self._transport is not None:
            self._transport.pause_reading()

    def resume(self) -> None:
        """Read on."""
        if self.is_open and self._transport is not None:
            self._transport.resume_reading()

    def close(self) -> None:
        """Close without a word to the receiver."""
        self._receiver = None
        if self._transport is not None:
            self._transport.abort()

    # asyncio.Protocol

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)

    def data_received(self, data: bytes) -> None:
        if self._receiver is None:
            self.close()  # nobody asked: this connection cannot be trusted any more
            return
        try:
            self._parser.feed_data(data)
        except (httptools.HttpParserError, httptools.HttpParserUpgrade):
            self._break()

    def connection_lost(self, exc: Exception | None) -> None:
        self._backend.forget(self)
        if self._receiver is None:
            return
        if exc is None and self._ends_at_eof:
            self._finish(is_reusable=False)
        else:
            self._break()

    def pause_writing(self) -> None:
        if self._receiver is not None:
            self._receiver.upstream_is_full(is_full=True)

    def resume_writing(self) -> None:
        if self._receiver is not None:
            self._receiver.upstream_is_full(is_full=False)

    # httptools

    def on_message_begin(self) -> None:
        self._headers, self._reason, self._ends_at_eof = [], b"", False

    def on_status(self, status: bytes) -> None:
        self._reason += status

    def on_header(self, name: bytes, value: bytes) -> None:
        self._headers.append((name, value))

    def on_headers_complete(self) -> None:
        status = self._parser.get_status_code()
        self._is_interim = status < 200  # noqa: PLR2004 - RFC 9110 section 15: 1xx is not the answer yet
        if self._is_interim or self._receiver is None:
            return
        head = AnswerHead(status=status, reason=self._reason, headers=self._headers)
        names = {name.lower() for name, _ in self._headers}
        self._ends_at_eof = not names & {b"content-length", b"transfer-encoding"}
        # The parser cannot know that no body follows the answer to a HEAD and would wait for one.
        is_complete = self._receiver.is_head_request
        self._receiver.answer_head(head)
        if is_complete:
            self._finish(is_reusable=False)

    def on_body(self, body: bytes) -> None:
        if self._receiver is not None:
            self._receiver.answer_body(body)

    def on_message_complete(self) -> None:
        if not self._is_interim and self._receiver is not None:
            self._finish(is_reusable=self._parser.should_keep_alive())

    def _finish(self, *, is_reusable: bool) -> None:
        receiver, self._receiver = self._receiver, None
        self.is_fresh = False
        if receiver is not None:
            receiver.answer_end(self, is_reusable=is_reusable)

    def _break(self) -> None:
        receiver, self._receiver = self._receiver, None
        self.close()
        if receiver is not None:
            receiver.upstream_lost()
