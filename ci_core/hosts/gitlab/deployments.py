"""Deployments and environments. From GitLab's documentation: "Deployments API", "Environments API".

What a deployment of GitLab has no place for is in its environment's description, which GitLab keeps since 17.2: see
``deployment_notes.py``. Deployments that others made, such as jobs with the keyword ``environment``, are left out.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final

from ci_core.errors import HostRefusedError
from ci_core.hosts._answers import needed_text, number, optional_text
from ci_core.hosts.gitlab.deployment_notes import DeploymentNote, read_notes, with_notes
from ci_core.hosts.gitlab.refusals import Doing
from ci_core.hosts.gitlab.tokens import DEPLOYMENT, READ
from ci_core.hosts.spec import DeploymentRecord
from ci_core.types import CommitId

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from ci_core.hosts._answers import Json
    from ci_core.hosts.gitlab.client import Client
    from ci_core.hosts.spec import DeploymentState
    from ci_core.types import EnvironmentName, ReleaseId

    Notes = tuple[DeploymentNote, ...]

_SENT: Final[Mapping[DeploymentState, str]] = {"in-progress": "running", "success": "success", "failure": "failed"}
_READ: Final[Mapping[str, DeploymentState]] = {"success": "success", "failed": "failure", "canceled": "failure"}
_SAME_STATE: Final = "cannot transition"
_TAKEN: Final = "has already been taken"
_LONGEST_ADDRESS: Final = 255
_NO_DESCRIPTIONS: Final = (
    "it keeps no descriptions of environments, where we note the release: GitLab has them since 17.2"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Environment:
    id: int
    description: str

    @property
    def notes(self) -> tuple[DeploymentNote, ...]:
        return read_notes(self.description)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Deployment:
    id: int
    commit: CommitId
    status: str
    is_of_job: bool


class GitLabDeployments:
    """See :class:`ci_core.hosts.base.Deployments`."""

    def __init__(self, client: Client) -> None:
        self._client = client

    def list(self, environment: EnvironmentName) -> Iterator[DeploymentRecord]:
        """Yield our records, newest first."""
        found = self._environment(environment)
        serving = False
        for deployment, note in self._ours(environment, found.notes if found else ()):
            state = _state(deployment, note, is_newest_success=not serving)
            serving = serving or state == "success"
            yield _record(environment, deployment, note, state)

    def create(
        self, *, environment: EnvironmentName, commit: CommitId, release: ReleaseId, description: str = ""
    ) -> DeploymentRecord:
        """Open a record with state ``in-progress``; its note is written first.

        Raises:
            HostRefusedError: this GitLab keeps no descriptions of environments, which came with 17.2.
        """
        doing = self._on(environment, f"open a deployment to `{environment}`")
        note = DeploymentNote(id=None, commit=commit, release=release, text=description)
        self._keep(doing, environment, lambda notes: (note, *notes))
        env = self._client.env
        branch = env.get("CI_COMMIT_REF_NAME") if env.get("CI_COMMIT_SHA") == commit else None
        data = {
            "environment": environment,
            "sha": commit,
            "ref": branch or commit,
            "tag": bool(branch) and env.get("CI_COMMIT_TAG") == branch,
            "status": "running",
        }
        path = f"{self._client.project}/deployments"
        made = self._client.write(doing, "post", path, data, _read_deployment)
        return _record(environment, made, note, "in-progress")

    def update(
        self,
        record: DeploymentRecord,
        *,
        state: DeploymentState,
        description: str = "",
        url: str | None = None,
        log_url: str | None = None,
    ) -> DeploymentRecord:
        """Say what became of a deployment; that one is inactive is in our note alone, GitLab has no word for it."""
        environment = record.environment
        doing = self._on(environment, f"update a deployment to `{environment}`", record.id)
        if state in _SENT:
            self._set_status(doing, record.id, _SENT[state])
        note = DeploymentNote(
            id=int(record.id),
            commit=record.commit,
            release=record.release,
            text=description,
            url=url or record.url,
            log=log_url or record.log_url,
            inactive=state == "inactive",
        )
        self._keep(doing, environment, lambda notes: _replaced(notes, note), url if state == "success" else None)
        return replace(record, state=state, description=note.text, url=note.url, log_url=note.log)

    def _ours(self, environment: EnvironmentName, notes: Notes) -> Iterator[tuple[_Deployment, DeploymentNote]]:
        """Yield deployments with their notes; no more are asked for than there are notes."""
        left = list(notes)
        if not left:
            return
        doing = self._on(environment, f"list the deployments to `{environment}`", is_reading=True)
        query = {"environment": environment, "order_by": "id", "sort": "desc"}
        named = {note.id for note in notes}
        for deployment in self._client.pages(doing, f"{self._client.project}/deployments", _read_deployment, **query):
            note = next((note for note in left if _is_of(note, deployment, named)), None)
            if note is not None:
                left.remove(note)
                yield deployment, note
            if not left:
                return

    def _set_status(self, doing: Doing, own: str, status: str) -> None:
        path = f"{self._client.project}/deployments/{own}"
        try:
            self._client.repeat(doing, "put", path, {"status": status}, lambda answer: number(answer, "id"))
        except HostRefusedError as error:
            if _SAME_STATE not in error.reason.lower():  # it is in that state already
                raise

    def _environment(self, name: EnvironmentName) -> _Environment | None:
        doing = self._on(name, f"look for the environment `{name}`", is_reading=True)
        path = f"{self._client.project}/environments"
        return next(self._client.pages(doing, path, _read_environment, name=name), None)

    def _keep(
        self,
        doing: Doing,
        name: EnvironmentName,
        changed: Callable[[Notes], Notes],
        url: str | None = None,
    ) -> None:
        """Change the notes in the environment's description, and where it answers."""
        more = {"external_url": url} if url and _is_web_address(url) else {}
        path = f"{self._client.project}/environments"
        found = self._environment(name)
        if found is None:
            text = with_notes("", changed(()))
            data = {"name": name, "description": text, **more}
            try:
                kept = self._client.repeat(doing, "post", path, data, _read_environment)
            except HostRefusedError as error:
                found = self._environment(name) if _TAKEN in error.reason else None  # another run was first
                if found is None:
                    raise
        if found is not None:
            text = with_notes(found.description, changed(found.notes))
            kept = self._client.repeat(
                doing, "put", f"{path}/{found.id}", {"description": text, **more}, _read_environment
            )
        if kept.notes != read_notes(text):
            raise self._client.refusals.refused(doing, _NO_DESCRIPTIONS)

    def _on(self, environment: EnvironmentName, action: str, own: str = "", *, is_reading: bool = False) -> Doing:
        return Doing(
            action=action,
            need=READ if is_reading else DEPLOYMENT,
            kind="deployment" if own else "environment",
            name=own or environment,
            for_jobs=True,
        )


def _is_of(note: DeploymentNote, deployment: _Deployment, named: set[int | None]) -> bool:
    if note.id is not None:
        return note.id == deployment.id
    return note.commit == deployment.commit and deployment.id not in named and not deployment.is_of_job


def _is_web_address(url: str) -> bool:
    return url.startswith(("http://", "https://")) and len(url) <= _LONGEST_ADDRESS


def _replaced(notes: Notes, mine: DeploymentNote) -> Notes:
    """Return notes with ours in the place of its former self, which may have no id yet; in front if there is none."""
    places = [place for place, note in enumerate(notes) if note.id == mine.id]
    places += [
        place
        for place, note in enumerate(notes)
        if note.id is None and (note.commit, note.release) == (mine.commit, mine.release)
    ]
    if not places:
        return (mine, *notes)
    return (*notes[: places[0]], mine, *notes[places[0] + 1 :])


def _state(deployment: _Deployment, note: DeploymentNote, *, is_newest_success: bool) -> DeploymentState:
    state = _READ.get(deployment.status, "in-progress")
    if note.inactive or (state == "success" and not is_newest_success):
        return "inactive"
    return state


def _record(
    environment: EnvironmentName, deployment: _Deployment, note: DeploymentNote, state: DeploymentState
) -> DeploymentRecord:
    return DeploymentRecord(
        id=str(deployment.id),
        environment=environment,
        commit=deployment.commit,
        release=note.release,
        state=state,
        description=note.text,
        url=note.url,
        log_url=note.log,
    )


def _read_deployment(data: Json) -> _Deployment:
    return _Deployment(
        id=number(data, "id"),
        commit=CommitId(needed_text(data, "sha")),
        status=needed_text(data, "status"),
        is_of_job=data.get("deployable") is not None,
    )


def _read_environment(data: Json) -> _Environment:
    return _Environment(id=number(data, "id"), description=optional_text(data, "description") or "")
