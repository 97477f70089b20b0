"""The local target: server processes on this machine behind a door, for demos, tests, and one production machine."""

from __future__ import annotations

import contextlib
import http.client
import sys
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Literal

from filelock import FileLock, Timeout

from ci_core.deploy.local.options import LocalOptions
from ci_core.deploy.local.paths import EnvironmentFolder
from ci_core.deploy.local.processes import end_orphans
from ci_core.deploy.local.rollout import Rollout
from ci_core.deploy.local.session import SupervisorSession, wait_for_end
from ci_core.deploy.local.state import State, destroyed, read_state, write_state
from ci_core.deploy.local.store import ReleaseStore
from ci_core.deploy.planning import graph_changes, model_changes, other_changes
from ci_core.deploy.spec import DeploymentOutcome, Live, Plan
from ci_core.errors import NothingToRollBackToError, PlanOutdatedError, PlanRefusedError, SupervisorError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence
    from datetime import datetime
    from pathlib import Path

    from ci_core.deploy.spec import Release, ReleaseRecord
    from ci_core.types import EnvironmentName, JsonObject, ReleaseId

    Progress = Callable[[str], None]

SERVER_COMMAND = (sys.executable, "-m", "ci_core.serving")
"""Starts a server process; the release folder and ``--host --port --captures`` are added."""
_LOCK_TIMEOUT_S = 600.0
_HEALTH_TIMEOUT_S = 5.0
_HOSTED_NOTE = "on a hosted runner this server ends with the job"


class LocalTarget:
    """Implements :class:`ci_core.deploy.base.DeployTarget` for this machine.

    Args:
        state_dir: folder of the project's environments; one sub-folder each.
        options: of the environment this target is used for.
        env: environment variables given to servers, without those of the CI job.
        clock: current time with time zone, for the history.
        server_command: how a server process is started.
        accepts_known_bad: whether a release that failed here before is tried again.
    """

    name = "local"
    capabilities = frozenset({"blue-green", "smoke", "rollback"})

    def __init__(
        self,
        state_dir: Path,
        options: LocalOptions | None = None,
        *,
        env: Mapping[str, str],
        clock: Callable[[], datetime],
        server_command: Sequence[str] = SERVER_COMMAND,
        accepts_known_bad: bool = False,
    ) -> None:
        self._state_dir = state_dir.absolute()
        self._options = options or LocalOptions()
        self._env = dict(env)
        self._clock = clock
        self._server_command = tuple(server_command)
        self._accepts_known_bad = accepts_known_bad

    def observe(self, environment: EnvironmentName) -> Live:
        """Return what runs now; brings the live release up again when its supervisor is gone.

        Raises:
            StateFileError: the record of the environment cannot be read.
            SupervisorError: the supervisor is gone and does not start.
        """
        folder = self._folder(environment)
        state = read_state(folder.state)
        if state is None:
            return Live(environment=environment)
        if state.release is not None:
            with SupervisorSession.open(environment, folder, self._env) as session:
                if session.is_new:
                    timeout_s = self._options.ready_timeout_s
                    session.ask("wait-live", timeout_s=timeout_s + _HEALTH_TIMEOUT_S, timeout=timeout_s)
            state = read_state(folder.state) or state
        return _live(environment, state)

    def stored(self, environment: EnvironmentName, release: ReleaseId) -> Release | None:
        """Return a release that is kept here; None when it is not."""
        record = ReleaseStore(self._folder(environment)).get(release)
        return record.release if record else None

    def plan(self, environment: EnvironmentName, release: Release, live: Live, live_release: Release | None) -> Plan:
        """Return what applying `release` would do."""
        refusals = self._refusals(environment, release, live)
        action: Literal["create", "replace", "none", "refused"] = "create" if live.release is None else "replace"
        if refusals:
            action = "refused"
        elif live.release == release.id and live.is_healthy:
            action = "none"
        notes = [*refusals, *other_changes(live_release, release)]
        if live.release == release.id and not live.is_healthy:
            notes.append("this release is live already and not healthy: its server is replaced")
        if self._env.get("CI") and not self._env.get("JENKINS_URL"):
            notes.append(_HOSTED_NOTE)
        return Plan(
            environment=environment,
            target=self.name,
            release=release.id,
            live=live.release,
            live_version=live.version,
            action=action,
            steps=graph_changes(live_release.graph if live_release else None, release.graph),
            models=model_changes(live_release.models if live_release else (), release.models),
            notes=tuple(notes),
        )

    def apply(
        self,
        plan: Plan,
        record: ReleaseRecord,
        bundle: Path,
        *,
        smoke: Sequence[JsonObject] = (),
        progress: Progress = lambda _line: None,
    ) -> DeploymentOutcome:
        """Start the candidate beside the live release, gate it, switch, drain the old one.

        Raises:
            PlanRefusedError: the plan says so.
            PlanOutdatedError: the live state moved since the plan was made.
            BundleDamagedError: `bundle` is not the release's archive.
            CaptureFolderError: captures cannot be written.
            EnvironmentPortTakenError: the port is taken.
            DeploymentFailedError: the candidate did not get ready or failed a smoke request; the old one still serves.
            SupervisorError: the supervisor failed, or another deployment takes too long.
        """
        if plan.action == "refused":
            hint = "deploy another commit, or override with `--force` if the release is known-bad for an outside cause"
            raise PlanRefusedError(environment=plan.environment, release=plan.release, reasons=plan.notes, hint=hint)
        folder = self._folder(plan.environment)
        with self._locked(plan.environment, folder, progress):
            live = self.observe(plan.environment)
            if live.version != plan.live_version:
                raise PlanOutdatedError(
                    environment=plan.environment,
                    planned_version=plan.live_version,
                    live_version=live.version,
                    live=live.release,
                )
            if live.release == record.release.id and live.is_healthy:
                progress(f"release {live.release[:12]} is live already")
                return DeploymentOutcome(
                    environment=plan.environment, release=record.release.id, outcome="unchanged", live=live
                )
            return self._roll_out(plan.environment, folder, record, bundle, smoke=smoke, progress=progress)

    def rollback(
        self, environment: EnvironmentName, to: ReleaseId | None = None, *, progress: Progress = lambda _line: None
    ) -> DeploymentOutcome:
        """Put the previous release, or `to` (its id or the beginning of it), back; the one left becomes known-bad.

        Raises:
            NothingToRollBackToError: no earlier release that worked is kept, or not `to`.
            DeploymentFailedError: it does not get ready any more; the live one still serves.
            CaptureFolderError: captures cannot be written.
            EnvironmentPortTakenError: the port is taken.
            SupervisorError: the supervisor failed, or another deployment takes too long.
        """
        folder = self._folder(environment)
        with self._locked(environment, folder, progress):
            live = self.observe(environment)
            state = read_state(folder.state) or State()
            record = self._record_to_return_to(environment, state, to)
            if live.release == record.release.id and live.is_healthy:
                return DeploymentOutcome(
                    environment=environment, release=record.release.id, outcome="unchanged", live=live
                )
            return self._roll_out(environment, folder, record, None, progress=progress)

    def destroy(self, environment: EnvironmentName) -> None:
        """Stop everything of this environment; history, releases, logs and captures stay.

        Raises:
            SupervisorError: the supervisor does not end.
        """
        folder = self._folder(environment)
        if read_state(folder.state) is None:
            return
        with self._locked(environment, folder, lambda _line: None):
            state = read_state(folder.state) or State()
            if state.supervisor is not None and state.supervisor.is_running:
                with SupervisorSession.open(environment, folder, self._env) as session:
                    session.ask("destroy")
                if not wait_for_end(state.supervisor):
                    log = str(folder.supervisor_log)
                    raise SupervisorError(environment=environment, reason="does not end", log=log)
                return
            end_orphans(state.servers, folder.root)
            write_state(folder.state, destroyed(state, at=self._clock().isoformat(timespec="seconds")))

    def _roll_out(
        self,
        environment: EnvironmentName,
        folder: EnvironmentFolder,
        record: ReleaseRecord,
        bundle: Path | None,
        *,
        smoke: Sequence[JsonObject] = (),
        progress: Progress,
    ) -> DeploymentOutcome:
        """Deploy `bundle`, or roll back to a kept release when it is None."""
        store = ReleaseStore(folder)
        try:
            with SupervisorSession.open(environment, folder, self._env) as session:
                rollout = Rollout(
                    environment=environment,
                    session=session,
                    state=read_state(folder.state) or State(),
                    record=record,
                    options=self._options,
                    captures=_captures(folder, record.release),
                    command=self._server_command,
                    progress=progress,
                )
                if bundle is not None:
                    with rollout.phase("unpack"):
                        store.put(record, bundle)
                    rollout.run(outcome="deployed", smoke=smoke)
                else:
                    rollout.run(outcome="rolled-back", reason="rolled back")
        except BaseException:
            self._end_if_idle(environment, folder)
            raise
        state = read_state(folder.state) or State()
        store.prune({state.release, *(release for release, _ in list(state.earlier)[:1])})
        return DeploymentOutcome(
            environment=environment,
            release=record.release.id,
            outcome="deployed" if bundle is not None else "rolled-back",
            live=_live(environment, state),
            smoke_requests=len(smoke),
            phases=tuple(rollout.phases),
        )

    def _end_if_idle(self, environment: EnvironmentName, folder: EnvironmentFolder) -> None:
        """Leave no daemon behind that has nothing to serve."""
        state = read_state(folder.state)
        if state is None or state.release is not None or state.supervisor is None or not state.supervisor.is_running:
            return
        with contextlib.suppress(SupervisorError), SupervisorSession.open(environment, folder, self._env) as session:
            session.ask("destroy")
            wait_for_end(state.supervisor)

    def _refusals(self, environment: EnvironmentName, release: Release, live: Live) -> list[str]:
        refusals = []
        if release.id in live.known_bad and not self._accepts_known_bad:
            state = read_state(self._folder(environment).state) or State()
            reason = state.known_bad.get(release.id, "reason unknown")
            refusals.append(f"release `{release.id[:12]}` is not tried again in `{environment}`: {reason}")
        captures = _capture_setting(release)
        if "://" in captures:
            refusals.append(f"this target writes captures to folders only, not to `{captures}`")
        return refusals

    def _record_to_return_to(self, environment: EnvironmentName, state: State, to: ReleaseId | None) -> ReleaseRecord:
        store = ReleaseStore(self._folder(environment))
        kept = store.kept()
        if to is not None:
            matching = [release for release in kept if release.startswith(to)]
            candidates = matching if len(matching) == 1 else []
        else:
            candidates = [release for release, _ in state.earlier if release in kept]
        record = store.get(candidates[0]) if candidates else None
        if record is None:
            others = [release[:12] for release in kept if release != state.release]
            raise NothingToRollBackToError(environment=environment, wanted=to, kept=others)
        return record

    def _folder(self, environment: EnvironmentName) -> EnvironmentFolder:
        return EnvironmentFolder(root=self._state_dir / environment)

    @contextmanager
    def _locked(self, environment: EnvironmentName, folder: EnvironmentFolder, progress: Progress) -> Iterator[None]:
        """Let one deployment at a time happen; a second one waits."""
        folder.make()
        lock = FileLock(folder.deploy_lock)
        try:
            try:
                lock.acquire(timeout=0)
            except Timeout:
                progress("waiting for another deployment to end")
                lock.acquire(timeout=_LOCK_TIMEOUT_S)
        except Timeout as error:
            raise SupervisorError(
                environment=environment,
                reason=f"has been busy with another deployment for {_LOCK_TIMEOUT_S:g} s",
                log=str(folder.supervisor_log),
            ) from error
        try:
            yield
        finally:
            lock.release()


def _live(environment: EnvironmentName, state: State) -> Live:
    is_serving = state.release is not None and state.port is not None
    host = "127.0.0.1" if state.host in {"", "0.0.0.0", "::"} else state.host  # noqa: S104 - compared, not bound
    return Live(
        environment=environment,
        release=state.release,
        commit=state.commit,
        url=f"http://{host}:{state.port}" if is_serving else None,
        is_healthy=is_serving and _answers(host, state.port or 0),
        version=state.version,
        previous=state.previous,
        known_bad=tuple(state.known_bad),
        captures=state.captures,
        history=state.history,
    )


def _answers(host: str, port: int) -> bool:
    """Whether the live release answers its readiness question through the door."""
    connection = http.client.HTTPConnection(host, port, timeout=_HEALTH_TIMEOUT_S)
    try:
        connection.request("GET", "/readyz")
        return connection.getresponse().status == http.client.OK
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()


def _capture_setting(release: Release) -> str:
    capture: Any = release.settings.get("capture") or {}
    return str(capture.get("to", ".graphship/captures"))


def _captures(folder: EnvironmentFolder, release: Release) -> Path:
    """Return where captures go; a relative folder is one of the environment's own."""
    return folder.root / _capture_setting(release)
