"""Summarise two versions of a table with DuckDB, on the same cells, without loading either of them.

The engine may read the table's files and a scratch folder only, loads no extension and speaks to no network, whatever a
table contains. Memory is that of one column's groups and does not grow with rows.
"""

from __future__ import annotations

import itertools
import math
import os
import tempfile
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

import duckdb

from ci_core.monitoring import table_sql
from ci_core.monitoring.duckdb import first_line, kind_of
from ci_core.monitoring.folded_grid import CELLS, FoldedGrid
from ci_core.monitoring.profile import MAX_LEVELS, NEGATIVE_INFINITY, POSITIVE_INFINITY
from ci_core.monitoring.row_ids import COUNTED_ROWS, IDENTIFIER, may_name_rows, part_of
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

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence

    from ci_core.monitoring.profile import NumericGrid
    from ci_core.monitoring.table_files import TableFiles

MEMORY = "300MB"
"""What the engine may hold; a GROUP BY that needs more goes to the scratch folder. The process needs some more."""
MOST_THREADS = 4
"""Each reads a row group of its own, so more would need more memory."""
SAMPLE_ROWS = 20_000
"""Rows of base that the cells are chosen from, about; the counts are of all rows."""
WHOLE_ROWS = 200_000
"""Up to this many rows the cells are chosen from all of them, and so do not depend on their order."""
MOST_LEVELS = 10_000
"""Different values of a text column up to which each is counted; of more, base's most frequent 200 are."""
IDENTIFIER_SHARE = 0.5
"""Text with more different values than this share of its rows names rows, and is not compared."""
MOST_TEXT_BYTES = 64_000_000
"""Different values times the longest of them: above this a text column is not compared."""
_BATCH_COLUMNS = 200
_BATCH_VALUES = 4_000_000
"""Columns, and values to be held at a time, where several columns are read by one statement."""
_WIDE, _SHORT_ROWS = 100, 100_000
"""Of a table of more columns and fewer rows a statement counts many columns: it costs more than a column does."""


class _UnreadableError(Exception):
    """A version cannot be read; the text says which and why."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Version:
    """One version of the table, open."""

    connection: Any
    files: TableFiles
    scratch: Path
    side: str
    relation: str
    types: Mapping[str, str]
    content: TableContent

    def query(self, statement: str, parameters: Sequence[object] = ()) -> list[Any]:
        """Return all rows of a statement.

        Raises:
            _UnreadableError: the file is damaged inside.
        """
        try:
            found: list[Any] = self.connection.execute(statement, list(parameters)).fetchall()
        except duckdb.Error as error:
            raise self.unreadable(error) from error
        return found

    def unreadable(self, error: duckdb.Error) -> _UnreadableError:
        """Return what to raise for an error of the engine."""
        return _UnreadableError(f"{self.side}: {self.files.reason(error, self.scratch)}")


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
            with _engine(scratch, [files for files in (old, new) if files is not None]) as connection:
                before = None if old is None else _opened(connection, old, scratch / "old", "base")
                after = None if new is None else _opened(connection, new, scratch / "new", "head")
                if before is None or after is None:
                    alone = [None if side is None else _completed(side, {}) for side in (before, after)]
                    return difference(path, *alone)
                return difference(path, *_counted(before, after, ignore))
        except _UnreadableError as error:
            return TableDiff(path=path, problem=str(error))


@contextmanager
def _engine(scratch: Path, sides: Sequence[TableFiles]) -> Iterator[Any]:
    """Open a DuckDB that reaches nothing but the files of the table and the scratch folder."""
    connection = duckdb.connect(
        config={
            "memory_limit": MEMORY,
            "threads": min(MOST_THREADS, os.cpu_count() or 1),
            "temp_directory": str(scratch / "spill"),
            "preserve_insertion_order": False,
            "autoinstall_known_extensions": False,
            "autoload_known_extensions": False,
            "python_enable_replacements": False,
        }
    )
    try:
        connection.execute("SET TimeZone = 'UTC'")
        connection.execute("SET parquet_metadata_cache = true")
        connection.execute("SET allowed_directories = ?", [[f"{scratch}/"]])
        connection.execute("SET allowed_paths = ?", [[str(path) for side in sides for _, path in side.files]])
        connection.execute("SET enable_external_access = false")
        connection.execute("SET lock_configuration = true")
        yield connection
    finally:
        connection.close()


def _opened(connection: Any, files: TableFiles, scratch: Path, side: str) -> _Version:
    """Open one version and learn what costs next to nothing: columns, rows, missing values, spans of time."""
    version = _Version(
        connection=connection, files=files, scratch=scratch, side=side, relation="", types={},
        content=TableContent(format=files.kind, rows=0, columns={}),
    )  # fmt: skip
    try:
        relation = files.relation(connection, scratch)
    except (OSError, EOFError, UnicodeError) as error:  # while looking at how a text file is written
        raise _UnreadableError(f"{side}: {first_line(error)}") from error
    except duckdb.Error as error:
        raise version.unreadable(error) from error
    types = {row[0]: row[1] for row in version.query(table_sql.described(relation))}
    if "" in types:  # not in DuckDB 2, which calls it by its place
        raise _UnreadableError(f"{side}: a column has no name")
    version = replace(version, relation=relation, types=MappingProxyType(types))
    rows, columns = 0, {}
    for names in _batches(types, _BATCH_COLUMNS):
        statement = table_sql.column_facts(relation, {name: types[name] for name in names})
        (found,) = version.query(statement)
        rows, facts = found[0], iter(found[1:])
        for name, missing, low, high in zip(names, facts, facts, facts, strict=True):
            columns[name] = ColumnContent(
                type=types[name],
                kind=kind_of(types[name]),
                missing=missing,
                span=(low, high) if table_sql.is_instant(types[name]) and low is not None else None,
                bounds=(int(low), int(high)) if table_sql.is_whole(types[name]) and low is not None else None,
            )
    return replace(version, content=TableContent(format=files.kind, rows=rows, columns=MappingProxyType(columns)))


def _batches(names: Iterable[str], size: int) -> Iterator[tuple[str, ...]]:
    remaining = iter(names)
    while batch := tuple(itertools.islice(remaining, max(size, 1))):
        yield batch


# --- counting -----------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class _Extent:
    """How much text a column holds."""

    distinct: int
    """About."""
    longest: int
    """Bytes."""


def _counted(old: _Version, new: _Version, ignore: Collection[str]) -> tuple[TableContent, TableContent]:
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


def _with_repeats(old: _Version, new: _Version, columns: Sequence[str]) -> tuple[_Version, _Version]:
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


def _repeats(version: _Version, columns: Sequence[str]) -> dict[str, float]:
    """Return the share of the rows that repeat an earlier one's value."""
    repeats = {}
    for names in _batches(columns, _BATCH_VALUES // COUNTED_ROWS):
        parts = {name: part_of(version.content.present(name)) for name in names}
        facts = iter(version.query(table_sql.repeat_facts(version.relation, parts))[0])
        for name, rows, distinct in zip(names, facts, facts, strict=True):
            repeats[name] = (rows - distinct) / rows if rows else 0.0
    return repeats


def _extents(version: _Version, columns: Sequence[str]) -> dict[str, _Extent]:
    extents = {}
    for names in _batches(columns, _BATCH_COLUMNS):
        facts = iter(version.query(table_sql.text_facts(version.relation, names))[0])
        for name, distinct, longest in zip(names, facts, facts, strict=True):
            extents[name] = _Extent(distinct=distinct, longest=longest)
    return extents


def _unbounded(old: TableContent, name: str, before: _Extent, now: _Extent) -> str:
    """Return why a text column is not compared; empty text: it is."""
    present = old.rows - old.columns[name].missing
    if before.distinct > max(MAX_LEVELS, IDENTIFIER_SHARE * present):
        return IDENTIFIER
    most = max(min(extent.distinct, MOST_LEVELS) * extent.longest for extent in (before, now))
    return "long texts, not compared" if most > MOST_TEXT_BYTES else ""


def _sample(version: _Version) -> str:
    rows = version.content.rows
    if rows <= WHOLE_ROWS:
        return version.relation
    is_split = len(version.files.files) > 1 and version.files.kind == "parquet"
    return table_sql.thinned(version.relation, version.types, rows=rows, wanted=SAMPLE_ROWS, is_split=is_split)


def _grids(old: _Version, columns: Sequence[str]) -> dict[str, NumericGrid]:
    """Choose the cells of numeric columns from a sample of base."""
    sampled = old.content.rows if old.content.rows <= WHOLE_ROWS else SAMPLE_ROWS
    grids: dict[str, NumericGrid] = {}
    for names in _batches(columns, min(_BATCH_COLUMNS, _BATCH_VALUES // max(sampled, 1))):
        for name, found in zip(names, old.query(table_sql.quantiles(_sample(old), names))[0], strict=True):
            quantiles = found or ()
            if not all(map(math.isfinite, quantiles)):
                ((quantiles,),) = old.query(table_sql.quantiles(_sample(old), [name], finite=True))
            grids[name] = FoldedGrid.fitted(quantiles=quantiles or ())
    return grids


def _counted_columns(
    version: _Version, columns: Sequence[str], grids: Mapping[str, NumericGrid]
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
    version: _Version, columns: Sequence[str], grids: Mapping[str, NumericGrid]
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
    size = min(_BATCH_COLUMNS, _BATCH_VALUES // max(rows, 1))
    for names in _batches((name for name in columns if name in grids), size):
        statement = table_sql.many_folded_counts(version.relation, {name: grids[name] for name in names})
        yield from _by_column(names, version.query(statement))
    for names in _batches((name for name in columns if name not in grids), size):
        yield from _by_column(names, version.query(table_sql.many_levels(version.relation, names)))


def _by_column(names: Sequence[str], found: Iterable[Any]) -> Iterator[tuple[str, dict[Any, int]]]:
    counts: list[dict[Any, int]] = [{} for _ in names]
    for place, value, rows in found:
        counts[place][value] = rows
    yield from zip(names, counts, strict=True)


def _with_cells(version: _Version, name: str, grid: NumericGrid, cells: dict[Any, int]) -> ColumnContent:
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


def _with_listed(version: _Version, name: str, listed: Sequence[str], extent: _Extent) -> ColumnContent:
    found = version.query(table_sql.listed_levels(version.relation, name), [list(listed)])
    column = version.content.columns[name]
    return replace(column, levels=MappingProxyType(dict(found)), distinct=extent.distinct)


def _completed(version: _Version, counted: Mapping[str, ColumnContent]) -> TableContent:
    """Return the content with the counted columns, NaN taken for missing in those that were not counted, too."""
    columns = {**version.content.columns, **counted}
    rest = [name for name, kind in version.types.items() if table_sql.is_float(kind) and name not in counted]
    for names in _batches(rest, _BATCH_COLUMNS):
        for name, found in zip(names, version.query(table_sql.nan_counts(version.relation, names))[0], strict=True):
            columns[name] = replace(columns[name], missing=columns[name].missing + found)
    return replace(version.content, columns=MappingProxyType(columns))
