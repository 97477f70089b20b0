# ruff: noqa: S608 - identifiers and literals are quoted by Dialect.name, .string and .number; nothing else is pasted in
"""Choosing how a reference is counted, and counting tables, through an open DuckDB table.

Memory does not grow with rows: grids are chosen from a sample, everything else is a GROUP BY with few groups.
"""

from __future__ import annotations

from types import MappingProxyType
from typing import TYPE_CHECKING

from ci_core.monitoring import sql
from ci_core.monitoring.duckdb import DIALECT, kind_of
from ci_core.monitoring.profile import (
    MAX_LEVELS,
    MAX_UNSEEN,
    MISSING,
    OTHER,
    QUANTILES,
    CategoryLevels,
    ColumnCounts,
    Layout,
    NumericGrid,
    Profile,
)

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping
    from datetime import timedelta

    from ci_core.monitoring.duckdb import Table
    from ci_core.monitoring.profile import Bins

SAMPLE_ROWS = 50_000
"""Rows that a grid is chosen from. 20,000 already keep the error of a binned Kolmogorov-Smirnov under 0.001."""
WHOLE_ROWS = 200_000
"""Up to this many rows the whole table is the sample, and the grid does not depend on the order of rows."""
ATOM_SHARE, MAX_ATOMS = 0.05, 8
"""A value in this share of the rows gets a cell of its own; more than eight cost more time than they tell."""
IDENTIFIER_SHARE = 0.5
"""Text with more levels than this share of its rows names rows and is not compared."""


def choose_layout(table: Table, columns: Collection[str]) -> Layout:
    """Choose the cells of each column from a reference.

    Args:
        table: the reference.
        columns: those to compare; what cannot be compared (timestamps, nested values, identifiers) is skipped with
            its reason.
    """
    sample = table.relation
    if table.rows > WHOLE_ROWS:
        # One thread: the sample then depends on the seed and the order of rows only.
        table.query("SET threads = 1")
        wanted = f"SELECT * FROM {table.relation} USING SAMPLE reservoir({SAMPLE_ROWS} ROWS) REPEATABLE (7)"
        table.query(f"CREATE OR REPLACE TEMP TABLE layout_sample AS {wanted}")
        table.query("RESET threads")
        sample = "layout_sample"
    bins: dict[str, Bins] = {}
    skipped: dict[str, str] = {}
    for column in table.columns:
        if column not in columns:
            continue
        chosen = _bins(table, sample, column)
        if isinstance(chosen, str):
            skipped[column] = chosen
        else:
            bins[column] = chosen
    return Layout(columns=MappingProxyType(bins), skipped=MappingProxyType(skipped))


def _bins(table: Table, sample: str, column: str) -> Bins | str:
    """Return the cells of a column, or why it cannot be compared."""
    found = table.columns[column]
    kind = kind_of(found)
    if kind == "numeric":
        return _grid(table, sample, column)
    if kind == "boolean":
        return CategoryLevels(levels=("false", "true"), is_complete=True, is_boolean=True)
    if kind == "category":
        return _levels(table, column)
    return f"of type {found}"


def _grid(table: Table, sample: str, column: str) -> NumericGrid:
    name = DIALECT.name(column)
    values = f"(SELECT CAST({name} AS DOUBLE) AS x FROM {sample} WHERE isfinite(CAST({name} AS DOUBLE)))"
    ((quantiles, rows),) = table.query(f"SELECT quantile_disc(x, {list(QUANTILES)}), count(*) FROM {values}")
    heavy = table.query(
        f"SELECT x FROM {values} GROUP BY x HAVING count(*) >= {max(ATOM_SHARE * rows, 2)} "
        f"ORDER BY count(*) DESC, x LIMIT {MAX_ATOMS}"
    )
    return NumericGrid.fitted(quantiles=quantiles or (), atoms=[value for (value,) in heavy])


def _levels(table: Table, column: str) -> CategoryLevels | str:
    name = DIALECT.name(column)
    statement = f"SELECT count({name}), approx_count_distinct({name}) FROM {table.relation}"
    ((present, distinct),) = table.query(statement)
    if distinct > max(MAX_LEVELS, IDENTIFIER_SHARE * present):
        return "an identifier: nearly every row has its own value"
    found = table.query(sql.frequent_levels(DIALECT, table.relation, column, limit=MAX_LEVELS + 1))
    return CategoryLevels(levels=tuple(level for level, _ in found[:MAX_LEVELS]), is_complete=len(found) <= MAX_LEVELS)


# --- counting -----------------------------------------------------------------------------------------------------


def count(
    table: Table, layout: Layout, *, time_column: str | None = None, length: timedelta | None = None
) -> dict[int | None, Profile]:
    """Count a table on a layout.

    Args:
        table: what to count.
        layout: the cells.
        time_column: with `length`, counts each block of time for itself.
        length: of a block.

    Returns:
        Number of the block since 1970-01-01 → its profile; rows without a time are under None, where there are any.
        Without `time_column` the one profile is under 0, even of an empty table.
    """
    table = _with_booleans(table, layout)
    block = sql.ONE_BLOCK
    if time_column is not None and length is not None:
        block = sql.block_of(DIALECT, time_column, length)
    rows = dict(table.query(sql.row_counts(table.relation, block=block)))
    if time_column is None:
        rows.setdefault(0, 0)
    faults = {name: fault for name in layout.columns if (fault := _fault(table, layout, name)) is not None}
    columns: dict[int | None, dict[str, ColumnCounts]] = {number: {} for number in rows}
    for name, bins in layout.columns.items():
        if name in faults:
            continue
        found = (
            _count_numbers(table, name, bins, block)
            if isinstance(bins, NumericGrid)
            else _count_levels(table, name, bins, block, rows)
        )
        for number in rows:
            columns[number][name] = found.get(number, ColumnCounts(cells=MappingProxyType({})))
    return {
        number: Profile(
            rows=n, layout=layout.digest, columns=MappingProxyType(columns[number]), faults=MappingProxyType(faults)
        )
        for number, n in rows.items()
    }


def _with_booleans(table: Table, layout: Layout) -> Table:
    """Return the table with 0 and 1 read as booleans where the layout has a boolean.

    A boolean column with missing values is a column of floats in data frames, and hence in captures.
    """
    wanted = [
        DIALECT.name(name)
        for name, found in table.columns.items()
        if name in layout.columns and layout.kind(name) == "boolean" and kind_of(found) == "numeric"
    ]
    binary = [
        name
        for name in wanted
        if table.query(f"SELECT count(*) FROM {table.relation} WHERE {name} NOT IN (0, 1)") == [(0,)]
    ]
    if not binary:
        return table
    return table.select("* REPLACE (" + ", ".join(f"CAST({name} AS BOOLEAN) AS {name}" for name in binary) + ")")


def _fault(table: Table, layout: Layout, column: str) -> str | None:
    """Return why a column of the layout cannot be counted in this table."""
    if column not in table.columns:
        return "is missing"
    wanted, found = layout.kind(column), kind_of(table.columns[column])
    if wanted == found:
        return None
    ((present,),) = table.query(f"SELECT count({DIALECT.name(column)}) FROM {table.relation}")
    if present == 0:
        return None  # a file without values in a column cannot tell its type
    words = {"numeric": "a number", "category": "text", "boolean": "a boolean"}
    return f"is {words.get(found, table.columns[column])}, was {words[wanted]}"


def _count_numbers(table: Table, column: str, grid: NumericGrid, block: str) -> dict[int | None, ColumnCounts]:
    if kind_of(table.columns[column]) != "numeric":  # all missing, see _fault; text would not cast
        return _count_missing(table, block)
    cells: dict[int | None, dict[int, int]] = {}
    lows: dict[int | None, list[float]] = {}
    highs: dict[int | None, list[float]] = {}
    statement = sql.numeric_counts(DIALECT, table.relation, column, grid, block=block)
    for number, cell, rows, low, high in sorted(table.query(statement), key=lambda row: row[1]):
        cells.setdefault(number, {})[cell] = rows
        if cell < MISSING:
            lows.setdefault(number, []).append(low)
            highs.setdefault(number, []).append(high)
    return {
        number: ColumnCounts(
            cells=MappingProxyType(found),
            minimum=min(lows.get(number, []), default=None),
            maximum=max(highs.get(number, []), default=None),
        )
        for number, found in cells.items()
    }


def _count_missing(table: Table, block: str) -> dict[int | None, ColumnCounts]:
    return {
        number: ColumnCounts(cells=MappingProxyType({MISSING: rows}))
        for number, rows in table.query(sql.row_counts(table.relation, block=block))
    }


def _count_levels(
    table: Table, column: str, bins: CategoryLevels, block: str, rows: Mapping[int | None, int]
) -> dict[int | None, ColumnCounts]:
    code = {level: index for index, level in enumerate(bins.levels)} | {None: MISSING}
    cells: dict[int | None, dict[int, int]] = {number: {} for number in rows}
    for number, level, found in table.query(
        sql.level_counts(DIALECT, table.relation, column, bins.levels, block=block)
    ):
        cells[number][code[level]] = found
    for number, total in rows.items():
        if other := total - sum(cells[number].values()):
            cells[number][OTHER] = other
    unseen: dict[int | None, dict[str, int]] = {}
    if any(OTHER in found for found in cells.values()):
        statement = sql.unlisted_levels(DIALECT, table.relation, column, bins.levels, block=block, limit=MAX_UNSEEN)
        for number, level, found in sorted(table.query(statement), key=lambda row: (-row[2], row[1])):
            unseen.setdefault(number, {})[level] = found
    return {
        number: ColumnCounts(
            cells=MappingProxyType(dict(sorted(found.items()))), unseen=MappingProxyType(unseen.get(number, {}))
        )
        for number, found in cells.items()
    }
