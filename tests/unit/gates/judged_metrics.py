"""Metrics of two versions, and what one gate makes of them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ci_core.config.settings import MetricGate
from ci_core.gates.metrics import judge_gates
from ci_core.types import CommitId
from ci_core.versioning.compare import compare
from ci_core.versioning.revision import CodeVersion, EnvironmentVersion, Snapshot

if TYPE_CHECKING:
    from ci_core.gates.spec import GateResult
    from ci_core.types import JsonValue


def snapshot(**metrics: JsonValue) -> Snapshot:
    """Return a version with these metrics in `metrics.json`."""
    return Snapshot(
        code=CodeVersion(commit=CommitId("a" * 40)),
        metrics={f"metrics.json:{name}": value for name, value in metrics.items()},
        environment=EnvironmentVersion(python="3.11"),
    )


def judge(gate: MetricGate, old: Snapshot | None, new: Snapshot, base_problem: str | None = None) -> GateResult:
    """Return the one result."""
    (result,) = judge_gates([gate], compare(old, new, gates=[gate], base_problem=base_problem))
    return result


def gate(
    metric: str = "auc", *, low: float | None = None, high: float | None = None, regression: float | None = None
) -> MetricGate:
    """Return a gate with bounds."""
    return MetricGate(file="metrics.json", metric=metric, min=low, max=high, max_regression=regression)


def improving(metric: str = "auc", **more: Any) -> MetricGate:
    """Return a gate whose metric must improve."""
    return MetricGate(file="metrics.json", metric=metric, must_improve=True, **more)
