"""One server process of one release, from its start to its end."""

from __future__ import annotations

import asyncio
import contextlib
import signal
import socket
from typing import TYPE_CHECKING

from ci_core import _process
from ci_core.deploy.local.processes import ProcessId, signal_group
from ci_core.deploy.local.upstream import Backend

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from ci_core.types import ReleaseId

_LOOPBACK = "127.0.0.1"
_PROBE_EVERY_S = 0.05
_PROBE_TIMEOUT_S = 2.0


class ServerProcess:
    """A child that answers on a loopback port of its own."""

    def __init__(self, release: ReleaseId, *, command: Sequence[str], folder: Path, captures: Path, log: Path) -> None:
        self.release = release
        self.command = tuple(command)
        self.folder, self.captures, self.log = folder, captures, log
        self.backend: Backend | None = None
        self.identity: ProcessId | None = None
        self.exit_code: int | None = None
        self.ready = asyncio.Event()
        """Set once it has said that it can serve."""
        self.ended = asyncio.Event()
        self._child: asyncio.subprocess.Process | None = None
        self._starting: asyncio.Task[None] | None = None
        self._tasks: list[asyncio.Task[None]] = []

    async def start(self, env: Mapping[str, str]) -> None:
        """Start the process and watch it.

        Raises:
            ProgramNotFoundError: the command does not exist.
            OSError: the log cannot be written or the process cannot be made.
        """
        # Not cancelled halfway: a process that nobody knows of could not be stopped.
        self._starting = asyncio.ensure_future(self._start(env))
        await asyncio.shield(self._starting)

    async def _start(self, env: Mapping[str, str]) -> None:
        port = _free_port()
        arguments = [
            *self.command,
            str(self.folder),
            *("--host", _LOOPBACK, "--port", str(port)),
            *("--captures", str(self.captures)),
        ]
        self._child = await _process.start_child(arguments, cwd=self.folder, env=env, log=self.log)
        self.identity = ProcessId.of(self._child.pid)
        self.backend = Backend(_LOOPBACK, port)
        self._tasks = [asyncio.ensure_future(self._watch(self._child)), asyncio.ensure_future(self._probe(port))]

    @property
    def is_serving(self) -> bool:
        """Whether it is ready and has not ended."""
        return self.ready.is_set() and not self.ended.is_set()

    async def ready_or_ended(self) -> None:
        """Wait until one of both is so."""
        waits = [asyncio.ensure_future(event.wait()) for event in (self.ready, self.ended)]
        try:
            await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for wait in waits:
                wait.cancel()

    async def stop(self, grace_s: float) -> None:
        """End it and all it started: a request to finish, `grace_s` of patience, then the end."""
        if self._starting is not None:
            await asyncio.wait([self._starting])
        if self._child is None:
            return
        if not self.ended.is_set():
            signal_group(self._child.pid, signal.SIGTERM)
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self.ended.wait(), grace_s)
        signal_group(self._child.pid, signal.SIGKILL)
        await self.ended.wait()

    async def _watch(self, child: asyncio.subprocess.Process) -> None:
        self.exit_code = await child.wait()
        self.ended.set()
        for task in self._tasks[1:]:
            task.cancel()
        if self.backend is not None:
            self.backend.close()
        # Workers whose leader was killed would keep its port and memory.
        signal_group(child.pid, signal.SIGKILL)

    async def _probe(self, port: int) -> None:
        while not await _answers_ready(port):  # noqa: ASYNC110 - only asking tells
            await asyncio.sleep(_PROBE_EVERY_S)
        self.ready.set()


async def _answers_ready(port: int) -> bool:
    try:
        async with asyncio.timeout(_PROBE_TIMEOUT_S):
            reader, writer = await asyncio.open_connection(_LOOPBACK, port)
            try:
                writer.write(b"GET /readyz HTTP/1.1\r\nhost: %s\r\nconnection: close\r\n\r\n" % _LOOPBACK.encode())
                status_line = await reader.readline()
            finally:
                writer.close()
    except (OSError, ValueError):
        return False
    return status_line.split(b" ")[1:2] == [b"200"]


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind((_LOOPBACK, 0))
        port: int = probe.getsockname()[1]
        return port
