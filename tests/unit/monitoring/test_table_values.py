"""How far the values of two versions of a table are apart, counted by a real DuckDB."""

from __future__ import annotations

from typing import TYPE_CHECKING

import duckdb
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from scipy import stats
from scipy.spatial import distance as scipy_distance

from ci_core.monitoring.table_content import compare_versions
from tests.unit.monitoring.tables import THOUSAND, columns_of

if TYPE_CHECKING:
    from pathlib import Path

    from tests.unit.monitoring.conftest import Parquet


# --- values ---------------------------------------------------------------------------------------------------------


def test_the_shift_of_a_moved_column_is_the_wasserstein_distance_of_scipy(tmp_path: Path, parquet: Parquet) -> None:
    old = parquet("SELECT sqrt(-2 * ln((r + 0.5) / 20000)) * cos(r * 2.399963) AS x FROM range(20000) AS t(r)")
    new = parquet("SELECT 0.5 + sqrt(-2 * ln((r + 0.5) / 20000)) * cos(r * 2.399963) AS x FROM range(20000) AS t(r)")
    with duckdb.connect() as connection:
        values = [connection.execute(f"SELECT x FROM '{one.files[0][1]}'").fetchnumpy()["x"] for one in (old, new)]

    (column,) = compare_versions("t", old, new).columns

    expected = stats.wasserstein_distance(*values) / values[0].std()
    assert column.shift == pytest.approx(expected, rel=0.01)
    assert column.has_drifted


def test_the_distance_of_levels_is_the_jensen_shannon_distance_of_scipy(parquet: Parquet) -> None:
    old = parquet(f"SELECT CASE WHEN r < 500 THEN 'a' WHEN r < 800 THEN 'b' END AS s {THOUSAND}")
    new = parquet(f"SELECT CASE WHEN r < 300 THEN 'a' WHEN r < 800 THEN 'b' WHEN r < 900 THEN 'c' END AS s {THOUSAND}")

    (column,) = compare_versions("t", old, new).columns

    expected = scipy_distance.jensenshannon([0.5, 0.3, 0.0, 0.2], [0.3, 0.5, 0.1, 0.1], base=2)
    assert column.distance == pytest.approx(float(expected), abs=1e-9)
    assert (column.has_drifted, column.note) == (True, "new value: `c`")


def test_new_and_gone_values_are_named_the_frequent_ones_first_and_long_ones_cut(parquet: Parquet) -> None:
    old = parquet(f"SELECT CASE WHEN r < 10 THEN 'old' ELSE 'kept' END AS s {THOUSAND}")
    new = parquet(
        "SELECT CASE WHEN r < 1 THEN repeat('long', 50) WHEN r < 3 THEN chr(10) || chr(27) ELSE 'kept' END AS s "
        f"{THOUSAND}"
    )

    (column,) = compare_versions("t", old, new).columns

    assert column.note == f"new values: `\\n\\x1b`, `{('long' * 10)[:39]}…`; gone value: `old`"


def test_infinities_are_in_the_tails_and_new_ones_are_said(parquet: Parquet) -> None:
    old = parquet(f"SELECT CAST(r AS DOUBLE) AS x {THOUSAND}")
    new = parquet(f"SELECT CASE WHEN r < 20 THEN '-inf'::DOUBLE ELSE r END AS x {THOUSAND}")

    (column,) = compare_versions("t", old, new).columns

    assert (column.new_missing, column.note) == (0.0, "infinite in 2.0 % of the rows")


def test_numbers_at_the_ends_of_the_scale_are_compared(parquet: Parquet) -> None:
    old = parquet(
        f"SELECT 1e308 * (1 - 2 * (r % 2)) AS x, 18446744073709551615::UBIGINT - (r % 700)::UBIGINT AS u {THOUSAND}"
    )
    new = parquet(f"SELECT -1e308 AS x, 18446744073709551615::UBIGINT - (r % 700)::UBIGINT AS u {THOUSAND}")

    columns = columns_of(compare_versions("t", old, new))

    assert columns["x"].has_drifted
    assert (columns["u"].distance, columns["u"].has_drifted) == (0.0, False)


def test_a_constant_that_became_another_has_drifted(parquet: Parquet) -> None:
    (column,) = compare_versions(
        "t", parquet(f"SELECT 5 AS x {THOUSAND}"), parquet(f"SELECT 6 AS x {THOUSAND}")
    ).columns

    assert (column.distance, column.shift, column.has_drifted) == (1.0, None, True)


def test_identifiers_are_not_compared_and_text_that_became_identifiers_is_counted(parquet: Parquet) -> None:
    ids = "SELECT md5(CAST(r AS VARCHAR)) AS s FROM range(30000) AS t(r)"
    words = "SELECT CASE WHEN r % 2 = 0 THEN 'a' ELSE 'b' END AS s FROM range(30000) AS t(r)"

    (same,) = compare_versions("t", parquet(ids), parquet(ids)).columns
    (became,) = compare_versions("t", parquet(words), parquet(ids)).columns

    assert (same.distance, same.note) == (None, "names or free text, not compared: most rows have a text of their own")
    assert became.distance == 1.0
    assert became.note.endswith("different values now, 2 before")


def test_free_text_of_a_small_table_is_not_compared(parquet: Parquet) -> None:
    reviews = "SELECT 'what customer ' || r || ' thinks' AS s FROM range(0, 100) AS t(r)"
    others = "SELECT 'what customer ' || r || ' thinks' AS s FROM range(100, 220) AS t(r)"

    (column,) = compare_versions("t", parquet(reviews), parquet(others)).columns

    assert column.distance is None
    assert column.note == "names or free text, not compared: most rows have a text of their own"


def test_many_new_values_and_long_ones_are_counted_and_not_named(parquet: Parquet) -> None:
    few = f"SELECT 'level' || (r % 5) AS many, repeat('word ', 10) || (r % 3) AS text {THOUSAND}"
    more = f"SELECT 'level' || (r % 26) AS many, repeat('word ', 10) || (r % 3 + 1) AS text {THOUSAND}"

    columns = columns_of(compare_versions("t", parquet(few), parquet(more)))

    assert columns["many"].note == "21 new values"
    assert columns["text"].note == "1 new value; 1 gone value"


@pytest.mark.parametrize(
    "numbers",
    [
        "r",
        "r - 500",
        "1700000000 + 60 * r",
        "r * 7 + r % 3",
        "18446744073709551615::UBIGINT - r::UBIGINT",
        "CAST(r AS DECIMAL(18, 0))",
    ],
    ids=["sequence", "negative", "seconds", "gaps", "unsigned", "decimal"],
)
def test_whole_numbers_that_name_rows_are_not_compared(parquet: Parquet, numbers: str) -> None:
    old, new = (parquet(f"SELECT {numbers} AS id FROM range({rows}) AS t(r)") for rows in (2500, 5000))

    (column,) = compare_versions("t", old, new).columns

    assert (column.distance, column.has_drifted) == (None, None)
    assert column.note == "an identifier, not compared: nearly every row has its own value"


def test_identifiers_of_few_of_the_rows_are_identifiers_still(parquet: Parquet) -> None:
    old = parquet("SELECT r AS id FROM range(5000) AS t(r)")
    new = parquet("SELECT r * 97 AS id FROM range(50) AS t(r)")

    (column,) = compare_versions("t", old, new).columns

    assert column.note == "an identifier, not compared: nearly every row has its own value"


def test_identifiers_that_begin_to_repeat_are_told(parquet: Parquet) -> None:
    ids = parquet("SELECT r AS id FROM range(1000) AS t(r)")
    few = parquet("SELECT r % 995 AS id FROM range(1000) AS t(r)")
    many = parquet("SELECT r % 2 AS id FROM range(1000) AS t(r)")

    (hardly,), (flag,) = (compare_versions("t", ids, new).columns for new in (few, many))

    assert hardly.note.endswith("its own value; 0.5 % of the rows repeat a value, none before")
    assert (flag.has_drifted, flag.note) == (True, "99.8 % of the rows repeat a value, none before")


@pytest.mark.parametrize(
    "numbers",
    [
        "random() * 1000",
        "CAST(random() * 1000000000 AS BIGINT)",
        "CAST(exp(12 + 2 * random()) AS BIGINT)",
        "CAST(random() * 5000 AS BIGINT)",
        "CAST(r AS DOUBLE)",
        "r // 2",
    ],
    ids=["real", "wide", "cents", "whole", "real sequence", "pairs"],
)
def test_numbers_that_measure_something_are_compared(parquet: Parquet, numbers: str) -> None:
    old, new = (parquet(f"SELECT {numbers} AS x FROM range({rows}) AS t(r)") for rows in (5000, 2500))

    (column,) = compare_versions("t", old, new).columns

    assert column.distance is not None
    assert column.note == ""


def test_of_many_rows_some_are_enough_to_know_an_identifier(parquet: Parquet) -> None:
    rows = "FROM range(300000) AS t(r)"
    old = parquet(f"SELECT r AS id, r // 2 AS pair, CAST(random() * 1000000 AS BIGINT) AS amount {rows}")

    columns = columns_of(compare_versions("t", old, old))

    assert {name: column.distance for name, column in columns.items()} == {"id": None, "pair": 0.0, "amount": 0.0}


def test_a_column_of_many_levels_is_compared_by_the_most_frequent_ones(parquet: Parquet) -> None:
    old = parquet("SELECT 'v' || (r % 3) * (r % 15000) AS s FROM range(60000) AS t(r)")
    new = parquet("SELECT 'w' || (r % 3) * (r % 15000) AS s FROM range(60000) AS t(r)")

    (same,) = compare_versions("t", old, old).columns
    (other,) = compare_versions("t", old, new).columns

    assert (same.distance, same.has_drifted) == (0.0, False)
    assert other.has_drifted


def test_a_wide_table_is_compared_in_parts(parquet: Parquet) -> None:
    columns = ", ".join(f"CAST(r % {place + 2} AS DOUBLE) AS c{place}" for place in range(120))
    old = parquet(f"SELECT {columns}, 'a' AS s {THOUSAND}")

    table = compare_versions("t", old, old)

    assert len(table.columns) == 121
    assert {(column.distance, column.has_drifted) for column in table.columns} == {(0.0, False)}


def test_a_column_is_told_the_same_of_a_wide_table_as_of_a_narrow_one(parquet: Parquet) -> None:
    odd = (
        "CASE r % 9 WHEN 0 THEN NULL WHEN 1 THEN 'nan'::DOUBLE WHEN 2 THEN 'inf'::DOUBLE WHEN 3 THEN -1.7e308 "
        "ELSE r * {} END AS odd, CASE WHEN r % 5 > 0 THEN 'level ' || r % {} END AS s, r % {} = 0 AS flag"
    )
    before, after = (f"{odd.format(*numbers)}" for numbers in ((1, 7, 2), (2, 8, 3)))
    more = ", ".join(f"r AS c{place}" for place in range(120))

    narrow = compare_versions("t", *(parquet(f"SELECT {some} {THOUSAND}") for some in (before, after)))
    wide = compare_versions("t", *(parquet(f"SELECT {some}, {more} {THOUSAND}") for some in (before, after)))

    assert [column.name for column in narrow.columns] == ["odd", "s", "flag"]
    assert None not in {column.distance for column in narrow.columns}
    assert wide.columns[:3] == narrow.columns


# --- laws -----------------------------------------------------------------------------------------------------------


def _by_rows(values: list[float | None]) -> str:
    listed = ", ".join("(NULL)" if value is None else f"({value!r}::DOUBLE)" for value in values)
    return f"SELECT x FROM (VALUES {listed}) AS t(x)"


_samples = st.lists(st.none() | st.floats(-1e6, 1e6).map(lambda value: round(value, 3)), min_size=1, max_size=30)


@settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(_samples, st.randoms(use_true_random=False))
def test_rows_in_another_order_are_no_difference(parquet: Parquet, values: list[float | None], random: object) -> None:
    shuffled = list(values)
    random.shuffle(shuffled)  # type: ignore[attr-defined]  # hypothesis types it as object's Random

    (column,) = compare_versions("t", parquet(_by_rows(values)), parquet(_by_rows(shuffled))).columns

    assert column.distance in {0.0, None}
    assert column.shift in {0.0, None}


@settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(_samples, _samples)
def test_swapped_sides_swap_what_is_told_of_them(
    parquet: Parquet, one: list[float | None], other: list[float | None]
) -> None:
    files = parquet(_by_rows(one)), parquet(_by_rows(other))

    there, back = (compare_versions("t", *sides) for sides in (files, files[::-1]))

    assert (there.old_rows, there.new_rows) == (back.new_rows, back.old_rows)
    assert there.columns[0].old_missing == back.columns[0].new_missing
    assert there.columns[0].new_missing == back.columns[0].old_missing
