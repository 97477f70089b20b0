"""Doors: how HTTP servers reach an :class:`Application`. RSGI is granian's own interface; ASGI mounts in any app.

Both do the same: refuse by the head what is too large or too much, read the body within its limit of size and time, and
answer. A client that goes away is no error. One that closes its half of the connection behind its request gets its
answer from uvicorn; granian takes it for gone.
"""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING, Any

from ci_core.serving.problems import BodyIncompleteError, BodyTimeoutError, BodyTooLargeError

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping

    from ci_core.serving.problems import HttpError
    from ci_core.serving.server import Answer, Application

    Receive = Callable[[], Awaitable[Mapping[str, Any]]]
    Send = Callable[[dict[str, Any]], Awaitable[None]]

logger = logging.getLogger(__name__)

_DRAINED_LIMITS = 8
"""How many times the limit a refused body may be and still be read to its end: a client that is still sending does not
see the answer."""
_SWEEPS = 10
"""How often, within the time a body may take, it is looked for bodies that took longer."""
_DIGITS = 20
_WITHOUT_BODY = frozenset({"GET", "HEAD"})
_CLOSE = ("connection", "close")
_BODY_ERRORS = (BodyIncompleteError, BodyTimeoutError, BodyTooLargeError)


class RsgiDoor:
    """Serves an application under granian.

    Args:
        application: that answers.
    """

    def __init__(self, application: Application) -> None:
        from granian.rsgi import ProtocolClosed  # type: ignore[attr-defined]  # it is the public name

        self._application = application
        self._limit = application.limits.body_bytes
        self._timeout_s = application.limits.body_timeout_s
        self._coming = _ComingBodies(self._timeout_s)
        self._closed_error = ProtocolClosed

    async def __rsgi__(self, scope: Any, protocol: Any) -> None:
        """Answer one request; the interface is https://github.com/emmett-framework/granian/blob/master/docs/spec/RSGI.md."""
        if scope.proto != "http":
            protocol.close(403)  # a web socket
            return
        application = self._application
        method, path = scope.method, scope.path
        headers = dict(scope.headers.items())
        refused = application.admit(path, len(path) + len(scope.query_string), headers)
        if refused is not None:
            protocol.response_bytes(*_refusal(application, refused, method, path))
            return
        application.in_flight += 1
        coming = None
        try:
            if method in _WITHOUT_BODY:
                body = b""
            elif _is_at_most(self._limit, headers.get("content-length")):
                coming = protocol()
                self._coming.add(coming)
                body = await coming
            else:
                body = await self._read_chunks(protocol)
            if application.is_async:
                answer = await application.handle_async(method, path, headers, body)
            else:
                answer = application.handle(method, path, headers, body)
        except _BODY_ERRORS as error:
            answer = _refusal(application, error, method, path)
        except self._closed_error:
            answer = _refusal(application, BodyIncompleteError(), method, path)
        except asyncio.CancelledError:
            if not self._coming.was_late(coming):  # the request itself was cancelled
                raise
            answer = _refusal(application, BodyTimeoutError(self._timeout_s), method, path)
        finally:
            application.in_flight -= 1
            self._coming.remove(coming)
        protocol.response_bytes(*answer)

    async def _read_chunks(self, protocol: Any) -> bytes:
        try:
            async with asyncio.timeout(self._timeout_s):
                return await _read(protocol, self._limit)
        except TimeoutError:
            raise BodyTimeoutError(self._timeout_s) from None


class _ComingBodies:
    """Cancels bodies that take longer than allowed.

    A timer for each would cost more than all else the door does; one sweep now and then looks at those that are left.

    Args:
        timeout_s: how long a body may take; up to a tenth more is granted.
    """

    def __init__(self, timeout_s: float) -> None:
        self._interval_s = timeout_s / _SWEEPS
        self._n_sweeps = 0
        self._coming: dict[Any, int] = {}  # future -> sweeps before it
        self._late: set[Any] = set()
        self._is_sweeping = False

    def add(self, body: Any) -> None:
        """Watch a future that becomes a body."""
        self._coming[body] = self._n_sweeps
        if not self._is_sweeping:
            self._is_sweeping = True
            asyncio.get_running_loop().call_later(self._interval_s, self._sweep)

    def remove(self, body: Any) -> None:
        """Watch it no more; it need not have been watched."""
        self._coming.pop(body, None)

    def was_late(self, body: Any) -> bool:
        """Return whether a body was cancelled because it took too long; true once."""
        is_late = body in self._late
        self._late.discard(body)
        return is_late

    def _sweep(self) -> None:
        self._n_sweeps += 1
        latest = self._n_sweeps - _SWEEPS - 1
        for body in [body for body, before in self._coming.items() if before <= latest]:
            del self._coming[body]
            if body.cancel():
                self._late.add(body)
        self._is_sweeping = bool(self._coming)
        if self._is_sweeping:
            asyncio.get_running_loop().call_later(self._interval_s, self._sweep)


def _is_at_most(limit: int, length: str | None) -> bool:
    """Return whether a ``content-length`` says that a body is within the limit."""
    return length is not None and len(length) < _DIGITS and length.isdecimal() and int(length) <= limit


class AsgiDoor:
    """The same application as an ASGI 3 app: ``uvicorn module:app``, or mounted in another app.

    Args:
        application: that answers.
    """

    def __init__(self, application: Application) -> None:
        self._application = application

    async def __call__(self, scope: Mapping[str, Any], receive: Receive, send: Send) -> None:
        """Answer one request, or follow the life span of the server; other scopes are refused."""
        if scope["type"] == "lifespan":
            await follow_lifespan(receive, send)
            return
        if scope["type"] != "http":
            raise RuntimeError(f"only HTTP is served, not {scope['type']}")
        status, headers, body = await self._answer(scope, receive)
        encoded = [(name.encode("latin-1"), value.encode("latin-1")) for name, value in headers]
        encoded.append((b"content-length", str(len(body)).encode()))
        try:
            await send({"type": "http.response.start", "status": status, "headers": encoded})
            await send({"type": "http.response.body", "body": b"" if scope["method"] == "HEAD" else body})
        except OSError:  # what ASGI servers raise when the client has gone
            return

    async def _answer(self, scope: Mapping[str, Any], receive: Receive) -> Answer:
        application = self._application
        method = scope["method"]
        root = scope.get("root_path", "")
        path = _below(root, scope["path"]) if root else scope["path"] or "/"
        headers = {name.decode("latin-1"): value.decode("latin-1") for name, value in scope["headers"]}
        refused = application.admit(path, len(path) + len(scope.get("query_string", b"")), headers)
        if refused is not None:
            return _refusal(application, refused, method, path)
        application.in_flight += 1
        try:
            body = b"" if method in _WITHOUT_BODY else await self._read(receive)
            if application.is_async:
                return await application.handle_async(method, path, headers, body)
            return application.handle(method, path, headers, body)
        except _BODY_ERRORS as error:
            return _refusal(application, error, method, path)
        finally:
            application.in_flight -= 1

    async def _read(self, receive: Receive) -> bytes:
        limits = self._application.limits
        try:
            async with asyncio.timeout(limits.body_timeout_s):
                return await _read(_chunks(receive), limits.body_bytes)
        except TimeoutError:
            raise BodyTimeoutError(limits.body_timeout_s) from None


def _below(root: str, path: str) -> str:
    """Return `path` as the app sees it that is mounted at `root`; ``/livez`` is not below ``/live``."""
    rest = path.removeprefix(root.rstrip("/"))
    return rest or "/" if rest[:1] in {"", "/"} else path


def _refusal(application: Application, error: HttpError, method: str, path: str) -> Answer:
    """Return the answer to a request whose body is not read: what is left of it must not be taken for a request."""
    status, headers, body = application.refuse(error, method, path)
    return status, [*(header for header in headers if header != _CLOSE), _CLOSE], body


async def _read(chunks: Any, limit_bytes: int) -> bytes:
    """Return a body that comes in chunks.

    Raises:
        BodyTooLargeError: it is over the limit.
    """
    parts: list[bytes] = []
    size = 0
    async for chunk in chunks:
        size += len(chunk)
        if size <= limit_bytes:
            parts.append(chunk)
        elif size > _DRAINED_LIMITS * limit_bytes:
            break
    if size > limit_bytes:
        raise BodyTooLargeError(limit_bytes)
    return b"".join(parts)


async def _chunks(receive: Receive) -> Any:
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise BodyIncompleteError
        yield message.get("body", b"")
        if not message.get("more_body", False):
            return


async def _do_nothing() -> None:
    pass


async def follow_lifespan(
    receive: Receive,
    send: Send,
    start: Callable[[], Awaitable[None]] = _do_nothing,
    close: Callable[[], Awaitable[None]] = _do_nothing,
) -> None:
    """Start and close an app when the server says so; a server that is told of a failure ends."""
    while True:
        event = (await receive())["type"]
        is_end = event == "lifespan.shutdown"
        try:
            await (close if is_end else start)()
        except Exception as error:
            logger.exception("could not be %s", "closed" if is_end else "started")
            await send({"type": f"{event}.failed", "message": f"{type(error).__name__}: {error}"})
            return
        await send({"type": f"{event}.complete"})
        if is_end:
            return
