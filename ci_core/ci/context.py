"""One normalized description of the run, whatever the CI system (pure data)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from ci_core.types import CommitId

System = Literal["plain", "github-actions", "gitlab-ci", "jenkins"]
Event = Literal["change-request", "push", "tag", "schedule", "manual"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Context:
    """Why we run and for what."""

    system: System
    event: Event
    head: CommitId
    """The commit to look at: of a change request its own head, never a merge commit made by the CI system."""
    branch: str | None = None
    """Branch that was pushed, or the change request's source branch; None for a tag."""
    tag: str | None = None
    default_branch: str = "main"
    change_request: int | None = None
    is_trusted: bool = True
    """False for a change request from a fork: no secret is read, nothing is written, nothing is deployed."""
    run_id: int = 0
    """Grows with every run on this system; decides which of two runs is newer."""
    attempt: int = 1
    run_url: str | None = None
