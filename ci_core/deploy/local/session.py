"""The target's side of the supervisor: find it, start it when it is gone, and speak to it in errors of ours."""

from __future__ import annotations

import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

from ci_core import _process
from ci_core.deploy.local.control import ControlClient, ControlProblem, ControlUnavailable
from ci_core.deploy.local.processes import ProcessId
from ci_core.deploy.local.state import read_state
from ci_core.errors import SupervisorError

if TYPE_CHECKING:
    from collections.abc import Mapping
    from types import TracebackType

    from ci_core.deploy.local.paths import EnvironmentFolder

_START_TIMEOUT_S = 20.0
_GIVEN_UP_S = 1.0
_PING_TIMEOUT_S = 5.0
_POLL_S = 0.02
_LOG_BYTES = 5_000_000
_JOB_VARIABLES = (
    # CI systems end every process that carries these when a job ends; a deployed server is meant to stay.
    *("RUNNER_TRACKING_ID", "JENKINS_NODE_COOKIE", "JENKINS_SERVER_COOKIE", "HUDSON_SERVER_COOKIE", "BUILD_ID"),
    # A server has no use for the credentials of the job that deployed it.
    *("GITHUB_TOKEN", "GH_TOKEN", "GITLAB_TOKEN", "CI_JOB_TOKEN", "CI_JOB_JWT", "CI_JOB_JWT_V2"),
    *("ACTIONS_RUNTIME_TOKEN", "ACTIONS_ID_TOKEN_REQUEST_TOKEN", "ACTIONS_CACHE_URL", "CI_REGISTRY_PASSWORD"),
)


class SupervisorSession:
    """A conversation with the supervisor of one environment; ending it undoes what was begun and not switched."""

    def __init__(self, environment: str, folder: EnvironmentFolder, client: ControlClient, *, is_new: bool) -> None:
        self._environment, self._folder, self._client = environment, folder, client
        self.is_new = is_new
        """Whether the supervisor had to be started: its live release may still be coming up."""

    @classmethod
    def open(cls, environment: str, folder: EnvironmentFolder, env: Mapping[str, str]) -> SupervisorSession:
        """Speak to the running supervisor, or start one.

        Raises:
            SupervisorError: it does not start, with the last lines of its log.
        """
        started: int | None = None
        deadline = time.monotonic() + _START_TIMEOUT_S
        while time.monotonic() < deadline:
            client = _connect(folder)
            if client is not None:
                return cls(environment, folder, client, is_new=started is not None)
            if started is None and not _is_supervised(folder):
                started = _start(folder, env)
            elif started is not None and ProcessId.of(started) is None:
                # It failed, or made room for one that was quicker.
                deadline = min(deadline, time.monotonic() + _GIVEN_UP_S)
            time.sleep(_POLL_S)
        raise SupervisorError(
            environment=environment,
            reason="does not answer" if started is None else "does not start",
            log=str(folder.supervisor_log),
            last_lines=_tail(folder.supervisor_log),
        )

    def ask(self, do: str, *, timeout_s: float = 30.0, **details: object) -> dict[str, Any]:
        """Return the answer to a request.

        Raises:
            ControlProblem: it cannot be done, and the slug says why: ``port``, ``not-ready``.
            SupervisorError: the supervisor failed, or ended, or does not answer.
        """
        try:
            return self._client.ask(do, timeout_s=timeout_s, **details)
        except ControlUnavailable as error:
            raise self._failed(f"does not answer: {error}") from error
        except ControlProblem as problem:
            if problem.slug in {"failed", "order", "unknown-request"}:
                raise self._failed(f"failed: {problem.text}") from problem
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._client.close()

    def _failed(self, reason: str) -> SupervisorError:
        log = self._folder.supervisor_log
        return SupervisorError(environment=self._environment, reason=reason, log=str(log), last_lines=_tail(log))


def wait_for_end(process: ProcessId, timeout_s: float = 60.0) -> bool:
    """Wait until `process` has ended, at most `timeout_s`; return whether it has."""
    deadline = time.monotonic() + timeout_s
    while process.is_running:
        if time.monotonic() > deadline:
            return False
        time.sleep(_POLL_S)
    return True


def _is_supervised(folder: EnvironmentFolder) -> bool:
    """Whether a supervisor runs; one that is ending still does, and is waited for."""
    state = read_state(folder.state)
    return state is not None and state.supervisor is not None and state.supervisor.is_running


def _connect(folder: EnvironmentFolder) -> ControlClient | None:
    """Return a conversation with a supervisor that surely listens: one that is dying still has an open socket."""
    state = read_state(folder.state)
    if state is None or state.control is None:
        return None
    try:
        client = ControlClient(Path(state.control))
    except ControlUnavailable:
        return None
    try:
        client.ask("status", timeout_s=_PING_TIMEOUT_S)
    except (ControlUnavailable, ControlProblem):
        client.close()
        return None
    return client


def _start(folder: EnvironmentFolder, env: Mapping[str, str]) -> int:
    folder.make()
    _rotate(folder.supervisor_log)
    return _process.start_detached(
        [sys.executable, "-m", "ci_core.deploy.local", str(folder.root)],
        cwd=folder.root,
        env={key: value for key, value in env.items() if key not in _JOB_VARIABLES},
        log=folder.supervisor_log,
    )


def _rotate(log: Path) -> None:
    if log.exists() and log.stat().st_size > _LOG_BYTES:
        log.replace(log.with_suffix(".log.1"))


def _tail(log: Path) -> list[str]:
    try:
        return log.read_text(encoding="utf-8", errors="replace").splitlines()[-_process.LAST_LINES :]
    except OSError:
        return []
