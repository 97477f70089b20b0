"""Snapshots, comparisons and pipeline runs as text for a terminal."""

from __future__ import annotations

from itertools import zip_longest
from typing import TYPE_CHECKING

from ci_core.printable import one_line
from ci_core.reports.text import arrow, exact, pair, plural, seconds, signed, size
from ci_core.versioning.plain import to_plain

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from ci_core.pipelines.spec import PipelineRun
    from ci_core.types import Digest, JsonValue
    from ci_core.versioning.difference import FileDiff, MetricDiff, ModelDiff, ParamDiff, SnapshotDiff
    from ci_core.versioning.dvc import StaleStage
    from ci_core.versioning.revision import RegisteredModel, Snapshot, TrackedFile

_CELL = 60
"""Characters of one cell; a longer value is cut."""
_ABSENT = "–"


def snapshot_text(snapshot: Snapshot) -> str:
    """Return a snapshot as aligned lines, one block a kind."""
    environment = snapshot.environment
    packages = f" ({plural(len(environment.packages), 'package')})" if environment.packages else ""
    lock = (
        f", {environment.lock_file} {_digest(environment.lock)}{packages}"
        if environment.lock_file
        else ", no lock file"
    )
    lines = [f"commit   {snapshot.code.label}  ({snapshot.code.commit})", f"python   {environment.python}{lock}"]
    if snapshot.stale:
        lines.append(f"stale    {', '.join(snapshot.stale)}: run `graphship run`")
    lines += _block("data", (_tracked(file) for file in snapshot.data))
    lines += _block("outputs", (_tracked(file) for file in snapshot.outputs))
    lines += _block("models", (_model(model) for model in snapshot.models))
    lines += _block("params", ((key, _value(value)) for key, value in snapshot.params.items()))
    lines += _block("metrics", ((key, _value(value)) for key, value in snapshot.metrics.items()))
    lines += _block("could not be read", ((problem,) for problem in snapshot.problems))
    return "\n".join(lines)


def difference_text(diff: SnapshotDiff) -> str:
    """Return a comparison as aligned lines; what did not change is left out, except metrics."""
    lines = [f"{diff.base.label if diff.base else 'nothing'} → {diff.head.label}"]
    if diff.base_problem:
        lines.append(f"not compared: {diff.base_problem}")
    if diff.stale:
        lines.append(f"stale: {', '.join(diff.stale)}; the metrics describe an older state")
    lines += _block("metrics", (_metric(metric) for metric in diff.metrics))
    lines += _block("params", (_param(param) for param in diff.params))
    lines += _block("data", (_file(file) for file in diff.data))
    lines += _block("outputs", (_file(file) for file in diff.outputs))
    lines += _block(
        "environment",
        ((row.name, _short(row.old or _ABSENT), "→", _short(row.new or _ABSENT)) for row in diff.environment),
    )
    lines += _block("pipeline", ((stage.change, stage.name, ", ".join(stage.details)) for stage in diff.stages))
    lines += _block("models", (_model_diff(model) for model in diff.models))
    lines += _block("could not be read", ((problem,) for problem in diff.problems))
    if not diff.has_changes:
        lines += ["", "nothing differs in metrics, params, data, outputs, environment and pipeline"]
    return "\n".join(lines)


def stale_text(stages: Sequence[StaleStage]) -> str:
    """Return what a run would do, one line a stage."""
    if not stages:
        return "nothing is stale"
    rows = [(stage.name, "; ".join(stage.reasons) or "follows a stale stage") for stage in stages]
    return "\n".join(["these stages would run:", *(f"  {line}" for line in aligned(rows))])


def run_text(run: PipelineRun) -> str:
    """Return what a run did, one line a stage."""
    rows = []
    for stage in run.stages:
        took = seconds(stage.seconds) if stage.outcome in {"ran", "failed", "cached"} else ""
        rows.append((stage.name, stage.outcome.replace("-", " "), took, "; ".join(stage.reasons)))
    return "\n".join(aligned(rows))


def aligned(rows: Iterable[Sequence[str]]) -> list[str]:
    """Return rows as lines whose columns begin below each other."""
    shown = [[one_line(cell, max_chars=_CELL) for cell in row[:-1]] + [one_line(row[-1])] for row in rows]
    widths = [max(map(len, column)) for column in zip_longest(*shown, fillvalue="")]
    return ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=False)).rstrip() for row in shown]


def _block(title: str, rows: Iterable[Sequence[str]]) -> list[str]:
    lines = aligned(rows)
    return ["", title, *(f"  {line}" for line in lines)] if lines else []


def _tracked(file: TrackedFile) -> tuple[str, ...]:
    return file.path, _extent(file.size_bytes, file.files), _digest(file.digest)


def _metric(metric: MetricDiff) -> tuple[str, ...]:
    moved = f"{arrow(metric.difference)} {signed(metric.difference)}" if metric.difference is not None else metric.note
    judged = metric.direction if metric.direction != "neutral" else ""
    old, new = _value(metric.old), _value(metric.new)
    if isinstance(metric.old, int | float) and isinstance(metric.new, int | float):
        old, new = pair(metric.old, metric.new)
    was = _ABSENT if metric.change == "added" else old
    return metric.key, was, "→", _ABSENT if metric.change == "removed" else new, moved, judged


def _param(param: ParamDiff) -> tuple[str, ...]:
    old = _ABSENT if param.change == "added" else _value(param.old)
    return param.key, old, "→", _ABSENT if param.change == "removed" else _value(param.new)


def _file(file: FileDiff) -> tuple[str, ...]:
    what = f"{file.old_path} → {file.path}" if file.old_path else file.path
    old, new = _extent(file.old_bytes, file.old_files), _extent(file.new_bytes, file.new_files)
    return file.change, what, old if file.old_digest else _ABSENT, "→", new if file.new_digest else _ABSENT


def _model(model: RegisteredModel) -> tuple[str, ...]:
    version = model.version or "no version"
    stages = ", ".join(f"{stage} {_short_version(now)}" for stage, now in model.stages.items())
    where = f"at {model.version_commit[:7]}" if model.version_commit else ""
    return model.name, version + (" (deprecated)" if model.is_deprecated else ""), where, stages, model.path or ""


def _model_diff(model: ModelDiff) -> tuple[str, ...]:
    old, new = (_declared(side) for side in (model.old, model.new))
    return model.change, model.name, old, "→", new


def _declared(model: RegisteredModel | None) -> str:
    if model is None:
        return _ABSENT
    return ", ".join(part for part in (model.version or "no version", model.path, model.type) if part)


def _short_version(label: str) -> str:
    return label if label.startswith("v") else label[:7]


def _extent(size_bytes: int | None, files: int | None) -> str:
    text = "size unknown" if size_bytes is None else size(size_bytes)
    return text if files is None else f"{text} in {files} file{'s' if files != 1 else ''}"


def _digest(digest: Digest | None) -> str:
    return "not made yet" if digest is None else _short(digest)


def _short(text: str) -> str:
    """Return a digest by its first eight digits, other text as it is."""
    algorithm, colon, rest = text.partition(":")
    return f"{algorithm}:{rest[:8]}" if colon else text


def _value(value: JsonValue) -> str:
    plain = to_plain(value)
    return exact(plain) if plain is None or isinstance(plain, bool | int | float | str) else str(plain)
