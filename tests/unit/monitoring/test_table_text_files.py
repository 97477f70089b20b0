"""Tables in text files and folders of every odd shape, read by a real DuckDB."""

from __future__ import annotations

import gzip
from typing import TYPE_CHECKING

import duckdb
import pytest

from ci_core.monitoring.table_content import compare_versions
from ci_core.monitoring.table_files import TableFiles
from ci_core.monitoring.table_version import MEMORY, open_engine

if TYPE_CHECKING:
    from pathlib import Path

    from tests.unit.monitoring.conftest import Parquet, Text


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
