"""Profile the reference and measure what the model depends on: what windows are judged by.

Called by ``monitor.py`` and ``compare_tables.py`` beside it and by the scheduled run. Reads files, writes none.
"""

from __future__ import annotations

import json
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

import numpy as np

from ci_core.errors import TableMismatchError, UnknownTimeColumnError
from ci_core.monitoring.arrays import count_values, fit_grid
from ci_core.monitoring.counting import choose_layout, count
from ci_core.monitoring.duckdb import DIALECT, open_table, read_arrays, sample_arrays
from ci_core.monitoring.importance import permutation_importance
from ci_core.monitoring.profile import Profile, no_rows
from ci_core.monitoring.reference import Block, ReferenceProfile
from ci_core.monitoring.sql import ONE_BLOCK, block_of
from ci_core.monitoring.verdict import OUTPUT
from ci_core.monitoring.windows import window_at

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import timedelta
    from pathlib import Path

    from ci_core.config.settings import MonitorSettings
    from ci_core.monitoring.duckdb import Table
    from ci_core.monitoring.importance import Score
    from ci_core.monitoring.profile import ColumnCounts, Layout

SCORED_ROWS = 50_000
"""Rows that are scored in one call; bounds the memory, whatever the reference's size."""
IMPORTANCE_ROWS = 2_000
"""Rows that the importance is measured on: its error is then about 2 % of a share."""


def profile_reference(
    path: Path, settings: MonitorSettings, score: Score | None, *, columns: Sequence[str] | None = None
) -> ReferenceProfile:
    """Count the reference, block by block of its own time.

    Args:
        path: the reference table.
        settings: names the time column, the window's length, the target and the columns that are not compared.
        score: the released model: columns of arrays ``(n_rows,)`` → outputs ``(n_rows,)``. With it the captured
            outputs are compared as well, as column ``_output``.
        columns: what the model gets, when known. Without it every column is compared that is not the target, the
            time, the labels' key or ignored.

    Raises:
        UnreadableTableError: the file is not there or damaged.
        UnknownTimeColumnError: the time column is not there or holds no times.
        TableMismatchError: it has no rows, or lacks a column that the model gets.
    """
    with open_table(path) as table:
        inputs = _inputs(table, settings, columns)
        if settings.time_column is not None:
            need_times(table, settings.time_column)
        if table.rows == 0:
            raise TableMismatchError(table=str(path), problems=["it has no rows"], known_columns=list(table.columns))
        compared = [column for column in inputs if column not in settings.ignore]
        layout = choose_layout(table, compared)
        length = None if settings.time_column is None else settings.window
        profiles = count(table, layout, time_column=settings.time_column, length=length)
        if score is not None:
            layout, profiles = _with_scores(table, layout, profiles, score=score, inputs=inputs, settings=settings)
    return _reference(layout, profiles, length)


def _inputs(table: Table, settings: MonitorSettings, columns: Sequence[str] | None) -> list[str]:
    if columns is None:
        left_out = {settings.time_column, settings.target, settings.labels.key if settings.labels else None}
        return [column for column in table.columns if column not in left_out and not column.startswith("_")]
    absent = [column for column in columns if column not in table.columns]
    if absent:
        problems = [f"the model gets `{column}`, which the reference does not have" for column in absent]
        raise TableMismatchError(table=table.path, problems=problems, known_columns=list(table.columns))
    return list(columns)


def need_times(table: Table, column: str) -> None:
    """Make sure that a column of times is there.

    Raises:
        UnknownTimeColumnError: it is not there or holds no times.
    """
    found = table.columns.get(column)
    if found is None or not found.startswith(("TIMESTAMP", "DATE")):
        raise UnknownTimeColumnError(path=table.path, column=column, columns=list(table.columns), found_type=found)


def _reference(layout: Layout, profiles: Mapping[int | None, Profile], length: timedelta | None) -> ReferenceProfile:
    nothing = no_rows(layout)
    if length is None:
        return ReferenceProfile(layout=layout, length=None, blocks=(), rest=profiles[0])
    numbers = sorted(number for number in profiles if number is not None)
    return ReferenceProfile(
        layout=layout,
        length=length,
        blocks=tuple(Block(start=window_at(number, length).start, profile=profiles[number]) for number in numbers),
        rest=profiles.get(None, nothing),
    )


def _with_scores(
    table: Table,
    layout: Layout,
    profiles: Mapping[int | None, Profile],
    *,
    score: Score,
    inputs: Sequence[str],
    settings: MonitorSettings,
) -> tuple[Layout, dict[int | None, Profile]]:
    """Score the reference in chunks and add the outputs to each block's counts."""
    block = ONE_BLOCK if settings.time_column is None else block_of(DIALECT, settings.time_column, settings.window)
    numbered = table.select(f"*, {block} AS _block")
    grid = None
    counts: dict[int | None, ColumnCounts] = {}
    for offset in range(0, table.rows, SCORED_ROWS):
        arrays = read_arrays(numbered, [*inputs, "_block"], limit=SCORED_ROWS, offset=offset)
        blocks = arrays.pop("_block")
        outputs = np.asarray(score(arrays), dtype=np.float64)
        grid = grid or fit_grid(outputs)
        for number in np.unique(blocks):
            # A missing block number is NaN, which equals nothing.
            key, here = (None, np.isnan(blocks)) if np.isnan(number) else (int(number), blocks == number)
            found = count_values(grid, outputs[here])
            counts[key] = counts[key].merged(found) if key in counts else found
    if grid is None:
        return layout, dict(profiles)
    scored = layout.with_column(OUTPUT, grid)
    return scored, {
        number: Profile(
            rows=profile.rows,
            layout=scored.digest,
            columns=MappingProxyType({**profile.columns, OUTPUT: counts[number]}),
            faults=profile.faults,
        )
        for number, profile in profiles.items()
    }


def measure_importance(
    path: Path, settings: MonitorSettings, score: Score | None, *, root: Path, columns: Sequence[str] | None = None
) -> Mapping[str, float] | None:
    """Return how much the model depends on each column, as ``monitor.importance`` says.

    Args:
        path: the reference table.
        settings: `importance` is ``model``, ``none``, or a JSON file of column: weight.
        score: the released model, see :func:`profile_reference`; without it ``model`` gives None.
        root: folder that a file's name is relative to.
        columns: what the model gets, when known.

    Returns:
        Column → share, 0 to 1, summing to 1; None when it is not known.

    Raises:
        UnreadableTableError: the reference is not there or damaged.
        TableMismatchError: the reference lacks a column that the model gets, or the file holds no weights.
    """
    if settings.importance == "none" or (settings.importance == "model" and score is None):
        return None
    if settings.importance != "model":
        return _weights(root / settings.importance)
    assert score is not None  # noqa: S101 - the first condition saw to it
    with open_table(path) as table:
        inputs = _inputs(table, settings, columns)
        sample = sample_arrays(table, inputs, rows=IMPORTANCE_ROWS, seed=7)
    return MappingProxyType(permutation_importance(score, sample))


def _weights(path: Path) -> Mapping[str, float]:
    try:
        stored: Any = json.loads(path.read_text(encoding="utf-8"))
        weights = {str(name): float(weight) for name, weight in stored.items()}
    except (OSError, ValueError, AttributeError, TypeError) as error:
        reason = f"expected a JSON object of column: weight ({error})"
        raise TableMismatchError(table=str(path), problems=[reason]) from error
    total = sum(weights.values())
    if not total > 0 or min(weights.values()) < 0:
        raise TableMismatchError(table=str(path), problems=["its weights must be 0 or more, and not all 0"])
    return MappingProxyType({name: weight / total for name, weight in weights.items()})
