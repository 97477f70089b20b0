"""Issues.

From GitHub's documentation: "REST API endpoints for issues". Every pull request is an issue there; those are left out.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from ci_core.errors import HostError
from ci_core.hosts.github.answers import Json, login, names, needed_text, number, text
from ci_core.hosts.github.labels import add_labels
from ci_core.hosts.github.limits import check_body
from ci_core.hosts.github.permissions import ISSUES, READ_ISSUES
from ci_core.hosts.github.refusals import Doing
from ci_core.hosts.spec import Issue

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from ci_core.hosts.github.client import Client
    from ci_core.hosts.spec import IssueState


class GitHubIssues:
    """See :class:`ci_core.hosts.base.Issues`."""

    def __init__(self, client: Client) -> None:
        self._client = client

    def find(self, *, label: str, state: IssueState | None = None) -> Iterator[Issue]:
        """Yield issues that carry `label`, newest first."""
        doing = Doing(action=f"list the issues labelled `{label}`", needs=READ_ISSUES)
        listed = self._client.pages(
            doing,
            f"{self._client.path}/issues",
            _read_unless_pull_request,
            parameters={"labels": label, "state": state or "all", "sort": "created", "direction": "desc"},
        )
        wanted = label.lower()  # as GitHub compares them
        return (one for one in listed if one is not None and wanted in map(str.lower, one.labels))

    def create(self, *, title: str, body: str, labels: Sequence[str] = ()) -> Issue:
        """Open an issue.

        GitHub leaves out the labels when our role does not suffice for them, and says nothing. An issue without its
        label is not found again, and the next run would open another: it is closed, and the lack is raised.
        """
        doing = Doing(action=f"open the issue `{title}`", needs=ISSUES)
        check_body(self._client.refusals, doing, body)
        wanted = {"title": title, "body": body, "labels": list(labels)}
        made = self._client.write(doing, "POST", f"{self._client.path}/issues", wanted, _read)
        if {label.lower() for label in labels} <= {label.lower() for label in made.labels}:
            return made
        try:
            return replace(made, labels=add_labels(self._client, made.number, labels, ISSUES))
        except HostError:
            self.update(made.number, state="closed")
            raise

    def update(
        self, number: int, *, title: str | None = None, body: str | None = None, state: IssueState | None = None
    ) -> Issue:
        """Change what is given and leave the rest."""
        doing = Doing(action=f"change issue {number}", needs=ISSUES, kind="issue", name=str(number))
        if body is not None:
            check_body(self._client.refusals, doing, body)
        wanted = {"title": title, "body": body, "state": state}
        given = {name: value for name, value in wanted.items() if value is not None}
        return self._client.write(doing, "PATCH", f"{self._client.path}/issues/{number}", given, _read)


def _read(data: Json) -> Issue:
    return Issue(
        number=number(data, "number"),
        title=text(data, "title"),
        body=text(data, "body"),
        state="open" if needed_text(data, "state") == "open" else "closed",
        author=login(data),
        labels=names(data, "labels", "name"),
        url=needed_text(data, "html_url"),
    )


def _read_unless_pull_request(data: Json) -> Issue | None:
    return None if "pull_request" in data else _read(data)
