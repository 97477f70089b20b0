# ruff: noqa: S608 - identifiers and literals are quoted by Dialect.name and .number; nothing else is pasted in
"""The SQL that summarises one version of a table for comparison with another (pure text, for DuckDB).

As in ``sql.py`` one statement counts one column: a columnar engine reads only that column for it, and memory stays that
of one column. What can be had of many columns at almost no price is asked for in one statement.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ci_core.monitoring.folded_grid import CELLS
from ci_core.monitoring.profile import QUANTILES
from ci_core.monitoring.sql import DUCKDB

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from ci_core.monitoring.profile import NumericGrid

_VECTOR_ROWS = 2048
"""Rows that DuckDB works on at a time; a reader skips vectors of which no row is wanted."""
_RUNS = 5
"""Runs of rows that a sample is made of: in a table that is sorted by a column they still show its spread."""
_INSTANTS = ("DATE", "TIMESTAMP")
_WHOLE = (
    "TINYINT", "SMALLINT", "INTEGER", "BIGINT", "HUGEINT", "UTINYINT", "USMALLINT", "UINTEGER", "UBIGINT", "UHUGEINT",
)  # fmt: skip


def is_float(kind: str) -> bool:
    """Whether a column of this type can hold NaN and infinities."""
    return kind in {"FLOAT", "DOUBLE"}


def is_instant(kind: str) -> bool:
    """Whether a column of this type holds dates or times with a date."""
    return kind.startswith(_INSTANTS) and not kind.endswith("]")


def is_whole(kind: str) -> bool:
    """Whether a column of this type holds nothing but whole numbers."""
    return kind in _WHOLE or (kind.startswith("DECIMAL") and kind.endswith(",0)"))


def described(relation: str) -> str:
    """Return SQL for: name and type of each column, and more."""
    return f"DESCRIBE SELECT * FROM {relation}"


def column_facts(relation: str, columns: Mapping[str, str]) -> str:
    """Return SQL for: rows; then for each column the rows with NULL, smallest and largest value.

    The latter two are NULL but for whole numbers, dates and times. Parquet's own statistics answer all of it: no value
    is read.
    """
    facts = ["count(*)"]
    for column, kind in columns.items():
        name = DUCKDB.name(column)
        span = [f"CAST({bound}({name}) AS VARCHAR)" for bound in ("min", "max")]
        span = span if is_whole(kind) or is_instant(kind) else ["NULL"] * 2
        facts += [f"count(*) - count({name})", *span]
    return f"SELECT {', '.join(facts)} FROM {relation}"


def nan_counts(relation: str, columns: Sequence[str]) -> str:
    """Return SQL for: per column the rows with NaN."""
    counts = (f"count(*) FILTER (WHERE isnan({DUCKDB.name(column)}))" for column in columns)
    return f"SELECT {', '.join(counts)} FROM {relation}"


def text_facts(relation: str, columns: Sequence[str]) -> str:
    """Return SQL for: per column the approximate number of its different values, and the bytes of the longest."""
    facts = [
        f"approx_count_distinct({name}), coalesce(max(strlen(CAST({name} AS VARCHAR))), 0)"
        for name in (DUCKDB.name(column) for column in columns)
    ]
    return f"SELECT {', '.join(facts)} FROM {relation}"


def repeat_facts(relation: str, parts: Mapping[str, int]) -> str:
    """Return SQL for: per column the rows whose value a hash picks, one value of so many; and the different values."""
    facts = []
    for column, part in parts.items():
        name = DUCKDB.name(column)
        picked = f"FILTER (WHERE hash({name}) % {part} = 0)" if part > 1 else ""
        facts.append(f"count({name}) {picked}, count(DISTINCT {name}) {picked}")
    return f"SELECT {', '.join(facts)} FROM {relation}"


def thinned(relation: str, columns: Iterable[str], *, rows: int, wanted: int, is_split: bool) -> str:
    """Return about `wanted` rows in a few runs at equal distances: what else is in the files need not be unpacked.

    Args:
        relation: read from Parquet files.
        columns: all columns of it.
        rows: how many it has.
        wanted: fewer than those.
        is_split: whether it is of several files; then a run is the vectors of one remainder, and whole files are left
            out, too.
    """
    every = rows // wanted
    if any(column.lower() in {"file_row_number", "file_index"} for column in columns):  # these hide the engine's own
        return f"(SELECT * FROM {relation} USING SAMPLE {100 / every} PERCENT (system, 7))"
    if is_split:
        where = f"(file_row_number // {_VECTOR_ROWS} + file_index) % {every} = 0"
    else:
        length = wanted // _RUNS
        starts = [run * (rows - length) // (_RUNS - 1) for run in range(_RUNS)]
        where = " OR ".join(f"file_row_number BETWEEN {start} AND {start + length - 1}" for start in starts)
    return f"(SELECT * FROM {relation} WHERE {where})"


def quantiles(relation: str, columns: Iterable[str], *, finite: bool = False) -> str:
    """Return SQL for: per numeric column what :meth:`NumericGrid.fitted` wants, NULL without values.

    Args:
        relation: what to read.
        columns: their names.
        finite: whether NaN and infinities are left out, which costs half as much again; else they are the largest.
    """
    found = []
    for column in columns:
        value = f"CAST({DUCKDB.name(column)} AS DOUBLE)"
        found.append(
            f"quantile_disc({value}, {list(QUANTILES)})" + (f" FILTER (WHERE isfinite({value}))" if finite else "")
        )
    return f"SELECT {', '.join(found)} FROM {relation}"


def folded_counts(relation: str, column: str, grid: NumericGrid) -> str:
    """Return SQL for: cell of a :class:`FoldedGrid`, rows. NULL is the cell of what is missing or not finite."""
    return f"""\
SELECT TRY_CAST({CELLS} * (d / ({DUCKDB.number(grid.scale)} + abs(d))) AS SMALLINT) AS cell, count(*) AS n
FROM (SELECT CAST({DUCKDB.name(column)} AS DOUBLE) - {DUCKDB.number(grid.centre)} AS d FROM {relation}) AS source
GROUP BY 1"""


def many_folded_counts(relation: str, grids: Mapping[str, NumericGrid]) -> str:
    """Return SQL for: place of a column in `grids`, cell of its :class:`FoldedGrid`, rows; as :func:`folded_counts`.

    It costs more for each value and less for each column: right for wide tables of few rows.
    """
    values = ", ".join(f"CAST({DUCKDB.name(column)} AS DOUBLE)" for column in grids)
    centres = ", ".join(DUCKDB.number(grid.centre) for grid in grids.values())
    scales = ", ".join(DUCKDB.number(grid.scale) for grid in grids.values())
    return f"""\
SELECT place, TRY_CAST({CELLS} * (d / (scale + abs(d))) AS SMALLINT) AS cell, count(*) AS n
FROM (
  SELECT unnest(range({len(grids)})) AS place, unnest([{values}]) - unnest([{centres}]) AS d,
    unnest([{scales}]) AS scale FROM {relation}
) AS source GROUP BY 1, 2"""


def not_finite(relation: str, column: str, grid: NumericGrid) -> str:
    """Return SQL for: rows with infinity, with minus infinity, and with finite values too far off to subtract."""
    distance = f"x - {DUCKDB.number(grid.centre)}"
    return f"""\
SELECT count(*) FILTER (WHERE isinf(x) AND x > 0), count(*) FILTER (WHERE isinf(x) AND x < 0),
  count(*) FILTER (WHERE isfinite(x) AND NOT isfinite({distance}) AND x > 0),
  count(*) FILTER (WHERE isfinite(x) AND NOT isfinite({distance}) AND x < 0)
FROM (SELECT CAST({DUCKDB.name(column)} AS DOUBLE) AS x FROM {relation}) AS source"""


def all_levels(relation: str, column: str) -> str:
    """Return SQL for: level, rows."""
    name = DUCKDB.name(column)
    return (
        f"SELECT CAST(x AS VARCHAR), n FROM "
        f"(SELECT {name} AS x, count(*) AS n FROM {relation} WHERE {name} IS NOT NULL GROUP BY 1)"
    )


def many_levels(relation: str, columns: Sequence[str]) -> str:
    """Return SQL for: place of a column in `columns`, level, rows; as :func:`all_levels`, for wide tables."""
    values = ", ".join(f"CAST({DUCKDB.name(column)} AS VARCHAR)" for column in columns)
    return (
        f"SELECT place, x, count(*) FROM (SELECT unnest(range({len(columns)})) AS place, unnest([{values}]) AS x "
        f"FROM {relation}) AS source WHERE x IS NOT NULL GROUP BY 1, 2"
    )


def listed_levels(relation: str, column: str) -> str:
    """Return SQL for: level, rows, of the levels in the list that is its one parameter."""
    return (
        f"SELECT x, count(*) FROM (SELECT CAST({DUCKDB.name(column)} AS VARCHAR) AS x FROM {relation}) AS source "
        f"WHERE x IN (SELECT unnest(CAST(? AS VARCHAR[]))) GROUP BY 1"
    )
