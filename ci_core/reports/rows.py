"""Rows of the tables of differences: params, data, models, environment, stages (pure)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ci_core.reports.document import Mark, code
from ci_core.reports.text import ABSENT, exact, plural, seconds, shorten, size

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ci_core.reports.document import Line, Tone
    from ci_core.reports.report import Change, DataRow, EnvironmentRow, ModelRow, ParamRow, Scalar, Stage

CHANGE_TONES: dict[Change, Tone] = {
    "added": "good",
    "removed": "bad",
    "changed": "warn",
    "renamed": "info",
    "same": "muted",
}
_STAGE_TONES: dict[str, Tone] = {
    "ran": "good",
    "cached": "muted",
    "skipped": "muted",
    "failed": "bad",
    "not-run": "warn",
}
_LONGEST_VALUE = 80


def _value(value: Scalar, *, is_there: bool) -> Line:
    return (code(shorten(exact(value), _LONGEST_VALUE)),) if is_there else (ABSENT,)


def param_rows(rows: Sequence[ParamRow]) -> list[tuple[Line, ...]]:
    """Return param, before, after."""
    return [
        (
            (code(row.key),),
            _value(row.old, is_there=row.change != "added"),
            _value(row.new, is_there=row.change != "removed"),
        )
        for row in rows
    ]


def data_rows(rows: Sequence[DataRow]) -> list[tuple[Line, ...]]:
    """Return change, file, before, after, detail; before and after are rows and bytes."""
    return [
        (
            (change_mark(row.change),),
            (code(row.path),) if row.old_path is None else (code(row.old_path), " → ", code(row.path)),
            (_extent(row.old_rows, row.old_bytes),),
            (_extent(row.new_rows, row.new_bytes),),
            (shorten(row.detail, 200),),
        )
        for row in rows
    ]


def model_rows(rows: Sequence[ModelRow]) -> list[tuple[Line, ...]]:
    """Return change, model, before, after; before and after are digest and size."""
    return [
        (
            (change_mark(row.change),),
            (code(row.path),),
            _version(row.old_digest, row.old_bytes),
            _version(row.new_digest, row.new_bytes),
        )
        for row in rows
    ]


def environment_rows(rows: Sequence[EnvironmentRow]) -> list[tuple[Line, ...]]:
    """Return what, before, after."""
    return [
        (
            (code(row.name),),
            _value(row.old, is_there=row.old is not None),
            _value(row.new, is_there=row.new is not None),
        )
        for row in rows
    ]


def stage_rows(stages: Sequence[Stage], *, with_times: bool) -> list[tuple[Line, ...]]:
    """Return stage, state, time (when asked), reason."""
    rows = []
    for stage in stages:
        state = Mark(tone=_STAGE_TONES[stage.state], text=stage.state.replace("-", " "))
        time: Line = (seconds(stage.seconds) if stage.seconds is not None else ABSENT,)
        cells: tuple[Line, ...] = ((code(stage.name),), (state,), (shorten(stage.reason, 200),))
        rows.append((*cells[:2], time, cells[2]) if with_times else cells)
    return rows


def change_mark(change: Change) -> Mark:
    """Return a change as a coloured word."""
    return Mark(tone=CHANGE_TONES[change], text=change, is_state=False)


def short_digest(digest: str) -> str:
    """Return a digest's first 12 digits without the algorithm."""
    return digest.rpartition(":")[2][:12]


def _extent(rows: int | None, size_bytes: int | None) -> str:
    parts = ([plural(rows, "row")] if rows is not None else []) + ([size(size_bytes)] if size_bytes is not None else [])
    return ", ".join(parts) or ABSENT


def _version(digest: str | None, size_bytes: int | None) -> Line:
    if digest is None:
        return (ABSENT,)
    return (code(short_digest(digest)), *((f" {size(size_bytes)}",) if size_bytes is not None else ()))
