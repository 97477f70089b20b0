"""A small HTTP/1.1 client for one service: kept connections, one request at a time on each, whole answers.

It is the base of remote steps and of calls between the functions of one graph. It follows no redirect, reads no
environment variable, uses no proxy, and keeps no cookie.

    async with HttpClient("unix:/run/features.sock") as client:
        answer = await client.request("GET", "/v1/users/7", timeout_s=1.0)
"""

from __future__ import annotations

import asyncio
import os
import re
import socket
import ssl
from collections import deque
from typing import TYPE_CHECKING, Final, Self

from ci_core.serving.remote.connection import Answer, AnswerLimits, Connection
from ci_core.serving.remote.failures import CallTimeoutError, ConnectionLostError, NotConnectedError
from ci_core.serving.remote.loops import PerLoop
from ci_core.serving.remote.methods import IDEMPOTENT, WITH_BODY
from ci_core.serving.remote.origin import Origin, parse_origin

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator

_TARGET: Final = re.compile(r"([/?][!-~]*)?")
_METHOD: Final = re.compile(r"[A-Z]+")


class HttpClient:
    """Calls one service.

    Args:
        origin: of the service, or its URL.
        limits: of each answer.
        max_kept: idle connections that are kept in each event loop.
        idle_s: how long a connection is kept without work. 4 s: servers close idle ones after 5 s and more, and the one
            who closes first never meets a connection that closes while a request is on its way.
        tls: for ``https``; by default the certificate and the name of the service are verified by the system's roots.

    Raises:
        WordError: the URL is none; see :func:`parse_origin`.
    """

    def __init__(
        self,
        origin: Origin | str,
        *,
        limits: AnswerLimits | None = None,
        max_kept: int = 64,
        idle_s: float = 4.0,
        tls: ssl.SSLContext | None = None,
    ) -> None:
        self.origin = parse_origin(origin) if isinstance(origin, str) else origin
        if self.origin.is_tls and tls is None:
            tls = ssl.create_default_context()
        limits = limits or AnswerLimits()
        self._pools = PerLoop(lambda: _Pool(self.origin, limits, max_kept, idle_s, tls))
        self._middle = f" HTTP/1.1\r\nhost: {self.origin.host_header}\r\naccept-encoding: identity\r\n".encode()

    @property
    def open_connections(self) -> int:
        """Connections of all loops, at work or idle."""
        return sum(len(pool.open) for _, pool in self._pools.items())

    async def request(
        self,
        method: str,
        target: str,
        *,
        timeout_s: float,
        headers: bytes = b"",
        body: bytes | None = None,
        is_repeatable: bool | None = None,
    ) -> Answer:
        """Send a request and return the answer, whatever its status.

        Args:
            method: upper case.
            target: path and query, percent-encoded; the origin's base path is put before it.
            timeout_s: for all of it: connecting, sending, and the whole answer.
            headers: lines made by ``headers.header_lines``, without ``host``, ``content-length`` and
                ``accept-encoding``, which are ours.
            body: None for none.
            is_repeatable: whether a request that met a connection which the service had just closed may be sent once
                more on a new one; by default when the method is idempotent.

        Raises:
            CallError: there is no answer.
            ValueError: `method` or `target` has characters that these must not have.
        """
        if not _TARGET.fullmatch(target) or not _METHOD.fullmatch(method):
            raise ValueError("method or target of a request with characters that must be percent-encoded")
        pool = self._pools.get()
        deadline = pool.loop.time() + timeout_s
        request = self._encode(method, target, headers, body)
        is_head_request = method == "HEAD"
        connection = pool.take()
        if connection is not None:
            try:
                return await pool.exchange(connection, request, is_head_request=is_head_request, deadline=deadline)
            except ConnectionLostError as error:
                may_repeat = method in IDEMPOTENT if is_repeatable is None else is_repeatable
                if error.has_begun or not (may_repeat or not error.may_have_arrived):
                    raise
        connection = await pool.connect(deadline)
        return await pool.exchange(connection, request, is_head_request=is_head_request, deadline=deadline)

    def _encode(self, method: str, target: str, headers: bytes, body: bytes | None) -> bytes:
        path = self.origin.base_path + target
        line = f"{method} {path}".encode() if path.startswith("/") else f"{method} /{path}".encode()
        if body is None:
            end = b"content-length: 0\r\n\r\n" if method in WITH_BODY else b"\r\n"
            return b"".join((line, self._middle, headers, end))
        return b"".join((line, self._middle, headers, b"content-length: %d\r\n\r\n" % len(body), body))

    def close(self) -> None:
        """Close every connection; requests under way end with a :class:`ConnectionLostError`."""
        for loop, pool in self._pools.items():
            try:
                is_ours = asyncio.get_running_loop() is loop
            except RuntimeError:
                is_ours = False
            if is_ours:
                pool.close()
            else:
                loop.call_soon_threadsafe(pool.close)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        self.close()
        await asyncio.sleep(0)  # transports end in the next turn of the loop


class _Pool:
    """The connections of one event loop."""

    def __init__(
        self, origin: Origin, limits: AnswerLimits, max_kept: int, idle_s: float, tls: ssl.SSLContext | None
    ) -> None:
        self.loop = asyncio.get_running_loop()
        self.open: set[Connection] = set()
        self._origin, self._limits, self._tls = origin, limits, tls
        self._max_kept, self._idle_s = max_kept, idle_s
        self._idle: deque[Connection] = deque()
        """The one used last stands last, so that the ones in excess grow old and are closed."""
        self._sweep: asyncio.TimerHandle | None = None
        self._guard: AsyncGenerator[None] | None = None

    def take(self) -> Connection | None:
        """Return an idle connection, the freshest first, or None."""
        while self._idle:
            connection = self._idle.pop()
            if connection.is_reusable and self.loop.time() - connection.idle_since < self._idle_s:
                return connection
            connection.close()
        return None

    async def connect(self, deadline: float) -> Connection:
        """Open a connection.

        Raises:
            NotConnectedError: it cannot be opened.
            CallTimeoutError: the deadline passed first.
        """
        if self._guard is None:
            self._guard = _close_with_loop(self)
            await anext(self._guard)
        try:
            async with asyncio.timeout_at(deadline):
                return await self._open()
        except TimeoutError as error:
            raise CallTimeoutError(may_have_arrived=False) from error
        except ssl.SSLCertVerificationError as error:
            raise NotConnectedError(f"its certificate is refused: {error.verify_message}", may_pass=False) from error
        except ssl.SSLError as error:
            raise NotConnectedError(f"TLS failed: {error.reason}", may_pass=False) from error
        except UnicodeError as error:
            raise NotConnectedError("the name of its host is none", may_pass=False) from error
        except OSError as error:
            raise NotConnectedError(_reason(error)) from error

    async def _open(self) -> Connection:
        origin = self._origin
        if origin.socket_path is not None:
            _, connection = await self.loop.create_unix_connection(self._make, origin.socket_path)
        else:
            _, connection = await self.loop.create_connection(self._make, origin.host, origin.port, ssl=self._tls)
        self.open.add(connection)
        return connection

    def _make(self) -> Connection:
        return Connection(self._limits, self.open.discard)

    async def exchange(
        self, connection: Connection, request: bytes, *, is_head_request: bool, deadline: float
    ) -> Answer:
        """Send `request` on `connection`; keep the connection when all went well.

        Raises:
            CallError: there is no answer.
        """
        try:
            answer = await connection.send(request, is_head_request=is_head_request, deadline=deadline)
        except BaseException:  # cancellation too: the answer may still come, so nobody else may have the connection
            connection.close()
            raise
        self._give_back(connection)
        return answer

    def _give_back(self, connection: Connection) -> None:
        if not connection.is_reusable or len(self._idle) >= self._max_kept:
            connection.close()
            return
        connection.idle_since = self.loop.time()
        self._idle.append(connection)
        if self._sweep is None:
            self._sweep = self.loop.call_later(self._idle_s, self._close_old)

    def _close_old(self) -> None:
        self._sweep = None
        now = self.loop.time()
        while self._idle and self._idle[0].idle_since <= now - self._idle_s:
            self._idle.popleft().close()
        if self._idle:
            self._sweep = self.loop.call_at(self._idle[0].idle_since + self._idle_s, self._close_old)

    def close(self) -> None:
        """Close every connection."""
        if self._sweep is not None:
            self._sweep.cancel()
            self._sweep = None
        self._idle.clear()
        for connection in list(self.open):
            connection.close()


def _reason(error: OSError) -> str:
    """Return the system's own words; those of asyncio differ from loop to loop and repeat addresses."""
    if isinstance(error, socket.gaierror):
        return "its name cannot be resolved"
    if error.errno is None:  # asyncio's summary of several addresses that all failed
        return "none of its addresses can be reached"
    return os.strerror(error.errno).lower()


async def _close_with_loop(pool: _Pool) -> AsyncGenerator[None]:
    """Close the connections of a loop that ends: loops run to its end every generator that was begun in them.

    It is the one thing that asyncio, uvloop and any runner tell those who live in a loop; a connection that is still
    open when its loop is closed could only be lost, with a warning.
    """
    try:
        yield
    finally:
        pool.close()
        await asyncio.sleep(0)  # transports end in the next turn of the loop
