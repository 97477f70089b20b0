"""What the GitLab stand-in remembers, and who may do what there.

Roles and what they may do: https://docs.gitlab.com/user/permissions/#project-members-permissions
"""

from __future__ import annotations

import itertools
import threading
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, Final, Literal

from tests.servers.git_http import BareRepository

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from ci_core.types import CommitId

JsonObject = dict[str, Any]
TokenKind = Literal["personal", "project", "job", "oauth"]

GUEST, PLANNER, REPORTER, DEVELOPER, MAINTAINER, OWNER = 10, 15, 20, 30, 40, 50
"""https://docs.gitlab.com/api/access_requests/#valid-access-levels"""

NEEDED_LEVEL: Final = {
    "read_code": REPORTER,
    "read_merge_request": REPORTER,
    "read_issue": GUEST,
    "note_merge_request": REPORTER,
    "note_issue": GUEST,
    "create_issue": GUEST,
    "edit_issue": PLANNER,
    "label": PLANNER,
    "create_merge_request": DEVELOPER,
    "edit_merge_request": DEVELOPER,
    "edit_foreign_note": MAINTAINER,
    "read_deployment": REPORTER,
    "deploy": DEVELOPER,
    "commit_status": DEVELOPER,
    "upload": GUEST,
    "push": DEVELOPER,
}
"""The lowest role in a private project."""


_REFUSE_PROTECTED: Final = """\
#!/bin/sh
while read -r old new ref; do
  if grep -qxF -- "$ref" protected 2>/dev/null; then
    echo "GitLab: You are not allowed to push code to protected branches on this project." >&2
    exit 1
  fi
done
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Token:
    """One access token."""

    text: str = field(repr=False)
    login: str
    kind: TokenKind
    scopes: tuple[str, ...]
    id: int
    expires_at: str | None
    is_expired: bool = False
    may_push: bool = False
    """Of a job token: the project's setting "Allow Git push requests to the repository"."""


@dataclass(slots=True, kw_only=True)
class MergeRequest:
    """One merge request; `iid` is from a row that issues do not share."""

    id: int
    iid: int
    title: str
    description: str
    source_branch: str
    target_branch: str
    author: str
    head: CommitId
    created_at: str
    updated_at: str
    source_project_id: int | None
    state: Literal["opened", "closed", "locked", "merged"] = "opened"
    labels: list[str] = field(default_factory=list)
    reviewers: list[str] = field(default_factory=list)
    commits: list[CommitId] = field(default_factory=list)
    """Of the latest diff; it stays as it was when the request is closed or merged."""
    merged_at: str | None = None
    merged_by: str | None = None
    closed_at: str | None = None
    merge_commit_sha: CommitId | None = None
    squash_commit_sha: CommitId | None = None


@dataclass(slots=True, kw_only=True)
class Issue:
    """One issue."""

    id: int
    iid: int
    title: str
    description: str
    author: str
    created_at: str
    updated_at: str
    state: Literal["opened", "closed"] = "opened"
    labels: list[str] = field(default_factory=list)
    closed_at: str | None = None


@dataclass(slots=True, kw_only=True)
class Note:
    """One remark."""

    id: int
    kind: Literal["MergeRequest", "Issue"]
    iid: int
    body: str
    author: str
    created_at: str
    updated_at: str
    system: bool = False


@dataclass(slots=True, kw_only=True)
class Pipeline:
    """One pipeline of a commit; commit statuses hang on it."""

    id: int
    sha: CommitId
    ref: str
    source: str
    created_at: str


@dataclass(slots=True, kw_only=True)
class Status:
    """One commit status."""

    id: int
    pipeline: int
    sha: CommitId
    ref: str
    name: str
    author: str
    state: str
    created_at: str
    description: str | None = None
    target_url: str | None = None
    finished_at: str | None = None
    is_retried: bool = False


@dataclass(slots=True, kw_only=True)
class Environment:
    """One environment."""

    id: int
    name: str
    created_at: str
    updated_at: str
    external_url: str | None = None
    description: str | None = None
    state: str = "available"


@dataclass(slots=True, kw_only=True)
class Deployment:
    """One deployment."""

    id: int
    environment: int
    sha: CommitId
    ref: str
    tag: bool
    status: str
    author: str
    created_at: str
    updated_at: str
    is_of_job: bool = False
    """Made by a job with the keyword ``environment``: the interface does not change it."""


@dataclass(slots=True)
class State:
    """One GitLab with one project, and the forks of that."""

    folder: Path
    path: str = "acme/flights"
    project_id: int = 278
    is_public: bool = False
    issues_enabled: bool = True
    keeps_environment_text: bool = True
    """GitLab before 17.2 has no description of an environment."""
    knows_note_filter: bool = True
    """Older ones do not know ``activity_filter`` and list what they noted themselves."""
    lock: threading.RLock = field(default_factory=threading.RLock)
    tokens: dict[str, Token] = field(default_factory=dict)
    levels: dict[str, int] = field(default_factory=dict)
    users: dict[str, int] = field(default_factory=dict)
    former_paths: set[str] = field(default_factory=set)
    forks: dict[int, BareRepository] = field(default_factory=dict)
    merge_requests: dict[int, MergeRequest] = field(default_factory=dict)
    issues: dict[int, Issue] = field(default_factory=dict)
    notes: dict[int, Note] = field(default_factory=dict)
    labels: dict[str, int] = field(default_factory=dict)
    pipelines: list[Pipeline] = field(default_factory=list)
    statuses: list[Status] = field(default_factory=list)
    environments: dict[int, Environment] = field(default_factory=dict)
    deployments: dict[int, Deployment] = field(default_factory=dict)
    uploads: dict[str, bytes] = field(default_factory=dict)
    _ids: Iterator[int] = field(default_factory=lambda: itertools.count(1001))
    _ticks: Iterator[int] = field(default_factory=itertools.count)
    git: BareRepository = field(init=False)

    def __post_init__(self) -> None:
        self.git = BareRepository(self.folder / "flights.git")
        hook = self.git.folder / "hooks" / "pre-receive"
        hook.write_text(_REFUSE_PROTECTED)
        hook.chmod(0o755)

    def next_id(self) -> int:
        """Return an id that nothing else has, as GitLab's are per table and these per server."""
        return next(self._ids)

    def now(self) -> str:
        """Return a time of its own for each call."""
        at = datetime(2026, 11, 1, tzinfo=UTC) + timedelta(milliseconds=next(self._ticks))
        return at.isoformat(timespec="milliseconds").replace("+00:00", "Z")

    def user_id(self, login: str) -> int:
        """Return a user's number, a new one for somebody new."""
        return self.users.setdefault(login, 40 + len(self.users))

    def level(self, login: str | None) -> int:
        """Return a user's role in the project; 0 for none."""
        return self.levels.get(login, 0) if login is not None else 0

    def note(self, kind: Literal["MergeRequest", "Issue"], iid: int, body: str, login: str, *, system: bool) -> Note:
        """Keep a remark."""
        at = self.now()
        note = Note(
            id=self.next_id(),
            kind=kind,
            iid=iid,
            body=body,
            author=login,
            created_at=at,
            updated_at=at,
            system=system,
        )
        self.notes[note.id] = note
        return note

    def sync(self) -> None:
        """Let open merge requests see what was pushed since; GitLab does that in the background."""
        heads = {self.project_id: self.git.branches()}
        for number, fork in self.forks.items():
            heads[number] = fork.branches()
        for request in self.merge_requests.values():
            if request.state != "opened" or request.source_project_id not in heads:
                continue
            tip = heads[request.source_project_id].get(request.source_branch)
            if tip is not None and tip != request.head:
                self.set_head(request, tip)
                self.note("MergeRequest", request.iid, "added 1 commit", request.author, system=True)

    def set_head(self, request: MergeRequest, tip: CommitId) -> None:
        """Let a merge request show a commit, and keep that whatever becomes of its branch."""
        ref = f"refs/merge-requests/{request.iid}/head"
        if request.source_project_id in self.forks:
            self.git.git("fetch", "--quiet", str(self.forks[request.source_project_id].folder), f"+{tip}:{ref}")
        else:
            self.git.move(ref, tip)
        request.head, request.updated_at = tip, self.now()
        request.commits = self.git.between(f"refs/heads/{request.target_branch}", tip)
