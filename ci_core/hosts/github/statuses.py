"""The lights on commits: commit statuses, or check runs of the same names where a token may make those only.

From GitHub's documentation: "REST API endpoints for commit statuses", "REST API endpoints for check runs". A personal
token makes statuses and no check runs; the token of an App or a job may have either permission. A status is tried
first, for everybody can have that, and it does not hang below some other workflow's name as check runs do.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Final, TypeAlias

from ci_core.errors import HostPermissionError, HostRefusedError
from ci_core.hosts.github.answers import Json, needed_text, optional_text, part, text
from ci_core.hosts.github.limits import short, web_address
from ci_core.hosts.github.permissions import CHECKS, READ_CHECKS, READ_STATUSES, STATUSES
from ci_core.hosts.github.refusals import Doing
from ci_core.hosts.spec import CommitStatus

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from ci_core.hosts.github.client import Client
    from ci_core.hosts.github.permissions import Permission
    from ci_core.hosts.spec import StatusState
    from ci_core.types import CommitId

_Light: TypeAlias = "tuple[str, CommitStatus]"
"""With the time when it was set."""

_OURS: Final = "graphship"
"""Begins the identifier of our check runs, which goes on with the state: GitHub has no conclusion ``error``."""


class GitHubStatuses:
    """See :class:`ci_core.hosts.base.Statuses`."""

    def __init__(self, client: Client) -> None:
        self._client = client
        self._by_check_runs = False
        """Learned from the first refusal."""
        self._sees_check_runs = True

    def list(self, commit: CommitId) -> Iterator[CommitStatus]:
        """Yield the newest light of each context; a check run of ours stands for the status of its name."""
        newest: dict[str, _Light] = {}
        for when, status in self._lights(commit):
            if status.context not in newest or newest[status.context][0] < when:
                newest[status.context] = (when, status)
        return (status for _, status in newest.values())

    def set(self, status: CommitStatus) -> None:
        """Set one light."""
        if self._by_check_runs:
            self._set_check_run(status)
            return
        doing = _doing(f"set the status `{status.context}`", status.commit, STATUSES)
        body: dict[str, object] = {
            "state": status.state,
            "context": status.context,
            "description": short(status.description),
        }
        url = web_address(status.url)
        if url is not None:
            body["target_url"] = url
        path = f"{self._client.path}/statuses/{status.commit}"
        try:
            self._client.write(doing, "POST", path, body, lambda _made: None)
        except HostPermissionError as error:
            try:
                self._set_check_run(status)
            except (HostPermissionError, HostRefusedError):  # only Apps make check runs
                raise error from None
            self._by_check_runs = True

    def _set_check_run(self, status: CommitStatus) -> None:
        doing = _doing(f"set the check run `{status.context}`", status.commit, CHECKS)
        body: dict[str, object] = {
            "name": status.context,
            "head_sha": status.commit,
            "external_id": f"{_OURS}:{status.state}",
            "output": {"title": short(status.description) or status.context, "summary": status.description},
        }
        if status.state == "pending":
            body["status"] = "in_progress"
        else:
            body |= {"status": "completed", "conclusion": "success" if status.state == "success" else "failure"}
        url = web_address(status.url)
        if url is not None:
            body["details_url"] = url
        self._client.write(doing, "POST", f"{self._client.path}/check-runs", body, lambda _made: None)

    def _lights(self, commit: CommitId) -> Sequence[_Light]:
        """Return statuses and check runs; those that our token may not even read are none of its own."""
        try:
            statuses = [*self._statuses(commit)]
        except HostPermissionError:
            check_runs = self._check_runs(commit)
            if not self._sees_check_runs:
                raise
            return check_runs
        return [*statuses, *self._check_runs(commit)]

    def _statuses(self, commit: CommitId) -> Iterator[_Light]:
        doing = _doing("list the statuses of a commit", commit, READ_STATUSES)
        path = f"{self._client.path}/commits/{commit}/status"
        return self._client.pages(doing, path, partial(_read_status, commit), within="statuses")

    def _check_runs(self, commit: CommitId) -> Sequence[_Light]:
        if not self._sees_check_runs:
            return []
        doing = _doing("list the check runs of a commit", commit, READ_CHECKS)
        path = f"{self._client.path}/commits/{commit}/check-runs"
        read = partial(_read_check_run, commit)
        try:
            listed = list(self._client.pages(doing, path, read, parameters={"filter": "latest"}, within="check_runs"))
        except HostPermissionError:  # then it made none either
            self._sees_check_runs = False
            return []
        return [light for light in listed if light is not None]


def _doing(action: str, commit: CommitId, needs: Permission) -> Doing:
    return Doing(action=action, needs=needs, kind="commit", name=commit)


def _read_status(commit: CommitId, data: Json) -> _Light:
    return text(data, "updated_at"), CommitStatus(
        commit=commit,
        context=needed_text(data, "context"),
        state=_state(needed_text(data, "state")),
        description=text(data, "description"),
        url=optional_text(data, "target_url"),
    )


def _read_check_run(commit: CommitId, data: Json) -> _Light | None:
    """Return a check run of ours; None for those of others, such as the jobs of workflows."""
    ours, _, state = (optional_text(data, "external_id") or "").partition(":")
    if ours != _OURS:
        return None
    when = optional_text(data, "completed_at") or text(data, "started_at")
    return when, CommitStatus(
        commit=commit,
        context=needed_text(data, "name"),
        state=_state(state),
        description=text(part(data, "output"), "summary"),
        url=optional_text(data, "details_url"),
    )


def _state(given: str) -> StatusState:
    states: dict[str, StatusState] = {"pending": "pending", "success": "success", "failure": "failure"}
    return states.get(given, "error")
