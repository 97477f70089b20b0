"""Comments, issues, statuses and deployment records of the local host."""

from __future__ import annotations

from typing import TYPE_CHECKING
from urllib.parse import quote

from ci_core.errors import HostRefusedError, NotFoundOnHostError, StaleOnHostError
from ci_core.hosts.spec import Comment, CommitStatus, DeploymentRecord, Issue, Topic
from ci_core.types import CommitId, EnvironmentName, ReleaseId

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from ci_core.hosts.local.frame import Frame
    from ci_core.hosts.local.store import Record
    from ci_core.hosts.spec import DeploymentState, IssueState

_DESCRIPTION_LIMIT = 140
"""Longest description of a commit status on GitHub."""


class LocalComments:
    """Remarks on change requests and issues; see :class:`ci_core.hosts.base.Comments`."""

    def __init__(self, frame: Frame) -> None:
        self._frame = frame

    def list(self, topic: Topic) -> Iterator[Comment]:
        """Yield all comments, oldest first."""
        self._need_topic(topic)
        for record in self._frame.store.read_all(f"comments/{topic.number}"):
            yield self._present(topic, record)

    def create(self, topic: Topic, body: str) -> Comment:
        """Write a new remark."""
        self._frame.check_body(body)
        self._need_topic(topic)
        with self._frame.store.writing():
            record = {
                "id": str(self._frame.store.next_number("comments")),
                "topic": topic.number,
                "author": self._frame.login,
                "body": body,
                "written_at": self._frame.now(),
            }
            return self._save(topic, record)

    def update(self, comment: Comment, body: str) -> Comment:
        """Replace the text of a remark, provided that it still is what was read."""
        self._frame.check_body(body)
        with self._frame.store.writing():
            topic, record = self._find(comment.id)
            if record["body"] != comment.body:
                raise StaleOnHostError(host=self._frame.where, kind="comment", name=comment.id)
            return self._save(topic, {**record, "body": body, "edited_at": self._frame.now()})

    def delete(self, comment: Comment) -> None:
        """Remove a remark."""
        with self._frame.store.writing():
            topic, record = self._find(comment.id)
            self._frame.store.delete(f"comments/{topic.number}/{record['id']}.json")
            self._frame.topic_changed(topic.number)

    def _find(self, comment_id: str) -> tuple[Topic, Record]:
        for path in self._frame.store.folder.glob(f"comments/*/{quote(comment_id, safe='')}.json"):
            record = self._frame.store.read(f"comments/{path.parent.name}/{path.name}")
            if record is not None:
                return self._topic(int(path.parent.name)), record
        raise NotFoundOnHostError(host=self._frame.where, kind="comment", name=comment_id)

    def _topic(self, number: int) -> Topic:
        """Return what has this number; change requests and issues share one row of numbers here."""
        is_issue = (self._frame.store.folder / f"issues/{number}.json").is_file()
        return Topic("issue" if is_issue else "change-request", number)

    def _need_topic(self, topic: Topic) -> None:
        if not (self._frame.store.folder / f"{topic.kind}s" / f"{topic.number}.json").is_file():
            raise NotFoundOnHostError(host=self._frame.where, kind=topic.kind.replace("-", " "), name=str(topic.number))

    def _save(self, topic: Topic, record: Record) -> Comment:
        self._frame.store.write(f"comments/{topic.number}/{record['id']}.json", record)
        self._frame.topic_changed(topic.number)
        return self._present(topic, record)

    def _present(self, topic: Topic, record: Record) -> Comment:
        with self._frame.reading(f"comments/{topic.number}/{record.get('id')}.json"):
            return Comment(
                id=record["id"],
                author=record["author"],
                body=record["body"],
                url=self._frame.page_url(topic.number, f"comment-{record['id']}"),
            )


class LocalIssues:
    """Issues; see :class:`ci_core.hosts.base.Issues`."""

    def __init__(self, frame: Frame) -> None:
        self._frame = frame

    def find(self, *, label: str, state: IssueState | None = None) -> Iterator[Issue]:
        """Yield issues that carry `label`, newest first."""
        return (issue for issue in self.all() if label in issue.labels and state in {None, issue.state})

    def all(self) -> Iterator[Issue]:
        """Yield every issue, newest first."""
        for record in reversed(list(self._frame.store.read_all("issues"))):
            yield self._present(record)

    def create(self, *, title: str, body: str, labels: Sequence[str] = ()) -> Issue:
        """Open an issue."""
        self._frame.check_body(body)
        with self._frame.store.writing():
            record = {
                "number": self._frame.store.next_number("topics"),
                "title": title,
                "body": body,
                "state": "open",
                "author": self._frame.login,
                "labels": list(dict.fromkeys(labels)),
                "opened_at": self._frame.now(),
                "closed_at": None,
            }
            return self._save(record)

    def update(
        self, number: int, *, title: str | None = None, body: str | None = None, state: IssueState | None = None
    ) -> Issue:
        """Change what is given and leave the rest."""
        if body is not None:
            self._frame.check_body(body)
        with self._frame.store.writing():
            record = self._frame.store.read(f"issues/{number}.json")
            if record is None:
                raise NotFoundOnHostError(host=self._frame.where, kind="issue", name=str(number))
            if state is not None and state != record["state"]:
                record["closed_at"] = self._frame.now() if state == "closed" else None
            changes = {"title": title, "body": body, "state": state}
            record.update({key: value for key, value in changes.items() if value is not None})
            return self._save(record)

    def _save(self, record: Record) -> Issue:
        self._frame.store.write(f"issues/{record['number']}.json", record)
        self._frame.topic_changed(record["number"])
        return self._present(record)

    def _present(self, record: Record) -> Issue:
        with self._frame.reading(f"issues/{record.get('number')}.json"):
            return Issue(
                number=record["number"],
                title=record["title"],
                body=record["body"],
                state=record["state"],
                author=record["author"],
                labels=tuple(record["labels"]),
                url=self._frame.page_url(record["number"]),
            )


class LocalStatuses:
    """The lights on commits; see :class:`ci_core.hosts.base.Statuses`."""

    def __init__(self, frame: Frame) -> None:
        self._frame = frame

    def list(self, commit: CommitId) -> Iterator[CommitStatus]:
        """Yield the newest status of each context, by name."""
        for record in self._frame.store.read_all(f"statuses/{commit}"):
            with self._frame.reading(f"statuses/{commit}"):
                yield CommitStatus(
                    commit=CommitId(record["commit"]),
                    context=record["context"],
                    state=record["state"],
                    description=record["description"],
                    url=record["url"],
                )

    def set(self, status: CommitStatus) -> None:
        """Set one light."""
        if len(status.description) > _DESCRIPTION_LIMIT:
            raise HostRefusedError(
                host=self._frame.where,
                action=f"set the status `{status.context}`",
                reason=f"its description has {len(status.description)} characters and the limit is "
                f"{_DESCRIPTION_LIMIT}",
            )
        record = {
            "commit": status.commit,
            "context": status.context,
            "state": status.state,
            "description": status.description,
            "url": status.url,
            "author": self._frame.login,
            "set_at": self._frame.now(),
        }
        with self._frame.store.writing():
            self._frame.store.write(f"statuses/{status.commit}/{quote(status.context, safe='')}.json", record)


class LocalDeployments:
    """Deployment records; see :class:`ci_core.hosts.base.Deployments`."""

    def __init__(self, frame: Frame) -> None:
        self._frame = frame

    def list(self, environment: EnvironmentName) -> Iterator[DeploymentRecord]:
        """Yield records of one environment, newest first."""
        return (record for record in self.all() if record.environment == environment)

    def all(self) -> Iterator[DeploymentRecord]:
        """Yield the records of all environments, newest first."""
        for record in reversed(list(self._frame.store.read_all("deployments"))):
            yield self._present(record)

    def create(
        self, *, environment: EnvironmentName, commit: CommitId, release: ReleaseId, description: str = ""
    ) -> DeploymentRecord:
        """Open a record with state ``in-progress``."""
        with self._frame.store.writing():
            record = {
                "id": str(self._frame.store.next_number("deployments")),
                "environment": environment,
                "commit": commit,
                "release": release,
                "state": "in-progress",
                "description": description,
                "url": None,
                "log_url": None,
                "author": self._frame.login,
                "opened_at": self._frame.now(),
            }
            return self._save(record)

    def update(
        self,
        record: DeploymentRecord,
        *,
        state: DeploymentState,
        description: str = "",
        url: str | None = None,
        log_url: str | None = None,
    ) -> DeploymentRecord:
        """Say what became of a deployment; a success makes the environment's earlier ones inactive."""
        with self._frame.store.writing():
            stored = self._frame.store.read(f"deployments/{quote(record.id, safe='')}.json")
            if stored is None:
                raise NotFoundOnHostError(host=self._frame.where, kind="deployment", name=record.id)
            if state == "success":
                self._retire(EnvironmentName(stored["environment"]), int(stored["id"]))
            stored.update(state=state, description=description, changed_at=self._frame.now())
            stored.update({key: value for key, value in (("url", url), ("log_url", log_url)) if value is not None})
            return self._save(stored)

    def _retire(self, environment: EnvironmentName, before: int) -> None:
        for stored in self._frame.store.read_all("deployments"):
            is_earlier = stored["environment"] == environment and int(stored["id"]) < before
            if is_earlier and stored["state"] == "success":
                self._save({**stored, "state": "inactive"})

    def _save(self, record: Record) -> DeploymentRecord:
        self._frame.store.write(f"deployments/{record['id']}.json", record)
        return self._present(record)

    def _present(self, record: Record) -> DeploymentRecord:
        with self._frame.reading(f"deployments/{record.get('id')}.json"):
            return DeploymentRecord(
                id=record["id"],
                environment=EnvironmentName(record["environment"]),
                commit=CommitId(record["commit"]),
                release=ReleaseId(record["release"]),
                state=record["state"],
                description=record["description"],
                url=record["url"],
                log_url=record["log_url"],
            )
