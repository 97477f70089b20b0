"""Judge the metric gates of ``graphship.yaml`` on a comparison (pure).

With an interval (``gates/interval.py``), a difference that cannot be told from none is *within noise*: it neither fails
as a regression nor passes as an improvement, it warns. ``docs/gates.md`` has the table of all cases.
"""

from __future__ import annotations

import difflib
import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ci_core.gates.interval import FEWEST_FOLDS, folds_interval, shares_interval
from ci_core.gates.spec import GateResult
from ci_core.gates.wording import apart, between, exceeds, percentage, shares_apart, worst
from ci_core.versioning.compare import as_number, goals, known_goal

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from ci_core.config.settings import MetricGate
    from ci_core.gates.evidence import Folds
    from ci_core.gates.wording import Finding
    from ci_core.types import Interval, JsonValue
    from ci_core.versioning.compare import Goal
    from ci_core.versioning.difference import MetricDiff, SnapshotDiff

_NO_FOLDS: Mapping[str, Folds] = {}


def judge_gates(
    gates: Sequence[MetricGate], diff: SnapshotDiff, folds: Mapping[str, Folds] = _NO_FOLDS
) -> tuple[GateResult, ...]:
    """Return the result of each gate, in the order of the gates.

    A metric that is missing or not a finite number fails. A regression that cannot be judged because the base has no
    such number is a warning; one that cannot be judged because nobody said which way is better fails.

    Args:
        gates: the rules.
        diff: what differs.
        folds: values of the folds that gates name, by the metric that holds them.
    """
    metrics = {metric.key: metric for metric in diff.metrics if metric.change != "removed"}
    return tuple(_judge(gate, metrics, diff, folds) for gate in gates)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Move:
    """How a metric moved, as far as it can be judged."""

    key: str
    old: float
    new: float
    goal: Goal
    interval: Interval | None

    @property
    def gain(self) -> float:
        """How much better it got; negative when it got worse."""
        return self.new - self.old if self.goal == "higher" else self.old - self.new

    @property
    def is_noise(self) -> bool:
        """Whether the difference cannot be told from none."""
        return self.interval is not None and _holds_zero(self.interval)

    @property
    def told(self) -> str:
        if self.new == self.old:
            return f"`{self.key}` is {self.new:g}, as before"
        old, new = apart(self.old, self.new)
        return f"`{self.key}` {'fell' if self.new < self.old else 'rose'} from {old} to {new}"

    @property
    def doubt(self) -> str:
        """What the interval adds to a sentence that blames the metric."""
        if self.interval is None:
            return ""
        reach = f"95 % interval of the difference: {between(self.interval)}"
        return f"; that is within noise ({reach})" if self.is_noise else f" ({reach})"


def _judge(
    gate: MetricGate, metrics: Mapping[str, MetricDiff], diff: SnapshotDiff, folds: Mapping[str, Folds]
) -> GateResult:
    goal = goals([gate]).get(gate.key, known_goal(gate.key))
    limit = _limit(gate, goal)
    metric = metrics.get(gate.key)
    if metric is None:
        near = difflib.get_close_matches(gate.key, metrics, n=3, cutoff=0.5)
        known = f"; nearest: {', '.join(f'`{name}`' for name in near)}" if near else ""
        return GateResult(
            key=gate.key, state="fail", limit=limit, sentence=f"there is no metric `{gate.key}` in this commit{known}"
        )
    old, new = as_number(metric.old), as_number(metric.new)
    if new is None or not math.isfinite(new):
        is_huge = new is not None and isinstance(metric.new, int)
        found = "a whole number too large to calculate with" if is_huge else f"`{metric.new}`, not a finite number"
        sentence = f"`{gate.key}` is {found}"
        return GateResult(key=gate.key, state="fail", old=metric.old, new=metric.new, limit=limit, sentence=sentence)
    if old is not None and not math.isfinite(old):
        old = None
    interval, no_interval = (None, None) if old is None else _interval(gate, old, new, metrics, folds)
    move = None if old is None or goal is None else _Move(key=gate.key, old=old, new=new, goal=goal, interval=interval)
    findings = [*_bounds(gate, new), *_against_base(gate, move, goal, diff)]
    state = worst(findings)
    told = [sentence for _, sentence in findings] or [_passed(gate.key, metric, new, interval)]
    return GateResult(
        key=gate.key,
        state=state,
        old=metric.old,
        new=metric.new,
        limit=limit,
        sentence="; ".join([*told, *([no_interval] if no_interval else [])]),
        interval=interval,
        is_within_noise=state != "fail" and interval is not None and new != old and _holds_zero(interval),
    )


def _bounds(gate: MetricGate, new: float) -> Iterator[Finding]:
    if gate.min is not None and exceeds(gate.min, new):
        is_, limit = apart(new, gate.min)
        yield "fail", f"`{gate.key}` is {is_}, less than the {limit} it must reach"
    if gate.max is not None and exceeds(new, gate.max):
        is_, limit = apart(new, gate.max)
        yield "fail", f"`{gate.key}` is {is_}, more than the {limit} it may be"


def _against_base(gate: MetricGate, move: _Move | None, goal: Goal | None, diff: SnapshotDiff) -> Iterator[Finding]:
    """Judge the rules that need the base; `move` is None when there is nothing to judge them on."""
    judges_regression = gate.max_regression is not None or gate.max_regression_share is not None
    if not judges_regression and not gate.must_improve:
        return
    what = f"the {'regression' if judges_regression else 'improvement'} of `{gate.key}`"
    if goal is None:
        yield "fail", f"{what} cannot be judged: say which way is better by adding `min` or `max` to the gate"
        return
    if move is None:
        yield "warn", f"{what} was not judged: {diff.base_problem or f'the base has no number for `{gate.key}`'}"
        return
    lost = list(_regression(gate, move)) if judges_regression else []
    yield from lost
    if gate.must_improve and worst(lost) != "fail":
        yield from _improvement(move)


def _regression(gate: MetricGate, move: _Move) -> Iterator[Finding]:
    """Judge a loss: a share is one of the base's absolute value, so that of a base of 0 nothing may be lost."""
    share = gate.max_regression_share
    limit = share * abs(move.old) if share is not None else gate.max_regression or 0.0
    loss = -move.gain
    if not exceeds(loss, limit, of=(move.old, move.new)):
        return
    if share is None or not move.old:
        lost, allowed = apart(loss, limit)
        allowed = allowed if share is None else f"{percentage(share)} of 0, which is nothing,"
    else:
        lost, allowed = shares_apart(loss / abs(move.old), share)
    yield "warn" if move.is_noise else "fail", f"{move.told}, by {lost}; {allowed} is allowed{move.doubt}"


def _improvement(move: _Move) -> Iterator[Finding]:
    if not exceeds(move.gain, 0, of=(move.old, move.new)):
        yield "fail", f"{move.told}; it must improve"
    elif move.is_noise:
        yield "warn", f"{move.told}; it must improve{move.doubt}"


def _interval(
    gate: MetricGate, old: float, new: float, metrics: Mapping[str, MetricDiff], folds: Mapping[str, Folds]
) -> tuple[Interval | None, str | None]:
    """Return the interval that the gate asks for, or why there is none; folds come before the sample size."""
    interval, problem = None, None
    if gate.folds is not None:
        found = folds.get(gate.folds)
        if found is None or found.problem is not None:
            problem = found.problem if found else f"`{gate.folds}` was not read"
        elif min(len(found.old), len(found.new)) < FEWEST_FOLDS:
            problem = f"`{gate.folds}` lists fewer than two values"
        else:
            interval = folds_interval(found.old, found.new)
            if not (math.isfinite(interval.low) and math.isfinite(interval.high)):
                interval, problem = None, f"the values of `{gate.folds}` are too large to calculate with"
    elif gate.sample_size is not None:
        rows = _rows(gate.sample_size, metrics)
        if rows is None:
            problem = f"`{gate.sample_size}` is no number of rows on both sides"
        elif not (0 <= old <= 1 and 0 <= new <= 1):
            problem = f"`{gate.key}` is no share of rows, which is from 0 to 1"
        else:
            interval = shares_interval(old, rows[0], new, rows[1])
    return interval, f"judged without an interval: {problem}" if problem else None


def _rows(sample_size: JsonValue, metrics: Mapping[str, MetricDiff]) -> tuple[float, float] | None:
    if not isinstance(sample_size, str):
        number = as_number(sample_size)
        return None if number is None else (number, number)
    metric = metrics.get(sample_size)
    old, new = (as_number(metric.old), as_number(metric.new)) if metric else (None, None)
    if old is None or new is None or not (1 <= old < math.inf and 1 <= new < math.inf):
        return None
    return old, new


def _holds_zero(interval: Interval) -> bool:
    return interval.low <= 0 <= interval.high


def _passed(key: str, metric: MetricDiff, new: float, interval: Interval | None) -> str:
    old = as_number(metric.old)
    was = "" if old is None else f"was {old:g}"
    if metric.difference is None:
        return f"`{key}` is {new:g}"
    if not metric.difference:
        return f"`{key}` is {new:g} as before"
    if interval is None:
        return f"`{key}` is {new:g} ({was})"
    noise = "within noise, " if _holds_zero(interval) else ""
    return f"`{key}` is {new:g} ({was}; {noise}95 % interval of the difference: {between(interval)})"


def _limit(gate: MetricGate, goal: str | None) -> str:
    parts = []
    if gate.min is not None:
        parts.append(f"at least {gate.min:g}")
    if gate.max is not None:
        parts.append(f"at most {gate.max:g}")
    verb = "falls" if goal == "higher" else "rises" if goal == "lower" else "gets worse"
    if gate.max_regression is not None:
        parts.append(f"{verb} by at most {gate.max_regression:g}")
    if gate.max_regression_share is not None:
        parts.append(f"{verb} by at most {percentage(gate.max_regression_share)}")
    if gate.must_improve:
        parts.append("must improve")
    return ", ".join(parts)
