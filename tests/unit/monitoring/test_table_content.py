"""Two versions of a table in files of every odd shape, counted by a real DuckDB."""

from __future__ import annotations

import gzip
from typing import TYPE_CHECKING

import duckdb
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from scipy import stats
from scipy.spatial import distance as scipy_distance

from ci_core.monitoring.table_content import compare_versions
from ci_core.monitoring.table_diff import ColumnDiff, TableDiff, table_format
from ci_core.monitoring.table_files import TableFiles
from ci_core.monitoring.table_version import MEMORY, open_engine

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    Parquet = Callable[[str], TableFiles]
    Text = Callable[..., TableFiles]

_THOUSAND = "FROM range(1000) AS t(r)"


@pytest.fixture
def parquet(tmp_path: Path) -> Parquet:
    """Return ``parquet(select)``: what a SELECT gives, as a Parquet file."""
    made: list[Path] = []

    def make(select: str) -> TableFiles:
        path = tmp_path.resolve() / f"table-{len(made)}.parquet"
        made.append(path)
        with duckdb.connect() as connection:
            connection.execute(f"COPY ({select}) TO '{path}' (FORMAT parquet)")
        return TableFiles(kind="parquet", files=((path.name, path),))

    return make


@pytest.fixture
def text(tmp_path: Path) -> Text:
    """Return ``text(name, content)``: a text file as a table."""
    made: list[Path] = []

    def make(name: str, content: str | bytes) -> TableFiles:
        path = tmp_path.resolve() / f"{len(made):032x}"  # as in a cache, where names say nothing
        made.append(path)
        path.write_bytes(content.encode() if isinstance(content, str) else content)
        kind = table_format(name)
        assert kind is not None
        return TableFiles(kind=kind, files=((name, path),))

    return make


def _columns(table: TableDiff) -> dict[str, ColumnDiff]:
    assert table.problem is None
    return {column.name: column for column in table.columns}


# --- schema, rows, missing ------------------------------------------------------------------------------------------


def test_columns_are_told_as_added_removed_changed_or_the_same_with_rows_and_missing_shares(parquet: Parquet) -> None:
    old = parquet(f"SELECT r AS kept, r AS gone, CAST(r AS INTEGER) AS typed {_THOUSAND}")
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
    old = parquet(f"SELECT r {_THOUSAND}")
    new = parquet(f"SELECT r, CASE WHEN r < 100 THEN 'nan'::DOUBLE WHEN r >= 300 THEN 1.5::DOUBLE END AS x {_THOUSAND}")

    assert _columns(compare_versions("t", old, new))["x"].new_missing == 0.3
    assert _columns(compare_versions("t", None, new))["x"].new_missing == 0.3


def test_a_column_of_nothing_but_null_has_all_values_missing_and_no_distance(parquet: Parquet) -> None:
    nothing = f"SELECT NULL::DOUBLE AS x, NULL::VARCHAR AS s {_THOUSAND}"

    columns = _columns(compare_versions("t", parquet(nothing), parquet(nothing)))

    assert {(c.old_missing, c.new_missing, c.distance, c.note) for c in columns.values()} == {
        (1.0, 1.0, None, "no values before and now")
    }


def test_reordered_columns_are_no_change_and_a_renamed_one_is_removed_and_added(parquet: Parquet) -> None:
    old, new = (
        parquet(f"SELECT r AS a, 'x' AS b, 1 AS c {_THOUSAND}"),
        parquet(f"SELECT 'x' AS b, 1 AS cc, r AS a {_THOUSAND}"),
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
    old = parquet(f'SELECT CAST(r % 7 AS VARCHAR) AS "{quoted}", r AS other {_THOUSAND}')
    new = parquet(f'SELECT CAST(r % 7 AS VARCHAR) AS "{quoted}", r AS other FROM range(300000) AS t(r)')

    table = compare_versions("t", new, old)

    assert table.problem is None
    assert [column.name for column in table.columns] == [name, "other"]
    assert table.columns[0].distance == pytest.approx(0.0, abs=0.01)


def test_names_that_differ_in_case_alone_are_two_columns(parquet: Parquet) -> None:
    table = compare_versions("t", parquet("SELECT 1 AS Age"), parquet("SELECT 1 AS age"))

    assert [(column.name, column.change) for column in table.columns] == [("age", "added"), ("Age", "removed")]


def test_nested_values_are_compared_by_schema_and_missing_alone(parquet: Parquet) -> None:
    old = parquet(f"SELECT {{'a': r}} AS s, [r] AS l {_THOUSAND}")
    new = parquet(f"SELECT {{'a': r, 'b': 1}} AS s, CASE WHEN r < 500 THEN [r] END AS l {_THOUSAND}")

    columns = _columns(compare_versions("t", old, new))

    assert (columns["s"].change, columns["s"].note) == ("changed", "values of this type are not compared")
    assert (columns["l"].change, columns["l"].new_missing, columns["l"].distance) == ("same", 0.5, None)


def test_dates_tell_their_span_and_are_not_judged(parquet: Parquet) -> None:
    old = parquet(f"SELECT DATE '2024-01-01' + CAST(r AS INTEGER) AS day {_THOUSAND}")
    new = parquet("SELECT DATE '2024-01-01' + CAST(r AS INTEGER) AS day FROM range(1031) AS t(r)")

    (column,) = compare_versions("t", old, new).columns

    assert column.note == "2024-01-01 to 2026-10-27, was 2024-01-01 to 2026-09-26"
    assert (column.distance, column.has_drifted) == (None, None)


def test_text_where_numbers_were_is_said_and_not_compared(parquet: Parquet) -> None:
    (column,) = compare_versions(
        "t", parquet(f"SELECT r AS x {_THOUSAND}"), parquet(f"SELECT CAST(r AS VARCHAR) AS x {_THOUSAND}")
    ).columns

    assert (column.change, column.distance) == ("changed", None)
    assert column.note == "not compared: numbers before, text now"


def test_an_ignored_column_keeps_its_schema_and_missing_values(parquet: Parquet) -> None:
    old, new = parquet(f"SELECT r AS x {_THOUSAND}"), parquet(f"SELECT r + 900 AS x {_THOUSAND}")

    (column,) = compare_versions("t", old, new, ignore=["x"]).columns

    assert column == ColumnDiff(
        name="x", change="same", old_type="BIGINT", new_type="BIGINT", old_missing=0.0, new_missing=0.0, note="ignored"
    )


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
    old = parquet(f"SELECT CASE WHEN r < 500 THEN 'a' WHEN r < 800 THEN 'b' END AS s {_THOUSAND}")
    new = parquet(f"SELECT CASE WHEN r < 300 THEN 'a' WHEN r < 800 THEN 'b' WHEN r < 900 THEN 'c' END AS s {_THOUSAND}")

    (column,) = compare_versions("t", old, new).columns

    expected = scipy_distance.jensenshannon([0.5, 0.3, 0.0, 0.2], [0.3, 0.5, 0.1, 0.1], base=2)
    assert column.distance == pytest.approx(float(expected), abs=1e-9)
    assert (column.has_drifted, column.note) == (True, "new value: `c`")


def test_new_and_gone_values_are_named_the_frequent_ones_first_and_long_ones_cut(parquet: Parquet) -> None:
    old = parquet(f"SELECT CASE WHEN r < 10 THEN 'old' ELSE 'kept' END AS s {_THOUSAND}")
    new = parquet(
        "SELECT CASE WHEN r < 1 THEN repeat('long', 50) WHEN r < 3 THEN chr(10) || chr(27) ELSE 'kept' END AS s "
        f"{_THOUSAND}"
    )

    (column,) = compare_versions("t", old, new).columns

    assert column.note == f"new values: `\\n\\x1b`, `{('long' * 10)[:39]}…`; gone value: `old`"


def test_infinities_are_in_the_tails_and_new_ones_are_said(parquet: Parquet) -> None:
    old = parquet(f"SELECT CAST(r AS DOUBLE) AS x {_THOUSAND}")
    new = parquet(f"SELECT CASE WHEN r < 20 THEN '-inf'::DOUBLE ELSE r END AS x {_THOUSAND}")

    (column,) = compare_versions("t", old, new).columns

    assert (column.new_missing, column.note) == (0.0, "infinite in 2.0 % of the rows")


def test_numbers_at_the_ends_of_the_scale_are_compared(parquet: Parquet) -> None:
    old = parquet(
        f"SELECT 1e308 * (1 - 2 * (r % 2)) AS x, 18446744073709551615::UBIGINT - (r % 700)::UBIGINT AS u {_THOUSAND}"
    )
    new = parquet(f"SELECT -1e308 AS x, 18446744073709551615::UBIGINT - (r % 700)::UBIGINT AS u {_THOUSAND}")

    columns = _columns(compare_versions("t", old, new))

    assert columns["x"].has_drifted
    assert (columns["u"].distance, columns["u"].has_drifted) == (0.0, False)


def test_a_constant_that_became_another_has_drifted(parquet: Parquet) -> None:
    (column,) = compare_versions(
        "t", parquet(f"SELECT 5 AS x {_THOUSAND}"), parquet(f"SELECT 6 AS x {_THOUSAND}")
    ).columns

    assert (column.distance, column.shift, column.has_drifted) == (1.0, None, True)


def test_identifiers_are_not_compared_and_text_that_became_identifiers_is_counted(parquet: Parquet) -> None:
    ids = "SELECT md5(CAST(r AS VARCHAR)) AS s FROM range(30000) AS t(r)"
    words = "SELECT CASE WHEN r % 2 = 0 THEN 'a' ELSE 'b' END AS s FROM range(30000) AS t(r)"

    (same,) = compare_versions("t", parquet(ids), parquet(ids)).columns
    (became,) = compare_versions("t", parquet(words), parquet(ids)).columns

    assert (same.distance, same.note) == (None, "an identifier, not compared: nearly every row has its own value")
    assert became.distance == 1.0
    assert became.note.endswith("different values now, 2 before")


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

    columns = _columns(compare_versions("t", old, old))

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
    old = parquet(f"SELECT {columns}, 'a' AS s {_THOUSAND}")

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

    narrow = compare_versions("t", *(parquet(f"SELECT {some} {_THOUSAND}") for some in (before, after)))
    wide = compare_versions("t", *(parquet(f"SELECT {some}, {more} {_THOUSAND}") for some in (before, after)))

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


# --- text files -----------------------------------------------------------------------------------------------------


def test_csv_and_parquet_of_the_same_rows_are_the_same_but_for_the_guess_at_a_type(
    parquet: Parquet, text: Text
) -> None:
    old = text("a.csv", "x,s\n1,a\n2,b\n")
    new = parquet("SELECT CAST(x AS INTEGER) AS x, s FROM (VALUES (1, 'a'), (2, 'b')) AS t(x, s)")

    table = compare_versions("t", old, new)

    assert [(c.change, c.old_type, c.new_type, c.distance) for c in table.columns] == [
        ("same", "BIGINT", "INTEGER", 0.0),
        ("same", "VARCHAR", "VARCHAR", 0.0),
    ]


def test_gzipped_csv_tabs_semicolons_and_json_lines_are_read(text: Text) -> None:
    sides = [
        text("a.csv.gz", gzip.compress(b"x,s\n1,a\n")),
        text("a.tsv", "x\ts\n1\ta\n"),
        text("a.csv", "\ufeffx;s\r\n1;a\r\n"),
        text("a.jsonl", '{"x": 1, "s": "a"}\n'),
    ]

    for side in sides:
        table = compare_versions("t", sides[0], side)
        assert [(c.name, c.change, c.distance) for c in table.columns] == [("x", "same", 0.0), ("s", "same", 0.0)]


def test_a_csv_file_without_a_header_loses_no_row(text: Text) -> None:
    table = compare_versions("t", text("a.csv", "1,2\n3,4\n"), text("b.csv", "1,2\n3,4\n5,6\n"))

    assert (table.old_rows, table.new_rows) == (2, 3)
    assert [column.name for column in table.columns] == ["column0", "column1"]


def test_decimal_commas_are_numbers_where_the_columns_are_not_separated_by_commas(text: Text) -> None:
    commas = text("a.csv", 'id;price;when\n1;-2,5;01.02.2024\n2;3,25;"1;5"\n')
    points = text("a.csv", "id,price,when\n1,-2.5,01.02.2024\n2,3.25,1;5\n")
    both = text("a.csv", "id;price;rate\n1;2,5;0.5\n")

    assert [column.distance for column in compare_versions("t", commas, points).columns] == [0.0, 0.0, 0.0]
    assert [column.new_type for column in compare_versions("t", None, commas).columns] == [
        "BIGINT",
        "DOUBLE",
        "VARCHAR",
    ]
    assert [column.new_type for column in compare_versions("t", None, both).columns] == ["BIGINT", "VARCHAR", "DOUBLE"]


def test_a_first_line_of_numbers_with_decimal_commas_names_nothing(text: Text) -> None:
    assert compare_versions("t", None, text("a.csv", "1,5;2\n2,5;3\n")).new_rows == 2


def test_a_header_alone_is_a_table_of_no_rows(text: Text) -> None:
    table = compare_versions("t", text("a.csv", "a,b\n1,2\n"), text("b.csv", "a,b\n"))

    assert (table.old_rows, table.new_rows) == (1, 0)
    assert [(column.name, column.change, column.note) for column in table.columns] == [
        ("a", "same", "no rows now"), ("b", "same", "no rows now"),
    ]  # fmt: skip


def test_names_that_differ_in_case_alone_inside_one_file_are_told_apart_by_a_number(text: Text) -> None:
    table = compare_versions("t", None, text("a.csv", "Age,age,,Age\n1,x,2,true\n"))

    assert [(column.name, column.new_type) for column in table.columns] == [
        ("Age", "BIGINT"), ("age_1", "VARCHAR"), ("column2", "BIGINT"), ("Age_2", "BOOLEAN"),
    ]  # fmt: skip


def test_a_column_without_a_name_in_a_parquet_file_is_called_by_its_place_or_refused(parquet: Parquet) -> None:
    files = parquet("SELECT 1 AS qqqq, 2 AS b")
    path = files.files[0][1]
    content = path.read_bytes()
    assert content[-4:] == b"PAR1"
    length = int.from_bytes(content[-8:-4], "little")
    footer = content[-8 - length : -8].replace(b"\x04qqqq", b"\x00")  # a name: its length, its letters
    path.write_bytes(content[: -8 - length] + footer + len(footer).to_bytes(4, "little") + b"PAR1")

    table = compare_versions("t", None, files)

    said = "head: a column has no name"  # DuckDB before version 2, which calls it by its place
    assert (table.problem, [column.name for column in table.columns]) in [(None, ["C0", "b"]), (said, [])]


_NOT_CSV = "it cannot be read as CSV: rows of different lengths, broken quotes, or not text in UTF-8"


@pytest.mark.parametrize(
    ("name", "content", "problem"),
    [
        ("a.csv", 'a,b\n1,"x\n2,y\n', _NOT_CSV),
        ("a.csv", "a,b\n" + "1,2\n" * 3000 + "1,2,3,4\n", "CSV Error on Line: 3002: Expected Number of Columns: 2"),
        ("a.csv", "", "the file is empty"),
        ("a.csv", "a,b\n1,é\n".encode("utf-16"), "it is text in UTF-16, and only UTF-8 is read"),
        ("a.csv", "a,b\n1,é\n".encode("latin-1"), "it is not text in UTF-8"),
        ("a.jsonl", '{"a": 1}\n{"a":\n', 'Malformed JSON in file "a.jsonl", at byte 7 in line 3'),
        ("a.parquet", "PAR1", "File 'a.parquet' too small to be a Parquet file"),
        ("a.parquet", "no Parquet at all, however long", "No magic bytes found at end of file 'a.parquet'"),
        ("a.csv.gz", b"\x1f\x8b\x08\x00broken", "Compressed file ended before the end-of-stream marker was reached"),
    ],
    ids=["quotes", "ragged", "empty", "utf-16", "latin-1", "json", "short", "not-parquet", "gzip"],
)  # fmt: skip
def test_a_file_that_cannot_be_read_is_a_problem_of_its_side(
    parquet: Parquet, text: Text, name: str, content: str | bytes, problem: str
) -> None:
    table = compare_versions("t", parquet("SELECT 1 AS a"), text(name, content))

    assert table.problem is not None
    assert table.problem.startswith("head: ")
    assert problem in table.problem
    assert (table.old_rows, table.new_rows, table.columns) == (None, None, ())


# --- folders --------------------------------------------------------------------------------------------------------


def test_hive_partitions_are_columns_whatever_characters_their_files_names_have(
    tmp_path: Path, parquet: Parquet
) -> None:
    first, second = (parquet(f"SELECT {number} AS x").files[0][1] for number in (1, 2))
    old = TableFiles(kind="parquet", files=(("year=2024/a[1]*.parquet", first), ("year=2025/b'?.parquet", second)))
    new = TableFiles(kind="parquet", files=(("year=2024/a.parquet", first), ("year=2026/b.parquet", second)))

    table = compare_versions("t", old, new)

    assert (table.old_rows, table.new_rows) == (2, 2)
    assert [(c.name, c.new_type, c.distance == 0) for c in table.columns] == [
        ("x", "INTEGER", True), ("year", "BIGINT", False),
    ]  # fmt: skip


@pytest.mark.parametrize("folder", ["year=\udc80", "year=" + "9" * 300, "a b=1", "..", "year=1/month"])
def test_a_folders_name_that_makes_no_column_is_left_aside(parquet: Parquet, folder: str) -> None:
    path = parquet("SELECT 1 AS x").files[0][1]

    table = compare_versions("t", None, TableFiles(kind="parquet", files=((f"{folder}/a.parquet", path),)))

    assert [column.name for column in table.columns] == ["x"]


def test_columns_of_a_folders_files_are_matched_by_name(parquet: Parquet) -> None:
    first, second = parquet("SELECT 1 AS a, 2 AS b").files[0][1], parquet("SELECT 3 AS b, 4 AS c").files[0][1]
    both = TableFiles(kind="parquet", files=(("1.parquet", first), ("2.parquet", second)))

    table = compare_versions("t", None, both)

    assert table.new_rows == 2
    assert [(c.name, c.new_missing) for c in table.columns] == [("a", 0.5), ("b", 0.0), ("c", 0.5)]


# --- what the engine may do -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "statement",
    [
        "SELECT * FROM read_csv('/etc/passwd')",
        "SELECT * FROM read_text('{folder}/secret.txt')",
        "SELECT * FROM read_parquet('https://example.org/a.parquet')",
        "COPY (SELECT 1) TO '{folder}/written.csv'",
        "INSTALL httpfs",
        "LOAD httpfs",
        "SET enable_external_access = true",
        "SET memory_limit = '10GB'",
    ],
)
def test_the_engine_reads_the_tables_files_and_nothing_else(tmp_path: Path, parquet: Parquet, statement: str) -> None:
    files = parquet("SELECT 1 AS a")
    (tmp_path / "secret.txt").write_text("secret")
    (tmp_path / "scratch").mkdir()

    with open_engine((tmp_path / "scratch").resolve(), [files]) as connection:
        assert connection.execute("SELECT count(*) FROM read_parquet(?)", [str(files.files[0][1])]).fetchall() == [(1,)]
        with pytest.raises(duckdb.Error):
            connection.execute(statement.format(folder=tmp_path))

    assert MEMORY == "300MB"
    assert not (tmp_path / "written.csv").exists()
