"""Merge requests.

From GitLab's documentation: "Merge requests API", "Commits API" (list merge requests associated with a commit), "Draft
merge requests".
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from ci_core.errors import NotFoundOnHostError
from ci_core.hosts._answers import needed_text, number, optional_text, part, record, rows, text, texts
from ci_core.hosts.gitlab.limits import check_body
from ci_core.hosts.gitlab.refusals import Doing
from ci_core.hosts.gitlab.texts import DRAFT_PREFIX, is_draft_title, without_draft, without_quick_actions
from ci_core.hosts.gitlab.tokens import CHANGE_REQUEST, READ
from ci_core.hosts.spec import ChangeRequest
from ci_core.types import CommitId

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from ci_core.hosts._answers import Json
    from ci_core.hosts.gitlab.client import Client
    from ci_core.hosts.spec import ChangeRequestState

_STATES: Final[Mapping[str, ChangeRequestState]] = {
    "opened": "open",
    "locked": "open",  # for the moment in which it is merged
    "closed": "closed",
    "merged": "merged",
}
_ASKED: Final[Mapping[ChangeRequestState | None, str]] = {
    None: "all",
    "open": "opened",
    "closed": "closed",
    "merged": "merged",
}
_EVENTS: Final[Mapping[str, str]] = {"open": "reopen", "closed": "close"}


class GitLabChangeRequests:
    """See :class:`ci_core.hosts.base.ChangeRequests`."""

    def __init__(self, client: Client) -> None:
        self._client = client
        self._path = f"{client.project}/merge_requests"
        self._page = f"{client.web_url}/-/merge_requests"

    def get(self, number: int) -> ChangeRequest:
        """Return one change request."""
        doing = self._on(f"show merge request {number}", number, for_jobs=True)
        return self._client.get(doing, f"{self._path}/{number}", read_change_request)

    def find(
        self,
        *,
        state: ChangeRequestState | None = None,
        source_branch: str | None = None,
        commit: CommitId | None = None,
    ) -> Iterator[ChangeRequest]:
        """Yield matching change requests, newest first.

        `source_branch` is one of this project; a fork's branch of that name is another.
        """
        candidates = self._listed(state, source_branch) if commit is None else self._with_commit(commit)
        for one in candidates:
            is_from_branch = source_branch is None or (one.source_branch == source_branch and not one.is_fork)
            if is_from_branch and state in {None, one.state}:
                yield one

    def create(
        self,
        *,
        title: str,
        body: str,
        source_branch: str,
        target_branch: str,
        labels: Sequence[str] = (),
        reviewers: Sequence[str] = (),
        is_draft: bool = False,
    ) -> ChangeRequest:
        """Open a change request; GitLab makes the labels, and leaves out reviewers beyond what the plan allows."""
        doing = Doing(
            action=f"open a merge request from `{source_branch}`",
            need=CHANGE_REQUEST,
            kind="open merge request from",
            name=source_branch,
            page=self._page,
        )
        check_body(self._client, doing, body)
        data: dict[str, object] = {
            "title": f"{DRAFT_PREFIX}{title}" if is_draft else title,
            "description": without_quick_actions(body),
            "source_branch": source_branch,
            "target_branch": target_branch,
        }
        if labels:
            data["labels"] = ",".join(labels)
        known = [user for name in reviewers if (user := self._user_id(name)) is not None]
        if known:
            data["reviewer_ids"] = known
        return self._client.write(doing, "post", self._path, data, read_change_request)

    def update(
        self,
        number: int,
        *,
        title: str | None = None,
        body: str | None = None,
        state: ChangeRequestState | None = None,
        labels: Sequence[str] = (),
        reviewers: Sequence[str] = (),
    ) -> ChangeRequest:
        """Change what is given and leave the rest; a draft stays one."""
        doing = Doing(
            action=f"change merge request {number}",
            need=CHANGE_REQUEST,
            kind="merge request",
            name=str(number),
            page=self._page,
        )
        if state == "merged":
            raise self._client.refusals.refused(doing, "merging is for people")
        data: dict[str, object] = {}
        if title is not None:
            data["title"] = f"{DRAFT_PREFIX}{title}" if self.get(number).is_draft else title
        if body is not None:
            check_body(self._client, doing, body)
            data["description"] = without_quick_actions(body)
        if labels:
            data["add_labels"] = ",".join(labels)
        if reviewers:
            there = self.get(number).reviewers
            known = [user for name in (*there, *reviewers) if (user := self._user_id(name)) is not None]
            data["reviewer_ids"] = list(dict.fromkeys(known))
        if state is not None:
            data["state_event"] = _EVENTS[state]
        changed = self._client.write(doing, "put", f"{self._path}/{number}", data, read_change_request)
        if state is not None and changed.state != state:  # GitLab answers 200 to an event that does nothing
            raise self._client.refusals.refused(doing, f"it is {changed.state}")
        return changed

    def _listed(self, state: ChangeRequestState | None, source_branch: str | None) -> Iterator[ChangeRequest]:
        query = {"state": _ASKED[state], "scope": "all", "order_by": "created_at", "sort": "desc"}
        if source_branch is not None:
            query["source_branch"] = source_branch
        doing = Doing(action="list the merge requests", need=READ, for_jobs=True)
        yield from self._client.pages(doing, self._path, read_change_request, **query)

    def _with_commit(self, commit: CommitId) -> Iterator[ChangeRequest]:
        """Yield the requests that a commit belongs to: as head, merge or squash, or as one of their own."""
        doing = Doing(
            action=f"find the merge requests of commit {commit[:12]}",
            need=READ,
            kind="commit",
            name=commit,
            for_jobs=True,
        )
        path = f"{self._client.project}/repository/commits/{commit}/merge_requests"
        try:
            found = list(self._client.pages(doing, path, lambda row: (read_change_request(row), _own_commits(row))))
        except NotFoundOnHostError as error:
            if error.kind != "commit":
                raise
            return
        for one, commits in sorted(found, key=lambda entry: -entry[0].number):
            if commit in commits or self._has_commit(one.number, commit):
                yield one

    def _has_commit(self, number: int, commit: CommitId) -> bool:
        """Say whether a request has a commit now; GitLab's association may be of what was pushed over since."""
        if self._client.token.kind == "job":
            return True  # it may not ask
        doing = self._on(f"list the commits of merge request {number}", number)
        return commit in self._client.pages(doing, f"{self._path}/{number}/commits", lambda row: needed_text(row, "id"))

    def _user_id(self, login: str) -> int | None:
        doing = Doing(action=f"look for the user `{login}`", need=CHANGE_REQUEST, kind="user", name=login)
        found = self._client.pages(doing, "/users", lambda row: number(row, "id"), username=login)
        return next(found, None)

    def _on(self, action: str, number: int, *, for_jobs: bool = False) -> Doing:
        return Doing(action=action, need=READ, kind="merge request", name=str(number), for_jobs=for_jobs)


def read_change_request(data: Json) -> ChangeRequest:
    """Return GitLab's merge request as ours."""
    given, title = needed_text(data, "state"), needed_text(data, "title")
    state = _STATES.get(given, "open")
    return ChangeRequest(
        number=number(data, "iid"),
        title=without_draft(title),
        body=text(data, "description"),
        state=state,
        author=needed_text(part(data, "author"), "username"),
        source_branch=needed_text(data, "source_branch"),
        target_branch=needed_text(data, "target_branch"),
        head=CommitId(optional_text(data, "sha") or ""),
        merge_commit=_merge_commit(data) if state == "merged" else None,
        closed_at=None if state == "open" else optional_text(data, "merged_at") or optional_text(data, "closed_at"),
        labels=texts(data, "labels"),
        reviewers=_usernames(data),
        is_fork=data.get("source_project_id") != number(data, "target_project_id"),
        is_draft=data.get("draft") is True or is_draft_title(title),
        url=needed_text(data, "web_url"),
    )


def _merge_commit(data: Json) -> CommitId | None:
    """Return the commit on the target branch: of the merge, or the squash, or after a fast-forward the head itself."""
    given = (optional_text(data, name) for name in ("merge_commit_sha", "squash_commit_sha", "sha"))
    return next((CommitId(commit) for commit in given if commit), None)


def _own_commits(data: Json) -> frozenset[str | None]:
    return frozenset(optional_text(data, name) for name in ("sha", "merge_commit_sha", "squash_commit_sha"))


def _usernames(data: Json) -> tuple[str, ...]:
    return tuple(needed_text(record(row), "username") for row in rows(data.get("reviewers") or [], "`reviewers`"))
