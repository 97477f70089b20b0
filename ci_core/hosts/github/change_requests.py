"""Pull requests.

From GitHub's documentation: "REST API endpoints for pull requests", "... for commits" (list pull requests associated
with a commit), "... for labels", "... for review requests".
"""

from __future__ import annotations

from contextlib import suppress
from dataclasses import replace
from typing import TYPE_CHECKING, Final

from ci_core.errors import HostAnswerError, HostError, HostRefusedError, HostUnreachableError, NotFoundOnHostError
from ci_core.hosts.github.answers import Json, login, names, needed_text, number, optional_text, part, record, text
from ci_core.hosts.github.labels import add_labels
from ci_core.hosts.github.limits import check_body
from ci_core.hosts.github.permissions import PULL_REQUESTS, READ_PULL_REQUESTS
from ci_core.hosts.github.refusals import Doing
from ci_core.hosts.spec import ChangeRequest
from ci_core.types import CommitId

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from ci_core.hosts.github.client import Client
    from ci_core.hosts.github.permissions import Permission
    from ci_core.hosts.spec import ChangeRequestState

_NO_DRAFTS: Final = "draft pull requests are not supported"


class GitHubChangeRequests:
    """See :class:`ci_core.hosts.base.ChangeRequests`."""

    def __init__(self, client: Client) -> None:
        self._client = client

    def get(self, number: int) -> ChangeRequest:
        """Return one change request."""
        return self._client.get(
            self._doing(f"show change request {number}", number), self._path(number), read_change_request
        )

    def find(
        self,
        *,
        state: ChangeRequestState | None = None,
        source_branch: str | None = None,
        commit: CommitId | None = None,
    ) -> Iterator[ChangeRequest]:
        """Yield matching change requests, newest first.

        `source_branch` is one of this repository; a fork's branch of that name is another. A commit is looked for with
        GitHub's own association, which knows merged, squashed and rebased commits and does not know the heads of
        forks: when it names none, the heads and merge commits of the requests that moved last are looked at.
        """
        if commit is not None:
            candidates: Iterable[ChangeRequest] = self._with_commit(commit)
        else:
            candidates = self._listed(state, source_branch)
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
        """Open a change request; where the plan of the repository has no drafts it is an ordinary one.

        Labels and reviewers come after it is open. What GitHub refuses of them is said and left out.
        """
        client = self._client
        doing = Doing(
            action=f"open a change request from `{source_branch}`",
            needs=PULL_REQUESTS,
            kind="open change request from",
            name=source_branch,
            page=f"{client.web_url}/pulls",
        )
        check_body(client.refusals, doing, body)
        wanted: dict[str, object] = {"title": title, "body": body, "head": source_branch, "base": target_branch}
        if is_draft:
            wanted["draft"] = True
        try:
            made = self._open(doing, wanted)
        except (HostUnreachableError, HostAnswerError):
            # upsert.py would find it, too, and not know that its labels and reviewers are still to come
            opened = self.find(state="open", source_branch=source_branch)
            found = next((one for one in opened if (one.title, one.body) == (title, body)), None)
            if found is None:
                raise
            made = found
        return self._with_reviewers(self._with_labels(made, labels), reviewers)

    def _open(self, doing: Doing, wanted: dict[str, object]) -> ChangeRequest:
        path = f"{self._client.path}/pulls"
        try:
            return self._client.write(doing, "POST", path, wanted, read_change_request)
        except HostRefusedError as error:
            if not ("draft" in wanted and _NO_DRAFTS in error.reason.lower()):
                raise
        ordinary = {name: value for name, value in wanted.items() if name != "draft"}
        return self._client.write(doing, "POST", path, ordinary, read_change_request)

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
        """Change what is given and leave the rest."""
        doing = self._doing(f"change change request {number}", number, PULL_REQUESTS)
        if state == "merged":
            raise self._client.refusals.refused(doing, "merging is for people")
        if body is not None:
            check_body(self._client.refusals, doing, body)
        wanted = {"title": title, "body": body, "state": state}
        given = {name: value for name, value in wanted.items() if value is not None}
        if given:
            changed = self._client.write(doing, "PATCH", self._path(number), given, read_change_request)
        else:
            changed = self.get(number)
        if state is not None and changed.state != state:
            raise self._client.refusals.refused(doing, f"it is {changed.state}")
        return self._with_reviewers(self._with_labels(changed, labels), reviewers)

    def _listed(self, state: ChangeRequestState | None, source_branch: str | None) -> Iterator[ChangeRequest]:
        filters = {"state": {None: "all", "merged": "closed"}.get(state, state), "sort": "created", "direction": "desc"}
        if source_branch is not None:
            filters["head"] = f"{self._client.owner}:{source_branch}"
        doing = Doing(action="list change requests", needs=READ_PULL_REQUESTS)
        return self._client.pages(doing, f"{self._client.path}/pulls", read_change_request, parameters=filters)

    def _with_commit(self, commit: CommitId) -> Iterator[ChangeRequest]:
        doing = Doing(
            action="list the change requests of a commit", needs=READ_PULL_REQUESTS, kind="commit", name=commit
        )
        found: list[ChangeRequest] = []
        with suppress(NotFoundOnHostError):  # nobody's commit, or that of a fork
            listed = self._client.pages(doing, f"{self._client.path}/commits/{commit}/pulls", self._read_if_ours)
            found = [one for one in listed if one is not None]
        if not found:
            found = [one for one in self._moved_last() if commit in {one.head, one.merge_commit}]
        return iter(sorted(found, key=lambda one: one.number, reverse=True))

    def _moved_last(self) -> list[ChangeRequest]:
        """Return the requests of one page: the cost of a run does not grow with the number of requests."""
        doing = Doing(action="list change requests", needs=READ_PULL_REQUESTS)
        path = f"{self._client.path}/pulls?state=all&sort=updated&direction=desc"
        return self._client.first_page(doing, path, read_change_request)

    def _with_labels(self, made: ChangeRequest, labels: Sequence[str]) -> ChangeRequest:
        if not labels:
            return made
        try:
            return replace(made, labels=add_labels(self._client, made.number, labels, PULL_REQUESTS))
        except HostError as error:
            self._client.say(f"change request {made.number} is open, without its labels: {error.fact}")
            return made

    def _with_reviewers(self, made: ChangeRequest, reviewers: Sequence[str]) -> ChangeRequest:
        if not reviewers:
            return made
        try:
            return self._ask_reviewers(made, reviewers)
        except HostRefusedError:  # all are refused for one who is unknown here
            for reviewer in reviewers:
                try:
                    made = self._ask_reviewers(made, [reviewer])
                except HostError as error:
                    self._client.say(f"`{reviewer}` was not asked to review: {error.fact}")
        except HostError as error:
            self._client.say(f"change request {made.number} is open, without reviewers: {error.fact}")
        return made

    def _ask_reviewers(self, made: ChangeRequest, reviewers: Sequence[str]) -> ChangeRequest:
        """Ask people, and teams, which are written ``owner/team``."""
        wanted = {
            "reviewers": [name for name in reviewers if "/" not in name],
            "team_reviewers": [name.rpartition("/")[2] for name in reviewers if "/" in name],
        }
        doing = self._doing(f"ask for reviews of change request {made.number}", made.number, PULL_REQUESTS)
        path = f"{self._path(made.number)}/requested_reviewers"
        return replace(made, reviewers=self._client.repeat(doing, "POST", path, wanted, _reviewers))

    def _read_if_ours(self, data: Json) -> ChangeRequest | None:
        """Return nothing for a request into another repository: in a fork GitHub names those of the parent too."""
        target = needed_text(part(part(data, "base"), "repo"), "full_name")
        return read_change_request(data) if target.lower() == self._client.repository.lower() else None

    def _doing(self, action: str, number: int, needs: Permission = READ_PULL_REQUESTS) -> Doing:
        return Doing(action=action, needs=needs, kind="change request", name=str(number))

    def _path(self, number: int) -> str:
        return f"{self._client.path}/pulls/{number}"


def read_change_request(data: Json) -> ChangeRequest:
    """Return a pull request, as lists and single answers give it."""
    head, base = part(data, "head"), part(data, "base")
    is_merged = optional_text(data, "merged_at") is not None
    state: ChangeRequestState = "merged" if is_merged else "open" if text(data, "state") == "open" else "closed"
    merge_commit = optional_text(data, "merge_commit_sha")
    return ChangeRequest(
        number=number(data, "number"),
        title=text(data, "title"),
        body=text(data, "body"),
        state=state,
        author=login(data),
        source_branch=needed_text(head, "ref"),
        target_branch=needed_text(base, "ref"),
        head=CommitId(needed_text(head, "sha")),
        # of an open one it is a trial that is on no branch
        merge_commit=CommitId(merge_commit) if is_merged and merge_commit else None,
        closed_at=optional_text(data, "closed_at"),
        labels=names(data, "labels", "name"),
        reviewers=names(data, "requested_reviewers", "login"),
        is_fork=_is_fork(head, base),
        source_repository=_repository(head),
        is_draft=data.get("draft") is True,
        url=needed_text(data, "html_url"),
    )


def _is_fork(head: Json, base: Json) -> bool:
    source, target = _repository(head), needed_text(part(base, "repo"), "full_name")
    return source is None or source.lower() != target.lower()


def _repository(side: Json) -> str | None:
    """Return whose branch it is; None when that repository was deleted."""
    return None if side.get("repo") is None else needed_text(part(side, "repo"), "full_name")


def _reviewers(answer: object) -> tuple[str, ...]:
    return names(record(answer), "requested_reviewers", "login")
