"""Commit statuses. From GitLab's documentation: "Commits API" (commit status).

A status hangs on a pipeline: the newest of its commit, or a new external one when there is none. Where we run in a
pipeline of that very commit we name it, since a branch and a merge request may each have one.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from ci_core.errors import HostRefusedError, NotFoundOnHostError
from ci_core.hosts._answers import needed_text, number, optional_text
from ci_core.hosts.gitlab.refusals import Doing
from ci_core.hosts.gitlab.tokens import READ, STATUS
from ci_core.hosts.spec import CommitStatus
from ci_core.types import CommitId

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from ci_core.hosts._answers import Json
    from ci_core.hosts.gitlab.client import Client
    from ci_core.hosts.gitlab.tokens import Need
    from ci_core.hosts.spec import StatusState

_SENT: Final[Mapping[StatusState, str]] = {
    "pending": "pending",
    "success": "success",
    "failure": "failed",
    "error": "failed",  # GitLab has one word for both
}
_READ: Final[Mapping[str, StatusState]] = {
    "success": "success",
    "failed": "failure",
    "canceled": "error",
    "canceling": "error",
    "skipped": "error",
}
"""All others are steps of what is not over."""
_SAME_STATE: Final = "cannot transition status"


class GitLabStatuses:
    """See :class:`ci_core.hosts.base.Statuses`."""

    def __init__(self, client: Client) -> None:
        self._client = client

    def list(self, commit: CommitId) -> Iterator[CommitStatus]:
        """Yield the newest status of each name, of whatever pipeline, in the order of their names."""
        doing = self._on(f"list the statuses of commit {commit[:12]}", commit, READ)
        path = f"{self._client.project}/repository/commits/{commit}/statuses"
        newest: dict[str, tuple[int, CommitStatus]] = {}
        for own, status in self._client.pages(doing, path, _read_status):
            if own > newest.get(status.context, (0, status))[0]:
                newest[status.context] = (own, status)
        yield from (status for _, (_, status) in sorted(newest.items()))

    def set(self, status: CommitStatus) -> None:
        """Set one light. One that is in that state already stays as it is: GitLab refuses to set it again."""
        doing = self._on(f"set the status `{status.context}` of commit {status.commit[:12]}", status.commit, STATUS)
        data: dict[str, object] = {
            "state": _SENT[status.state],
            "name": status.context,
            "description": status.description,
        }
        if status.url is not None:
            data["target_url"] = status.url
        pipeline = self._own_pipeline(status.commit)
        try:
            if pipeline is not None:
                self._post(doing, {**data, "pipeline_id": pipeline})
                return
        except NotFoundOnHostError:
            pass  # the pipeline is gone, or is of a fork
        self._post(doing, data)

    def _post(self, doing: Doing, data: Mapping[str, object]) -> None:
        path = f"{self._client.project}/statuses/{doing.name}"
        try:
            self._client.repeat(doing, "post", path, data, lambda answer: number(answer, "id"))
        except HostRefusedError as error:
            if _SAME_STATE not in error.reason.lower():
                raise

    def _own_pipeline(self, commit: CommitId) -> int | None:
        env = self._client.env
        is_ours = env.get("CI_COMMIT_SHA") == commit and env.get("CI_PROJECT_PATH") == self._client.repository
        pipeline = env.get("CI_PIPELINE_ID", "")
        return int(pipeline) if is_ours and pipeline.isdecimal() else None

    @staticmethod
    def _on(action: str, commit: CommitId, need: Need) -> Doing:
        return Doing(action=action, need=need, kind="commit", name=commit)


def _read_status(data: Json) -> tuple[int, CommitStatus]:
    status = CommitStatus(
        commit=CommitId(needed_text(data, "sha")),
        context=needed_text(data, "name"),
        state=_READ.get(needed_text(data, "status"), "pending"),
        description=optional_text(data, "description") or "",
        url=optional_text(data, "target_url"),
    )
    return number(data, "id"), status
