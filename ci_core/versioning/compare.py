"""Compare two snapshots (pure): metrics with a direction, params, data, outputs, environment.

A base that could not be read is *said* in ``SnapshotDiff.base_problem``; it never looks like "no change".
"""

from __future__ import annotations

import math
import re
from dataclasses import replace
from typing import TYPE_CHECKING, Final, Literal

from ci_core.versioning.difference import (
    Change,
    Direction,
    EnvironmentDiff,
    FileDiff,
    MetricDiff,
    ModelDiff,
    ParamDiff,
    SnapshotDiff,
    StageDiff,
)

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from ci_core.config.settings import MetricGate
    from ci_core.types import JsonValue
    from ci_core.versioning.revision import EnvironmentVersion, RegisteredModel, Snapshot, StageVersion, TrackedFile

Goal = Literal["higher", "lower"]

# fmt: off
_HIGHER: Final = frozenset({
    "acc", "accuracy", "ap", "auc", "auprc", "auroc", "bleu", "dice", "f1", "fbeta", "iou", "kappa", "mcc", "mrr",
    "ndcg", "precision", "r2", "recall", "rouge", "sensitivity", "specificity",
})
_LOWER: Final = frozenset({
    "brier", "cer", "deviance", "ece", "err", "error", "hinge", "logloss", "loss", "mae", "mape", "medae", "mse",
    "perplexity", "rmse", "rmsle", "smape", "wer",
})
# fmt: on
"""Words of a metric's name that say which way it should move."""


def compare(
    base: Snapshot | None, head: Snapshot, *, gates: Sequence[MetricGate] = (), base_problem: str | None = None
) -> SnapshotDiff:
    """Return what differs from `base` to `head`.

    Args:
        base: the older side; None when it could not be read.
        head: the newer side.
        gates: tell which metrics should rise (``min``) and which should fall (``max``).
        base_problem: why `base` is None, one sentence.
    """
    before: Mapping[str, JsonValue] = {} if base is None else base.metrics
    declared = goals(gates)
    keys = sorted({*before, *head.metrics})
    metrics = tuple(_metric(key, before, head.metrics, declared.get(key, known_goal(key)), head.params) for key in keys)
    alone = SnapshotDiff(
        base=None,
        head=head.code,
        base_problem=base_problem or "there is no base to compare with",
        metrics=metrics,
        registered=head.models,
        stale=head.stale,
        problems=_problems("head", head),
    )
    if base is None:
        return alone
    return replace(
        alone,
        base=base.code,
        base_problem=None,
        params=_params(base.params, head.params),
        data=_files(base.data, head.data),
        outputs=_files(base.outputs, head.outputs),
        environment=_environment(base.environment, head.environment),
        stages=_stages(base.stages, head.stages),
        models=_models(base.models, head.models),
        problems=(*_problems("base", base), *_problems("head", head)),
    )


def goals(gates: Iterable[MetricGate]) -> dict[str, Goal]:
    """Return which way each gated metric should move, where a gate says so: exactly one of ``min`` and ``max``."""
    return {
        gate.key: "higher" if gate.max is None else "lower"
        for gate in gates
        if (gate.min is None) != (gate.max is None)
    }


def known_goal(key: str) -> Goal | None:
    """Return which way a metric should move by its well-known name; None for a name that says nothing.

    >>> known_goal("metrics.json:test.roc_auc"), known_goal("eval.yaml:val_loss"), known_goal("metrics.json:rows")
    ('higher', 'lower', None)
    """
    words = set(re.split(r"[^a-z0-9]+", key.rpartition(":")[2].rpartition(".")[2].lower()))
    if words & _LOWER:  # first: an `accuracy_loss` is a loss
        return "lower"
    return "higher" if words & _HIGHER else None


def as_number(value: JsonValue) -> float | None:
    """Return a metric as a number, NaN and infinities included; None for text, booleans and the like.

    A whole number beyond all floats is infinite: there is nothing to calculate with.
    """
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    try:
        return float(value)
    except OverflowError:
        return math.inf if value > 0 else -math.inf


def is_finite(value: float | None) -> bool:
    """Whether there is a number to calculate with."""
    return value is not None and math.isfinite(value)


def _metric(
    key: str, before: Mapping[str, JsonValue], after: Mapping[str, JsonValue], goal: Goal | None,
    params: Mapping[str, JsonValue],
) -> MetricDiff:  # fmt: skip
    old, new = before.get(key), after.get(key)
    if key not in before:
        return MetricDiff(key=key, new=new, change="added")
    if key not in after:
        return MetricDiff(key=key, old=old, change="removed")
    change: Change = "same" if _equal(old, new) else "changed"
    was, now = as_number(old), as_number(new)
    difference = _difference(old, new)
    if goal is None or _is_param(key, new, params):
        direction: Direction = "neutral"
    elif difference is None:
        direction = "worse" if is_finite(was) and not is_finite(now) else "neutral"
    else:
        direction = _direction(difference, goal)
    return MetricDiff(
        key=key, old=old, new=new, change=change, difference=difference, direction=direction, note=_note(was, now, new)
    )


def _difference(old: JsonValue, new: JsonValue) -> float | None:
    """Return ``new - old``; None unless it and both of them are finite numbers."""
    was, now = as_number(old), as_number(new)
    if was is None or now is None or not (is_finite(was) and is_finite(now)):
        return None
    difference: float | None = now - was
    if isinstance(old, int) and isinstance(new, int):  # which may have more digits than a float
        difference = as_number(new - old)
    return difference if is_finite(difference) else None


def _direction(difference: float, goal: Goal) -> Direction:
    if difference == 0:
        return "neutral"
    return "better" if (difference > 0) == (goal == "higher") else "worse"


def _note(was: float | None, now: float | None, new: JsonValue) -> str:
    if was is not None and now is None:
        return "is not a number any more"
    if was is None and now is not None:
        return "is a number now"
    if now is not None and math.isinf(now) and isinstance(new, int):
        return "is too large to calculate with"
    if now is not None and not math.isfinite(now) and is_finite(was):
        return f"became {'NaN' if math.isnan(now) else 'infinite'}"
    return "" if now is not None or isinstance(new, str) else "is not a number"


def _is_param(key: str, value: JsonValue, params: Mapping[str, JsonValue]) -> bool:
    """Whether a metric is only a param that was written down again: moving it is no achievement."""
    name = key.rpartition(":")[2]
    return any(param.rpartition(":")[2] == name and _equal(value, chosen) for param, chosen in params.items())


def _params(before: Mapping[str, JsonValue], after: Mapping[str, JsonValue]) -> tuple[ParamDiff, ...]:
    found = []
    for key in sorted({*before, *after}):
        if key in before and key in after and _equal(before[key], after[key]):
            continue
        change: Change = "added" if key not in before else "removed" if key not in after else "changed"
        found.append(ParamDiff(key=key, old=before.get(key), new=after.get(key), change=change))
    return tuple(found)


def _files(before: Iterable[TrackedFile], after: Iterable[TrackedFile]) -> tuple[FileDiff, ...]:
    old, new = {file.path: file for file in before}, {file.path: file for file in after}
    gone = {file.digest: file.path for file in old.values() if file.path not in new and file.digest}
    found, renamed = [], set()
    for path, file in new.items():
        if path in old:
            if old[path].digest != file.digest:
                found.append(_file("changed", old[path], file))
        elif file.digest in gone:
            former = old[gone.pop(file.digest)]
            renamed.add(former.path)
            found.append(_file("renamed", former, file))
        else:
            found.append(_file("added", None, file))
    found += [_file("removed", file, None) for path, file in old.items() if path not in new and path not in renamed]
    return tuple(sorted(found, key=lambda file: file.path))


def _file(change: Change, old: TrackedFile | None, new: TrackedFile | None) -> FileDiff:
    return FileDiff(
        path=new.path if new else old.path if old else "",
        old_path=old.path if old and change == "renamed" else None,
        change=change,
        old_digest=old.digest if old else None,
        new_digest=new.digest if new else None,
        old_bytes=old.size_bytes if old else None,
        new_bytes=new.size_bytes if new else None,
        old_files=old.files if old else None,
        new_files=new.files if new else None,
        is_result=any(side.is_result for side in (old, new) if side),
    )


def _environment(old: EnvironmentVersion, new: EnvironmentVersion) -> tuple[EnvironmentDiff, ...]:
    found = []
    if old.python != new.python:
        found.append(EnvironmentDiff(name="python", kind="python", old=old.python, new=new.python))
    if (old.lock_file, old.lock) != (new.lock_file, new.lock):
        name = new.lock_file or old.lock_file or "lock file"
        found.append(EnvironmentDiff(name=name, kind="lock", old=old.lock, new=new.lock))
    if old.problem is None and new.problem is None:  # else every package would seem to be gone, or new
        before, after = old.packages, new.packages
        found += [
            EnvironmentDiff(name=name, kind="package", old=before.get(name), new=after.get(name))
            for name in sorted({*before, *after})
            if before.get(name) != after.get(name)
        ]
    return tuple(found)


def _stages(before: Iterable[StageVersion], after: Iterable[StageVersion]) -> tuple[StageDiff, ...]:
    old, new = {stage.name: stage for stage in before}, {stage.name: stage for stage in after}
    found = []
    for name in sorted({*old, *new}):
        if name not in old or name not in new:
            found.append(StageDiff(name=name, change="removed" if name in old else "added"))
        elif old[name] != new[name]:
            found.append(StageDiff(name=name, change="changed", details=tuple(_stage_details(old[name], new[name]))))
    return tuple(found)


def _stage_details(old: StageVersion, new: StageVersion) -> Iterator[str]:
    if old.command != new.command:
        yield "the command"
    for verb, without, before, after in (
        ("needs", "no longer needs", old.needs, new.needs),
        ("reads", "no longer reads", old.params, new.params),
        ("makes", "no longer makes", old.makes, new.makes),
    ):
        yield from (f"{verb} {one}" for one in after if one not in before)
        yield from (f"{without} {one}" for one in before if one not in after)


def _models(before: Iterable[RegisteredModel], after: Iterable[RegisteredModel]) -> tuple[ModelDiff, ...]:
    old, new = {model.name: model for model in before}, {model.name: model for model in after}
    found = []
    for name in sorted({*old, *new}):
        was, now = old.get(name), new.get(name)
        if was is None or now is None:
            found.append(ModelDiff(name=name, change="removed" if was else "added", old=was, new=now))
        # neither what it is called by people, nor what tags may change at any time without a commit
        elif (was.version, was.path, was.type, was.digest) != (now.version, now.path, now.type, now.digest):
            found.append(ModelDiff(name=name, change="changed", old=was, new=now))
    return tuple(found)


def _problems(side: str, snapshot: Snapshot) -> tuple[str, ...]:
    return tuple(f"{side}: {problem}" for problem in snapshot.problems)


def _equal(one: JsonValue, other: JsonValue) -> bool:
    """Whether two values are the same in value and type; NaN equals NaN, and 1 is neither 1.0 nor true."""
    if isinstance(one, float) and isinstance(other, float) and math.isnan(one) and math.isnan(other):
        return True
    return type(one) is type(other) and one == other
