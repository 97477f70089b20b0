"""Change requests of the local host."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ci_core.errors import AlreadyExistsOnHostError, HostRefusedError, MergeConflictError, NotFoundOnHostError
from ci_core.hosts.local.repository import ConflictError
from ci_core.hosts.spec import ChangeRequest
from ci_core.types import CommitId

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from ci_core.hosts.local.frame import Frame
    from ci_core.hosts.local.store import Record
    from ci_core.hosts.spec import ChangeRequestState


class LocalChangeRequests:
    """The change requests of one repository; see :class:`ci_core.hosts.base.ChangeRequests`.

    A record keeps ``base``, the commit where the source branch left the target when it was last looked at: what lies
    between it and ``head`` are the request's own commits.
    """

    def __init__(self, frame: Frame) -> None:
        self._frame = frame

    def get(self, number: int) -> ChangeRequest:
        """Return one change request."""
        return self._present(self._record(number))

    def find(
        self,
        *,
        state: ChangeRequestState | None = None,
        source_branch: str | None = None,
        commit: CommitId | None = None,
    ) -> Iterator[ChangeRequest]:
        """Yield matching change requests, newest first."""
        for record in reversed(list(self._frame.store.read_all("change-requests"))):
            if source_branch is not None and record["source_branch"] != source_branch:
                continue
            current = self._follow(record)
            if state is not None and current["state"] != state:
                continue
            if commit is None or self._has_commit(current, commit):
                yield self._present(current)

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
        """Open a change request."""
        self._frame.check_body(body)
        head, target = self._head(source_branch), self._head(target_branch)
        if self._frame.repository.is_ancestor(head, target):
            raise HostRefusedError(
                host=self._frame.where,
                action=f"open a change request from `{source_branch}`",
                reason=f"it has no commit that `{target_branch}` lacks",
            )
        with self._frame.store.writing():
            self._refuse_second(source_branch)
            number = self._frame.store.next_number("topics")
            record = {
                "number": number,
                "title": title,
                "body": body,
                "state": "open",
                "author": self._frame.login,
                "source_branch": source_branch,
                "target_branch": target_branch,
                "head": head,
                "base": self._frame.repository.merge_base(head, target),
                "merge_commit": None,
                "closed_at": None,
                "labels": list(dict.fromkeys(labels)),
                "reviewers": list(dict.fromkeys(reviewers)),
                "is_draft": is_draft,
                "opened_at": self._frame.now(),
            }
            return self._save(record)

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
        if body is not None:
            self._frame.check_body(body)
        with self._frame.store.writing():
            record = self._record(number)
            if state is not None:
                record = self._with_state(record, state)
            changes = {"title": title, "body": body}
            record.update({key: value for key, value in changes.items() if value is not None})
            record["labels"] = list(dict.fromkeys([*record["labels"], *labels]))
            record["reviewers"] = list(dict.fromkeys([*record["reviewers"], *reviewers]))
            return self._save(record)

    def merge(self, number: int) -> ChangeRequest:
        """Merge with a merge commit, as a person does by pressing the button; nothing is deleted.

        Raises:
            NotFoundOnHostError: there is no such change request.
            HostRefusedError: it is not open, or the target branch refused the push.
            MergeConflictError: both sides changed the same lines.
        """
        with self._frame.store.writing():
            record = self._record(number)
            if record["state"] != "open":
                raise HostRefusedError(
                    host=self._frame.where, action=f"merge change request {number}", reason=f"it is {record['state']}"
                )
            source, target, title = record["source_branch"], record["target_branch"], record["title"]
            try:
                merge_commit = self._frame.repository.merge(
                    CommitId(record["head"]),
                    into=target,
                    message=f"Merge change request #{number} from {source}\n\n{title}\n",
                    author=self._frame.login,
                    at=self._frame.clock(),
                )
            except ConflictError as error:
                raise MergeConflictError(
                    host=self._frame.where, number=number, source=source, target=target, files=error.files
                ) from error
            record.update(state="merged", merge_commit=merge_commit, closed_at=self._frame.now())
            return self._save(record)

    def _with_state(self, record: Record, state: ChangeRequestState) -> Record:
        if record["state"] == state:
            return record
        if "merged" in {state, record["state"]}:
            raise HostRefusedError(
                host=self._frame.where,
                action=f"make change request {record['number']} {state}",
                reason="only people merge" if state == "merged" else "it is merged",
                hint=f"graphship host merge {record['number']}" if state == "merged" else None,
            )
        if state == "open":
            self._refuse_second(record["source_branch"])
        return {**record, "state": state, "closed_at": None if state == "open" else self._frame.now()}

    def _refuse_second(self, source_branch: str) -> None:
        for other in self.find(state="open", source_branch=source_branch):
            raise AlreadyExistsOnHostError(
                host=self._frame.where, kind="open change request from", name=source_branch, url=other.url
            )

    def _record(self, number: int) -> Record:
        record = self._frame.store.read(f"change-requests/{number}.json")
        if record is None:
            raise NotFoundOnHostError(host=self._frame.where, kind="change request", name=str(number))
        return self._follow(record)

    def _follow(self, record: Record) -> Record:
        """Return the record as the branches have it now.

        The head of an open request follows its branch. A push that brings the head into the target by itself merges
        the request, as on real hosts; that is written down, since it happened.
        """
        if record["state"] != "open":
            return record
        repository = self._frame.repository
        head = repository.head(record["source_branch"]) or CommitId(record["head"])
        target = repository.head(record["target_branch"])
        if target is None:
            return {**record, "head": head}
        if not repository.is_ancestor(head, target):
            return {**record, "head": head, "base": repository.merge_base(head, target)}
        if head == record["base"]:  # the branch was pushed back to where it began: nothing of it was merged
            return {**record, "head": head}
        with self._frame.store.writing():
            # Read anew: somebody may have written a title or a text since.
            newest = self._frame.store.read(f"change-requests/{record['number']}.json") or record
            if newest["state"] == "open":
                brought = repository.entry(head, target)
                newest |= {"head": head, "state": "merged", "merge_commit": brought, "closed_at": self._frame.now()}
                self._save(newest)
        return newest

    def _has_commit(self, record: Record, commit: CommitId) -> bool:
        if commit in {record["head"], record["merge_commit"]}:
            return True
        repository, base = self._frame.repository, record["base"]
        is_inside = repository.is_ancestor(commit, CommitId(record["head"]))
        return is_inside and not (base and repository.is_ancestor(commit, CommitId(base)))

    def _head(self, branch: str) -> CommitId:
        head = self._frame.repository.head(branch)
        if head is None:
            raise NotFoundOnHostError(host=self._frame.where, kind="branch", name=branch)
        return head

    def _save(self, record: Record) -> ChangeRequest:
        self._frame.store.write(f"change-requests/{record['number']}.json", record)
        self._frame.topic_changed(record["number"])
        return self._present(record)

    def _present(self, record: Record) -> ChangeRequest:
        with self._frame.reading(f"change-requests/{record.get('number')}.json"):
            return ChangeRequest(
                number=record["number"],
                title=record["title"],
                body=record["body"],
                state=record["state"],
                author=record["author"],
                source_branch=record["source_branch"],
                target_branch=record["target_branch"],
                head=CommitId(record["head"]),
                merge_commit=record["merge_commit"],
                closed_at=record["closed_at"],
                labels=tuple(record["labels"]),
                reviewers=tuple(record["reviewers"]),
                is_draft=record.get("is_draft", False),
                url=self._frame.page_url(record["number"]),
            )
