"""Write one text once: a comment, an issue, a change request that the next run finds again instead of repeating it.

Built on the small protocols of ``hosts/base.py`` only, so that every host behaves alike:

* what we wrote is known by its marker (parsed, equal key) *and* by its author; everybody else's text is never edited;
* nothing is written when the reader would see nothing new, or when a newer run has spoken;
* a create is tried again only after looking, since the first answer may have been lost on the way back;
* after a create the list is read again: of several copies the oldest is kept, with the newest run's text.

The texts must not contain the time of the run: they would differ each time. Hosts have no transactions, so two runs may
still overlap inside one round trip; whoever loses finds out by reading again (see :class:`StaleOnHostError`).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, Protocol, TypeVar

from ci_core.errors import AlreadyExistsOnHostError, NotFoundOnHostError
from ci_core.hosts.marker import Marker, Run, content_hash, parse_marker, scope_key
from ci_core.hosts.persist import persist

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from ci_core.hosts.base import ChangeRequests, Comments, Issues
    from ci_core.hosts.spec import (
        ChangeRequest,
        Comment,
        Identity,
        Issue,
        IssueState,
        Topic,
    )
    from ci_core.types import CommitId

Outcome = Literal["created", "updated", "closed", "reopened", "unchanged", "superseded"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Delivery:
    """What became of a text."""

    outcome: Outcome
    """``superseded``: a newer run has spoken, or somebody else's object stands there; it was left alone.
    ``unchanged``: nothing new to say; nothing was written."""
    url: str | None
    """Where it stands; None when there was nothing to say and nothing stood there before."""
    number: int | None = None
    """Number of the issue or change request; for a comment, of the topic it is on."""


class _CommentHost(Protocol):
    @property
    def comments(self) -> Comments: ...
    def identity(self) -> Identity: ...


class _IssueHost(Protocol):
    @property
    def issues(self) -> Issues: ...
    def identity(self) -> Identity: ...


class _ChangeRequestHost(Protocol):
    @property
    def change_requests(self) -> ChangeRequests: ...
    def identity(self) -> Identity: ...


class _Text(Protocol):
    """What comments, issues and change requests have in common."""

    @property
    def author(self) -> str: ...
    @property
    def body(self) -> str: ...


T = TypeVar("T", bound=_Text)


def upsert_comment(
    host: _CommentHost,
    *,
    topic: Topic,
    scope: Sequence[str],
    body: str,
    head: CommitId,
    run: Run,
    essence: str | None = None,
) -> Delivery:
    """Make the one comment of `scope` on `topic` say `body`.

    Args:
        host: where to write.
        topic: the change request or issue.
        scope: what the comment is about, such as ``("report", project)``; each scope has a comment of its own.
        body: Markdown without times of the run; with the marker (``MARKER_ROOM``) inside the host's body limit.
        head: the commit that `body` speaks of.
        run: who writes; an older run leaves the text of a newer one alone.
        essence: `body` without what differs from run to run though nothing changed, such as how long something took:
            when this is as before nothing is written. All of `body` by default.

    Raises:
        HostError: the host refused, or kept failing.
    """
    seen = content_hash(body if essence is None else essence)
    marker = Marker(key=scope_key(scope), sha=head, run=run, body=seen)
    return persist(lambda: _comment_once(host, topic, marker, marker.attach(body)))


def _comment_once(host: _CommentHost, topic: Topic, marker: Marker, text: str) -> Delivery:
    def ours() -> list[tuple[Comment, Marker]]:
        return _ours(host.comments.list(topic), marker.key, host.identity().login)

    found = ours()
    is_new = not found
    if is_new:
        created = host.comments.create(topic, text)
        found = ours() or [(created, marker)]
    kept, winner = _fold_comments(host.comments, found)
    standing = _standing(marker, winner)
    if standing == "newer-wins":
        kept = host.comments.update(kept, text)
    return Delivery(outcome=_outcome(standing, is_new=is_new), url=kept.url, number=topic.number)


def _fold_comments(comments: Comments, found: list[tuple[Comment, Marker]]) -> tuple[Comment, Marker]:
    """Leave one comment: the oldest, so that its address stays, with the text of the newest run."""
    (kept, marker), *copies = found
    newest, winner = max(found, key=_by_run)
    if winner.run > marker.run:
        kept, marker = comments.update(kept, newest.body), winner
    for copy, _ in copies:
        try:
            comments.delete(copy)
        except NotFoundOnHostError:
            continue  # the other run folds too
    return kept, marker


def upsert_issue(
    host: _IssueHost,
    *,
    scope: Sequence[str],
    title: str,
    body: str,
    labels: Sequence[str],
    is_open: bool,
    head: CommitId,
    run: Run,
) -> Delivery:
    """Make the one issue of `scope` say `body`, and be open or closed.

    An issue that a person closed or reopened stays so until there is something new to say.

    Args:
        host: where to write.
        scope: what the issue is about, such as ``("monitor", project, environment)``.
        title: one line.
        body: Markdown without times of the run.
        labels: the first one is how the issue is found again: lists by label are complete at once, searches are not.
        is_open: whether there is something to act on. Nothing is created just to be closed.
        head: the commit that `body` speaks of.
        run: who writes.

    Raises:
        HostError: the host refused, or kept failing.
    """
    seen = content_hash(title, body, "open" if is_open else "closed")
    marker = Marker(key=scope_key(scope), sha=head, run=run, body=seen)
    return persist(lambda: _issue_once(host, marker, title, marker.attach(body), labels, is_open=is_open))


def _issue_once(
    host: _IssueHost, marker: Marker, title: str, text: str, labels: Sequence[str], *, is_open: bool
) -> Delivery:
    def ours() -> list[tuple[Issue, Marker]]:  # oldest first
        newest_first = _ours(host.issues.find(label=labels[0]), marker.key, host.identity().login)
        return sorted(newest_first, key=lambda entry: entry[0].number)

    found = ours()
    is_new = not found
    if is_new:
        if not is_open:
            return Delivery(outcome="unchanged", url=None)
        created = host.issues.create(title=title, body=text, labels=labels)
        found = ours() or [(created, marker)]
    kept, winner = _fold_issues(host.issues, found)
    standing = _standing(marker, winner)
    outcome = _outcome(standing, is_new=is_new)
    if standing == "newer-wins":
        wanted: IssueState = "open" if is_open else "closed"
        if kept.state != wanted:
            outcome = "reopened" if is_open else "closed"
        kept = host.issues.update(kept.number, title=title, body=text, state=wanted)
    return Delivery(outcome=outcome, url=kept.url, number=kept.number)


def _fold_issues(issues: Issues, found: list[tuple[Issue, Marker]]) -> tuple[Issue, Marker]:
    """Leave one issue: the oldest, with the text of the newest run. Hosts do not delete issues: copies are closed."""
    (kept, marker), *copies = found
    newest, winner = max(found, key=_by_run)
    if winner.run > marker.run:
        kept = issues.update(kept.number, title=newest.title, body=newest.body, state=newest.state)
        marker = winner
    for copy, _ in copies:
        issues.update(copy.number, body=f"A copy of {kept.url}, made by two runs at once.", state="closed")
    return kept, marker


def upsert_change_request(
    host: _ChangeRequestHost,
    *,
    scope: Sequence[str],
    branch: str,
    target_branch: str,
    title: str,
    body: str,
    labels: Sequence[str] = (),
    reviewers: Sequence[str] = (),
    is_draft: bool = False,
    head: CommitId,
    run: Run,
) -> Delivery:
    """Make the one open change request from `branch` say `body`; `branch` must have been pushed.

    A request from that branch that somebody else opened is left alone (``superseded``, with its address). Whether a
    closed one may be followed by a new one is for ``retrain/decision.py`` to say, before this is called.

    Raises:
        HostError: the host refused, or kept failing.
    """
    marker = Marker(key=scope_key(scope), sha=head, run=run, body=content_hash(title, body))
    text = marker.attach(body)

    def edit(found: ChangeRequest) -> Delivery:
        # A run may have ended between opening the request and giving it its labels; a host can do only one at a time.
        lacks = bool(labels) and not set(labels) & set(found.labels)
        return _edit_change_request(
            host, found, marker, title, text, labels=labels if lacks else (), reviewers=reviewers if lacks else ()
        )

    def once() -> Delivery:
        found = next(iter(host.change_requests.find(state="open", source_branch=branch)), None)
        if found is not None:
            return edit(found)
        try:
            created = host.change_requests.create(
                title=title,
                body=text,
                source_branch=branch,
                target_branch=target_branch,
                labels=labels,
                reviewers=reviewers,
                is_draft=is_draft,
            )
        except AlreadyExistsOnHostError:  # the other run was first
            found = next(iter(host.change_requests.find(state="open", source_branch=branch)), None)
            if found is None:
                raise
            return edit(found)
        return Delivery(outcome="created", url=created.url, number=created.number)

    return persist(once)


def _edit_change_request(
    host: _ChangeRequestHost,
    found: ChangeRequest,
    mine: Marker,
    title: str,
    text: str,
    *,
    labels: Sequence[str],
    reviewers: Sequence[str],
) -> Delivery:
    theirs = parse_marker(found.body)
    if found.author != host.identity().login or (theirs is not None and theirs.key != mine.key):
        return Delivery(outcome="superseded", url=found.url, number=found.number)
    standing = "newer-wins" if theirs is None else _standing(mine, theirs)
    if standing == "newer-wins":
        found = host.change_requests.update(found.number, title=title, body=text, labels=labels, reviewers=reviewers)
    elif labels:
        found = host.change_requests.update(found.number, labels=labels, reviewers=reviewers)
    return Delivery(outcome=_outcome(standing, is_new=False), url=found.url, number=found.number)


_Standing = Literal["same", "newer-wins", "older-loses"]


def _standing(mine: Marker, theirs: Marker) -> _Standing:
    """Say how what we would write stands to what is written."""
    if mine.body == theirs.body:
        return "same"
    return "older-loses" if mine.run < theirs.run else "newer-wins"


def _outcome(standing: _Standing, *, is_new: bool) -> Outcome:
    match standing:
        case "same":
            return "created" if is_new else "unchanged"
        case "newer-wins":
            return "created" if is_new else "updated"
        case "older-loses":
            return "superseded"


def _by_run(entry: tuple[object, Marker]) -> Run:
    return entry[1].run


def _ours(texts: Iterable[T], key: str, login: str) -> list[tuple[T, Marker]]:
    """Return what we wrote for `key`, in the given order, read to the last page."""
    parsed = ((text, parse_marker(text.body)) for text in texts if text.author == login)
    return [(text, marker) for text, marker in parsed if marker is not None and marker.key == key]
