"""What the tests of table differences ask for and look at."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ci_core.monitoring.table_diff import ColumnDiff, TableDiff

THOUSAND = "FROM range(1000) AS t(r)"


def columns_of(table: TableDiff) -> dict[str, ColumnDiff]:
    """Return the columns of a table that could be compared, by name."""
    assert table.problem is None
    return {column.name: column for column in table.columns}
