"""Comments on pull requests and issues: one and the same on GitHub, where both share their numbers.

From GitHub's documentation: "REST API endpoints for issue comments".
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ci_core.errors import StaleOnHostError
from ci_core.hosts.github.answers import Json, login, needed_text, number, text
from ci_core.hosts.github.limits import check_body
from ci_core.hosts.github.permissions import ISSUES, PULL_REQUESTS, READ_ISSUES, READ_PULL_REQUESTS
from ci_core.hosts.github.refusals import Doing
from ci_core.hosts.spec import Comment

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ci_core.hosts.github.client import Client
    from ci_core.hosts.github.permissions import Permission
    from ci_core.hosts.spec import Topic


class GitHubComments:
    """See :class:`ci_core.hosts.base.Comments`."""

    def __init__(self, client: Client) -> None:
        self._client = client
        self._writing: Permission = PULL_REQUESTS
        """What the newest topic takes: a comment does not say what it is on."""

    def list(self, topic: Topic) -> Iterator[Comment]:
        """Yield all comments, oldest first."""
        self._writing = _needs(topic)
        doing = self._on(topic, "list the comments on", READ_PULL_REQUESTS if _is_request(topic) else READ_ISSUES)
        return self._client.pages(doing, self._path(topic), _read)

    def create(self, topic: Topic, body: str) -> Comment:
        """Write a new remark."""
        self._writing = _needs(topic)
        doing = self._on(topic, "comment on", self._writing)
        check_body(self._client.refusals, doing, body)
        return self._client.write(doing, "POST", self._path(topic), {"body": body}, _read)

    def update(self, comment: Comment, body: str) -> Comment:
        """Replace the text of a remark, after a last look at it: GitHub has no write that fails when it is stale."""
        doing, path = self._at(comment, "change"), self._comment_path(comment)
        check_body(self._client.refusals, doing, body)
        standing = self._client.get(doing, path, _read)
        if standing.body != comment.body:
            raise StaleOnHostError(host=self._client.refusals.place, kind="comment", name=comment.id)
        return self._client.write(doing, "PATCH", path, {"body": body}, _read)

    def delete(self, comment: Comment) -> None:
        """Remove a remark."""
        self._client.delete(self._at(comment, "delete"), self._comment_path(comment))

    def _on(self, topic: Topic, verb: str, needs: Permission) -> Doing:
        kind = topic.kind.replace("-", " ")
        return Doing(action=f"{verb} {topic}", needs=needs, kind=kind, name=str(topic.number))

    def _at(self, comment: Comment, verb: str) -> Doing:
        return Doing(action=f"{verb} comment {comment.id}", needs=self._writing, kind="comment", name=comment.id)

    def _path(self, topic: Topic) -> str:
        return f"{self._client.path}/issues/{topic.number}/comments"

    def _comment_path(self, comment: Comment) -> str:
        return f"{self._client.path}/issues/comments/{comment.id}"


def _is_request(topic: Topic) -> bool:
    return topic.kind == "change-request"


def _needs(topic: Topic) -> Permission:
    return PULL_REQUESTS if _is_request(topic) else ISSUES


def _read(data: Json) -> Comment:
    return Comment(
        id=str(number(data, "id")),
        author=login(data),
        body=text(data, "body"),
        url=needed_text(data, "html_url"),
    )
