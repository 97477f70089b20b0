"""One request and its answer on the way through the door."""

from __future__ import annotations

import asyncio
from http import HTTPStatus
from typing import TYPE_CHECKING, Protocol

from ci_core.deploy.local.wire import LAST_CHUNK, Framing, chunk

if TYPE_CHECKING:
    from ci_core.deploy.local.upstream import Backend, UpstreamConnection
    from ci_core.deploy.local.wire import AnswerHead, RequestHead

_BUFFERED_BYTES = 64 * 1024
"""Body held while the connection to the server is being opened."""


class ClientSide(Protocol):
    """What an exchange needs of the client's connection."""

    peer: bytes
    is_full: bool
    """Whether it has more to send than it gets rid of."""

    @property
    def takes_more(self) -> bool:
        """Whether another request will be read after the ones that came in."""

    def write(self, data: bytes) -> None:
        """Send to the client."""

    def refuse(self, status: HTTPStatus, slug: str, message: str) -> None:
        """Answer in the door's own name and close."""

    def abort(self) -> None:
        """Break the connection, so that the client cannot take half an answer for a whole one."""

    def hold(self, reason: str, *, is_held: bool) -> None:
        """Stop or go on reading from the client."""

    def progress(self) -> None:
        """Note that the exchange moves."""

    def exchange_over(self) -> None:
        """Go on with the next request."""


class Exchange:
    """Carries a request to the server process that is current when its head is complete, and the answer back."""

    def __init__(self, client: ClientSide) -> None:
        self.head: RequestHead | None = None
        self.is_received = False
        """Whether the whole request came in."""
        self.is_answered = False
        self.is_started = False
        """Whether some of the answer went out."""
        self._client = client
        self._backend: Backend | None = None
        self._upstream: UpstreamConnection | None = None
        self._connecting: asyncio.Task[None] | None = None
        self._waiting: list[bytes] = []
        self._waiting_bytes = 0
        self._framing = Framing.NONE

    @property
    def is_head_request(self) -> bool:
        """Whether the answer has no body whatever its head says."""
        return self.head is not None and self.head.method == b"HEAD"

    @property
    def keeps_alive(self) -> bool:
        """Whether the client's connection can be used again after the answer."""
        is_wanted = self.head is not None and self.head.keeps_alive and self._client.takes_more
        return is_wanted and self._framing is not Framing.CLOSE

    # From the client

    def begin(self, backend: Backend | None) -> None:
        """Send the request on its way; its head is complete."""
        if backend is None:
            self._client.refuse(HTTPStatus.SERVICE_UNAVAILABLE, "no-server", "no server process is ready")
            return
        self._backend = backend
        backend.begin()
        self._dispatch(backend)

    def receive(self, data: bytes) -> None:
        """Pass on a piece of the request's body."""
        if self.is_answered:
            return  # the server has said all it has to say; the rest is only read off the connection
        if self.head is not None and self.head.framing is Framing.CHUNKED:
            data = chunk(data)
        self._send(data)

    def finish(self) -> None:
        """Note that the request is complete."""
        self.is_received = True
        if self.is_answered:
            self._client.exchange_over()
        elif self.head is not None and self.head.framing is Framing.CHUNKED:
            self._send(LAST_CHUNK)

    def client_is_full(self, *, is_full: bool) -> None:
        """Stop or go on reading the answer."""
        if self._upstream is not None:
            (self._upstream.pause if is_full else self._upstream.resume)()

    def cancel(self) -> None:
        """Give up: the client is gone, or the door answers itself."""
        if self._connecting is not None:
            self._connecting.cancel()
            self._connecting = None
        if self._upstream is not None:
            self._upstream.close()
            self._upstream = None
        self.is_answered = True
        self._release()

    # From the server process

    def answer_head(self, head: AnswerHead) -> None:
        """Pass the answer's head on."""
        if self.head is None:
            return
        self._framing = head.framing_for(self.head)
        self.is_started = True
        self._client.progress()
        self._client.write(head.to_client(self._framing, keeps_alive=self.keeps_alive))

    def answer_body(self, data: bytes) -> None:
        """Pass a piece of the answer's body on."""
        self._client.progress()
        self._client.write(chunk(data) if self._framing is Framing.CHUNKED else data)

    def answer_end(self, upstream: UpstreamConnection, *, is_reusable: bool) -> None:
        """Finish the answer and give the connection back."""
        if self._framing is Framing.CHUNKED:
            self._client.write(LAST_CHUNK)
        self._upstream = None
        self.is_answered = True
        if is_reusable and self.is_received and self._backend is not None:
            self._backend.give_back(upstream)
        else:
            upstream.close()
        self._release()
        if self.is_received:
            self._client.exchange_over()

    def upstream_lost(self) -> None:
        """Repeat the request if that is safe, or tell the client."""
        was_pooled = self._upstream is not None and not self._upstream.is_fresh
        self._upstream = None
        if self.is_started:
            self.cancel()
            self._client.abort()
        elif was_pooled and self.head is not None and self.head.is_repeatable and self._backend is not None:
            self._dispatch(self._backend)
        else:
            self._fail("the server process broke the connection before it answered")

    def upstream_is_full(self, *, is_full: bool) -> None:
        """Stop or go on reading from the client."""
        self._client.hold("server", is_held=is_full)

    # Inside

    def _dispatch(self, backend: Backend) -> None:
        idle = backend.take_idle()
        if idle is not None:
            self._attach(idle)
        else:
            self._connecting = asyncio.get_running_loop().create_task(self._connect(backend))

    async def _connect(self, backend: Backend) -> None:
        try:
            upstream = await backend.connect()
        except OSError:
            self._connecting = None
            self._fail("the server process does not accept connections")
            return
        self._connecting = None
        self._attach(upstream)

    def _attach(self, upstream: UpstreamConnection) -> None:
        if self.head is None:
            return
        self._upstream = upstream
        upstream.carry(self)
        waiting, self._waiting, self._waiting_bytes = self._waiting, [], 0
        upstream.send(b"".join([self.head.to_server(self._client.peer), *waiting]))
        self._client.hold("connecting", is_held=False)
        if self._client.is_full:
            upstream.pause()

    def _send(self, data: bytes) -> None:
        if self._upstream is not None:
            self._upstream.send(data)
            return
        self._waiting.append(data)
        self._waiting_bytes += len(data)
        if self._waiting_bytes > _BUFFERED_BYTES:
            self._client.hold("connecting", is_held=True)

    def _fail(self, message: str) -> None:
        self.cancel()
        self._client.refuse(HTTPStatus.BAD_GATEWAY, "server-failed", message)

    def _release(self) -> None:
        backend, self._backend = self._backend, None
        if backend is not None:
            backend.end()
