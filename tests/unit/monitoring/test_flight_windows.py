"""The whole part on real data: flights and weather of New York, 2013, as captures of a served model.

The expected verdicts are what happened: February went on as it began; one rainy day in March; summer in June.
"""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from typing import TYPE_CHECKING, Any

import duckdb
import numpy as np
import pytest

from ci_core.config.settings import MonitorSettings
from ci_core.demo.dataset import Period, write_training_table
from ci_core.errors import TableMismatchError
from ci_core.monitoring.records import WindowRecord
from ci_core.monitoring.reference import ReferenceProfile
from ci_core.monitoring.windows import window_at
from ci_core.operations.monitor import judge_windows, load_window_rows
from ci_core.operations.reference import measure_importance, profile_reference

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from ci_core.monitoring.importance import Columns

INPUTS = (
    "carrier", "origin", "dest", "distance", "sched_hour", "weekday",
    "temp", "dewp", "humid", "wind_speed", "precip", "pressure", "visib",
)  # fmt: skip
SETTINGS = MonitorSettings(
    reference="data/train.parquet", time_column="time_hour", window=timedelta(days=1), target="late"
)
LATER = datetime(2014, 1, 1, tzinfo=UTC)
WINTER = Period(first=date(2013, 1, 1), last=date(2013, 2, 14))
LATE_FEBRUARY = Period(first=date(2013, 2, 15), last=date(2013, 2, 28))
EARLY_MARCH = Period(first=date(2013, 3, 1), last=date(2013, 3, 14))
JUNE = Period(first=date(2013, 6, 15), last=date(2013, 6, 28))
LAST_OF_JUNE = Period(first=date(2013, 6, 29), last=date(2013, 6, 30))


def _score(columns: Columns) -> np.ndarray:
    """Stand for a model: the chance of being late grows through the day and with moist and windy weather."""
    linear = -2.6 + 0.07 * columns["sched_hour"] + 0.01 * columns["dewp"] + 0.02 * columns["temp"]
    return np.nan_to_num(1 / (1 + np.exp(-linear - 0.02 * columns["wind_speed"])), nan=0.2)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("flights")


@pytest.fixture(scope="module")
def winter(folder: Path) -> ReferenceProfile:
    write_training_table(folder / "winter.parquet", WINTER)
    return profile_reference(folder / "winter.parquet", SETTINGS, _score, columns=INPUTS)


def _capture(folder: Path, period: Period) -> Path:
    """Return captures of the flights of `period`, as if they had been served; made once for all tests."""
    captures = folder / f"captures-{period.first}"
    if captures.exists():
        return captures
    table = folder / f"{period.first}.parquet"
    write_training_table(table, period)
    connection = duckdb.connect()
    rows = connection.execute(f"SELECT * FROM '{table}' ORDER BY time_hour, event_id").fetchnumpy()
    columns = {
        name: np.ma.filled(np.ma.asarray(rows[name]), np.nan) if rows[name].dtype.kind == "f" else rows[name]
        for name in INPUTS
    }
    connection.register("outputs", {"event_id": rows["event_id"], "_output": _score(columns)})
    (captures / "compacted").mkdir(parents=True)
    day = period.first
    while day <= period.last:
        connection.execute(
            f"COPY (SELECT event_id AS _event_id, timezone('UTC', time_hour::TIMESTAMP) AS _event_time, "
            f"'{'a' * 64}' AS _release, 'm1' AS _model, {', '.join(INPUTS)}, _output "
            f"FROM '{table}' JOIN outputs USING (event_id) WHERE time_hour::DATE = '{day}') "
            f"TO '{captures / 'compacted' / f'{day}.parquet'}'"
        )
        day += timedelta(days=1)
    connection.close()
    return captures


def _judge(
    reference: ReferenceProfile,
    captures: Path,
    *,
    now: datetime = LATER,
    history: Sequence[WindowRecord] = (),
    **more: Any,
) -> tuple[WindowRecord, ...]:
    return judge_windows(reference, captures, SETTINGS, importance=more.get("importance"), history=history, now=now)


def test_the_second_half_of_february_is_no_drift(folder: Path, winter: ReferenceProfile) -> None:
    captures = _capture(folder, LATE_FEBRUARY)

    records = _judge(winter, captures)

    assert [(record.window.label, record.verdict.state) for record in records] == [
        (f"2013-02-{day}", "no-drift") for day in range(15, 29)
    ]
    assert all(record.verdict.calibrated for record in records)


def test_a_rainy_day_in_march_is_at_most_potential(folder: Path, winter: ReferenceProfile) -> None:
    captures = _capture(folder, EARLY_MARCH)

    records = _judge(winter, captures)

    assert len(records) == 14
    assert {record.verdict.state for record in records} <= {"no-drift", "potential"}
    alarmed = {record.window.label: record.verdict.drifted for record in records if record.verdict.drifted}
    assert list(alarmed) == ["2013-03-12"]
    assert [column.name for column in alarmed["2013-03-12"]] == ["precip"]


def test_the_weekday_which_is_one_value_a_day_never_fires(folder: Path, winter: ReferenceProfile) -> None:
    records = _judge(winter, _capture(folder, EARLY_MARCH))

    weekdays = [column for record in records for column in record.verdict.columns if column.name == "weekday"]
    assert len(weekdays) == 14
    assert max(column.distance for column in weekdays) > 0.5
    assert not any(column.drifted for column in weekdays)


def test_june_is_drift_and_the_temperature_is_named(folder: Path, winter: ReferenceProfile) -> None:
    captures = _capture(folder, JUNE)
    importance = measure_importance(folder / "winter.parquet", SETTINGS, _score, root=folder, columns=INPUTS)

    records = _judge(winter, captures, importance=importance)

    assert [record.verdict.state for record in records] == ["potential", *["drift"] * 13]
    last = records[-1].verdict
    assert {"temp", "dewp", "_output"} <= {column.name for column in last.drifted}
    temperature = next(column for column in last.columns if column.name == "temp")
    assert temperature.shift is not None
    assert temperature.shift > 4
    assert "`temp` by 4.8 sd (35.6 → 79.6)" in last.reasons[0]
    assert last.reasons[1] == "It matters: the model's own output has moved."


def test_with_june_in_the_reference_the_end_of_june_is_no_drift(folder: Path) -> None:
    write_training_table(folder / "winter-again.parquet", WINTER)
    write_training_table(folder / "june.parquet", JUNE)
    both = folder / "both.parquet"
    parts = [str(folder / "winter-again.parquet"), str(folder / "june.parquet")]
    duckdb.connect().execute(f"COPY (SELECT * FROM read_parquet({parts})) TO '{both}'")
    reference = profile_reference(both, SETTINGS, _score, columns=INPUTS)
    captures = _capture(folder, LAST_OF_JUNE)

    records = _judge(reference, captures)

    assert [record.verdict.state for record in records] == ["no-drift", "no-drift"]


def test_a_window_is_judged_once_and_only_when_it_is_over(folder: Path, winter: ReferenceProfile) -> None:
    captures = _capture(folder, JUNE)
    noon = datetime(2013, 6, 17, 12, tzinfo=UTC)

    first = _judge(winter, captures, now=noon)
    again = _judge(winter, captures, now=noon, history=first)
    rest = _judge(winter, captures, history=first)

    assert [record.window.label for record in first] == ["2013-06-15", "2013-06-16"]
    assert again == ()
    assert [record.window.label for record in rest] == [f"2013-06-{day}" for day in range(17, 29)]


def test_the_window_before_counts_across_runs_and_through_the_ledgers_json(
    folder: Path, winter: ReferenceProfile
) -> None:
    captures = _capture(folder, JUNE)
    first = _judge(winter, captures, now=datetime(2013, 6, 16, tzinfo=UTC))
    kept = [WindowRecord.from_dict(record.to_dict()) for record in first]
    restored = ReferenceProfile.from_dict(winter.to_dict())

    second = _judge(restored, captures, now=datetime(2013, 6, 17, tzinfo=UTC), history=kept)

    assert [record.verdict.state for record in (*first, *second)] == ["potential", "drift"]


def test_verdicts_on_another_reference_are_no_first_of_two(folder: Path, winter: ReferenceProfile) -> None:
    captures = _capture(folder, JUNE)
    without_output = profile_reference(folder / "winter.parquet", SETTINGS, None, columns=INPUTS)
    history = _judge(without_output, captures, now=datetime(2013, 6, 16, tzinfo=UTC))

    records = _judge(winter, captures, now=datetime(2013, 6, 17, tzinfo=UTC), history=history)

    assert [record.verdict.state for record in records] == ["potential"]


def test_a_record_says_which_releases_answered_and_how_many_rows(folder: Path, winter: ReferenceProfile) -> None:
    captures = _capture(folder, LAST_OF_JUNE)

    record = _judge(winter, captures)[0]

    assert record.releases == ("a" * 64,)
    assert record.rows == record.profile.rows == 794  # flights of that day with a known arrival
    assert record.reference == winter.digest


def test_the_rows_of_windows_come_back_for_retraining(folder: Path, tmp_path: Path) -> None:
    captures = _capture(folder, JUNE)
    windows = [window_at(index, SETTINGS.window) for index in (15883, 15884)]  # 27 and 28 June, days since 1970
    new = tmp_path / "new.parquet"

    rows = load_window_rows(captures, windows, ["temp", "carrier"], new)

    connection = duckdb.connect()
    connection.execute("SET TimeZone = 'UTC'")
    found = connection.execute(
        f"SELECT count(*), count(DISTINCT _event_id), CAST(min(_event_time) AS VARCHAR) FROM '{new}'"
    ).fetchall()
    names = [row[0] for row in connection.execute(f"DESCRIBE FROM '{new}'").fetchall()]
    assert found == [(rows, rows, "2013-06-27 00:00:00+00")]
    assert names == ["_event_id", "_event_time", "temp", "carrier"]


def test_a_column_that_was_never_captured_is_an_error_with_the_nearest_name(folder: Path, tmp_path: Path) -> None:
    captures = _capture(folder, LAST_OF_JUNE)

    with pytest.raises(TableMismatchError) as caught:
        load_window_rows(captures, [], ["temps"], tmp_path / "new.parquet")

    assert caught.value.problems == ("`temps` was never captured; did you mean `temp`?",)
    assert not (tmp_path / "new.parquet").exists()


def test_captures_that_do_not_exist_have_no_windows(winter: ReferenceProfile, tmp_path: Path) -> None:
    assert _judge(winter, tmp_path / "nowhere") == ()
