"""A service that answers as a test tells it, on a real socket in a thread of its own."""

from __future__ import annotations

import asyncio
import contextlib
import threading
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Self, TypeAlias

if TYPE_CHECKING:
    import ssl
    from pathlib import Path


@dataclass(frozen=True, slots=True)
class Received:
    """A request as it came in."""

    method: str
    target: str
    headers: dict[str, str]
    body: bytes
    connection: int


Behaviour: TypeAlias = Callable[[Received, asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


def says(*pieces: bytes, closes: bool = False, pause_s: float = 0.0) -> Behaviour:
    """Write `pieces`; then close the connection, or keep it."""

    async def behave(_: Received, __: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        for piece in pieces:
            writer.write(piece)
            await asyncio.sleep(pause_s)
        if closes:
            writer.close()

    return behave


def answers(status: int = 200, body: bytes = b"{}", **headers: str) -> Behaviour:
    """Answer with a length and keep the connection."""
    lines = "".join(f"{name.replace('_', '-')}: {value}\r\n" for name, value in headers.items())
    return says(f"HTTP/1.1 {status} X\r\n{lines}content-length: {len(body)}\r\n\r\n".encode() + body)


async def echoes(received: Received, _: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Answer with the request's body."""
    writer.write(b"HTTP/1.1 200 OK\r\ncontent-length: %d\r\n\r\n%b" % (len(received.body), received.body))


async def closes(_: Received, __: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Close the connection unanswered."""
    writer.close()


async def is_silent(_: Received, reader: asyncio.StreamReader, __: asyncio.StreamWriter) -> None:
    """Say nothing until the other side gives up."""
    await reader.read()


class StandIn:
    """The service; behaves as told for each request in turn, and as told last for all others.

    Attributes:
        requests: in the order they came.
        connections: how many were opened.
        left: set when the other side closed a connection between two requests.
        ended: set when a connection was closed by the other side while nobody had answered it.
    """

    def __init__(self, *behaviours: Behaviour, socket: Path | None = None, tls: ssl.SSLContext | None = None) -> None:
        self.requests: list[Received] = []
        self.connections = 0
        self.most_at_once = 0
        self.ended = threading.Event()
        self.left = threading.Event()
        self._behaviours = list(behaviours)
        self._socket, self._tls = socket, tls
        self._at_work = 0
        self._port = 0
        self._writers: set[asyncio.StreamWriter] = set()
        self._is_up = threading.Event()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._thread = threading.Thread(target=lambda: asyncio.run(self._serve()), name="stand-in")

    @property
    def url(self) -> str:
        if self._socket is not None:
            return f"unix:{self._socket}"
        return f"{'https' if self._tls else 'http'}://localhost:{self._port}"

    def __enter__(self) -> Self:
        self._thread.start()
        assert self._is_up.wait(10)
        return self

    def __exit__(self, *_: object) -> None:
        assert self._loop is not None
        self._loop.call_soon_threadsafe(self._stop.set)
        self._thread.join(10)
        assert not self._thread.is_alive()

    def drop_connections(self) -> None:
        """Close every connection, as a service that restarts does; returns when they are closed."""
        assert self._loop is not None
        asyncio.run_coroutine_threadsafe(self._drop(), self._loop).result(10)

    async def _drop(self) -> None:
        for writer in list(self._writers):
            writer.close()
            with contextlib.suppress(OSError):
                await writer.wait_closed()

    async def _serve(self) -> None:
        self._loop, self._stop = asyncio.get_running_loop(), asyncio.Event()
        server: Any
        if self._socket is not None:
            server = await asyncio.start_unix_server(self._handle, self._socket)
        else:
            server = await asyncio.start_server(self._handle, "127.0.0.1", 0, ssl=self._tls)
            self._port = server.sockets[0].getsockname()[1]
        self._is_up.set()
        await self._stop.wait()
        server.close()
        for writer in list(self._writers):
            writer.transport.abort()
        for _ in range(5):
            await asyncio.sleep(0)  # transports end and handlers return in the next turns of the loop

    async def _handle(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._writers.add(writer)
        self.connections += 1
        number = self.connections
        try:
            while (received := await _read(reader, number)) is not None:
                self.requests.append(received)
                await self._behave(received, reader, writer)
                if writer.is_closing():
                    return
            self.left.set()
        except (OSError, asyncio.IncompleteReadError):
            pass
        finally:
            self._writers.discard(writer)
            writer.close()

    async def _behave(self, received: Received, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        behave = self._behaviours.pop(0) if len(self._behaviours) > 1 else self._behaviours[0]
        self._at_work += 1
        self.most_at_once = max(self.most_at_once, self._at_work)
        try:
            await behave(received, reader, writer)
        finally:
            self._at_work -= 1
            if reader.at_eof():
                self.ended.set()


async def until(claim: Callable[[], object]) -> None:
    """Wait until something that another thread or loop does is seen to be done."""
    async with asyncio.timeout(30):
        while not claim():  # noqa: ASYNC110 - what is waited for knows nothing of this loop
            await asyncio.sleep(0.001)


async def _read(reader: asyncio.StreamReader, connection: int) -> Received | None:
    try:
        head = await reader.readuntil(b"\r\n\r\n")
    except asyncio.IncompleteReadError:
        return None
    line, *lines = head.decode("latin-1").split("\r\n")[:-2]
    method, target, _ = line.split(" ")
    headers = dict(one.split(": ", 1) for one in lines)
    assert len(headers) == len(lines), "a header was sent twice"
    body = await reader.readexactly(int(headers.get("content-length", "0")))
    return Received(method, target, headers, body, connection)
