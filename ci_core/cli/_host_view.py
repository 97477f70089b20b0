"""What ``graphship host show`` reads and how it looks in a terminal."""

from __future__ import annotations

import re
from dataclasses import dataclass
from itertools import chain
from typing import TYPE_CHECKING, Literal

from rich.console import Console, Group
from rich.markdown import Markdown
from rich.panel import Panel
from rich.table import Table
from rich.text import Text

from ci_core.errors import NotFoundOnHostError
from ci_core.hosts.marker import without_marker
from ci_core.hosts.spec import ChangeRequest, Comment, CommitStatus, DeploymentRecord, Issue
from ci_core.printable import one_line, printable

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from rich.console import RenderableType

    from ci_core.hosts.local import LocalHost

_COLOURS = {
    "open": "green", "merged": "magenta", "closed": "red",
    "success": "green", "failure": "red", "error": "red", "pending": "yellow", "in-progress": "yellow",
    "inactive": "bright_black",
}  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class Overview:
    """Everything on the host, newest first."""

    folder: str
    change_requests: tuple[ChangeRequest, ...]
    issues: tuple[Issue, ...]
    statuses: tuple[CommitStatus, ...]
    """Of the default branch's head, and of the open change requests' heads."""
    deployments: tuple[DeploymentRecord, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Topic:
    """One change request or issue, whole."""

    kind: Literal["change request", "issue"]
    state: str
    item: ChangeRequest | Issue
    statuses: tuple[CommitStatus, ...]
    comments: tuple[Comment, ...]


def read_overview(host: LocalHost) -> Overview:
    """Read everything that people look at."""
    requests = tuple(host.change_requests.find())
    main = host.branch_head(host.default_branch)
    heads = [main] if main else []
    heads += [request.head for request in requests if request.state == "open"]
    return Overview(
        folder=str(host.folder),
        change_requests=requests,
        issues=tuple(host.every_issue()),
        statuses=tuple(chain.from_iterable(host.statuses.list(head) for head in dict.fromkeys(heads))),
        deployments=tuple(host.every_deployment()),
    )


def read_topic(host: LocalHost, number: int) -> Topic:
    """Read one change request or issue.

    Raises:
        NotFoundOnHostError: there is none of that number.
    """
    issue = next((issue for issue in host.every_issue() if issue.number == number), None)
    if issue is not None:
        return Topic(
            kind="issue", state=issue.state, item=issue, statuses=(), comments=tuple(host.comments.list(issue.topic))
        )
    request = next((one for one in host.change_requests.find() if one.number == number), None)
    if request is None:
        raise NotFoundOnHostError(host=str(host.folder), kind="change request or issue", name=str(number))
    return Topic(
        kind="change request",
        state=request.state,
        item=request,
        statuses=tuple(host.statuses.list(request.head)),
        comments=tuple(host.comments.list(request.topic)),
    )


def print_overview(overview: Overview, env: Mapping[str, str]) -> None:
    """Print the tables that have rows."""
    requests = _table("Change requests", "#", "state", "title", "branch", "commit")
    for request in overview.change_requests:
        commit = request.merge_commit or request.head
        _add(requests, str(request.number), _state(request.state), request.title, request.source_branch, commit[:7])
    issues = _table("Issues", "#", "state", "title", "labels")
    for issue in overview.issues:
        _add(issues, str(issue.number), _state(issue.state), issue.title, ", ".join(issue.labels))
    deployments = _table("Deployments", "environment", "state", "release", "commit", "address", "description")
    for record in overview.deployments:
        _add(
            deployments,
            record.environment,
            _state(record.state),
            record.release[:12],
            record.commit[:7],
            record.url or "",
            record.description,
        )
    tables = [table for table in (requests, issues, _statuses(overview.statuses), deployments) if table.row_count]
    console = _console(env)
    console.print(Text(one_line(overview.folder), style="dim"), soft_wrap=True)
    for table in tables:
        console.print()
        console.print(table)
    if not tables:
        hint = "nothing yet: push a branch and run `graphship host open --branch BRANCH --title TITLE`"
        console.print(hint, soft_wrap=True)


def print_topic(topic: Topic, env: Mapping[str, str]) -> None:
    """Print title, text, statuses and comments."""
    console, item = _console(env), topic.item
    console.print(Text.assemble((one_line(f"#{item.number} {item.title} "), "bold"), _state(topic.state)))
    if isinstance(item, ChangeRequest):
        console.print(Text(one_line(f"{item.source_branch} → {item.target_branch}, {item.head[:7]}"), style="dim"))
    console.print(Text(item.url, style="dim"), soft_wrap=True)
    console.print(_article(item.author, item.body))
    if topic.statuses:
        console.print(_statuses(topic.statuses))
    for comment in topic.comments:
        console.print(_article(comment.author, comment.body))


_SUMMARY = re.compile(r"^<summary>(?P<title>.*)</summary>$", re.MULTILINE)
_TAG = re.compile(r"</?b>")
_FOLD = re.compile(r"^</?details>$", re.MULTILINE)
_DIAGRAM = re.compile(r"^```mermaid\n.*?^```$", re.MULTILINE | re.DOTALL)


def _console(env: Mapping[str, str]) -> Console:
    return Console(no_color="NO_COLOR" in env, highlight=False, markup=False, emoji=False)


def _article(author: str, body: str) -> RenderableType:
    text = _for_terminal(printable(without_marker(body).strip()))
    content: RenderableType = Markdown(text, hyperlinks=False) if text else Text("no text", style="dim")
    return Panel(Group(content), title=Text(one_line(author)), title_align="left")


def _for_terminal(markdown: str) -> str:
    """Return Markdown without what a terminal cannot fold or draw: summaries become headings, diagrams a remark."""
    text = _SUMMARY.sub(lambda match: f"### {_TAG.sub('', match['title'])}", markdown)
    return _DIAGRAM.sub("*(a diagram: open the page)*", _FOLD.sub("", text))


def _table(title: str, *columns: str) -> Table:
    table = Table(title=Text(title, style="bold"), title_justify="left", box=None, pad_edge=False, padding=(0, 2, 0, 0))
    for column in columns:
        table.add_column(
            Text(column, style="dim"), overflow="fold" if column in {"title", "address", "description"} else "ellipsis"
        )
    return table


def _statuses(statuses: Iterable[CommitStatus]) -> Table:
    table = _table("Statuses", "commit", "context", "state", "description")
    for status in statuses:
        _add(table, status.commit[:7], status.context, _state(status.state), status.description)
    return table


def _add(table: Table, *cells: str | Text) -> None:
    table.add_row(*(cell if isinstance(cell, Text) else Text(one_line(cell)) for cell in cells))


def _state(state: str) -> Text:
    return Text(state, style=_COLOURS.get(state, ""))
