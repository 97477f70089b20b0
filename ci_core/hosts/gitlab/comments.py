"""Notes on merge requests and issues. From GitLab's documentation: "Notes API"."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from ci_core.errors import StaleOnHostError
from ci_core.hosts._answers import needed_text, number, part, text
from ci_core.hosts.gitlab.limits import check_body
from ci_core.hosts.gitlab.refusals import Doing
from ci_core.hosts.gitlab.texts import without_quick_actions
from ci_core.hosts.gitlab.tokens import COMMENT, READ
from ci_core.hosts.spec import Comment

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from ci_core.hosts._answers import Json
    from ci_core.hosts.gitlab.client import Client
    from ci_core.hosts.spec import Topic

_FOLDERS: Final[Mapping[str, str]] = {"change-request": "merge_requests", "issue": "issues"}


class GitLabComments:
    """See :class:`ci_core.hosts.base.Comments`. A comment's id is its path below the project."""

    def __init__(self, client: Client) -> None:
        self._client = client

    def list(self, topic: Topic) -> Iterator[Comment]:
        """Yield all comments, oldest first; what GitLab itself notes is none."""
        doing = self._on(topic, f"list the comments of {topic}", is_reading=True)
        query = {"sort": "asc", "order_by": "created_at", "activity_filter": "only_comments"}
        seen: set[str] = set()  # pages are counted: what is deleted or written meanwhile moves the others
        for comment, is_system in self._client.pages(
            doing, f"{self._client.project}/{_folder(topic)}/notes", self._with_system(topic), **query
        ):
            if not is_system and comment.id not in seen:
                seen.add(comment.id)
                yield comment

    def create(self, topic: Topic, body: str) -> Comment:
        """Write a new remark."""
        doing = self._on(topic, f"comment on {topic}")
        check_body(self._client, doing, body)
        data = {"body": without_quick_actions(body)}
        path = f"{self._client.project}/{_folder(topic)}/notes"
        return self._client.write(doing, "post", path, data, self._reader(_folder(topic)))

    def update(self, comment: Comment, body: str) -> Comment:
        """Replace the text of a remark, unless it changed since it was read; GitLab has no compare-and-swap."""
        doing = self._of(comment, "edit a comment")
        check_body(self._client, doing, body)
        path = f"{self._client.project}/{comment.id}"
        read = self._reader(comment.id.rpartition("/notes/")[0])
        if self._client.get(doing, path, read).body != comment.body:
            raise StaleOnHostError(host=self._client.refusals.place, kind="comment", name=comment.url)
        return self._client.write(doing, "put", path, {"body": without_quick_actions(body)}, read)

    def delete(self, comment: Comment) -> None:
        """Remove a remark."""
        self._client.delete(self._of(comment, "delete a comment"), f"{self._client.project}/{comment.id}")

    def _on(self, topic: Topic, action: str, *, is_reading: bool = False) -> Doing:
        kind = "merge request" if topic.kind == "change-request" else "issue"
        return Doing(
            action=action,
            need=READ if is_reading else COMMENT,
            kind=kind,
            name=str(topic.number),
            for_jobs=is_reading and topic.kind == "change-request",
        )

    def _of(self, comment: Comment, action: str) -> Doing:
        return Doing(action=action, need=COMMENT, kind="comment", name=comment.url)

    def _with_system(self, topic: Topic) -> Callable[[Json], tuple[Comment, bool]]:
        read = self._reader(_folder(topic))
        return lambda data: (read(data), data.get("system") is True)

    def _reader(self, folder: str) -> Callable[[Json], Comment]:
        """Return what makes a comment of a note below `folder`, such as ``merge_requests/5``."""

        def read(data: Json) -> Comment:
            own = number(data, "id")
            return Comment(
                id=f"{folder}/notes/{own}",
                author=needed_text(part(data, "author"), "username"),
                body=text(data, "body"),
                url=f"{self._client.web_url}/-/{folder}#note_{own}",
            )

        return read


def _folder(topic: Topic) -> str:
    return f"{_FOLDERS[topic.kind]}/{topic.number}"
