"""Judge the metric gates of ``graphship.yaml`` on a comparison (pure)."""

from __future__ import annotations

import difflib
import math
from typing import TYPE_CHECKING, Final

from ci_core.gates.spec import GateResult
from ci_core.versioning.compare import as_number, goals, known_goal

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ci_core.config.settings import MetricGate
    from ci_core.gates.spec import GateState
    from ci_core.versioning.difference import MetricDiff, SnapshotDiff

_TOLERANCE: Final = 1e-9
"""Relative: 0.83 - 0.82 is more than 0.01 in binary, and nobody means that."""


def judge_gates(gates: Sequence[MetricGate], diff: SnapshotDiff) -> tuple[GateResult, ...]:
    """Return the result of each gate, in the order of the gates.

    A metric that is missing or not a finite number fails. A regression that cannot be judged because the base has no
    such number is a warning; one that cannot be judged because nobody said which way is better fails.
    """
    metrics = {metric.key: metric for metric in diff.metrics if metric.change != "removed"}
    return tuple(_judge(gate, metrics, diff) for gate in gates)


def _judge(gate: MetricGate, metrics: dict[str, MetricDiff], diff: SnapshotDiff) -> GateResult:
    goal = goals([gate]).get(gate.key, known_goal(gate.key))
    limit = _limit(gate, goal)
    metric = metrics.get(gate.key)
    if metric is None:
        near = difflib.get_close_matches(gate.key, metrics, n=3, cutoff=0.5)
        known = f"; nearest: {', '.join(f'`{name}`' for name in near)}" if near else ""
        return GateResult(
            key=gate.key, state="fail", limit=limit, sentence=f"there is no metric `{gate.key}` in this commit{known}"
        )
    new = as_number(metric.new)
    if new is None or not math.isfinite(new):
        sentence = f"`{gate.key}` is `{metric.new}`, not a finite number"
        return GateResult(key=gate.key, state="fail", old=metric.old, new=metric.new, limit=limit, sentence=sentence)
    findings = [*_bounds(gate, new), *_regression(gate, metric, new, goal, diff)]
    state: GateState = next((found for found in ("fail", "warn") if found in dict(findings)), "pass")
    said = "; ".join(sentence for _, sentence in findings) or f"`{gate.key}` is {new:g}{_moved(metric)}"
    return GateResult(key=gate.key, state=state, old=metric.old, new=metric.new, limit=limit, sentence=said)


def _bounds(gate: MetricGate, new: float) -> list[tuple[GateState, str]]:
    found: list[tuple[GateState, str]] = []
    if gate.min is not None and _exceeds(gate.min, new):
        found.append(("fail", f"`{gate.key}` is {new:g}, less than the {gate.min:g} it must reach"))
    if gate.max is not None and _exceeds(new, gate.max):
        found.append(("fail", f"`{gate.key}` is {new:g}, more than the {gate.max:g} it may be"))
    return found


def _regression(
    gate: MetricGate, metric: MetricDiff, new: float, goal: str | None, diff: SnapshotDiff
) -> list[tuple[GateState, str]]:
    if gate.max_regression is None:
        return []
    if goal is None:
        hint = "say which way is better by adding `min` or `max` to the gate"
        return [("fail", f"a regression of `{gate.key}` cannot be judged: {hint}")]
    old = as_number(metric.old)
    if old is None or not math.isfinite(old):
        why = diff.base_problem or f"the base has no number for `{gate.key}`"
        return [("warn", f"the regression of `{gate.key}` was not judged: {why}")]
    loss = old - new if goal == "higher" else new - old
    if not _exceeds(loss, gate.max_regression):
        return []
    verb = "fell" if goal == "higher" else "rose"
    sentence = f"`{gate.key}` {verb} from {old:g} to {new:g}, by {loss:g}; {gate.max_regression:g} is allowed"
    return [("fail", sentence)]


def _exceeds(value: float, limit: float) -> bool:
    return value > limit and not math.isclose(value, limit, rel_tol=_TOLERANCE, abs_tol=_TOLERANCE * max(abs(limit), 1))


def _moved(metric: MetricDiff) -> str:
    if metric.difference is None:
        return ""
    return f" (was {metric.old:g})" if metric.difference and isinstance(metric.old, int | float) else " as before"


def _limit(gate: MetricGate, goal: str | None) -> str:
    parts = []
    if gate.min is not None:
        parts.append(f"at least {gate.min:g}")
    if gate.max is not None:
        parts.append(f"at most {gate.max:g}")
    if gate.max_regression is not None:
        verb = {"higher": "falls", "lower": "rises", None: "gets worse"}[goal]
        parts.append(f"{verb} by at most {gate.max_regression:g}")
    return ", ".join(parts)
