from __future__ import annotations

import logging
import os
import threading
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from ci_core.errors import CaptureFolderError
from ci_core.serving import Event
from ci_core.serving.base import MEMBER, ModelCall
from ci_core.serving.capture import Capture
from ci_core.serving.models.batch import Batch
from ci_core.serving.segments import Segment, kind_of, read_segments, write_segment

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

NOON = datetime(2013, 6, 15, 12, 0, 0, 250, tzinfo=UTC)


def model_call(n_rows: int = 1, **columns: Any) -> ModelCall:
    return ModelCall(answers=[None] * n_rows, columns=columns, outputs=[0.5] * n_rows)


def segments(folder: Path) -> list[Path]:
    return sorted(folder.glob("*/*"))


def test_a_segment_says_who_when_what_and_the_answer(tmp_path: Path) -> None:
    capture = Capture(tmp_path, release="r1")
    call = ModelCall(
        answers=[{}, {}],
        columns={
            "carrier": ["ÜA", None],
            "temp": np.array([1.5, np.nan]),
            "delayed": np.array([True, False]),
            "_model": ["Corsa", "Polo"],
        },
        outputs=np.array([0.25, np.nan]),
    )
    event = Event([], id="e1", time=NOON)
    event.rows = (("e1", NOON), ("other", datetime(2013, 6, 16, tzinfo=UTC)))

    capture.add(event, "late", call)
    capture.flush()

    assert read_segments(segments(tmp_path)) == {
        "_event_id": ["e1", "other"],
        "_event_time": [NOON, datetime(2013, 6, 16, tzinfo=UTC)],
        "_release": ["r1", "r1"],
        "_model": ["late", "late"],
        "carrier": ["ÜA", None],
        "temp": [1.5, None],
        "delayed": [True, False],
        "__model": ["Corsa", "Polo"],
        "_output": [0.25, None],
    }
    assert capture.written_rows == 2


def test_a_segment_lies_below_the_day_of_arrival_and_nothing_unfinished_beside_it(tmp_path: Path) -> None:
    capture = Capture(tmp_path)
    before = datetime.now(UTC)
    capture.add(Event({}, time=NOON), "m", model_call(a=[1]))
    capture.flush()

    (segment,) = tmp_path.rglob("*.*")

    days = {f"{moment:%Y%m%d}" for moment in (before, datetime.now(UTC))}
    assert segment.name == f"{os.getpid()}-0.arrow"
    assert segment.parent.name in days


def test_rows_of_one_event_without_ids_are_numbered(tmp_path: Path) -> None:
    capture = Capture(tmp_path)
    capture.add(Event([], id="e", time=NOON), "m", model_call(2, a=[1, 2]))
    capture.add(Event([], id="f", time=NOON), "m", model_call(1, a=[3]))
    capture.flush()

    assert read_segments(segments(tmp_path))["_event_id"] == ["e/0", "e/1", "f"]


def test_what_a_client_did_not_get_is_marked_and_what_it_got_is_not(tmp_path: Path) -> None:
    capture = Capture(tmp_path)
    call = ModelCall(answers=[{}], columns={"a": np.array([1.0])}, outputs=np.array([0.5]))

    capture.add(Event([], id="e", time=NOON), "m1", call, MEMBER)
    capture.add(Event([], id="e", time=NOON), "vote", call)
    capture.flush()

    table = read_segments(segments(tmp_path))
    assert sorted(zip(table["_model"], table["_role"], strict=True)) == [("m1", "member"), ("vote", None)]


def test_calls_of_several_models_go_to_segments_of_their_own(tmp_path: Path) -> None:
    capture = Capture(tmp_path)
    for model, columns in (("m", {"a": [1]}), ("n", {"b": ["x"]}), ("m", {"a": [2]}), ("m", {"a": [3], "c": [1]})):
        capture.add(Event({}), model, model_call(1, **columns))
    capture.flush()

    table = read_segments(segments(tmp_path))
    assert len(segments(tmp_path)) == 3
    assert table["a"] == [1.0, 2.0, None, 3.0]
    assert table["b"] == [None, None, "x", None]


@pytest.mark.parametrize(
    ("parts", "stored"),
    [
        ([[1], [2.5]], [1.0, 2.5]),
        ([[True], [False]], [True, False]),
        ([[True], [3]], [1.0, 3.0]),
        ([[1], ["x"]], ["1", "x"]),
        ([[None], [None]], [None, None]),
        ([[None], ["x"]], [None, "x"]),
        ([["\ud800"], ["y"]], ["?", "y"]),
        ([[{"a": 1}], ["y"]], ["{'a': 1}", "y"]),
    ],
)
def test_whatever_a_users_model_received_is_written_as_one_type_a_column(
    parts: list[list[Any]], stored: list[Any], tmp_path: Path
) -> None:
    capture = Capture(tmp_path)
    for part in parts:
        capture.add(Event({}), "m", model_call(1, a=part))
    capture.flush()

    assert read_segments(segments(tmp_path))["a"] == stored


def test_a_full_buffer_drops_rows_and_counts_them(tmp_path: Path) -> None:
    capture = Capture(tmp_path, max_rows=5)

    for _ in range(4):
        capture.add(Event({}), "m", model_call(2, a=[1, 2]))

    assert capture.dropped_rows == 4
    capture.flush()
    capture.add(Event({}), "m", model_call(2, a=[1, 2]))
    capture.flush()
    assert (capture.written_rows, capture.dropped_rows, capture.failed_rows) == (6, 4, 0)


def sized(body_bytes: int, **arguments: Any) -> Event:
    event = Event({}, **arguments)
    event.body_bytes = body_bytes
    return event


def test_the_buffer_is_bounded_by_the_size_of_requests_too(tmp_path: Path) -> None:
    capture = Capture(tmp_path, max_bytes=1000)

    for _ in range(4):
        capture.add(sized(300), "m", model_call(a=["x"]))
    dropped_at_first = capture.dropped_rows
    capture.flush()
    capture.add(sized(1000), "m", model_call(a=["x"]))
    capture.add(sized(0), "m", model_call(a=["x"]))
    capture.add(sized(1), "m", model_call(a=["x"]))
    capture.flush()

    assert dropped_at_first == 1
    assert (capture.written_rows, capture.dropped_rows, capture.failed_rows) == (5, 2, 0)


def test_the_ids_of_many_rows_count_as_bytes(tmp_path: Path) -> None:
    capture = Capture(tmp_path, max_bytes=25)

    capture.add(sized(10, id="01234"), "m", model_call(3, a=[1, 2, 3]))
    capture.add(sized(11, id="01234"), "m", model_call(3, a=[1, 2, 3]))

    assert capture.dropped_rows == 3


def test_large_texts_are_written_before_there_are_many_rows_of_them(tmp_path: Path) -> None:
    capture = Capture(tmp_path)
    size = 5 * 1024 * 1024

    for number in range(5):
        capture.add(sized(size), "m", model_call(a=[str(number) * size]))
    capture.flush()

    # 20 MB are more than the 16 that are worth a segment
    assert [len(read_segments([path])["a"]) for path in segments(tmp_path)] == [4, 1]


@pytest.mark.parametrize(
    "malformed",
    [
        ModelCall(answers=[1], columns=None, outputs=[0.5]),  # type: ignore[arg-type]  # of a user's own `call`
        ModelCall(answers=[1], columns={"a": None}, outputs=[0.5]),  # type: ignore[dict-item]
        ModelCall(answers=[1], columns={"a": [7]}, outputs=None),  # type: ignore[arg-type]
        ModelCall(answers=[1], columns={"a": [7]}, outputs=[]),
        ModelCall(answers=[1], columns={"a": [7]}, outputs=["high"]),  # type: ignore[list-item]
        ModelCall(answers=[1], columns={"a": []}, outputs=[0.5]),
        ModelCall(answers=[1], columns={"a": [7, 8]}, outputs=[0.5]),
        ModelCall(answers=[1], columns={"a": np.array([7.0, 8.0])}, outputs=[0.5]),
        ModelCall(answers=[1], columns={"a": [7]}, outputs=np.array([[0.5]])),
        ModelCall(answers=[1], columns=Batch(("a",), matrix=np.array([[7.0], [8.0]])), outputs=[0.5]),
        ModelCall(answers=[1], columns=Batch(("a",), {"a": np.array([7.0, 8.0])}), outputs=[0.5]),
    ],
)
def test_a_malformed_call_of_a_model_costs_its_own_rows_and_no_others(
    malformed: ModelCall, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    capture = Capture(tmp_path, flush_interval_s=60)
    capture.start()
    for number in range(3):
        capture.add(Event({}, id=f"e{number}"), "m", model_call(a=[number]))
        capture.add(Event({}), "m", malformed)
    capture.add(Event([], id="f"), "m", model_call(2, a=[3, 4]))

    capture.close()

    table = read_segments(segments(tmp_path))
    assert sorted(zip(table["_event_id"], table["a"], strict=True)) == [
        ("e0", 0.0),
        ("e1", 1.0),
        ("e2", 2.0),
        ("f/0", 3.0),
        ("f/1", 4.0),
    ]
    assert (capture.written_rows, capture.dropped_rows, capture.failed_rows) == (5, 0, 3)
    assert [record.getMessage().split(" failed_rows=")[0] for record in caplog.records] == [
        f"capture not written folder={tmp_path}"
    ]


def test_calls_whose_lengths_only_add_up_are_not_written_under_the_ids_of_each_other(tmp_path: Path) -> None:
    capture = Capture(tmp_path)
    for values in ([1, 2], [], [3]):
        capture.add(Event({}, id=f"e{len(values)}"), "m", ModelCall(answers=[0], columns={"a": values}, outputs=[0.5]))

    capture.flush()

    table = read_segments(segments(tmp_path))
    assert (table["_event_id"], table["a"], capture.failed_rows) == (["e1"], [3.0], 2)


def test_calls_that_cannot_be_packed_together_are_counted(tmp_path: Path) -> None:
    class Odd:
        """A value whose text can be had from the second time on: what fails with others works alone."""

        n_asked = 0

        def __str__(self) -> str:
            Odd.n_asked += 1
            if Odd.n_asked == 1:
                raise RuntimeError("not now")
            return "odd"

    capture = Capture(tmp_path)
    for _ in range(2):
        capture.add(Event({}), "m", model_call(a=[Odd()]))

    capture.flush()

    assert (capture.written_rows, capture.failed_rows) == (0, 2)


def test_clients_cannot_make_a_file_a_request_by_sending_other_columns_each_time(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    capture = Capture(tmp_path)
    arrived = NOON.timestamp()
    event = Event([])
    event.arrived = arrived

    for _ in range(2):
        for index in range(70):
            capture.add(event, "m", ModelCall(answers=[1], columns={f"k{index}": [1]}, outputs=[0.5]))
        capture.flush()
    capture.add(event, "other", model_call(k99=[1]))
    event.arrived = arrived + 86_400
    capture.add(event, "m", model_call(k69=[1]))
    capture.flush()

    assert len(segments(tmp_path)) == 64 + 64 + 1 + 1
    assert (capture.written_rows, capture.dropped_rows, capture.failed_rows) == (130, 12, 0)
    assert [record.getMessage() for record in caplog.records] == [
        "capture drops rows model=m reason=more than 64 sets of columns today; name its `input_columns`"
    ]


def test_a_sample_takes_the_same_events_in_every_process_and_about_its_share(tmp_path: Path) -> None:
    chosen = []
    for folder in ("a", "b"):
        capture = Capture(tmp_path / folder, sample=0.25)
        for number in range(2000):
            capture.add(Event({}, id=f"e{number}"), "m", model_call(a=[number]))
        capture.flush()
        chosen.append(read_segments(segments(tmp_path / folder))["_event_id"])

    assert chosen[0] == chosen[1]
    # 2000 draws at 0.25: mean 500, standard deviation 19.4; five of them on either side
    assert 403 < len(chosen[0]) < 597


@pytest.mark.parametrize("sample", [0.0, 1.0])
def test_a_sample_of_none_or_all_is_exact(sample: float, tmp_path: Path) -> None:
    capture = Capture(tmp_path, sample=sample)
    for number in range(50):
        capture.add(Event({}, id=f"e{number}"), "m", model_call(a=[number]))
    capture.flush()

    assert capture.written_rows == 50 * sample


def test_a_folder_that_cannot_be_written_is_refused_at_the_start(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")

    with pytest.raises(CaptureFolderError, match="captures cannot be written: Not a directory"):
        Capture(tmp_path / "file" / "captures").start()


def test_a_write_that_fails_later_is_counted_and_told_once_and_the_next_one_may_succeed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    capture = Capture(tmp_path)
    monkeypatch.setattr(os, "link", lambda *_: (_ for _ in ()).throw(OSError(28, "No space left on device")))
    monkeypatch.setattr("pathlib.Path.rename", lambda *_: (_ for _ in ()).throw(OSError(28, "No space left on device")))
    with caplog.at_level(logging.WARNING):
        for _ in range(3):
            capture.add(Event({}), "m", model_call(a=[1]))
            capture.flush()
    monkeypatch.undo()
    capture.add(Event({}), "m", model_call(a=[1]))
    capture.flush()

    assert (capture.written_rows, capture.failed_rows) == (1, 3)
    assert [record.message.split(" error=")[1] for record in caplog.records] == [
        "OSError: [Errno 28] No space left on device"
    ]
    assert [path.name for path in segments(tmp_path)] == [f"{os.getpid()}-3.arrow"]


def test_a_name_that_another_container_took_is_left_alone(tmp_path: Path) -> None:
    capture = Capture(tmp_path)
    day = tmp_path / datetime.now(UTC).strftime("%Y%m%d")
    day.mkdir()
    (day / f"{os.getpid()}-0.arrow").write_text("theirs")

    capture.add(Event({}), "m", model_call(a=[1]))
    capture.flush()

    assert (day / f"{os.getpid()}-0.arrow").read_text() == "theirs"
    assert len(read_segments([day / f"{os.getpid()}-1.arrow"])["a"]) == 1


def test_a_file_system_without_hard_links_gets_its_segments_too(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "link", lambda *_: (_ for _ in ()).throw(PermissionError(1, "Operation not permitted")))
    segment = Segment(release=None, model="m", event_ids=["e"], event_times=[NOON], columns={}, outputs=np.array([1.0]))

    write_segment(segment, tmp_path / "1.arrow")

    assert [path.name for path in tmp_path.iterdir()] == ["1.arrow"]
    assert read_segments([tmp_path / "1.arrow"])["_release"] == [None]
    with pytest.raises(FileExistsError):
        write_segment(segment, tmp_path / "1.arrow")


def test_closing_writes_what_is_left(tmp_path: Path) -> None:
    capture = Capture(tmp_path, flush_interval_s=60)
    capture.start()
    for number in range(100):
        capture.add(Event({}), "m", model_call(a=[number]))

    capture.close()

    assert capture.written_rows == 100
    assert read_segments(segments(tmp_path))["a"] == list(range(100))


def test_closing_does_not_wait_for_ever_for_a_folder_that_takes_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    answers = threading.Event()
    link = os.link
    monkeypatch.setattr(os, "link", lambda *arguments: answers.wait() and link(*arguments))
    capture = Capture(tmp_path, flush_interval_s=60, close_s=0.01)
    capture.start()
    (writer,) = [thread for thread in threading.enumerate() if thread.name == "graphship-capture"]
    capture.add(Event({}), "m", model_call(2, a=[1, 2]))

    capture.close()
    written_at_first = capture.written_rows
    answers.set()
    writer.join()

    assert (written_at_first, capture.written_rows) == (0, 2)
    assert [record.getMessage() for record in caplog.records] == [
        f"capture left unfinished folder={tmp_path} rows=2 reason=it took nothing for 0.01 s; they may be lost"
    ]


@pytest.mark.parametrize(
    ("n_rows", "last"), [(11, "10"), (101, "100"), (4095, "4094"), (4097, "4096"), (10_001, "10000")]
)
@pytest.mark.parametrize("event_id", ["e", "ü"])
def test_rows_are_numbered_however_many_they_are(n_rows: int, last: str, event_id: str, tmp_path: Path) -> None:
    capture = Capture(tmp_path)
    capture.add(Event([], id=event_id), "m", model_call(n_rows, a=[1.5] * n_rows))
    capture.add(Event([], id="alone"), "m", model_call(1, a=[1.5]))
    capture.flush()

    ids = read_segments(segments(tmp_path))["_event_id"]

    assert ids == [*(f"{event_id}/{number}" for number in range(n_rows)), "alone"]
    assert ids[-2] == f"{event_id}/{last}"


def test_kinds_follow_the_values() -> None:
    assert kind_of(np.array([1, 2])) == "float64"
    assert kind_of(np.array([True])) == "bool"
    assert kind_of([True, None]) == "float64"
    assert kind_of([1, "a"]) == "string"


def test_calls_that_came_as_matrices_and_calls_that_came_as_columns_are_rows_of_one_table(tmp_path: Path) -> None:
    capture = Capture(tmp_path)
    names = ("a", "b")
    matrix = np.array([[1.0, 2.0], [3.0, np.nan]])
    calls: list[tuple[Mapping[str, Any], int]] = [
        (Batch(names, matrix=matrix), 2),
        (Batch(names, matrix=np.array([[5, 6]], dtype=np.float32)), 1),
        (Batch(names, {"a": np.array([7.0]), "b": np.array([True])}), 1),
        ({"a": [9], "b": [None]}, 1),
    ]
    for columns, n_rows in calls:
        capture.add(Event({}), "m", ModelCall(answers=[0] * n_rows, columns=columns, outputs=[0.5] * n_rows))
        if n_rows == 1 and columns["a"][0] == 5:
            capture.flush()
    capture.flush()

    first, second = segments(tmp_path)
    assert read_segments([first])["a"] == [1.0, 3.0, 5.0]
    assert read_segments([first])["b"] == [2.0, None, 6.0]
    assert read_segments([second])["a"] == [7.0, 9.0]
    assert read_segments([second])["b"] == [1.0, None]


def test_times_of_events_with_and_without_a_time_of_their_own_stand_in_one_column(tmp_path: Path) -> None:
    capture = Capture(tmp_path)
    arrived = Event({})
    arrived.arrived = NOON.timestamp()
    capture.add(arrived, "m", model_call(a=[1]))
    capture.add(Event({}, time=NOON), "m", model_call(a=[2]))
    capture.flush()

    for _ in range(2):
        capture.add(arrived, "m", model_call(a=[3]))
    capture.flush()

    assert read_segments(segments(tmp_path))["_event_time"] == [NOON] * 4


@pytest.mark.parametrize("texts", [["a", "ü", ""], ["", None, "b"], [None, None], ["日本", None, "\ud800"]])
def test_text_of_any_alphabet_is_read_as_it_was_received(texts: list[str | None], tmp_path: Path) -> None:
    capture = Capture(tmp_path)
    capture.add(Event({}), "modèle", model_call(len(texts), a=texts, b=["x"] * len(texts)))
    capture.flush()

    table = read_segments(segments(tmp_path))
    assert table["a"] == [text if text != "\ud800" else "?" for text in texts]
    assert table["_model"] == ["modèle"] * len(texts)


def test_threads_that_add_at_once_lose_no_row(tmp_path: Path) -> None:
    capture = Capture(tmp_path, max_rows=10_000, flush_rows=100, flush_interval_s=0.001)
    capture.start()

    def work() -> None:
        for number in range(2000):
            capture.add(Event({}), "m", model_call(a=[number]))

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    capture.close()

    assert capture.written_rows + capture.dropped_rows == 8000
    assert len(read_segments(segments(tmp_path))["a"]) == capture.written_rows


def test_a_rehearsal_is_not_captured(tmp_path: Path) -> None:
    capture = Capture(tmp_path)

    capture.add(Event({}, id="e1", headers={"x-graphship-smoke": "1"}), "late", model_call())
    capture.flush()

    assert segments(tmp_path) == []
