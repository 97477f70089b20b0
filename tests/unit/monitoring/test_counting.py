"""What DuckDB counts, against counting row by row."""

from __future__ import annotations

import math
from collections import Counter
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import duckdb
import numpy as np
import pytest

from ci_core.errors import UnreadableTableError
from ci_core.monitoring import sql
from ci_core.monitoring.arrays import count_values, fit_grid
from ci_core.monitoring.counting import choose_layout, count
from ci_core.monitoring.duckdb import open_table, read_arrays
from ci_core.monitoring.profile import MISSING, OTHER, CategoryLevels, NumericGrid, Profile, merge

if TYPE_CHECKING:
    from pathlib import Path

RANDOM = np.random.default_rng(20130615)
VALUES = np.concatenate([RANDOM.normal(1e6, 2.0, 500), [0.0] * 80, [math.inf, -math.inf, 1e300, -1e-300]])
LEVELS = np.array(["UA"] * 300 + ["B6"] * 200 + ["it's"] * 50 + ['quo"te'] * 34, dtype=object)


def _whole(path: Path, columns: tuple[str, ...] = ("x", "level")) -> Profile:
    with open_table(path) as table:
        return count(table, choose_layout(table, columns))[0]


def test_numbers_are_counted_as_the_grid_says(write_table: Any) -> None:
    path = write_table("table.parquet", x=VALUES)

    with open_table(path) as table:
        layout = choose_layout(table, ["x"])
        counts = count(table, layout)[0].columns["x"]

    grid = layout.columns["x"]
    assert isinstance(grid, NumericGrid)
    assert grid.atoms == (0.0,)
    assert dict(counts.cells) == Counter(grid.code(value) for value in VALUES.tolist())
    assert (counts.minimum, counts.maximum) == (-1e-300, 1e300)
    assert counts.infinite == 2


def test_levels_are_counted_whatever_they_contain(write_table: Any) -> None:
    path = write_table("table.parquet", level=LEVELS)

    with open_table(path) as table:
        layout = choose_layout(table, ["level"])
        counts = count(table, layout)[0].columns["level"]

    assert layout.columns["level"] == CategoryLevels(levels=("UA", "B6", "it's", 'quo"te'), is_complete=True)
    assert dict(counts.cells) == {0: 300, 1: 200, 2: 50, 3: 34}


def test_a_column_name_may_contain_anything(write_table: Any) -> None:
    name = 'semi; colon "quoted" it\'s'

    profile = _whole(write_table("table.parquet", **{name: np.arange(10.0)}), (name,))

    assert profile.columns[name].rows == 10


def test_the_order_of_rows_is_irrelevant(write_table: Any) -> None:
    turn = RANDOM.permutation(len(VALUES))

    straight = _whole(write_table("a.parquet", x=VALUES, level=LEVELS))
    shuffled = _whole(write_table("b.parquet", x=VALUES[turn], level=LEVELS[turn]))

    assert straight.digest == shuffled.digest


def test_parquet_csv_and_json_lines_count_alike(write_table: Any, tmp_path: Path) -> None:
    finite = np.where(np.isfinite(VALUES), VALUES, 7.0)
    parquet = write_table("table.parquet", x=finite, level=LEVELS)
    csv = write_table("table.csv", x=finite, level=LEVELS)
    lines = tmp_path / "table.jsonl"
    duckdb.execute(f"COPY (SELECT * FROM '{parquet}') TO '{lines}' (FORMAT json)")

    assert _whole(parquet).digest == _whole(csv).digest == _whole(lines).digest


def test_blocks_of_time_add_up_to_the_whole(write_table: Any) -> None:
    start = datetime(2013, 1, 1, 10, tzinfo=UTC).replace(tzinfo=None)
    times = np.array([start + timedelta(hours=index % 60) for index in range(len(VALUES))], dtype="datetime64[us]")
    path = write_table("table.parquet", x=VALUES, level=LEVELS, time=times)

    with open_table(path) as table:
        layout = choose_layout(table, ["x", "level"])
        whole = count(table, layout)[0]
        blocks = count(table, layout, time_column="time", length=timedelta(days=1))

    assert sorted(number for number in blocks if number is not None) == [15706, 15707, 15708]  # 1 to 3 January 2013
    assert merge(blocks.values()).digest == whole.digest


def test_rows_without_a_time_are_kept_apart(write_table: Any) -> None:
    times = np.array(["2013-01-01T10:00", "NaT", "NaT"], dtype="datetime64[us]")
    path = write_table("table.parquet", x=np.arange(3.0), time=times)

    with open_table(path) as table:
        blocks = count(table, choose_layout(table, ["x"]), time_column="time", length=timedelta(days=1))

    assert {number: profile.rows for number, profile in blocks.items()} == {15706: 1, None: 2}


def test_missing_values_are_counted_once_whether_null_or_nan(tmp_path: Path) -> None:
    path = tmp_path / "table.parquet"
    duckdb.execute(f"COPY (SELECT unnest(['nan'::DOUBLE, NULL, 1.0, 1.0]) AS x) TO '{path}'")

    assert _whole(path, ("x",)).columns["x"].missing == 2


def test_levels_beyond_the_limit_are_counted_together(write_table: Any) -> None:
    many = np.array([f"v{index % 250:03}" for index in range(1000)] + ["v000"], dtype=object)

    with open_table(write_table("table.parquet", level=many)) as table:
        layout = choose_layout(table, ["level"])
        counts = count(table, layout)[0].columns["level"]

    bins = layout.columns["level"]
    assert isinstance(bins, CategoryLevels)
    assert (len(bins.levels), bins.is_complete, bins.levels[0]) == (200, False, "v000")
    assert counts.cells[OTHER] == 200
    assert len(counts.unseen) == 20


def test_what_cannot_be_compared_is_skipped_with_its_reason(tmp_path: Path) -> None:
    path = tmp_path / "table.parquet"
    duckdb.execute(
        f"COPY (SELECT range AS n, uuid()::VARCHAR AS id, [1, 2] AS list, DATE '2013-01-01' AS day, true AS flag "
        f"FROM range(1000)) TO '{path}'"
    )

    with open_table(path) as table:
        layout = choose_layout(table, ["n", "id", "list", "day", "flag"])

    assert sorted(layout.columns) == ["flag", "n"]
    assert layout.skipped == {
        "id": "an identifier: nearly every row has its own value",
        "list": "of type INTEGER[]",
        "day": "of type DATE",
    }


def test_a_window_on_the_references_layout_shows_new_levels_and_faults(write_table: Any) -> None:
    reference = write_table("a.parquet", x=np.arange(20.0), y=np.arange(20.0), level=["UA"] * 20)
    window = write_table("b.parquet", x=["text"] * 4, level=["UA", "ZZ", "ZZ", "YY"])

    with open_table(reference) as table:
        layout = choose_layout(table, ["x", "y", "level"])
    with open_table(window) as table:
        profile = count(table, layout)[0]

    assert profile.faults == {"x": "is text, was a number", "y": "is missing"}
    assert dict(profile.columns["level"].cells) == {0: 1, OTHER: 3}
    assert profile.columns["level"].unseen == {"ZZ": 2, "YY": 1}


def test_a_column_without_any_value_has_no_wrong_type(write_table: Any, tmp_path: Path) -> None:
    window = tmp_path / "b.csv"
    window.write_text("x,y\n,1\n,2\n")

    with open_table(write_table("a.parquet", x=np.arange(20.0))) as table:
        layout = choose_layout(table, ["x"])
    with open_table(window) as table:
        profile = count(table, layout)[0]

    assert profile.faults == {}
    assert dict(profile.columns["x"].cells) == {MISSING: 2}


def test_zeros_and_ones_are_booleans_where_the_reference_has_booleans(write_table: Any) -> None:
    with open_table(write_table("a.parquet", flag=np.array([True, False, True]))) as table:
        layout = choose_layout(table, ["flag"])
    with open_table(write_table("b.parquet", flag=np.array([1.0, 0.0, 1.0, math.nan]))) as table:
        binary = count(table, layout)[0]
    with open_table(write_table("c.parquet", flag=np.array([1.0, 0.5]))) as table:
        other = count(table, layout)[0]

    assert dict(binary.columns["flag"].cells) == {0: 1, 1: 2, MISSING: 1}
    assert other.faults == {"flag": "is a number, was a boolean"}


def test_arrays_in_memory_are_counted_like_tables(write_table: Any) -> None:
    scores = RANDOM.beta(2, 6, 4000)
    scores[:3] = math.nan, math.inf, -math.inf
    path = write_table("table.parquet", x=scores)
    grid = fit_grid(scores)

    with open_table(path) as table:
        layout = choose_layout(table, ["x"])
        by_duckdb = count(table, layout)[0].columns["x"]

    assert layout.columns["x"] == grid
    assert count_values(grid, scores) == by_duckdb


def test_rows_come_back_as_a_model_gets_them(tmp_path: Path) -> None:
    path = tmp_path / "table.parquet"
    duckdb.execute(
        f"COPY (SELECT * FROM (VALUES (1, 'a', true), (NULL, NULL, NULL), (3, 'c', false)) AS t(n, s, b)) TO '{path}'"
    )

    with open_table(path) as table:
        arrays = read_arrays(table, ["n", "s", "b"], limit=10)

    assert arrays["n"].dtype == np.float64
    np.testing.assert_array_equal(arrays["n"], [1.0, math.nan, 3.0])
    assert arrays["s"].tolist() == ["a", None, "c"]
    assert arrays["b"].tolist() == [True, None, False]


@pytest.mark.parametrize(
    ("name", "content", "reason"),
    [
        ("cut.parquet", b"PAR1 and nothing more", "No magic bytes"),
        ("cut.arrow", b"\xff\xff\xff\xff", "get_schema"),
        ("table.xlsx", b"PK", "`.xlsx` is no kind of table known here"),
    ],
)
def test_a_table_that_cannot_be_read_is_named_with_the_reason(
    tmp_path: Path, name: str, content: bytes, reason: str
) -> None:
    path = tmp_path / name
    path.write_bytes(content)

    with pytest.raises(UnreadableTableError) as caught, open_table(path):
        pass

    assert caught.value.table == str(path)
    assert reason in caught.value.reason


def test_a_parquet_file_cut_short_is_unreadable(write_table: Any) -> None:
    path = write_table("table.parquet", x=VALUES)
    path.write_bytes(path.read_bytes()[:-100])

    with pytest.raises(UnreadableTableError), open_table(path):
        pass


def test_the_sql_of_a_numeric_column_reads_like_this() -> None:
    text = sql.numeric_counts(
        sql.DUCKDB, "flights", "temp", NumericGrid(centre=32.0, scale=8.0, atoms=(0.0,)), block=sql.ONE_BLOCK
    )

    assert text == (
        "SELECT block, cell, count(*) AS n, min(x) AS low, max(x) AS high\n"
        "FROM (\n"
        "  SELECT block, x, CASE\n"
        "    WHEN x IS NULL OR isnan(x) THEN 2000000\n"
        "    WHEN isinf(x) THEN CASE WHEN x > 0 THEN 2000002 ELSE 2000001 END\n"
        "    WHEN x = (0.0e0) THEN 1000000\n"
        "    ELSE CAST(greatest(-480, least(480, floor(32 * asinh((x - (32.0e0)) / (8.0e0))))) AS INTEGER)\n"
        "  END AS cell\n"
        '  FROM (SELECT CAST(0 AS BIGINT) AS block, CAST("temp" AS DOUBLE) AS x FROM flights) AS source\n'
        ") AS coded\n"
        "GROUP BY block, cell"
    )
