"""Schema, rows and missing values of two versions of a table, counted by a real DuckDB."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from ci_core.monitoring.table_content import compare_versions
from ci_core.monitoring.table_diff import ColumnDiff
from tests.unit.monitoring.tables import THOUSAND, columns_of

if TYPE_CHECKING:
    from tests.unit.monitoring.conftest import Parquet


def test_columns_are_told_as_added_removed_changed_or_the_same_with_rows_and_missing_shares(parquet: Parquet) -> None:
    old = parquet(f"SELECT r AS kept, r AS gone, CAST(r AS INTEGER) AS typed {THOUSAND}")
    new = parquet("SELECT CASE WHEN r % 4 > 0 THEN r END AS kept, r AS typed, 'x' AS came FROM range(2000) AS t(r)")

    table = compare_versions("t", old, new)

    assert (table.old_rows, table.new_rows) == (1000, 2000)
    assert [(c.name, c.change, c.old_type, c.new_type, c.old_missing, c.new_missing) for c in table.columns] == [
        ("kept", "same", "BIGINT", "BIGINT", 0.0, 0.25),
        ("typed", "changed", "INTEGER", "BIGINT", 0.0, 0.0),
        ("came", "added", None, "VARCHAR", None, 0.0),
        ("gone", "removed", "BIGINT", None, 0.0, None),
    ]


def test_nan_counts_as_missing_in_columns_of_one_side_too(parquet: Parquet) -> None:
    old = parquet(f"SELECT r {THOUSAND}")
    new = parquet(f"SELECT r, CASE WHEN r < 100 THEN 'nan'::DOUBLE WHEN r >= 300 THEN 1.5::DOUBLE END AS x {THOUSAND}")

    assert columns_of(compare_versions("t", old, new))["x"].new_missing == 0.3
    assert columns_of(compare_versions("t", None, new))["x"].new_missing == 0.3


def test_a_column_of_nothing_but_null_has_all_values_missing_and_no_distance(parquet: Parquet) -> None:
    nothing = f"SELECT NULL::DOUBLE AS x, NULL::VARCHAR AS s {THOUSAND}"

    columns = columns_of(compare_versions("t", parquet(nothing), parquet(nothing)))

    assert {(c.old_missing, c.new_missing, c.distance, c.note) for c in columns.values()} == {
        (1.0, 1.0, None, "no values before and now")
    }


def test_reordered_columns_are_no_change_and_a_renamed_one_is_removed_and_added(parquet: Parquet) -> None:
    old, new = (
        parquet(f"SELECT r AS a, 'x' AS b, 1 AS c {THOUSAND}"),
        parquet(f"SELECT 'x' AS b, 1 AS cc, r AS a {THOUSAND}"),
    )

    table = compare_versions("t", old, new)

    assert [(c.name, c.change) for c in table.columns] == [
        ("b", "same"), ("cc", "added"), ("a", "same"), ("c", "removed"),
    ]  # fmt: skip


@pytest.mark.parametrize("rows", [0, 1])
def test_tables_of_no_row_or_one_are_described_and_not_judged(parquet: Parquet, rows: int) -> None:
    select = f"SELECT r AS x, 'a' AS s FROM range({rows}) AS t(r)"

    table = compare_versions("t", parquet(select), parquet(select))

    assert (table.old_rows, table.new_rows) == (rows, rows)
    assert [column.has_drifted for column in table.columns] == [None, None]


@pytest.mark.parametrize("name", ['a"b', "ü\n`x`", "x; DROP TABLE t", "it's", "file_row_number", "x", "d", "cell", "n"])
def test_any_name_of_a_column_is_only_a_name(parquet: Parquet, name: str) -> None:
    quoted = name.replace('"', '""')
    old = parquet(f'SELECT CAST(r % 7 AS VARCHAR) AS "{quoted}", r AS other {THOUSAND}')
    new = parquet(f'SELECT CAST(r % 7 AS VARCHAR) AS "{quoted}", r AS other FROM range(300000) AS t(r)')

    table = compare_versions("t", new, old)

    assert table.problem is None
    assert [column.name for column in table.columns] == [name, "other"]
    assert table.columns[0].distance == pytest.approx(0.0, abs=0.01)


def test_names_that_differ_in_case_alone_are_two_columns(parquet: Parquet) -> None:
    table = compare_versions("t", parquet("SELECT 1 AS Age"), parquet("SELECT 1 AS age"))

    assert [(column.name, column.change) for column in table.columns] == [("age", "added"), ("Age", "removed")]


def test_nested_values_are_compared_by_schema_and_missing_alone(parquet: Parquet) -> None:
    old = parquet(f"SELECT {{'a': r}} AS s, [r] AS l {THOUSAND}")
    new = parquet(f"SELECT {{'a': r, 'b': 1}} AS s, CASE WHEN r < 500 THEN [r] END AS l {THOUSAND}")

    columns = columns_of(compare_versions("t", old, new))

    assert (columns["s"].change, columns["s"].note) == ("changed", "values of this type are not compared")
    assert (columns["l"].change, columns["l"].new_missing, columns["l"].distance) == ("same", 0.5, None)


def test_dates_tell_their_span_and_are_not_judged(parquet: Parquet) -> None:
    old = parquet(f"SELECT DATE '2024-01-01' + CAST(r AS INTEGER) AS day {THOUSAND}")
    new = parquet("SELECT DATE '2024-01-01' + CAST(r AS INTEGER) AS day FROM range(1031) AS t(r)")

    (column,) = compare_versions("t", old, new).columns

    assert column.note == "`2024-01-01` to `2026-10-27`, before `2024-01-01` to `2026-09-26`"
    assert (column.distance, column.has_drifted) == (None, None)


def test_text_where_numbers_were_is_said_and_not_compared(parquet: Parquet) -> None:
    (column,) = compare_versions(
        "t", parquet(f"SELECT r AS x {THOUSAND}"), parquet(f"SELECT CAST(r AS VARCHAR) AS x {THOUSAND}")
    ).columns

    assert (column.change, column.distance) == ("changed", None)
    assert column.note == "not compared: numbers before, text now"


def test_an_ignored_column_keeps_its_schema_and_missing_values(parquet: Parquet) -> None:
    old, new = parquet(f"SELECT r AS x {THOUSAND}"), parquet(f"SELECT r + 900 AS x {THOUSAND}")

    (column,) = compare_versions("t", old, new, ignore=["x"]).columns

    assert column == ColumnDiff(
        name="x", change="same", old_type="BIGINT", new_type="BIGINT", old_missing=0.0, new_missing=0.0, note="ignored"
    )
