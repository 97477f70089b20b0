"""What hosts keep, in host-neutral words (pure data).

A GitHub pull request and a GitLab merge request are both a :class:`ChangeRequest` here.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from types import MappingProxyType
from typing import TYPE_CHECKING, Literal

from ci_core.types import GitCredentials as GitCredentials  # noqa: PLC0414 - told as ours: part of what a host gives

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ci_core.types import CommitId, EnvironmentName, ReleaseId

ChangeRequestState = Literal["open", "merged", "closed"]
IssueState = Literal["open", "closed"]
StatusState = Literal["pending", "success", "failure", "error"]
DeploymentState = Literal["in-progress", "success", "failure", "inactive"]
Action = Literal["read", "comment", "issue", "status", "deployment", "change-request", "push"]
"""What we may want to do on a host; each adapter knows which of its host's permissions that takes."""
TokenKind = Literal["none", "job", "app", "personal", "unknown"]
"""``job``: made by the CI system for one job, such as GitHub's ``GITHUB_TOKEN`` or GitLab's ``CI_JOB_TOKEN``."""
Capability = Literal["deployments", "draft", "images", "labels", "reviewers", "statuses"]


@dataclass(frozen=True, slots=True)
class Topic:
    """What a remark is on. Some hosts number change requests and issues apart: 5 and 5 are two topics there."""

    kind: Literal["change-request", "issue"]
    number: int

    def __str__(self) -> str:
        return f"{self.kind.replace('-', ' ')} {self.number}"


@dataclass(frozen=True, slots=True, kw_only=True)
class ChangeRequest:
    """A proposal to merge one branch into another."""

    number: int
    title: str
    body: str
    state: ChangeRequestState
    author: str
    source_branch: str
    target_branch: str
    head: CommitId
    """Newest commit of the source branch that the host knows."""
    merge_commit: CommitId | None = None
    """The commit on the target branch that the merge made, once merged."""
    closed_at: str | None = None
    """ISO 8601 time of merge or close, UTC."""
    labels: tuple[str, ...] = ()
    reviewers: tuple[str, ...] = ()
    is_fork: bool = False
    """Whether the source branch is in another repository: nothing secret may be used for it. True as well when that
    repository was deleted meanwhile."""
    source_repository: str | None = None
    """Where the source branch is: ``owner/name``, or the full path; None when unknown, or deleted meanwhile."""
    is_draft: bool = False
    url: str

    @property
    def topic(self) -> Topic:
        """Where remarks on it go."""
        return Topic("change-request", self.number)


@dataclass(frozen=True, slots=True, kw_only=True)
class Comment:
    """A remark on a change request or an issue."""

    id: str
    author: str
    body: str
    url: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Issue:
    """A topic of its own, such as the monitoring of one environment."""

    number: int
    title: str
    body: str
    state: IssueState
    author: str
    labels: tuple[str, ...] = ()
    url: str

    @property
    def topic(self) -> Topic:
        """Where remarks on it go."""
        return Topic("issue", self.number)


@dataclass(frozen=True, slots=True, kw_only=True)
class CommitStatus:
    """One named light on a commit."""

    commit: CommitId
    context: str
    """Stable name, such as ``graphship/report``; a later status of the same context replaces the earlier."""
    state: StatusState
    description: str
    """At most 140 characters."""
    url: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class DeploymentRecord:
    """What the host shows of one deployment to one environment."""

    id: str
    environment: EnvironmentName
    commit: CommitId
    release: ReleaseId
    state: DeploymentState
    description: str = ""
    url: str | None = None
    """Address of what was deployed."""
    log_url: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Identity:
    """Who we are on this host."""

    login: str
    """Author name of what we write; comments of others are never edited."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Access:
    """What our token may do, as far as the host tells without anything being written."""

    token: TokenKind
    allowed: Mapping[Action, bool | None] = field(default_factory=lambda: MappingProxyType({}))
    """None: the host does not tell before it is tried."""
    needs: Mapping[Action, str] = field(default_factory=lambda: MappingProxyType({}))
    """The permission or scope that an action takes, in the host's own words: ``pull-requests: write``."""
    expires_at: str | None = None
    """ISO 8601 date or time, where the host tells."""
    notes: tuple[str, ...] = ()
    """What this kind of token cannot do whatever its permissions, each a sentence."""
