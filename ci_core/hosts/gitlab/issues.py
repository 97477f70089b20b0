"""Issues. From GitLab's documentation: "Issues API"; their numbers are a row of their own beside merge requests'."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from ci_core.hosts._answers import needed_text, number, part, text, texts
from ci_core.hosts.gitlab.limits import check_body
from ci_core.hosts.gitlab.project import read_level
from ci_core.hosts.gitlab.refusals import Doing
from ci_core.hosts.gitlab.texts import without_quick_actions
from ci_core.hosts.gitlab.tokens import ISSUE, LABEL_LEVEL, READ
from ci_core.hosts.spec import Issue

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from ci_core.hosts._answers import Json
    from ci_core.hosts.gitlab.client import Client
    from ci_core.hosts.spec import IssueState

_ASKED: Final[Mapping[IssueState | None, str]] = {None: "all", "open": "opened", "closed": "closed"}
_EVENTS: Final[Mapping[IssueState, str]] = {"open": "reopen", "closed": "close"}


class GitLabIssues:
    """See :class:`ci_core.hosts.base.Issues`."""

    def __init__(self, client: Client) -> None:
        self._client = client
        self._path = f"{client.project}/issues"

    def find(self, *, label: str, state: IssueState | None = None) -> Iterator[Issue]:
        """Yield issues that carry `label`, newest first."""
        doing = Doing(action=f"list the issues labelled `{label}`", need=READ)
        query = {"labels": label, "state": _ASKED[state], "scope": "all", "order_by": "created_at", "sort": "desc"}
        for issue in self._client.pages(doing, self._path, read_issue, **query):
            if label in issue.labels and state in {None, issue.state}:
                yield issue

    def create(self, *, title: str, body: str, labels: Sequence[str] = ()) -> Issue:
        """Open an issue; a token that may not set labels is refused, since the issue would not be found again.

        GitLab opens the issue in that case and leaves the labels out without a word.
        """
        doing = Doing(action="open an issue", need=ISSUE)
        check_body(self._client, doing, body)
        data: dict[str, object] = {"title": title, "description": without_quick_actions(body)}
        if labels:
            level = self._client.get(doing, self._client.project, read_level)
            if level is not None and level < LABEL_LEVEL:
                raise self._client.refusals.lacks(doing, f"role {ISSUE.role}")
            data["labels"] = ",".join(labels)
        return self._client.write(doing, "post", self._path, data, read_issue)

    def update(
        self, number: int, *, title: str | None = None, body: str | None = None, state: IssueState | None = None
    ) -> Issue:
        """Change what is given and leave the rest."""
        doing = Doing(action=f"change issue {number}", need=ISSUE, kind="issue", name=str(number))
        data: dict[str, object] = {}
        if title is not None:
            data["title"] = title
        if body is not None:
            check_body(self._client, doing, body)
            data["description"] = without_quick_actions(body)
        if state is not None:
            data["state_event"] = _EVENTS[state]
        return self._client.write(doing, "put", f"{self._path}/{number}", data, read_issue)


def read_issue(data: Json) -> Issue:
    """Return GitLab's issue as ours."""
    return Issue(
        number=number(data, "iid"),
        title=needed_text(data, "title"),
        body=text(data, "description"),
        state="closed" if needed_text(data, "state") == "closed" else "open",
        author=needed_text(part(data, "author"), "username"),
        labels=texts(data, "labels"),
        url=needed_text(data, "web_url"),
    )
