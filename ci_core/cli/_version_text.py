"""Snapshots and pipeline runs as text for a terminal."""

from __future__ import annotations

from itertools import zip_longest
from typing import TYPE_CHECKING

from ci_core.printable import one_line
from ci_core.reports.text import exact, plural, seconds, size
from ci_core.versioning.plain import to_plain

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from ci_core.pipelines.spec import PipelineRun
    from ci_core.types import Digest, JsonValue
    from ci_core.versioning.dvc import StaleStage
    from ci_core.versioning.revision import RegisteredModel, Snapshot, TrackedFile

_CELL = 60
"""Characters of one cell; a longer value is cut."""


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


def _model(model: RegisteredModel) -> tuple[str, ...]:
    if model.path is None:
        content = ("", "", "")
    elif model.digest is None:
        content = (model.path, "", "not known")
    else:
        content = (model.path, _extent(model.size_bytes, None), _short(model.digest))
    version = model.version or "no version"
    stages = ", ".join(f"{stage} {_short_version(now)}" for stage, now in model.stages.items())
    where = f"at {model.version_commit[:7]}" if model.version_commit else ""
    return model.name, *content, version + (" (deprecated)" if model.is_deprecated else ""), where, stages


def _short_version(label: str) -> str:
    return label if label.startswith("v") else label[:7]


def _extent(size_bytes: int | None, files: int | None) -> str:
    text = "size unknown" if size_bytes is None else size(size_bytes)
    return text if files is None else f"{text} in {files} file{'s' if files != 1 else ''}"


def _digest(digest: Digest | None) -> str:
    return "not made yet" if digest is None else _short(digest)


def _short(digest: Digest) -> str:
    """Return a digest by its first eight digits."""
    algorithm, _, rest = digest.partition(":")
    return f"{algorithm}:{rest[:8]}"


def _value(value: JsonValue) -> str:
    plain = to_plain(value)
    return exact(plain) if plain is None or isinstance(plain, bool | int | float | str) else str(plain)
