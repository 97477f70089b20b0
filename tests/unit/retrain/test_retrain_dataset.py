"""The new data version is the old table and the labelled rows of some windows, nothing else."""

from __future__ import annotations

import hashlib
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import duckdb
import pytest

from ci_core.errors import TableMismatchError, UnreadableTableError
from ci_core.monitoring.spec import Window
from ci_core.retrain.dataset import DatasetCounts, LiveRows, extend_table, select_windows

if TYPE_CHECKING:
    from pathlib import Path

_DAY = timedelta(days=1)
_15 = Window(start=datetime(2013, 6, 15, tzinfo=UTC), end=datetime(2013, 6, 16, tzinfo=UTC))
_16 = Window(start=_15.end, end=_15.end + _DAY)

_OLD = """
    SELECT * FROM (VALUES
        (TIMESTAMP '2013-01-02 07:00', 'UA', 12.5::DOUBLE, 0, 'e1'),
        (TIMESTAMP '2013-01-01 05:00', 'B6', NULL, 1, 'e0')
    ) AS rows (time_hour, carrier, temp, late, event_id)
"""
_CAPTURED = """
    SELECT *, 'v1' AS _release, 0.5::DOUBLE AS _output FROM (VALUES
        ('e9', TIMESTAMPTZ '2013-06-15 23:59:59+00', 'm1', 'AA', 30.0::DOUBLE),
        ('e8', TIMESTAMPTZ '2013-06-15 00:00:00+00', 'm1', 'DL', 'NaN'::DOUBLE),
        ('e8', TIMESTAMPTZ '2013-06-15 00:00:00+00', 'm1', 'DL', 'NaN'::DOUBLE),
        ('ea', TIMESTAMPTZ '2013-06-16 00:00:00+00', 'm1', 'UA', 25.0::DOUBLE),
        ('eb', TIMESTAMPTZ '2013-06-15 12:00:00+00', 'm1', 'WN', 20.0::DOUBLE),
        ('ec', TIMESTAMPTZ '2013-06-15 12:00:00+00', 'm1', 'WN', 21.0::DOUBLE),
        ('e1', TIMESTAMPTZ '2013-06-15 13:00:00+00', 'm1', 'UA', 12.5::DOUBLE)
    ) AS rows (_event_id, _event_time, _model, carrier, temp)
"""
_LABELS = """
    SELECT * FROM (VALUES
        ('e9', 1), ('e8', 0), ('ea', 1), ('e1', 0), ('ec', NULL), ('unknown', 1), ('e8', 0)
    ) AS rows (event_id, late)
"""


def _write(path: Path, query: str) -> Path:
    with duckdb.connect() as connection:
        connection.execute("SET TimeZone = 'UTC'")
        connection.execute(f"COPY ({query}) TO '{path}' (FORMAT parquet)")
    return path


def _read(path: Path, columns: str = "*") -> list[tuple[Any, ...]]:
    with duckdb.connect() as connection:
        return connection.execute(f"SELECT {columns} FROM read_parquet('{path}')").fetchall()


def _types(path: Path) -> dict[str, str]:
    with duckdb.connect() as connection:
        return {row[0]: row[1] for row in connection.execute(f"DESCRIBE FROM read_parquet('{path}')").fetchall()}


@pytest.fixture
def source(tmp_path: Path) -> LiveRows:
    return LiveRows(
        table=_write(tmp_path / "train.parquet", _OLD),
        captures=(_write(tmp_path / "captured.parquet", _CAPTURED),),
        labels=_write(tmp_path / "labels.parquet", _LABELS),
        target="late",
        time_column="time_hour",
    )


def test_labelled_rows_of_the_window_follow_the_old_ones_by_time(source: LiveRows, tmp_path: Path) -> None:
    out = tmp_path / "new.parquet"

    counts = extend_table(source, [_15], out)

    assert _read(out, "event_id, carrier, late, CAST(time_hour AS VARCHAR)") == [
        ("e1", "UA", 0, "2013-01-02 07:00:00"),
        ("e0", "B6", 1, "2013-01-01 05:00:00"),
        ("e8", "DL", 0, "2013-06-15 00:00:00"),
        ("e9", "AA", 1, "2013-06-15 23:59:59"),
    ]
    assert counts == DatasetCounts(old=2, captured=5, unlabelled=2, duplicates=1, added=2, dropped=0, rows=4)


def test_the_end_of_a_window_belongs_to_the_next(source: LiveRows, tmp_path: Path) -> None:
    counts = select_windows(source, [_16], tmp_path / "held-back.parquet")

    assert _read(tmp_path / "held-back.parquet", "event_id") == [("ea",)]
    assert (counts.added, counts.rows) == (1, 1)


def test_columns_and_types_of_the_old_table_are_kept(source: LiveRows, tmp_path: Path) -> None:
    for build in (extend_table, select_windows):
        build(source, [_15, _16], tmp_path / "new.parquet")

        assert list(_types(tmp_path / "new.parquet").items()) == list(_types(source.table).items())


def test_a_missing_value_is_written_as_the_old_table_writes_it(source: LiveRows, tmp_path: Path) -> None:
    with_nan = _write(
        tmp_path / "nan.parquet",
        _OLD.replace("NULL", "'NaN'::DOUBLE"),
    )
    with_null = _write(tmp_path / "null.parquet", _OLD)

    found = {}
    for table in (with_nan, with_null):
        extend_table(_with(source, table=table), [_15], tmp_path / "new.parquet")
        with duckdb.connect() as connection:
            found[table.stem] = connection.execute(
                f"SELECT temp IS NULL FROM read_parquet('{tmp_path / 'new.parquet'}') WHERE event_id = 'e8'"
            ).fetchall()

    assert found == {"nan": [(False,)], "null": [(True,)]}


def test_a_whole_number_column_gets_null_for_a_missing_value(source: LiveRows, tmp_path: Path) -> None:
    whole = _write(tmp_path / "whole.parquet", _OLD.replace("12.5::DOUBLE", "12").replace("NULL", "13"))

    extend_table(_with(source, table=whole), [_15], tmp_path / "new.parquet")

    assert _read(tmp_path / "new.parquet", "event_id, temp") == [("e1", 12), ("e0", 13), ("e8", None), ("e9", 30)]


def test_equal_input_gives_equal_bytes(source: LiveRows, tmp_path: Path) -> None:
    digests = set()
    for name in ("one", "two"):
        extend_table(source, [_15, _16], tmp_path / f"{name}.parquet")
        digests.add(hashlib.sha256((tmp_path / f"{name}.parquet").read_bytes()).hexdigest())

    assert len(digests) == 1


def test_a_window_added_twice_is_there_once(source: LiveRows, tmp_path: Path) -> None:
    extend_table(source, [_15], source.table)

    again = extend_table(source, [_15, _16], source.table)

    assert (again.old, again.duplicates, again.added, again.rows) == (4, 3, 1, 5)
    assert sorted(_read(source.table, "event_id")) == [("e0",), ("e1",), ("e8",), ("e9",), ("ea",)]


def test_without_event_ids_an_equal_row_is_a_duplicate(source: LiveRows, tmp_path: Path) -> None:
    columns = "time_hour, carrier, temp, late"
    bare = _write(tmp_path / "bare.parquet", f"SELECT {columns} FROM ({_OLD}) UNION ALL SELECT {columns} FROM ({_OLD})")
    bare_source = _with(source, table=bare)
    extend_table(bare_source, [_15], bare)

    again = extend_table(bare_source, [_15, _16], bare)

    assert (again.old, again.duplicates, again.added, again.rows) == (7, 3, 1, 8)  # equal old rows stay as they are


def test_a_sliding_table_loses_its_oldest_rows_and_keeps_its_size(source: LiveRows, tmp_path: Path) -> None:
    counts = extend_table(source, [_16], tmp_path / "new.parquet", mode="sliding")

    assert _read(tmp_path / "new.parquet", "event_id") == [("e1",), ("ea",)]
    assert (counts.dropped, counts.rows) == (1, 2)


def test_labels_that_contradict_each_other_are_no_label(source: LiveRows, tmp_path: Path) -> None:
    labels = _write(
        tmp_path / "labels2.parquet", "SELECT * FROM (VALUES ('e9', 1), ('e9', 0), ('e8', 0)) AS l (event_id, late)"
    )

    counts = select_windows(_with(source, labels=labels), [_15], tmp_path / "new.parquet")

    assert _read(tmp_path / "new.parquet", "event_id") == [("e8",)]
    assert counts.unlabelled == 4


def test_rows_of_another_model_are_left_out(source: LiveRows, tmp_path: Path) -> None:
    counts = select_windows(_with(source, model="m2"), [_15], tmp_path / "new.parquet")

    assert counts.captured == 0


def test_no_window_adds_nothing(source: LiveRows, tmp_path: Path) -> None:
    counts = extend_table(source, [], tmp_path / "new.parquet")

    assert (counts.captured, counts.added, counts.rows) == (0, 0, 2)


def test_columns_that_captures_lack_are_all_named(source: LiveRows, tmp_path: Path) -> None:
    table = _write(tmp_path / "wide.parquet", f"SELECT *, 1 AS dewp, 2 AS humid FROM ({_OLD})")

    with pytest.raises(TableMismatchError) as caught:
        extend_table(_with(source, table=table), [_15], tmp_path / "new.parquet")

    assert caught.value.problems == ("there is no column `dewp`", "there is no column `humid`")
    assert not (tmp_path / "new.parquet").exists()


def test_a_label_table_without_the_target_is_named(source: LiveRows, tmp_path: Path) -> None:
    labels = _write(tmp_path / "labels3.parquet", "SELECT 'e9' AS event_id, 1 AS delayed")

    with pytest.raises(TableMismatchError) as caught:
        extend_table(_with(source, labels=labels), [_15], tmp_path / "new.parquet")

    assert (caught.value.table, caught.value.problems) == (str(labels), ("there is no column `late`",))


def test_a_captured_value_that_does_not_fit_leaves_the_old_table_alone(source: LiveRows, tmp_path: Path) -> None:
    before = source.table.read_bytes()
    captures = _write(
        tmp_path / "odd.parquet", _CAPTURED.replace("30.0::DOUBLE", "'hot'").replace("::DOUBLE", "::VARCHAR")
    )

    with pytest.raises(TableMismatchError, match="does not have what is needed"):
        extend_table(_with(source, captures=(captures,)), [_15], source.table)

    assert source.table.read_bytes() == before
    assert [path.name for path in tmp_path.glob(".*")] == []


def test_a_text_time_column_is_refused(source: LiveRows, tmp_path: Path) -> None:
    table = _write(tmp_path / "text.parquet", _OLD.replace("TIMESTAMP ", ""))

    with pytest.raises(TableMismatchError) as caught:
        extend_table(_with(source, table=table), [_15], tmp_path / "new.parquet")

    assert caught.value.problems == ("the time column `time_hour` holds VARCHAR and not a time",)


@pytest.mark.parametrize("content", [None, b"", b"PAR1 cut short"])
def test_a_table_that_cannot_be_read_is_named(source: LiveRows, tmp_path: Path, content: bytes | None) -> None:
    labels = tmp_path / "gone.parquet"
    if content is not None:
        labels.write_bytes(content)

    with pytest.raises(UnreadableTableError) as caught:
        extend_table(_with(source, labels=labels), [_15], tmp_path / "new.parquet")

    assert caught.value.table == str(labels)


def test_odd_names_of_columns_and_folders_are_taken_as_they_are(tmp_path: Path) -> None:
    folder = tmp_path / "wörk [1] it's * here"
    folder.mkdir()
    rename = 'SELECT * RENAME (temp AS "te""mp; DROP TABLE x", carrier AS "part") FROM'
    for name, query in (("t", f"{rename} ({_OLD})"), ("c", f"{rename} ({_CAPTURED})"), ("l", _LABELS)):
        _write(tmp_path / f"{name}.parquet", query).rename(folder / f"{name}.parquet")

    counts = extend_table(
        LiveRows(
            table=folder / "t.parquet",
            captures=(folder / "c.parquet",),
            labels=folder / "l.parquet",
            target="late",
            time_column="time_hour",
        ),
        [_15],
        folder / "t.parquet",
    )

    assert counts.rows == 4


def _with(
    source: LiveRows,
    *,
    table: Path | None = None,
    captures: tuple[Path, ...] | None = None,
    labels: Path | None = None,
    model: str | None = None,
) -> LiveRows:
    return LiveRows(
        table=table or source.table,
        captures=captures or source.captures,
        labels=labels or source.labels,
        target=source.target,
        time_column=source.time_column,
        model=model,
    )
