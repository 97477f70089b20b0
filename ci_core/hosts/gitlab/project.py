"""The project itself: our role in it, and which of its features are on. From GitLab's documentation: "Projects API"."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ci_core.hosts._answers import Json


@dataclass(frozen=True, slots=True, kw_only=True)
class ProjectFacts:
    """What we ask of a project."""

    level: int | None = None
    """Our role as a number; None when GitLab does not tell: for administrators, or a member of a group above."""
    has_issues: bool = True
    has_merge_requests: bool = True
    is_archived: bool = False


def read_project(data: Json) -> ProjectFacts:
    """Return what we ask of a project."""
    return ProjectFacts(
        level=read_level(data),
        has_issues=data.get("issues_access_level", "enabled") != "disabled",
        has_merge_requests=data.get("merge_requests_access_level", "enabled") != "disabled",
        is_archived=data.get("archived") is True,
    )


def read_level(data: Json) -> int | None:
    """Return our role: the higher of those by the project and by its group."""
    permissions = data.get("permissions")
    if not isinstance(permissions, dict):
        return None
    levels = [_level(permissions.get(name)) for name in ("project_access", "group_access")]
    return max((level for level in levels if level is not None), default=None)


def _level(access: object) -> int | None:
    level = access.get("access_level") if isinstance(access, dict) else None
    return level if isinstance(level, int) else None
