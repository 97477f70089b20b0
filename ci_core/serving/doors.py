"""Doors: how HTTP servers reach an :class:`Application`. RSGI is granian's own interface; ASGI mounts in any app."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ci_core.serving.problems import BodyTooLargeError
from ci_core.serving.server import DEFAULT_BODY_LIMIT_BYTES

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping

    from ci_core.serving.server import Answer, Application

_DRAINED_LIMITS = 8
"""How many times the limit a refused body may be and still be read to its end: a client that is still sending does not
see the answer."""


class RsgiDoor:
    """Serves an application under granian.

    Args:
        application: that answers.
        body_limit_bytes: larger request bodies are refused with 413.
    """

    def __init__(self, application: Application, *, body_limit_bytes: int = DEFAULT_BODY_LIMIT_BYTES) -> None:
        self._application = application
        self._limit = body_limit_bytes

    async def __rsgi__(self, scope: Any, protocol: Any) -> None:
        """Answer one request; the interface is https://github.com/emmett-framework/granian/blob/master/docs/spec/RSGI.md."""
        if scope.proto != "http":
            protocol.close(403)  # a web socket
            return
        application = self._application
        headers = dict(scope.headers.items())
        body = b""
        if scope.method not in {"GET", "HEAD"}:
            length = headers.get("content-length")
            if length is not None and length.isdigit() and int(length) <= self._limit:
                body = await protocol()
            else:
                read = await _read(protocol, self._limit)
                if read is None:
                    status, answer_headers, answer_body = application.refuse(BodyTooLargeError(self._limit), scope.path)
                    protocol.response_bytes(status, [*answer_headers, ("connection", "close")], answer_body)
                    return
                body = read
        if application.is_async:
            answer = await application.handle_async(scope.method, scope.path, headers, body)
        else:
            answer = application.handle(scope.method, scope.path, headers, body)
        protocol.response_bytes(*answer)


async def _read(chunks: Any, limit_bytes: int) -> bytes | None:
    """Return a body that comes in chunks; None when it is over the limit."""
    parts: list[bytes] = []
    size = 0
    async for chunk in chunks:
        size += len(chunk)
        if size <= limit_bytes:
            parts.append(chunk)
        elif size > _DRAINED_LIMITS * limit_bytes:
            return None
    return b"".join(parts) if size <= limit_bytes else None


class AsgiDoor:
    """The same application as an ASGI 3 app: ``uvicorn module:app``, or mounted in another app.

    Args:
        application: that answers.
        body_limit_bytes: larger request bodies are refused with 413.
    """

    def __init__(self, application: Application, *, body_limit_bytes: int = DEFAULT_BODY_LIMIT_BYTES) -> None:
        self._application = application
        self._limit = body_limit_bytes

    async def __call__(
        self,
        scope: Mapping[str, Any],
        receive: Callable[[], Awaitable[Mapping[str, Any]]],
        send: Callable[[dict[str, Any]], Awaitable[None]],
    ) -> None:
        """Answer one request, or follow the life span of the server; other scopes are refused."""
        if scope["type"] == "lifespan":
            await _follow_lifespan(receive, send)
            return
        if scope["type"] != "http":
            raise RuntimeError(f"only HTTP is served, not {scope['type']}")
        status, headers, body = await self._answer(scope, receive)
        encoded = [(name.encode("latin-1"), value.encode("latin-1")) for name, value in headers]
        encoded.append((b"content-length", str(len(body)).encode()))
        await send({"type": "http.response.start", "status": status, "headers": encoded})
        await send({"type": "http.response.body", "body": b"" if scope["method"] == "HEAD" else body})

    async def _answer(self, scope: Mapping[str, Any], receive: Callable[[], Awaitable[Mapping[str, Any]]]) -> Answer:
        application = self._application
        headers = {name.decode("latin-1"): value.decode("latin-1") for name, value in scope["headers"]}
        path = scope["path"].removeprefix(scope.get("root_path", "")) or "/"
        body = await _read(_chunks(receive), self._limit)
        if body is None:
            return application.refuse(BodyTooLargeError(self._limit), path)
        if application.is_async:
            return await application.handle_async(scope["method"], path, headers, body)
        return application.handle(scope["method"], path, headers, body)


async def _chunks(receive: Callable[[], Awaitable[Mapping[str, Any]]]) -> Any:
    while True:
        message = await receive()
        yield message.get("body", b"")
        if not message.get("more_body", False):
            return


async def _follow_lifespan(
    receive: Callable[[], Awaitable[Mapping[str, Any]]], send: Callable[[dict[str, Any]], Awaitable[None]]
) -> None:
    while True:
        message = await receive()
        await send({"type": f"{message['type']}.complete"})
        if message["type"] == "lifespan.shutdown":
            return
