"""Evidence that is written out, and what one gate makes of it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ci_core.gates.evidence import (
    Evidence,
)
from ci_core.gates.judge import judge
from ci_core.types import CommitId
from ci_core.versioning.difference import SnapshotDiff
from ci_core.versioning.revision import CodeVersion

if TYPE_CHECKING:
    from ci_core.config.settings import (
        Gates,
    )
    from ci_core.gates.spec import GateResult


def diff(base_problem: str | None = None, **more: Any) -> SnapshotDiff:
    """Return a difference of which only the named parts differ."""
    head = CodeVersion(commit=CommitId("a" * 40))
    return SnapshotDiff(base=None if base_problem else head, head=head, base_problem=base_problem, **more)


def evidence(**more: Any) -> Evidence:
    """Return evidence of which only the named parts were collected."""
    return Evidence(**{"diff": diff(), **more})


def result(gates: Gates, found: Evidence) -> GateResult:
    """Return the one result."""
    (only,) = judge(gates, found)
    return only
