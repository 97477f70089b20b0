"""The supervisor: one daemon for each environment that owns the door, the server processes and the state.

Started by the target as ``python -m ci_core.deploy.local FOLDER``. When it starts and the state says that
a release is live, it serves that release on the recorded port: that is how an environment comes back after a crash or
a reboot. It knows nothing of plans, gates and projects; the target decides and tells it.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import signal
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ci_core.deploy.local.control import ControlProblem, serve_control
from ci_core.deploy.local.door import Door
from ci_core.deploy.local.processes import MARK, ProcessId, end_orphans
from ci_core.deploy.local.server_process import ServerProcess
from ci_core.deploy.local.state import State, destroyed, read_state, rejected, switched, write_state
from ci_core.errors import GraphshipError
from ci_core.masking import CUT

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Mapping
    from datetime import datetime

    from ci_core.deploy.local.paths import EnvironmentFolder

_logger = logging.getLogger("graphship.supervisor")

_FIRST_RESTART_S = 0.1
_LONGEST_RESTART_S = 10.0
_STABLE_S = 60.0
"""A server process that lived this long crashed for a reason of its own; the waiting starts over."""
_STOP_S = 10.0
"""Patience with a server process that was told to end."""
_REOPEN_S = 1.0
_LOG_LINES = 20
_KEPT_LOGS = 50
"""Files of server processes; a process that crashes every 10 s would fill a disk."""


@dataclass(frozen=True, slots=True)
class _Listener:
    server: asyncio.Server
    host: str
    port: int


class Supervisor:
    """Keeps one environment as its state says; see :mod:`ci_core.deploy.local.control` for how it is spoken to."""

    def __init__(self, folder: EnvironmentFolder, env: Mapping[str, str], clock: Callable[[], datetime]) -> None:
        self._folder = folder
        self._env = {**env, MARK: str(folder.root)}
        self._clock = clock
        self._state = State()
        self._door = Door()
        self._listener: _Listener | None = None
        self._reserved: _Listener | None = None
        self._live: ServerProcess | None = None
        self._candidate: ServerProcess | None = None
        self._owner: object | None = None
        """The conversation that began the candidate or reserved the port."""
        self._keeper: asyncio.Task[None] | None = None
        self._reopener: asyncio.Task[None] | None = None
        self._retiring: dict[asyncio.Task[None], ServerProcess] = {}
        """Server processes that finish their last requests."""
        self._is_over = asyncio.Event()
        self._started_servers = 0

    async def run(self) -> None:
        """Serve until told to end."""
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self._is_over.set)
        self._state = read_state(self._folder.state) or State()
        left_behind = end_orphans(self._state.servers, self._folder.root)
        if left_behind:
            _logger.warning("orphans ended count=%d", left_behind)
        control = self._folder.control_socket()
        server = await serve_control(control, self)
        self._state = replace(self._state, control=str(control), supervisor=ProcessId.of(os.getpid()), servers=())
        write_state(self._folder.state, self._state)
        if self._state.release is not None:
            await self._recover()
        _logger.info("supervisor ready release=%s port=%s", self._state.release, self._state.port)
        await self._is_over.wait()
        server.close()
        await self._end()
        control.unlink(missing_ok=True)

    # What the target asks for

    async def handle(self, request: dict[str, Any], owner: object) -> dict[str, Any]:
        """Do what a request asks for.

        Raises:
            ControlProblem: it cannot be done.
        """
        commands: dict[str, Callable[[dict[str, Any], object], Coroutine[Any, Any, dict[str, Any]]]] = {
            "status": self._status,
            "listen": self._reserve,
            "start": self._start_candidate,
            "candidate": self._wait_for_candidate,
            "wait-live": self._wait_for_live,
            "switch": self._switch,
            "drained": self._wait_drained,
            "reject": self._reject,
            "destroy": self._destroy,
        }
        command = commands.get(request.get("do", ""))
        if command is None:
            raise ControlProblem("unknown-request", f"this supervisor does not know {request.get('do')!r}")
        return await command(request, owner)

    async def abandon(self, owner: object) -> None:
        """Stop a candidate and free a port whose deployment is gone."""
        if self._owner is not owner:
            return
        self._owner = None
        if self._candidate is not None:
            _logger.warning("candidate abandoned release=%s", self._candidate.release)
        await self._drop_candidate()

    async def _status(self, _request: dict[str, Any], _owner: object) -> dict[str, Any]:
        return {
            "version": self._state.version,
            "release": self._state.release,
            "host": self._listener.host if self._listener else None,
            "port": self._listener.port if self._listener else None,
            "is-serving": self._live is not None and self._live.is_serving,
            "servers": [server.to_dict() for server in self._running()],
            "draining": len(self._retiring),
        }

    async def _reserve(self, request: dict[str, Any], owner: object) -> dict[str, Any]:
        host, port = request["host"], int(request["port"])
        await self._drop_candidate()
        self._owner = owner
        listener = self._listener
        if listener is None or listener.host != host or port not in {0, listener.port}:
            try:
                self._reserved = listener = await self._open(host, port)
            except (OSError, OverflowError) as error:
                number = getattr(error, "errno", None)
                raise ControlProblem("port", os.strerror(number).lower() if number else str(error)) from error
        return {"host": listener.host, "port": listener.port}

    async def _start_candidate(self, request: dict[str, Any], owner: object) -> dict[str, Any]:
        if self._owner is not owner:
            raise ControlProblem("order", "`listen` comes before `start`")
        self._candidate = self._new_server(request["release"], request["command"], Path(request["captures"]))
        await self._candidate.start(self._env)
        self._record()
        backend = self._candidate.backend
        return {
            "host": backend.host if backend else None,
            "port": backend.port if backend else None,
            "log": str(self._candidate.log),
        }

    async def _wait_for_candidate(self, request: dict[str, Any], _owner: object) -> dict[str, Any]:
        candidate = self._candidate
        if candidate is None:
            raise ControlProblem("order", "there is no candidate")
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(candidate.ready_or_ended(), float(request["timeout"]))
        return {
            "is-ready": candidate.is_serving,
            "has-ended": candidate.ended.is_set(),
            "exit-code": candidate.exit_code,
            "last-lines": _last_lines(candidate.log),
        }

    async def _wait_for_live(self, request: dict[str, Any], _owner: object) -> dict[str, Any]:
        """Wait until the live release is served again, over any number of restarts."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(float(request["timeout"])):
                while self._live is not None and not (self._live.is_serving and self._listener):  # noqa: ASYNC110 - the live server changes while we wait
                    await asyncio.sleep(0.02)
        return {}

    async def _switch(self, request: dict[str, Any], owner: object) -> dict[str, Any]:
        candidate = self._candidate
        if self._owner is not owner or candidate is None or not candidate.is_serving:
            raise ControlProblem("not-ready", "the candidate is not ready or has ended")
        listener = self._reserved or self._listener
        if listener is None:
            raise ControlProblem("order", "no port is open")
        state = switched(
            self._state,
            release=candidate.release,
            commit=request["commit"],
            outcome=request["outcome"],
            at=self._clock().isoformat(timespec="seconds"),
            reason=request["reason"],
        )
        # First the truth, then the traffic: after a crash between the two the new release comes up, which passed.
        self._state = replace(
            state,
            host=listener.host,
            port=listener.port,
            captures=str(candidate.captures),
            command=candidate.command,
        )
        self._record(is_durable=True, also=candidate)
        old, self._live, self._candidate, self._owner = self._live, candidate, None, None
        self._door.backend = candidate.backend
        self._move_to(listener)
        self._keep(candidate)
        if old is not None:
            self._retire(old, float(request["drain"]))
        _logger.info("switched release=%s port=%d", candidate.release, listener.port)
        return {"version": self._state.version}

    async def _wait_drained(self, _request: dict[str, Any], _owner: object) -> dict[str, Any]:
        if self._retiring:
            await asyncio.wait(self._retiring)
        return {}

    async def _reject(self, request: dict[str, Any], owner: object) -> dict[str, Any]:
        self._state = rejected(
            self._state,
            release=request["release"],
            commit=request["commit"],
            at=self._clock().isoformat(timespec="seconds"),
            reason=request["reason"],
        )
        self._record(is_durable=True)
        if self._owner is owner:
            self._owner = None
            await self._drop_candidate()
        return {"version": self._state.version}

    async def _destroy(self, _request: dict[str, Any], _owner: object) -> dict[str, Any]:
        self._state = destroyed(self._state, at=self._clock().isoformat(timespec="seconds"))
        write_state(self._folder.state, self._state)
        self._is_over.set()
        return {}

    # Keeping the live release up

    async def _recover(self) -> None:
        self._reopener = asyncio.ensure_future(self._reopen(self._state.host, self._state.port or 0))
        captures = Path(self._state.captures or self._folder.root / "captures")
        live = self._new_server(self._state.release, self._state.command, captures)
        self._live = live
        self._keep(live)

    async def _reopen(self, host: str, port: int) -> None:
        """Listen on the recorded port as soon as it is free."""
        while True:
            try:
                self._listener = await self._open(host, port)
            except OSError as error:
                _logger.error("port not free host=%s port=%d reason=%s", host, port, error)  # noqa: TRY400 - no traceback each second
                await asyncio.sleep(_REOPEN_S)
            else:
                return

    def _keep(self, server: ServerProcess) -> None:
        if self._keeper is not None:
            self._keeper.cancel()
        self._keeper = asyncio.ensure_future(self._keep_alive(server))

    async def _keep_alive(self, server: ServerProcess) -> None:
        """Restart the live server process whenever it ends, ever more slowly while it keeps failing."""
        loop = asyncio.get_running_loop()
        delay_s = _FIRST_RESTART_S
        while True:
            began = loop.time()
            await self._bring_up(server)
            await server.ended.wait()
            self._door.backend = None
            if loop.time() - began > _STABLE_S:
                delay_s = _FIRST_RESTART_S
            _logger.error(
                "server ended release=%s code=%s restart_in_s=%.1f", server.release, server.exit_code, delay_s
            )
            await asyncio.sleep(delay_s)
            delay_s = min(delay_s * 2, _LONGEST_RESTART_S)
            self._live = server = self._new_server(server.release, server.command, server.captures)

    async def _bring_up(self, server: ServerProcess) -> None:
        if server.identity is None:
            try:
                await server.start(self._env)
            except (OSError, GraphshipError):
                _logger.exception("server not started release=%s", server.release)
                server.ended.set()
                return
            self._record()
        await server.ready_or_ended()
        if server.is_serving:
            self._door.backend = server.backend

    def _retire(self, server: ServerProcess, drain_s: float) -> None:
        task = asyncio.ensure_future(self._drain_and_stop(server, drain_s))
        self._retiring[task] = server
        task.add_done_callback(self._retired)

    async def _drain_and_stop(self, server: ServerProcess, drain_s: float) -> None:
        if server.backend is not None:
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(server.backend.drained(), drain_s)
        await server.stop(_STOP_S)

    def _retired(self, task: asyncio.Task[None]) -> None:
        del self._retiring[task]
        if not self._is_over.is_set():
            self._record()

    # Small pieces

    def _new_server(self, release: Any, command: Any, captures: Path) -> ServerProcess:
        self._started_servers += 1
        for log in sorted(self._folder.logs.glob("*.log"))[:-_KEPT_LOGS]:
            log.unlink(missing_ok=True)
        stamp = self._clock().strftime("%Y%m%dT%H%M%S")
        return ServerProcess(
            release,
            command=command,
            folder=self._folder.release(release),
            captures=captures,
            log=self._folder.logs / f"{stamp}-{self._started_servers:03}-{release[:12]}.log",
        )

    async def _drop_candidate(self) -> None:
        candidate, self._candidate = self._candidate, None
        reserved, self._reserved = self._reserved, None
        if reserved is not None:
            reserved.server.close()
        if candidate is not None:
            await candidate.stop(_STOP_S)
            self._record()

    async def _open(self, host: str, port: int) -> _Listener:
        server = await self._door.listen(host, port)
        return _Listener(server, host, server.sockets[0].getsockname()[1])

    def _move_to(self, listener: _Listener) -> None:
        old, self._listener, self._reserved = self._listener, listener, None
        if self._reopener is not None:
            self._reopener.cancel()
        if old is not None and old is not listener:
            old.server.close()

    def _running(self, also: ServerProcess | None = None) -> list[ProcessId]:
        servers = [*self._servers(), *([also] if also else [])]
        identities = {server.identity for server in servers if server.identity and not server.ended.is_set()}
        return sorted(identities, key=lambda identity: identity.pid)

    def _servers(self) -> list[ServerProcess]:
        return [server for server in (self._live, self._candidate, *self._retiring.values()) if server is not None]

    def _record(self, *, is_durable: bool = False, also: ServerProcess | None = None) -> None:
        self._state = replace(self._state, servers=tuple(self._running(also)))
        write_state(self._folder.state, self._state, is_durable=is_durable)

    async def _end(self) -> None:
        servers = self._servers()
        for task in (self._keeper, self._reopener, *self._retiring):
            if task is not None:
                task.cancel()
        for listener in (self._listener, self._reserved):
            if listener is not None:
                listener.server.close()
        await self._door.close(_STOP_S)
        await asyncio.gather(*(server.stop(_STOP_S) for server in servers))
        self._state = replace(self._state, servers=(), supervisor=None, control=None)
        write_state(self._folder.state, self._state)


def _last_lines(log: Path) -> list[str]:
    try:
        with log.open("rb") as file:
            is_cut = file.seek(max(0, log.stat().st_size - 64 * 1024)) > 0
            text = file.read().decode("utf-8", errors="replace")
            return f"{CUT if is_cut else ''}{text}".splitlines()[-_LOG_LINES:]
    except OSError:
        return []
