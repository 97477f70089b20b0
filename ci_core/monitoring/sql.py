# ruff: noqa: S608 - identifiers and literals are quoted by Dialect.name, .string and .number; nothing else is pasted in
"""The SQL that counts: one small template, rendered for an engine's dialect (pure text).

Per column one statement that groups by block and cell. Columnar engines read one column for it, so forty statements
cost what one statement over forty columns costs, in far less memory. Only arithmetic, ``CASE`` and ``GROUP BY`` are
used, which every engine has; what is spelled differently stands in :class:`Dialect`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from ci_core.monitoring.profile import (
    ATOM,
    CELLS_PER_UNIT,
    GRID_LIMIT,
    MISSING,
    NEGATIVE_INFINITY,
    POSITIVE_INFINITY,
)

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import timedelta

    from ci_core.monitoring.profile import NumericGrid


@dataclass(frozen=True, slots=True, kw_only=True)
class Dialect:
    """What an engine spells in its own way; ``{}`` is the operand."""

    double: str
    """Name of the 64-bit float type."""
    text: str
    is_nan: str
    is_infinite: str
    microseconds: str
    """Timestamp → microseconds since 1970-01-01 UTC."""
    quote: str
    """Character around identifiers; doubled inside."""

    def name(self, identifier: str) -> str:
        """Return `identifier` quoted, whatever it contains."""
        return f"{self.quote}{identifier.replace(self.quote, 2 * self.quote)}{self.quote}"

    def string(self, value: str) -> str:
        """Return a string literal."""
        return "'" + value.replace("'", "''") + "'"

    def number(self, value: float) -> str:
        """Return a finite 64-bit float literal that means exactly `value`; the exponent keeps it from being decimal."""
        text = repr(float(value))
        return f"({text})" if "e" in text else f"({text}e0)"


DUCKDB = Dialect(
    double="DOUBLE", text="VARCHAR", is_nan="isnan({})", is_infinite="isinf({})", microseconds="epoch_us({})", quote='"'
)

ONE_BLOCK = "CAST(0 AS BIGINT)"
"""Block expression of a table that is counted as a whole."""


def block_of(dialect: Dialect, time_column: str, length: timedelta) -> str:
    """Return the expression for the number of the block, since 1970-01-01, that a row's time lies in; NULL without."""
    microseconds = dialect.microseconds.format(dialect.name(time_column))
    return f"CAST(floor({microseconds} / {dialect.number(length.total_seconds() * 1e6)}) AS BIGINT)"


def row_counts(table: str, *, block: str) -> str:
    """Return SQL for: block, rows."""
    return f"SELECT {block} AS block, count(*) AS n FROM {table} GROUP BY 1"


def numeric_counts(dialect: Dialect, table: str, column: str, grid: NumericGrid, *, block: str) -> str:
    """Return SQL for: block, cell, rows, smallest and largest value in the cell.

    The same cells as :meth:`NumericGrid.code`; values on the edge of a cell may differ by the last bit of ``asinh``.
    """
    atoms = "".join(
        f"    WHEN x = {dialect.number(atom)} THEN {ATOM + index}\n" for index, atom in enumerate(grid.atoms)
    )
    index = f"floor({CELLS_PER_UNIT} * asinh((x - {dialect.number(grid.centre)}) / {dialect.number(grid.scale)}))"
    return f"""\
SELECT block, cell, count(*) AS n, min(x) AS low, max(x) AS high
FROM (
  SELECT block, x, CASE
    WHEN x IS NULL OR {dialect.is_nan.format("x")} THEN {MISSING}
    WHEN {dialect.is_infinite.format("x")} THEN CASE WHEN x > 0 THEN {POSITIVE_INFINITY} ELSE {NEGATIVE_INFINITY} END
{atoms}    ELSE CAST(greatest(-{GRID_LIMIT}, least({GRID_LIMIT}, {index})) AS INTEGER)
  END AS cell
  FROM (SELECT {block} AS block, CAST({dialect.name(column)} AS {dialect.double}) AS x FROM {table}) AS source
) AS coded
GROUP BY block, cell"""


def level_counts(dialect: Dialect, table: str, column: str, levels: Sequence[str], *, block: str) -> str:
    """Return SQL for: block, level (NULL for the missing), rows; only the listed levels and the missing."""
    listed = ", ".join(dialect.string(level) for level in levels)
    wanted = f"x IN ({listed}) OR x IS NULL" if levels else "x IS NULL"
    return f"""\
SELECT block, x AS level, count(*) AS n
FROM (SELECT {block} AS block, CAST({dialect.name(column)} AS {dialect.text}) AS x FROM {table}) AS source
WHERE {wanted}
GROUP BY block, x"""


def unlisted_levels(dialect: Dialect, table: str, column: str, levels: Sequence[str], *, block: str, limit: int) -> str:
    """Return SQL for: block, level, rows; the most frequent levels outside the list, `limit` of each block."""
    listed = ", ".join(dialect.string(level) for level in levels)
    wanted = f"x NOT IN ({listed})" if levels else "x IS NOT NULL"
    return f"""\
SELECT block, level, n
FROM (
  SELECT block, level, n, row_number() OVER (PARTITION BY block ORDER BY n DESC, level) AS place
  FROM (
    SELECT block, x AS level, count(*) AS n
    FROM (SELECT {block} AS block, CAST({dialect.name(column)} AS {dialect.text}) AS x FROM {table}) AS source
    WHERE {wanted}
    GROUP BY block, x
  ) AS counted
) AS ranked
WHERE place <= {limit}"""


def frequent_levels(dialect: Dialect, table: str, column: str, *, limit: int) -> str:
    """Return SQL for: level, rows; the `limit` most frequent ones, most frequent first."""
    name = dialect.name(column)
    return f"""\
SELECT CAST({name} AS {dialect.text}) AS level, count(*) AS n
FROM {table}
WHERE {name} IS NOT NULL
GROUP BY 1
ORDER BY n DESC, level
LIMIT {limit}"""
