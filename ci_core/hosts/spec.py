"""What hosts keep, in host-neutral words (pure data).

A GitHub pull request and a GitLab merge request are both a :class:`ChangeRequest` here.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from ci_core.types import CommitId, EnvironmentName, ReleaseId

ChangeRequestState = Literal["open", "merged", "closed"]
IssueState = Literal["open", "closed"]
StatusState = Literal["pending", "success", "failure", "error"]
DeploymentState = Literal["in-progress", "success", "failure", "inactive"]


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
    """Whether the source branch is in another repository: nothing secret may be used for it."""
    url: str


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
