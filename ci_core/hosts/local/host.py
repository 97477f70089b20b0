"""One local host: the protocol's parts, and what a person does there."""

from __future__ import annotations

import os
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import unquote, urlsplit

from ci_core.errors import HostRefusedError
from ci_core.hosts.local.change_requests import LocalChangeRequests
from ci_core.hosts.local.frame import BODY_LIMIT, Frame
from ci_core.hosts.local.page import render_page
from ci_core.hosts.local.records import LocalComments, LocalDeployments, LocalIssues, LocalStatuses
from ci_core.hosts.local.repository import BareRepository
from ci_core.hosts.local.store import FORMAT, Store
from ci_core.hosts.spec import Access, Identity, Topic

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from ci_core.hosts.base import ChangeRequests, Comments, Deployments, Issues, Statuses
    from ci_core.hosts.local.repository import Repository
    from ci_core.hosts.spec import Action, Capability, ChangeRequest, Comment, DeploymentRecord, Issue
    from ci_core.types import CommitId, GitCredentials

LOGIN = "graphship"
"""Who writes when nobody else is named: the automation."""


def _now() -> datetime:
    return datetime.now(tz=UTC)


class LocalHost:
    """A host made of a bare repository and a folder of JSON files; passes ``ci_core.testing.host_contract``.

    Args:
        repository: the bare repository.
        folder: where the host keeps its objects; made by :func:`create_local_host`.
        login: who acts. Two objects on one folder with different logins are two users.
        clock: the time, aware.
        git: what stands behind the branches; the bare repository itself unless a test gives something else.
    """

    name = "local"
    capabilities: frozenset[Capability] = frozenset({"deployments", "draft", "labels", "reviewers", "statuses"})
    body_limit = BODY_LIMIT

    def __init__(
        self,
        repository: Path,
        folder: Path,
        login: str = LOGIN,
        clock: Callable[[], datetime] = _now,
        git: Repository | None = None,
    ) -> None:
        self.repository, self.folder = repository.absolute(), folder.absolute()
        self._frame = Frame(
            store=Store(self.folder),
            repository=git or BareRepository(self.repository),
            login=login,
            clock=clock,
            topic_changed=self._render_page,
        )
        self._requests = LocalChangeRequests(self._frame)
        self._issues, self._deployments = LocalIssues(self._frame), LocalDeployments(self._frame)
        self.change_requests: ChangeRequests = self._requests
        self.comments: Comments = LocalComments(self._frame)
        self.issues: Issues = self._issues
        self.statuses: Statuses = LocalStatuses(self._frame)
        self.deployments: Deployments = self._deployments

    @property
    def default_branch(self) -> str:
        """The branch that change requests go to."""
        return self._frame.repository.default_branch()

    def branch_head(self, branch: str) -> CommitId | None:
        """Return the newest commit of a branch; None when there is no such branch."""
        return self._frame.repository.head(branch)

    def identity(self) -> Identity:
        """Return who acts."""
        return Identity(login=self._frame.login)

    def access(self) -> Access:
        """Return that whoever can write to the folder may do everything, and nobody else anything but read."""
        may_write = os.access(self.folder, os.W_OK)
        writes: tuple[Action, ...] = ("comment", "issue", "status", "deployment", "change-request", "push")
        return Access(
            token="none",  # noqa: S106 - the kind of a token
            allowed={"read": True, **dict.fromkeys(writes, may_write)},
            needs=dict.fromkeys(writes, f"write access to `{self.folder}`"),
        )

    def read_file(self, path: str, *, commit: CommitId) -> bytes | None:
        """Return a file as it is in a commit."""
        return self._frame.repository.read_file(commit, path)

    def commit_url(self, commit: CommitId) -> str:
        """Return an address that names the repository and the commit; there is no page behind it."""
        return f"{self.repository.as_uri()}#{commit}"

    def file_url(self, commit: CommitId, path: str, line: int | None = None) -> None:
        """Return None: there are no pages of files."""

    def upload_image(self, name: str, content: bytes) -> str:  # noqa: ARG002 - the protocol's
        """Refuse: reports of this host are pages of files, which hold their pictures."""
        raise HostRefusedError(host=self._frame.where, action=f"store the picture `{name}`", reason="it keeps none")

    def git_credentials(self) -> GitCredentials | None:
        """Return None: the repository is a folder."""
        return None

    def acting_as(self, login: str) -> LocalHost:
        """Return this host for another user."""
        return LocalHost(self.repository, self.folder, login, self._frame.clock, self._frame.repository)

    # What people see and do, outside the protocol.

    def every_issue(self) -> Iterator[Issue]:
        """Yield all issues, newest first, whatever their labels."""
        return self._issues.all()

    def every_deployment(self) -> Iterator[DeploymentRecord]:
        """Yield the deployment records of all environments, newest first."""
        return self._deployments.all()

    def open_change_request(self, branch: str, title: str, body: str = "", target: str | None = None) -> ChangeRequest:
        """Open a change request from a pushed branch to `target`, the default branch unless named."""
        return self._requests.create(
            title=title, body=body, source_branch=branch, target_branch=target or self.default_branch
        )

    def merge(self, number: int) -> ChangeRequest:
        """Merge a change request with a merge commit; no branch is deleted.

        Raises:
            NotFoundOnHostError: there is no such change request.
            HostRefusedError: it is not open.
            MergeConflictError: both sides changed the same lines; nothing was changed.
        """
        return self._requests.merge(number)

    def close(self, number: int) -> None:
        """Close a change request or an issue without merging."""
        if self._frame.store.read(f"issues/{number}.json") is not None:
            self.issues.update(number, state="closed")
        else:
            self._requests.update(number, state="closed")

    def comment(self, number: int, text: str) -> Comment:
        """Write a remark on a change request or an issue."""
        is_issue = self._frame.store.read(f"issues/{number}.json") is not None
        return self.comments.create(Topic("issue" if is_issue else "change-request", number), text)

    def _render_page(self, topic: int) -> None:
        """Write the topic's page anew, under the lock of whoever changed it."""
        store = self._frame.store
        record = store.read(f"change-requests/{topic}.json") or store.read(f"issues/{topic}.json")
        if record is not None:
            store.write_text(f"pages/{topic}.html", render_page(record, list(store.read_all(f"comments/{topic}"))))


def host_folder(repository: Path) -> Path:
    """Return where the host of a bare repository keeps its objects: ``flights.git`` → ``flights.host`` beside it."""
    return repository.with_name(repository.name.removesuffix(".git") + ".host")


def create_local_host(
    repository: Path, *, default_branch: str = "main", login: str = LOGIN, clock: Callable[[], datetime] = _now
) -> LocalHost:
    """Make a bare repository, unless it is there, and a host folder beside it.

    Raises:
        HostRefusedError: there is a host folder already, or `repository` is a folder with something else in it.
    """
    repository = repository.resolve()
    folder = host_folder(repository)
    if (folder / "host.json").exists():
        raise HostRefusedError(host=str(folder), action="make a new host", reason="there is one")
    is_bare = (repository / "HEAD").is_file()
    if not is_bare and repository.exists() and (not repository.is_dir() or any(repository.iterdir())):
        raise HostRefusedError(
            host=str(repository), action="make a bare repository", reason="the folder holds something else"
        )
    if not is_bare:
        BareRepository.create(repository, default_branch)
    folder.mkdir(parents=True, exist_ok=True)
    Store(folder).write("host.json", {"format": FORMAT, "repository": repository.name})
    return LocalHost(repository, folder, login, clock)


def find_local_host(
    remote_url: str, *, base: Path | None = None, login: str = LOGIN, clock: Callable[[], datetime] = _now
) -> LocalHost | None:
    """Return the local host beside the bare repository that `remote_url` names; None when there is none.

    Args:
        remote_url: a path or a ``file://`` address, as ``git remote get-url`` gives it.
        base: what a relative path is relative to: the top folder of the work tree.
        login: who acts.
        clock: the time.
    """
    if remote_url.startswith("file://"):
        path = Path(unquote(urlsplit(remote_url).path))
    elif "://" in remote_url or _is_scp_like(remote_url):
        return None
    else:
        path = Path(remote_url).expanduser()
    repository = ((base or Path()) / path).resolve()
    if not (remote_url and repository.name):
        return None
    folder = host_folder(repository)
    return LocalHost(repository, folder, login, clock) if (folder / "host.json").is_file() else None


def _is_scp_like(url: str) -> bool:
    """Tell ``user@host:path`` from a path, by Git's own rule: a colon before the first slash."""
    return ":" in url.partition("/")[0]
