"""Summarise two versions of a table with DuckDB, on the same cells, without loading either of them.

Memory is that of one column's groups and does not grow with rows. What opens a version: ``table_version.py``.
"""

from __future__ import annotations

import math
import tempfile
from dataclasses import dataclass, replace
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from ci_core.monitoring import table_sql
from ci_core.monitoring.folded_grid import CELLS, FoldedGrid
from ci_core.monitoring.profile import MAX_LEVELS, NEGATIVE_INFINITY, POSITIVE_INFINITY
from ci_core.monitoring.row_ids import COUNTED_ROWS, may_name_rows, part_of
from ci_core.monitoring.sql import DUCKDB, frequent_levels
from ci_core.monitoring.table_diff import TableDiff
from ci_core.monitoring.table_rules import (
    ColumnContent,
    TableContent,
    comparable,
    difference,
    identifier,
    most_frequent,
)
from ci_core.monitoring.table_version import (
    BATCH_COLUMNS,
    OpenVersion,
    UnreadableVersionError,
    batches,
    open_engine,
    open_version,
)

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence

    from ci_core.monitoring.profile import NumericGrid
    from ci_core.monitoring.table_files import TableFiles

SAMPLE_ROWS = 20_000
"""Rows of base that the cells are chosen from, about; the counts are of all rows."""
WHOLE_ROWS = 200_000
"""Up to this many rows the cells are chosen from all of them, and so do not depend on their order."""
MOST_LEVELS = 10_000
"""Different values of a text column up to which each is counted; of more, base's most frequent 200 are."""
IDENTIFIER_SHARE = 0.5
"""Text with more different values than this share of its rows, and than a few, names rows or is free text: it is not
compared."""
FEW_LEVELS = 20
FREE_TEXT = "names or free text, not compared: most rows have a text of their own"
MOST_TEXT_BYTES = 64_000_000
"""Different values times the longest of them: above this a text column is not compared."""
_BATCH_VALUES = 4_000_000
"""Values to be held at a time, where several columns are read by one statement."""
_WIDE, _SHORT_ROWS = 100, 100_000
"""Of a table of more columns and fewer rows a statement counts many columns: it costs more than a column does."""


def compare_versions(
    path: str, old: TableFiles | None, new: TableFiles | None, *, ignore: Collection[str] = ()
) -> TableDiff:
    """Compare two versions of a table.

    Args:
        path: how the table is called.
        old: base's files; None when base has no such table: then head's is described.
        new: head's files, likewise.
        ignore: columns whose values are not compared.

    Returns:
        The difference; with a `problem` and nothing else when a version cannot be read.
    """
    with tempfile.TemporaryDirectory(prefix="graphship-") as folder:
        scratch = Path(folder).resolve()
        try:
            with open_engine(scratch, [files for files in (old, new) if files is not None]) as connection:
                before = None if old is None else open_version(connection, old, scratch / "old", "base")
                after = None if new is None else open_version(connection, new, scratch / "new", "head")
                if before is None or after is None:
                    alone = [None if side is None else _completed(side, {}) for side in (before, after)]
                    return difference(path, *alone)
                return difference(path, *_counted(before, after, ignore))
        except UnreadableVersionError as error:
            return TableDiff(path=path, problem=str(error))


# --- counting -----------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class _Extent:
    """How much text a column holds."""

    distinct: int
    """About."""
    longest: int
    """Bytes."""


def _counted(old: OpenVersion, new: OpenVersion, ignore: Collection[str]) -> tuple[TableContent, TableContent]:
    """Return both versions with the counts of the columns that can be compared."""
    reasons = comparable(old.content, new.content, ignore=ignore)
    old, new = _with_repeats(old, new, [name for name, why in reasons.items() if not why])
    for name in reasons:
        reasons[name] = reasons[name] or identifier(old.content, new.content, name)
    texts = [name for name, why in reasons.items() if not why and old.content.columns[name].kind == "category"]
    extents = _extents(old, texts), _extents(new, texts)
    for name in texts:
        reasons[name] = _unbounded(old.content, name, *(side[name] for side in extents))
    wanted = [name for name, why in reasons.items() if not why]
    grids = _grids(old, [name for name in wanted if old.content.columns[name].kind == "numeric"])
    listed = [[name for name in texts if side[name].distinct > MOST_LEVELS] for side in extents]
    before = _counted_columns(old, [name for name in wanted if name not in listed[0]], grids)
    for name in set(listed[0]).intersection(wanted):
        found = old.query(frequent_levels(DUCKDB, _sample(old), name, limit=MAX_LEVELS))
        before[name] = _with_listed(old, name, [level for level, _ in found], extents[0][name])
    after = _counted_columns(new, [name for name in wanted if name not in listed[1]], grids)
    for name in set(listed[1]).intersection(wanted):
        after[name] = _with_listed(new, name, most_frequent(before[name].levels or {}), extents[1][name])
    why = MappingProxyType({name: reason for name, reason in reasons.items() if reason})
    return (
        replace(_completed(old, before), grids=MappingProxyType(grids), reasons=why),
        _completed(new, after),
    )


def _with_repeats(old: OpenVersion, new: OpenVersion, columns: Sequence[str]) -> tuple[OpenVersion, OpenVersion]:
    """Return both versions with the repeats of whole numbers counted, in those columns that may name base's rows."""
    there = old.content
    names = [
        name
        for name in columns
        if (bounds := there.columns[name].bounds) and may_name_rows(there.present(name), *bounds)
    ]
    before = _repeats(old, names)
    old = replace(old, content=there.with_repeats(before))
    return old, replace(
        new, content=new.content.with_repeats(_repeats(new, [name for name in names if old.content.names_rows(name)]))
    )


def _repeats(version: OpenVersion, columns: Sequence[str]) -> dict[str, float]:
    """Return the share of the rows that repeat an earlier one's value."""
    repeats = {}
    for names in batches(columns, _BATCH_VALUES // COUNTED_ROWS):
        parts = {name: part_of(version.content.present(name)) for name in names}
        facts = iter(version.query(table_sql.repeat_facts(version.relation, parts))[0])
        for name, rows, distinct in zip(names, facts, facts, strict=True):
            repeats[name] = (rows - distinct) / rows if rows else 0.0
    return repeats


def _extents(version: OpenVersion, columns: Sequence[str]) -> dict[str, _Extent]:
    extents = {}
    for names in batches(columns, BATCH_COLUMNS):
        facts = iter(version.query(table_sql.text_facts(version.relation, names))[0])
        for name, distinct, longest in zip(names, facts, facts, strict=True):
            extents[name] = _Extent(distinct=distinct, longest=longest)
    return extents


def _unbounded(old: TableContent, name: str, before: _Extent, now: _Extent) -> str:
    """Return why a text column is not compared; empty text: it is."""
    present = old.rows - old.columns[name].missing
    if before.distinct > max(FEW_LEVELS, IDENTIFIER_SHARE * present):
        return FREE_TEXT
    most = max(min(extent.distinct, MOST_LEVELS) * extent.longest for extent in (before, now))
    return "long texts, not compared" if most > MOST_TEXT_BYTES else ""


def _sample(version: OpenVersion) -> str:
    rows = version.content.rows
    if rows <= WHOLE_ROWS:
        return version.relation
    is_split = len(version.files.files) > 1 and version.files.kind == "parquet"
    return table_sql.thinned(version.relation, version.types, rows=rows, wanted=SAMPLE_ROWS, is_split=is_split)


def _grids(old: OpenVersion, columns: Sequence[str]) -> dict[str, NumericGrid]:
    """Choose the cells of numeric columns from a sample of base."""
    sampled = old.content.rows if old.content.rows <= WHOLE_ROWS else SAMPLE_ROWS
    grids: dict[str, NumericGrid] = {}
    for names in batches(columns, min(BATCH_COLUMNS, _BATCH_VALUES // max(sampled, 1))):
        for name, found in zip(names, old.query(table_sql.quantiles(_sample(old), names))[0], strict=True):
            quantiles = found or ()
            if not all(map(math.isfinite, quantiles)):
                ((quantiles,),) = old.query(table_sql.quantiles(_sample(old), [name], finite=True))
            grids[name] = FoldedGrid.fitted(quantiles=quantiles or ())
    return grids


def _counted_columns(
    version: OpenVersion, columns: Sequence[str], grids: Mapping[str, NumericGrid]
) -> dict[str, ColumnContent]:
    """Return columns with all of their values counted."""
    counted = {}
    for name, counts in _counts(version, columns, grids):
        column = version.content.columns[name]
        if name in grids:
            counted[name] = _with_cells(version, name, grids[name], counts)
        else:
            distinct = len(counts) if column.kind == "category" else None
            counted[name] = replace(column, levels=MappingProxyType(counts), has_all_levels=True, distinct=distinct)
    return counted


def _counts(
    version: OpenVersion, columns: Sequence[str], grids: Mapping[str, NumericGrid]
) -> Iterator[tuple[str, dict[Any, int]]]:
    """Yield each column with its cells or levels and their rows: by a statement each, or some hundred in one."""
    rows = version.content.rows
    if len(version.types) <= _WIDE or rows > _SHORT_ROWS:
        for name in columns:
            statement = (
                table_sql.folded_counts(version.relation, name, grids[name])
                if name in grids
                else table_sql.all_levels(version.relation, name)
            )
            yield name, dict(version.query(statement))
        return
    size = min(BATCH_COLUMNS, _BATCH_VALUES // max(rows, 1))
    for names in batches((name for name in columns if name in grids), size):
        statement = table_sql.many_folded_counts(version.relation, {name: grids[name] for name in names})
        yield from _by_column(names, version.query(statement))
    for names in batches((name for name in columns if name not in grids), size):
        yield from _by_column(names, version.query(table_sql.many_levels(version.relation, names)))


def _by_column(names: Sequence[str], found: Iterable[Any]) -> Iterator[tuple[str, dict[Any, int]]]:
    counts: list[dict[Any, int]] = [{} for _ in names]
    for place, value, rows in found:
        counts[place][value] = rows
    yield from zip(names, counts, strict=True)


def _with_cells(version: OpenVersion, name: str, grid: NumericGrid, cells: dict[Any, int]) -> ColumnContent:
    """Return a column with its cells; those of None are the missing, and what cannot be divided is looked at."""
    column = version.content.columns[name]
    left = cells.pop(None, 0)
    if left > column.missing:  # NaN, infinities, or numbers too far off
        ((above, below, far_above, far_below),) = version.query(table_sql.not_finite(version.relation, name, grid))
        ends = {POSITIVE_INFINITY: above, NEGATIVE_INFINITY: below, CELLS: far_above, -CELLS: far_below}
        for code, rows in ends.items():
            if rows:
                cells[code] = cells.get(code, 0) + rows
        left -= sum(ends.values())
    return replace(column, cells=MappingProxyType(cells), missing=left)


def _with_listed(version: OpenVersion, name: str, listed: Sequence[str], extent: _Extent) -> ColumnContent:
    found = version.query(table_sql.listed_levels(version.relation, name), [list(listed)])
    column = version.content.columns[name]
    return replace(column, levels=MappingProxyType(dict(found)), distinct=extent.distinct)


def _completed(version: OpenVersion, counted: Mapping[str, ColumnContent]) -> TableContent:
    """Return the content with the counted columns, NaN taken for missing in those that were not counted, too."""
    columns = {**version.content.columns, **counted}
    rest = [name for name, kind in version.types.items() if table_sql.is_float(kind) and name not in counted]
    for names in batches(rest, BATCH_COLUMNS):
        for name, found in zip(names, version.query(table_sql.nan_counts(version.relation, names))[0], strict=True):
            columns[name] = replace(columns[name], missing=columns[name].missing + found)
    return replace(version.content, columns=MappingProxyType(columns))
