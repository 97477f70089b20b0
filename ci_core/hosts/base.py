"""What the operations need of a host. Each adapter passes ``ci_core.testing.host_contract``.

Creating twice is the cardinal sin here, so these protocols are plain reads and writes; "exactly once" is built on top
of them, in one place, by ``hosts/upsert.py``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from ci_core.hosts.spec import (
        Access,
        Capability,
        ChangeRequest,
        ChangeRequestState,
        Comment,
        CommitStatus,
        DeploymentRecord,
        DeploymentState,
        Identity,
        Issue,
        IssueState,
        Topic,
    )
    from ci_core.types import CommitId, EnvironmentName, GitCredentials, ReleaseId


class ChangeRequests(Protocol):
    """Change requests of one repository."""

    def get(self, number: int) -> ChangeRequest:
        """Return one change request.

        Raises:
            NotFoundOnHostError: there is none of that number.
        """
        ...

    def find(
        self,
        *,
        state: ChangeRequestState | None = None,
        source_branch: str | None = None,
        commit: CommitId | None = None,
    ) -> Iterable[ChangeRequest]:
        """Yield matching change requests, newest first. `commit` matches head, merge commit and squashed commits."""
        ...

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
        """Open a change request; a host without drafts, labels or reviewers leaves these out.

        A label that is not there yet is made. Reviewers whom the host does not know are left out: a request without
        them is better than none.

        Raises:
            AlreadyExistsOnHostError: one is open from that branch already.
        """
        ...

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
        """Change what is given and leave the rest; labels and reviewers come to those that are there.

        ``state="merged"`` is refused: merging is for people or policy.
        """
        ...


class Comments(Protocol):
    """Remarks on change requests and issues."""

    def list(self, topic: Topic) -> Iterable[Comment]:
        """Yield all comments, oldest first, to the last page."""
        ...

    def create(self, topic: Topic, body: str) -> Comment:
        """Write a new remark."""
        ...

    def update(self, comment: Comment, body: str) -> Comment:
        """Replace the text of a remark.

        Raises:
            StaleOnHostError: its text is no longer `comment.body`: somebody wrote after it was read. A host without
                compare-and-swap reads once more just before it writes, so that the gap is one round trip.
            NotFoundOnHostError: it was deleted.
        """
        ...

    def delete(self, comment: Comment) -> None:
        """Remove a remark."""
        ...


class Issues(Protocol):
    """Issues of one repository."""

    def find(self, *, label: str, state: IssueState | None = None) -> Iterable[Issue]:
        """Yield issues that carry `label`, newest first."""
        ...

    def create(self, *, title: str, body: str, labels: Sequence[str] = ()) -> Issue:
        """Open an issue."""
        ...

    def update(
        self, number: int, *, title: str | None = None, body: str | None = None, state: IssueState | None = None
    ) -> Issue:
        """Change what is given and leave the rest."""
        ...


class Statuses(Protocol):
    """The lights on commits."""

    def list(self, commit: CommitId) -> Iterable[CommitStatus]:
        """Yield the newest status of each context."""
        ...

    def set(self, status: CommitStatus) -> None:
        """Set one light; an earlier one of the same context is replaced."""
        ...


class Deployments(Protocol):
    """Deployment records."""

    def list(self, environment: EnvironmentName) -> Iterable[DeploymentRecord]:
        """Yield records, newest first."""
        ...

    def create(
        self, *, environment: EnvironmentName, commit: CommitId, release: ReleaseId, description: str = ""
    ) -> DeploymentRecord:
        """Open a record with state ``in-progress``."""
        ...

    def update(
        self,
        record: DeploymentRecord,
        *,
        state: DeploymentState,
        description: str = "",
        url: str | None = None,
        log_url: str | None = None,
    ) -> DeploymentRecord:
        """Say what became of a deployment."""
        ...


class RepositoryHost(Protocol):
    """One repository on one host."""

    name: str
    """``local``, ``github`` or ``gitlab``."""
    capabilities: frozenset[Capability]
    """What this host can do beyond the minimum."""
    body_limit: int
    """Longest body of a comment, issue or change request, in characters."""
    change_requests: ChangeRequests
    comments: Comments
    issues: Issues
    statuses: Statuses
    deployments: Deployments

    def identity(self) -> Identity:
        """Return who we are; asked once and remembered."""
        ...

    def access(self) -> Access:
        """Return what our token may do. Reads only: nothing is written, not even for a moment."""
        ...

    def read_file(self, path: str, *, commit: CommitId) -> bytes | None:
        """Return a file as it is in a commit, without a clone; None when that commit has no such file.

        Args:
            path: from the repository's top folder, with ``/``.
            commit: one that the host has.

        Raises:
            NotFoundOnHostError: the host has no such commit.
        """
        ...

    def commit_url(self, commit: CommitId) -> str:
        """Return a permanent address of a commit."""
        ...

    def file_url(self, commit: CommitId, path: str, line: int | None = None) -> str | None:
        """Return a permanent address of a file, or of a line of it, in a commit; None on a host without such pages."""
        ...

    def upload_image(self, name: str, content: bytes) -> str:
        """Store a picture where only readers of the repository see it; return its address for Markdown.

        Only hosts with the capability ``images`` have this.

        Raises:
            HostRefusedError: it is too large, or the host has no such place.
        """
        ...

    def git_credentials(self) -> GitCredentials | None:
        """Return what Git needs for this repository; None when our token, or the lack of one, is no use to Git."""
        ...
