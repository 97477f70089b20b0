"""One rollout on this machine: start the candidate, gate it, switch, drain. Timed phase by phase."""

from __future__ import annotations

import time
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal, NoReturn

from ci_core.deploy.local.control import ControlProblem
from ci_core.deploy.smoke import replay
from ci_core.deploy.spec import PhaseTime
from ci_core.errors import (
    CaptureFolderError,
    DeploymentFailedError,
    EnvironmentPortTakenError,
    SmokeFailedError,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from pathlib import Path

    from ci_core.deploy.local.options import LocalOptions
    from ci_core.deploy.local.session import SupervisorSession
    from ci_core.deploy.local.state import State
    from ci_core.deploy.spec import ReleaseRecord
    from ci_core.types import JsonObject, ReleaseId

_STOP_S = 30.0
_SLICE_S = 0.5


@dataclass(kw_only=True)
class Rollout:
    """Brings `record` into service; every failure before the switch leaves what served before untouched."""

    environment: str
    session: SupervisorSession
    state: State
    """As it was when the rollout began."""
    record: ReleaseRecord
    options: LocalOptions
    captures: Path
    command: Sequence[str]
    progress: Callable[[str], None]
    phases: list[PhaseTime] = field(default_factory=list)

    @property
    def _release(self) -> ReleaseId:
        return self.record.release.id

    def run(
        self, *, outcome: Literal["deployed", "rolled-back"], reason: str = "", smoke: Sequence[JsonObject] = ()
    ) -> None:
        """Do all phases.

        Raises:
            CaptureFolderError: captures cannot be written.
            EnvironmentPortTakenError: the door cannot listen.
            DeploymentFailedError: the candidate did not get ready or failed a smoke request.
            SupervisorError: the supervisor failed.
        """
        with self.phase("start"):
            _check_writable(self.captures)
            self._reserve_port()
            started = self.session.ask(
                "start", release=self._release, command=list(self.command), captures=str(self.captures)
            )
        with self.phase("ready"):
            self._wait_until_ready(started["log"])
            self.progress(f"candidate ready: release {self._release[:12]}")
        if smoke:
            with self.phase("smoke"):
                self._smoke(f"http://{started['host']}:{started['port']}", smoke, started["log"])
        with self.phase("switch"):
            self._switch(outcome, reason, started["log"])
            self.progress("switched")
        with self.phase("drain"):
            self.session.ask("drained", timeout_s=self.options.drain_timeout_s + _STOP_S)
            if self.state.release is not None:
                self.progress("old server stopped, no request cut off")

    @contextmanager
    def phase(self, name: str) -> Iterator[None]:
        """Time one phase."""
        began = time.monotonic()
        yield
        self.phases.append(PhaseTime(phase=name, seconds=round(time.monotonic() - began, 3)))

    def _reserve_port(self) -> None:
        wanted = self.options.port or self.state.port or 0
        try:
            self.session.ask("listen", host=self.options.host, port=wanted)
        except ControlProblem as problem:
            is_chosen_by_us = self.options.port is None and self.state.release is None
            if is_chosen_by_us and wanted:  # somebody took the port that an earlier, ended deployment had
                self.session.ask("listen", host=self.options.host, port=0)
                return
            raise EnvironmentPortTakenError(
                environment=self.environment, host=self.options.host, port=wanted, reason=problem.text
            ) from problem

    def _wait_until_ready(self, log: str) -> None:
        timeout_s = self.options.ready_timeout_s
        deadline = time.monotonic() + timeout_s
        seen = self.session.ask("candidate", timeout=0)
        while not (seen["is-ready"] or seen["has-ended"]) and time.monotonic() < deadline:
            # In slices, since the supervisor notices that we are gone only between two requests.
            seen = self.session.ask("candidate", timeout=min(_SLICE_S, max(0.0, deadline - time.monotonic())))
        if seen["is-ready"]:
            return
        reason = f"its server did not get ready within {timeout_s:g} s"
        if seen["has-ended"]:
            reason = f"its server ended with {_ended_with(seen['exit-code'])} before it was ready"
        self._fail("ready", reason, log, seen["last-lines"])

    def _smoke(self, url: str, requests: Sequence[JsonObject], log: str) -> None:
        try:
            count = replay(url, requests)
        except SmokeFailedError as error:
            self._fail("smoke", f"{error.fact}: {error.answer}", log, (), cause=error)
        self.progress(f"{count} smoke request{'s' if count != 1 else ''} answered")

    def _switch(self, outcome: str, reason: str, log: str) -> None:
        try:
            self.session.ask(
                "switch",
                commit=self.record.commit,
                outcome=outcome,
                reason=reason,
                drain=self.options.drain_timeout_s,
            )
        except ControlProblem as problem:
            seen = self.session.ask("candidate", timeout=0)
            self._fail("switch", "its server ended after it was ready", log, seen["last-lines"], cause=problem)

    def _fail(
        self, phase: str, reason: str, log: str, last_lines: Sequence[str], cause: Exception | None = None
    ) -> NoReturn:
        self.session.ask(
            "reject",
            timeout_s=_STOP_S,
            release=self._release,
            commit=self.record.commit,
            reason=f"{phase}: {reason}",
        )
        raise DeploymentFailedError(
            environment=self.environment,
            release=self._release,
            phase=phase,
            reason=reason,
            serving=self.state.release,
            last_lines=last_lines,
            log=log,
        ) from cause


def _ended_with(exit_code: Any) -> str:
    return f"exit code {exit_code}" if exit_code is None or exit_code >= 0 else f"signal {-exit_code}"


def _check_writable(folder: Path) -> None:
    """Make the capture folder and write to it, since a permission bit alone does not tell."""
    probe = folder / ".graphship-probe"
    try:
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        probe.write_bytes(b"")
        probe.unlink()
    except OSError as error:
        raise CaptureFolderError(folder=str(folder), reason=error.strerror or str(error)) from error
