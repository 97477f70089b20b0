"""Segments become days, each event once."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from ci_core.errors import UnreadableTableError
from ci_core.monitoring.captures import Compaction, compact, open_captures
from ci_core.monitoring.duckdb import connect
from ci_core.serving.segments import Segment, column_data, kind_of
from ci_core.serving.segments import write_segment as write_served

if TYPE_CHECKING:
    from pathlib import Path

MORNING, EVENING = datetime(2013, 6, 15, 9, tzinfo=UTC), datetime(2013, 6, 15, 23, 59, 59, 999_999, tzinfo=UTC)
NEXT_DAY = datetime(2013, 6, 16, tzinfo=UTC)


def _rows(captures: Path, columns: str = "_event_id, temp") -> list[Any]:
    with open_captures(captures) as table:
        assert table is not None
        return table.query(f"SELECT {columns} FROM {table.relation} ORDER BY ALL")


def test_segments_become_one_file_a_day_of_the_events_own_time(tmp_path: Path, write_segment: Any) -> None:
    write_segment(
        "20261122/7-0.arrow",
        ids=["a", "b", "c"],
        times=[MORNING, EVENING, NEXT_DAY],
        columns={"temp": [1.0, 2.0, None]},
    )

    report = compact(tmp_path / "captures")

    assert report.segments == 1
    assert sorted(path.name for path in (tmp_path / "captures" / "compacted").glob("[!.]*")) == [
        "2013-06-15.parquet",
        "2013-06-16.parquet",
    ]
    assert _rows(tmp_path / "captures") == [("a", 1.0), ("b", 2.0), ("c", None)]
    assert list((tmp_path / "captures").glob("2*/*")) == []


def test_an_event_that_was_captured_twice_counts_once_and_the_first_time(tmp_path: Path, write_segment: Any) -> None:
    write_segment("20261122/7-0.arrow", ids=["a"], times=[MORNING], columns={"temp": [1.0]})
    compact(tmp_path / "captures")
    write_segment("20261123/7-0.arrow", ids=["a", "b", "b"], times=[MORNING] * 3, columns={"temp": [9.0, 2.0, 2.0]})

    compact(tmp_path / "captures")

    assert _rows(tmp_path / "captures") == [("a", 1.0), ("b", 2.0)]


def test_two_models_that_answered_one_event_are_two_calls(tmp_path: Path, write_segment: Any) -> None:
    write_segment("20261122/7-0.arrow", ids=["a"], times=[MORNING], columns={"temp": [1.0]}, model="m1")
    write_segment("20261122/7-1.arrow", ids=["a"], times=[MORNING], columns={"temp": [1.0]}, model="m2")

    compact(tmp_path / "captures")

    assert _rows(tmp_path / "captures", "_model") == [("m1",), ("m2",)]


def test_a_column_that_a_later_release_added_is_missing_before(tmp_path: Path, write_segment: Any) -> None:
    write_segment("20261122/7-0.arrow", ids=["a"], times=[MORNING], columns={"temp": [1.0]})
    compact(tmp_path / "captures")
    write_segment("20261122/7-1.arrow", ids=["b"], times=[EVENING], columns={"temp": [2.0], "wind": [3.0]})

    compact(tmp_path / "captures")

    assert _rows(tmp_path / "captures", "_event_id, wind") == [("a", None), ("b", 3.0)]


def test_a_column_whose_type_changed_is_kept_as_text(tmp_path: Path, write_segment: Any) -> None:
    write_segment("20261122/7-0.arrow", ids=["a"], times=[MORNING], columns={"temp": [1.5]})
    write_segment("20261122/7-1.arrow", ids=["b"], times=[MORNING], columns={"temp": ["hot"]})

    compact(tmp_path / "captures")

    assert _rows(tmp_path / "captures") == [("a", "1.5"), ("b", "hot")]


@pytest.mark.parametrize("keep", [0, 20, 400])
def test_a_segment_cut_short_is_set_aside_and_told(tmp_path: Path, write_segment: Any, keep: int) -> None:
    broken = write_segment("20261122/7-1.arrow", ids=["a"] * 50, times=[MORNING] * 50, columns={"temp": [1.0] * 50})
    broken.write_bytes(broken.read_bytes()[:keep])
    write_segment("20261122/7-2.arrow", ids=["b"], times=[MORNING], columns={"temp": [2.0]})

    report = compact(tmp_path / "captures")

    assert report.segments == 1
    assert len(report.set_aside) == 1
    assert report.set_aside[0].startswith("20261122/7-1.arrow: ")
    assert (tmp_path / "captures" / "set-aside" / "20261122-7-1.arrow").stat().st_size == keep
    assert _rows(tmp_path / "captures") == [("b", 2.0)]


def test_a_segment_without_the_agreed_columns_is_set_aside(tmp_path: Path, write_segment: Any) -> None:
    from nanoarrow import Array, c_array, c_array_from_buffers, float64, struct
    from nanoarrow.ipc import StreamWriter

    path = tmp_path / "captures" / "20261122" / "7-1.arrow"
    path.parent.mkdir(parents=True)
    columns = [c_array([1.0], float64())]
    with StreamWriter.from_path(str(path)) as writer:
        writer.write_array(Array(c_array_from_buffers(struct({"temp": float64()}), 1, [None], children=columns)))

    report = compact(tmp_path / "captures")

    assert report.set_aside == ("20261122/7-1.arrow: has no column _event_id, _event_time, _release, _model",)


def test_a_file_that_is_still_being_written_is_left_alone(tmp_path: Path, write_segment: Any) -> None:
    growing = write_segment("20261122/.7-1.arrow", ids=["a"], times=[MORNING], columns={"temp": [1.0]})

    report = compact(tmp_path / "captures")

    assert report.segments == 0
    assert growing.exists()


def test_a_run_that_was_stopped_before_it_removed_its_segments_is_made_good(tmp_path: Path, write_segment: Any) -> None:
    segment = write_segment("20261122/7-0.arrow", ids=["a"], times=[MORNING], columns={"temp": [1.0]})
    content = segment.read_bytes()
    compact(tmp_path / "captures")
    segment.write_bytes(content)

    compact(tmp_path / "captures")

    assert _rows(tmp_path / "captures") == [("a", 1.0)]
    assert not segment.exists()


def test_a_folder_without_captures_is_no_error(tmp_path: Path) -> None:
    assert compact(tmp_path / "nowhere").segments == 0
    with open_captures(tmp_path / "nowhere") as table:
        assert table is None


def test_a_damaged_day_is_an_error_and_the_segments_stay(tmp_path: Path, write_segment: Any) -> None:
    segment = write_segment("20261122/7-0.arrow", ids=["a"], times=[MORNING], columns={"temp": [1.0]})
    (tmp_path / "captures" / "compacted").mkdir()
    (tmp_path / "captures" / "compacted" / "2013-06-15.parquet").write_bytes(b"PAR1")

    with pytest.raises(UnreadableTableError):
        compact(tmp_path / "captures")

    assert segment.exists()


def test_what_members_and_shadows_said_is_kept_and_counts_as_no_event(tmp_path: Path) -> None:
    folder = tmp_path / "captures" / "20261122"
    folder.mkdir(parents=True)
    for index, (model, role) in enumerate([("m1", "member"), ("m2", "member"), ("vote", "answer"), ("next", "shadow")]):
        segment = Segment(
            release="f" * 64,
            model=model,
            role=role,
            event_ids=["a"],
            event_times=[MORNING],
            columns={"temp": column_data("float64", [1.0])},
            outputs=np.array([float(index)]),
        )
        write_served(segment, folder / f"7-{index}.arrow")

    compact(tmp_path / "captures")

    assert _rows(tmp_path / "captures", "_event_id, _model, _output") == [("a", "vote", 2.0)]
    (day,) = (tmp_path / "captures" / "compacted").glob("*.parquet")
    with connect() as connection:
        kept = connection.execute(f"SELECT _model, _role FROM '{day}' ORDER BY 1").fetchall()
    assert kept == [("m1", "member"), ("m2", "member"), ("next", "shadow"), ("vote", None)]


def test_a_server_without_a_release_and_a_model_of_any_name_are_read_back(tmp_path: Path) -> None:
    folder = tmp_path / "captures" / "20261122"
    folder.mkdir(parents=True)
    for index, (release, model) in enumerate([(None, 'it\'s "né"'), ("f" * 64, "m1")]):
        columns = {"temp": column_data("float64", [1.0])}
        segment = Segment(
            release=release,
            model=model,
            event_ids=["a"],
            event_times=[MORNING],
            columns=columns,
            outputs=np.array([0.5]),
        )
        write_served(segment, folder / f"7-{index}.arrow")

    report = compact(tmp_path / "captures")

    assert report.set_aside == ()
    assert sorted(_rows(tmp_path / "captures", "_model, _release")) == [('it\'s "né"', None), ("m1", "f" * 64)]


def test_what_a_serving_process_writes_is_read_back_missing_values_and_all(tmp_path: Path) -> None:
    columns: dict[str, list[Any]] = {"temp": [38.5, None], "carrier": ["UA", None], "flag": [True, None]}
    empty: dict[str, list[Any]] = {"temp": [None, None], "carrier": [None, None], "flag": [None, None]}
    folder = tmp_path / "captures" / "20261122"
    folder.mkdir(parents=True)
    for index, served in enumerate((columns, empty)):
        segment = Segment(
            release="f" * 64,
            model="m1",
            event_ids=[f"{index}-a", f"{index}-b"],
            event_times=[MORNING, EVENING],
            columns={name: column_data(kind_of(values), values) for name, values in served.items()},
            outputs=np.array([0.25, 0.75]),
        )
        write_served(segment, folder / f"7-{index}.arrow")

    report = compact(tmp_path / "captures")

    assert report == Compaction(segments=2)
    assert _rows(tmp_path / "captures", "_event_id, temp, carrier, flag, _output") == [
        ("0-a", 38.5, "UA", 1.0, 0.25),
        ("0-b", None, None, None, 0.75),
        ("1-a", None, None, None, 0.25),
        ("1-b", None, None, None, 0.75),
    ]
