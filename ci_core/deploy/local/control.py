"""How a deployment speaks to the supervisor: JSON lines over a Unix socket that only its owner can open.

A request is ``{"do": name, …}``, its answer ``{"ok": true, …}`` or ``{"ok": false, "problem": slug, "text": …}``. What
a connection began and did not finish (a candidate, a reserved port) is undone when the connection ends: a deployment
that is killed leaves nothing behind.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
import os
import socket
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from pathlib import Path

_logger = logging.getLogger(__name__)

_LINE_BYTES = 1 << 20


class ControlProblem(Exception):  # noqa: N818 - it travels as data; the target turns it into an error of ours
    """A request that the supervisor cannot meet."""

    def __init__(self, slug: str, text: str) -> None:
        super().__init__(text)
        self.slug, self.text = slug, text


class ControlUnavailable(Exception):  # noqa: N818 - as above
    """Nobody answers at the socket."""


class Commands(Protocol):
    """What the supervisor does on request."""

    async def handle(self, request: dict[str, Any], owner: object) -> dict[str, Any]:
        """Do it and return the answer.

        Raises:
            ControlProblem: it cannot be done.
        """
        ...

    async def abandon(self, owner: object) -> None:
        """Undo what a connection began and did not finish."""
        ...


async def serve_control(path: Path, commands: Commands) -> asyncio.Server:
    """Listen on `path` for this user only; the caller holds the supervisor's lock, so an old socket is stale."""
    listener = _private_socket(path)

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        owner = object()
        try:
            while line := await reader.readline():
                answer = await _answer(commands, line, owner)
                writer.write(json.dumps(answer).encode() + b"\n")
                await writer.drain()
        except OSError:
            pass  # the other side is gone
        finally:
            await commands.abandon(owner)
            writer.close()

    return await asyncio.start_unix_server(serve, sock=listener, limit=_LINE_BYTES)


def _private_socket(path: Path) -> socket.socket:
    path.unlink(missing_ok=True)
    listener = socket.socket(socket.AF_UNIX)
    before = os.umask(0o177)
    try:
        listener.bind(str(path))
    finally:
        os.umask(before)
    return listener


async def _answer(commands: Commands, line: bytes, owner: object) -> dict[str, Any]:
    try:
        return {"ok": True, **await commands.handle(json.loads(line), owner)}
    except ControlProblem as problem:
        return {"ok": False, "problem": problem.slug, "text": problem.text}
    except Exception as error:  # a mistake of ours in one request must not end the service, nor stay unseen
        _logger.exception("request failed line=%r", line)
        return {"ok": False, "problem": "failed", "text": f"{type(error).__name__}: {error}"}


class ControlClient:
    """One conversation with a supervisor; not for several threads."""

    def __init__(self, path: Path, *, timeout_s: float = 30.0) -> None:
        self._socket = socket.socket(socket.AF_UNIX)
        self._socket.settimeout(timeout_s)
        try:
            self._socket.connect(str(path))
        except OSError as error:
            self._socket.close()
            raise ControlUnavailable(str(error)) from error
        self._answers = self._socket.makefile("rb")

    def ask(self, do: str, *, timeout_s: float = 30.0, **details: object) -> dict[str, Any]:
        """Return the supervisor's answer.

        Raises:
            ControlProblem: it cannot do that.
            ControlUnavailable: it ended, or did not answer within `timeout_s`.
        """
        self._socket.settimeout(timeout_s)
        try:
            self._socket.sendall(json.dumps({"do": do, **details}).encode() + b"\n")
            line = self._answers.readline()
        except OSError as error:
            raise ControlUnavailable(str(error) or type(error).__name__) from error
        if not line.endswith(b"\n"):
            raise ControlUnavailable("it ended while it was asked")
        answer: dict[str, Any] = json.loads(line)
        if not answer.pop("ok"):
            raise ControlProblem(answer["problem"], answer["text"])
        return answer

    def close(self) -> None:
        """End the conversation; what was begun in it is undone."""
        with contextlib.suppress(OSError):
            self._answers.close()
        self._socket.close()
