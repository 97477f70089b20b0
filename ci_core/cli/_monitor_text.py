"""What ``graphship monitor`` prints for people: the verdict, two sentences, a table of at most 100 columns."""

from __future__ import annotations

import textwrap
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ci_core.monitoring.records import WindowRecord
    from ci_core.monitoring.spec import ColumnVerdict
    from ci_core.operations.compare_tables import TableComparison

_WIDTH = 100
_COLORS = {
    "no-drift": "green",
    "potential": "yellow",
    "drift": "red",
    "broken-data": "magenta",
    "insufficient-data": "blue",
}
_MARKS = {"no-drift": "·", "potential": "▲", "drift": "█", "broken-data": "✗", "insufficient-data": "?"}
_QUIET_ROWS = 8
"""Columns that did not move are listed up to this many; the rest is only counted."""
_WIDEST_NAME = 20


def render(comparison: TableComparison) -> str:
    """Return the comparison as text; colours are click's, which drops them where nobody sees them."""
    verdict = comparison.verdict
    name = click.style(verdict.state, fg=_COLORS[verdict.state], bold=True)
    where = f", window {verdict.window.label}" if verdict.window else ""
    rows = "1 row" if verdict.rows == 1 else f"{verdict.rows:,} rows"
    parts = [f"{name}  {rows}{where} against {comparison.reference.pooled.rows:,} of the reference", ""]
    parts += [line for reason in verdict.reasons for line in textwrap.wrap(reason, _WIDTH)]
    if len(comparison.windows) > 1:
        parts += ["", *_strip(comparison.windows)]
    if verdict.rows:
        parts += ["", *_table(verdict.columns)]
    parts += _notes(comparison)
    return "\n".join(parts)


def _strip(windows: Sequence[WindowRecord]) -> list[str]:
    """Return one mark a window, two or more in order of time, and what the marks mean."""
    marks = "".join(
        click.style(_MARKS[record.verdict.state], fg=_COLORS[record.verdict.state]) for record in windows[-_WIDTH:]
    )
    states = dict.fromkeys(record.verdict.state for record in windows)
    counts = {state: sum(record.verdict.state == state for record in windows) for state in states}
    legend = ", ".join(f"{_MARKS[state]} {state} {number}" for state, number in counts.items())
    first, last = windows[-_WIDTH:][0].window.label, windows[-1].window.label
    return [marks, f"{first} to {last}: {legend}"]


def _table(columns: Sequence[ColumnVerdict]) -> list[str]:
    loud = [column for column in columns if column.drifted or column.quality]
    quiet = [column for column in columns if not (column.drifted or column.quality)]
    header = ("", "column", "distance", "bound", "shift", "bound", "reference", "window")
    rows = _fitted([header, *(_row(column) for column in [*loud, *quiet[:_QUIET_ROWS]])])[1:]
    widths = [max(len(row[place]) for row in [header, *rows]) for place in range(len(header))]
    lines = [click.style(_line(header, widths), dim=True)]
    lines += [click.style(_line(row, widths), bold=True) if row[0].strip() else _line(row, widths) for row in rows]
    lines += [f"  … and {len(quiet) - _QUIET_ROWS} more that did not move"] if len(quiet) > _QUIET_ROWS else []
    lines += [f"✗ {column.name} {finding}" for column in loud for finding in column.quality]
    return lines


def _row(column: ColumnVerdict) -> tuple[str, ...]:
    mark = "✗" if column.quality else "▲" if column.drifted else " "
    return (
        mark,
        _short(column.name, _WIDEST_NAME),
        f"{column.distance:.3f}",
        # Nothing exceeds the distance 1: a bound there means that the test is blind, which a dash shows.
        "–" if column.bound >= 1 else f"{max(column.bound, column.floor):.3f}",
        "" if column.shift is None else f"{column.shift:.2f} sd",
        "" if column.shift_bound is None else f"{max(column.shift_bound, column.shift_floor or 0.0):.2f}",
        column.reference_summary.partition(", missing")[0],
        column.window_summary.partition(", missing")[0],
    )


def _fitted(rows: Sequence[tuple[str, ...]]) -> list[tuple[str, ...]]:
    """Return the rows with both summaries cut to what the width leaves for them."""
    numbers = sum(max(len(row[place]) for row in rows) for place in range(6))
    room = (_WIDTH - numbers - 2 * 7) // 2
    return [(*row[:6], _short(row[6], room), _short(row[7], room)) for row in rows]


def _line(cells: Sequence[str], widths: Sequence[int]) -> str:
    left = {0, 1, 6, 7}
    padded = (
        cell.ljust(width) if place in left else cell.rjust(width)
        for place, (cell, width) in enumerate(zip(cells, widths, strict=True))
    )
    return "  ".join(padded).rstrip()


def _short(text: str, width: int) -> str:
    return text if len(text) <= width else text[: width - 1] + "…"


def _notes(comparison: TableComparison) -> list[str]:
    notes = [f"not compared: {name} ({why})" for name, why in sorted(comparison.not_compared.items())]
    # Too few rows to judge have no bounds to doubt, whatever the reference could calibrate.
    if (
        not comparison.verdict.calibrated
        and comparison.verdict.rows
        and comparison.verdict.state != "insufficient-data"
    ):
        notes.append("uncalibrated: the bounds take rows for independent; --time-column and 14 blocks of time mend it")
    return ["", *(line for note in notes for line in textwrap.wrap(note, _WIDTH))] if notes else []
