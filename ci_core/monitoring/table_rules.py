"""From counts of two versions of a table to how they differ (pure).

``table_content.py`` counts both versions, each column on cells chosen from base's; here the counts become a
:class:`TableDiff`. Distances and bounds are those of monitoring. As base is one table without blocks of time, the null
is that of independent rows, shared out over the compared columns, above the floors of that case (``null.py``).
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field, replace
from types import MappingProxyType
from typing import TYPE_CHECKING, Literal

from ci_core.monitoring.profile import (
    MAX_LEVELS,
    MAX_UNSEEN,
    MISSING,
    NEGATIVE_INFINITY,
    OTHER,
    POSITIVE_INFINITY,
    Bins,
    CategoryLevels,
    ColumnCounts,
    Layout,
    NumericGrid,
    Profile,
)
from ci_core.monitoring.quality import percent
from ci_core.monitoring.reference import LEAST_WINDOW_ROWS, ReferenceProfile
from ci_core.monitoring.row_ids import IDENTIFIER, MOST_REPEATED, names_rows
from ci_core.monitoring.table_diff import ColumnDiff, TableDiff, TableFormat
from ci_core.monitoring.verdict import changes
from ci_core.printable import one_line

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator, Mapping

    from ci_core.monitoring.verdict import ColumnChange

_NAMED, _NAME_CHARS = 5, 40
"""Levels that a note names, and the characters of each; most of those of free text have more."""
_MOST_LISTED = 20
"""Levels of which some are named."""
_SIDES = ("before", "now")
_INFINITIES = (NEGATIVE_INFINITY, POSITIVE_INFINITY)


@dataclass(frozen=True, slots=True, kw_only=True)
class ColumnContent:
    """One column of one version of a table."""

    type: str
    kind: Literal["numeric", "boolean", "category", "other"]
    missing: int
    """Rows with NULL or NaN."""
    span: tuple[str, str] | None = None
    """Earliest and latest date or time; None for other types and where there is none."""
    bounds: tuple[int, int] | None = None
    """Smallest and largest of whole numbers; None for other types and where there is none."""
    repeats: float | None = None
    """Of whole numbers, the share of the rows that repeat an earlier one's value; None where nobody looked."""
    cells: Mapping[int, int] | None = None
    """Numeric columns: cell of base's grid → rows, the missing left out; None when they were not counted."""
    levels: Mapping[str, int] | None = None
    """Category and boolean columns: level → rows; None when they were not counted."""
    has_all_levels: bool = False
    """Whether `levels` holds every level, rather than base's most frequent ones."""
    distinct: int | None = None
    """About how many different values a text column has; None where nobody looked."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TableContent:
    """One version of a table, in constant size."""

    format: TableFormat
    """Those that are text have no types of their own."""
    rows: int
    columns: Mapping[str, ColumnContent]
    """In the table's order."""
    grids: Mapping[str, NumericGrid] = field(default_factory=lambda: MappingProxyType({}))
    """Base's grids of the numeric columns that were counted; both versions have the same."""
    reasons: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))
    """Column → why its values are not compared."""

    def present(self, name: str) -> int:
        """Return the rows with a value in a column."""
        return self.rows - self.columns[name].missing

    def names_rows(self, name: str) -> bool:
        """Whether a column's whole numbers were found to name rows."""
        column = self.columns[name]
        if column.bounds is None or column.repeats is None:
            return False
        return names_rows(self.present(name), *column.bounds, repeats=column.repeats)

    def with_repeats(self, repeats: Mapping[str, float]) -> TableContent:
        """Return the content with :attr:`ColumnContent.repeats` of some columns."""
        found = {name: replace(self.columns[name], repeats=share) for name, share in repeats.items()}
        return replace(self, columns=MappingProxyType({**self.columns, **found}))


# --- the rules ----------------------------------------------------------------------------------------------------


def difference(path: str, old: TableContent | None, new: TableContent | None) -> TableDiff:
    """Return how two versions of a table differ; None for a side on which there is no such table.

    Args:
        path: of the table.
        old: base's version.
        new: head's version, counted on the same cells.
    """
    before: Mapping[str, ColumnContent] = {} if old is None else old.columns
    after: Mapping[str, ColumnContent] = {} if new is None else new.columns
    verdicts = {} if old is None or new is None else _verdicts(old, new)
    names = [*after, *(name for name in before if name not in after)]
    is_small = old is not None and new is not None and _is_small(old, new)
    return TableDiff(
        path=path,
        old_rows=None if old is None else old.rows,
        new_rows=None if new is None else new.rows,
        columns=tuple(_column(name, old, new, verdicts.get(name)) for name in names),
        note=f"fewer than {LEAST_WINDOW_ROWS} rows, so drift is not judged" if is_small and verdicts else "",
    )


def _is_small(old: TableContent, new: TableContent) -> bool:
    """Whether there are too few rows to tell drift from chance."""
    return min(old.rows, new.rows) < LEAST_WINDOW_ROWS


def comparable(old: TableContent, new: TableContent, *, ignore: Collection[str]) -> dict[str, str]:
    """Return for each column of both sides why its values cannot be compared; empty text: they can.

    Args:
        old: base's version, its columns not counted yet.
        new: head's version, likewise.
        ignore: columns that are left out.
    """
    return {
        name: "ignored" if name in ignore else _reason(column, old, new.columns[name], new)
        for name, column in old.columns.items()
        if name in new.columns
    }


def identifier(old: TableContent, new: TableContent, name: str) -> str:
    """Return that a column of whole numbers names rows and is not compared; empty text: it measures something."""
    now = new.columns[name].repeats
    if now is None or not old.names_rows(name) or now > MOST_REPEATED:
        return ""
    return IDENTIFIER


def _reason(before: ColumnContent, old: TableContent, now: ColumnContent, new: TableContent) -> str:
    empty = [side for side, table in zip(_SIDES, (old, new), strict=True) if not table.rows]
    if empty:
        return f"no rows {' and '.join(empty)}"
    unfilled = [
        side
        for side, column, table in zip(_SIDES, (before, now), (old, new), strict=True)
        if column.missing == table.rows
    ]
    if unfilled and (len(unfilled) > 1 or before.kind != now.kind):
        return f"no values {' and '.join(unfilled)}"
    if before.kind != now.kind:
        return f"not compared: {_KINDS[before.kind]} before, {_KINDS[now.kind]} now"
    if before.kind == "other":
        return _span_note(before, now)
    return ""


_KINDS = {"numeric": "numbers", "boolean": "booleans", "category": "text", "other": "another type"}


def _span_note(before: ColumnContent, now: ColumnContent) -> str:
    if before.span is None or now.span is None:
        return "values of this type are not compared"
    was, is_now = (f"`{one_line(low)}` to `{one_line(high)}`" for low, high in (before.span, now.span))
    return is_now if was == is_now else f"{is_now}, before {was}"


def _verdicts(old: TableContent, new: TableContent) -> dict[str, ColumnChange]:
    """Return what monitoring says of each column that was counted on both sides."""
    bins: dict[str, Bins] = {}
    counts: dict[str, tuple[ColumnCounts, ColumnCounts]] = {}
    for name, before in old.columns.items():
        now = new.columns.get(name)
        if now is None or name in old.reasons:
            continue
        if before.cells is not None and now.cells is not None:
            bins[name] = old.grids[name]
            counts[name] = (_counts(before.cells, before.missing), _counts(now.cells, now.missing))
        elif before.levels is not None and now.levels is not None:
            chosen = _frequent(before)
            bins[name] = chosen
            counts[name] = (_level_counts(chosen, before, old.rows), _level_counts(chosen, now, new.rows))
    if not bins:
        return {}
    layout = Layout(columns=MappingProxyType(bins))
    sides = [
        Profile(
            rows=table.rows,
            layout=layout.digest,
            columns=MappingProxyType({name: pair[side] for name, pair in counts.items()}),
        )
        for side, table in enumerate((old, new))
    ]
    reference = ReferenceProfile(layout=layout, length=None, blocks=(), rest=sides[0])
    return changes(reference, sides[1])


def _counts(cells: Mapping[int, int], missing: int) -> ColumnCounts:
    return ColumnCounts(cells=MappingProxyType({**cells, MISSING: missing} if missing else cells))


def _frequent(column: ColumnContent) -> CategoryLevels:
    levels = column.levels or {}
    return CategoryLevels(
        levels=tuple(most_frequent(levels)),
        is_complete=column.has_all_levels and len(levels) <= MAX_LEVELS,
        is_boolean=column.kind == "boolean",
    )


def most_frequent(levels: Mapping[str, int]) -> list[str]:
    """Return the levels that are counted one by one, most frequent first."""
    return _by_rows(levels, levels)[:MAX_LEVELS]


def _level_counts(bins: CategoryLevels, column: ColumnContent, rows: int) -> ColumnCounts:
    levels = column.levels or {}
    cells = {code: levels[level] for code, level in enumerate(bins.levels) if level in levels}
    if other := rows - column.missing - sum(cells.values()):
        cells[OTHER] = other
    unseen = {level: levels[level] for level in _by_rows(levels, set(levels) - set(bins.levels))[:MAX_UNSEEN]}
    return ColumnCounts(
        cells=MappingProxyType({**cells, MISSING: column.missing} if column.missing else cells),
        unseen=MappingProxyType(unseen),
    )


def _column(name: str, old: TableContent | None, new: TableContent | None, verdict: ColumnChange | None) -> ColumnDiff:
    before = None if old is None else old.columns.get(name)
    now = None if new is None else new.columns.get(name)
    notes = []
    drifted = None
    distance = shift = None
    if old is not None and new is not None and before is not None and now is not None:
        if verdict is not None:
            distance, shift = _finite(verdict.distance), _finite(verdict.shift)
            drifted = None if _is_small(old, new) else verdict.has_drifted
        notes += [reason] if (reason := old.reasons.get(name)) else []
        notes += _repeat_notes(before, now)
        notes += _value_notes(before, now, new.rows)
    return ColumnDiff(
        name=name,
        change=_change(before, now, old, new),
        old_type=None if before is None else before.type,
        new_type=None if now is None else now.type,
        old_missing=None if before is None or old is None else _share(before.missing, old.rows),
        new_missing=None if now is None or new is None else _share(now.missing, new.rows),
        distance=distance,
        shift=shift,
        has_drifted=drifted,
        note="; ".join(notes),
    )


def _change(
    before: ColumnContent | None, now: ColumnContent | None, old: TableContent | None, new: TableContent | None
) -> Literal["added", "removed", "changed", "same"]:
    if before is None or old is None:
        return "added"
    if now is None or new is None:
        return "removed"
    if before.type == now.type:
        return "same"
    if old.format == new.format == "parquet":
        return "changed"
    # Text has no types: they are guessed from its values, and a guess at nothing, or at another format's, is no change.
    guessed = [side for side, table in ((before, old), (now, new)) if table.format != "parquet"]
    if any(column.missing == (old if column is before else new).rows for column in guessed):
        return "same"
    return "same" if old.format != new.format and before.kind == now.kind else "changed"


def _repeat_notes(before: ColumnContent, now: ColumnContent) -> Iterator[str]:
    """Yield that values which named base's rows repeat: rows were doubled, or the column is another now."""
    if before.repeats is not None and now.repeats is not None and now.repeats > before.repeats:
        earlier = percent(before.repeats) if before.repeats else "none"
        yield f"{percent(now.repeats)} of the rows repeat a value, {earlier} before"


def _value_notes(before: ColumnContent, now: ColumnContent, rows: int) -> Iterator[str]:
    if before.levels is not None and now.levels is not None and before.has_all_levels and now.has_all_levels:
        for word, levels, others in (("new", now.levels, before.levels), ("gone", before.levels, now.levels)):
            if found := _by_rows(levels, set(levels) - set(others)):
                yield _levels_note(word, found)
    elif before.levels is not None and before.has_all_levels and now.distinct is not None:
        yield f"about {now.distinct:,} different values now, {len(before.levels):,} before"
    if now.cells is not None and before.cells is not None:
        infinite = sum(now.cells.get(code, 0) for code in _INFINITIES)
        if infinite and not any(before.cells.get(code, 0) for code in _INFINITIES):
            yield f"infinite in {percent(infinite / rows)} of the rows"
        if len(before.cells) == 1 and len(now.cells) > 1:
            yield "hardly any spread before"


def _levels_note(word: str, found: list[str]) -> str:
    """Return which values came or went; where they are many, or free text, only how many: nobody reads on."""
    values = f"{word} value{'s' if len(found) > 1 else ''}"
    is_text = sum(len(name) > _NAME_CHARS for name in found) > len(found) / 2
    if len(found) > _MOST_LISTED or is_text:
        return f"{len(found):,} {values}"
    return f"{values}: {_listed(found)}"


def _by_rows(levels: Mapping[str, int], names: Iterable[str]) -> list[str]:
    return sorted(names, key=lambda name: (-levels[name], name))


def _listed(names: list[str]) -> str:
    shown = ", ".join(f"`{one_line(name, max_chars=_NAME_CHARS)}`" for name in names[:_NAMED])
    return shown if len(names) <= _NAMED else f"{shown} and {len(names) - _NAMED:,} more"


def _share(rows: int, total: int) -> float | None:
    return rows / total if total else None


def _finite(value: float | None) -> float | None:
    return value if value is not None and math.isfinite(value) else None
