"""Tables and requests that are cut from the asset."""

from __future__ import annotations

import json
from datetime import date
from typing import TYPE_CHECKING

import duckdb
import numpy as np
import pytest

from ci_core.demo.dataset import Period, request_bodies, write_labels, write_training_table, write_weather_table

if TYPE_CHECKING:
    from pathlib import Path

FIRST_DAY = Period(first=date(2013, 1, 1), last=date(2013, 1, 1))


def _query(path: Path, query: str) -> list[tuple[object, ...]]:
    rows: list[tuple[object, ...]] = duckdb.execute(query, {"path": str(path)}).fetchall()
    return rows


def test_training_table_has_the_rows_of_its_period_with_an_outcome(tmp_path: Path) -> None:
    path = tmp_path / "it's ü.parquet"

    rows = write_training_table(path, Period(first=date(2013, 1, 1), last=date(2013, 2, 14)))

    assert rows == 37_368
    ((count, first, last, late),) = _query(
        path,
        "SELECT count(*), min(time_hour)::VARCHAR, max(time_hour)::VARCHAR, round(avg(late), 3)"
        " FROM read_parquet($path)",
    )
    assert (count, first, last, late) == (37_368, "2013-01-01 10:00:00", "2013-02-14 23:00:00", 0.227)


def test_first_flight_of_the_year_reads_as_the_source_has_it(tmp_path: Path) -> None:
    # flights.csv, first line: UA 1545, EWR to IAH, 1400 miles, scheduled 5:15, 11 minutes late. weather.csv, EWR at
    # 2013-01-01T10:00Z: 39.02 °F, dew point 28.04, wind 12.65858, 1011.9 millibar. It was a Tuesday.
    path = tmp_path / "train.parquet"
    write_training_table(path, FIRST_DAY)

    row = duckdb.execute(
        "SELECT * FROM read_parquet(?) WHERE event_id = '2013-01-01-UA-1545-EWR-0515'", [str(path)]
    ).fetchnumpy()

    found = {name: values[0] for name, values in row.items()}
    assert (found["carrier"], found["origin"], found["dest"], found["late"]) == ("UA", "EWR", "IAH", 0)
    assert (found["distance"], found["sched_hour"], found["weekday"]) == (1400, 5, 1)
    assert found["temp"] == np.float32(39.02)
    assert (found["dewp"], found["pressure"]) == (np.float32(28.04), np.float32(1011.9))
    assert found["wind_speed"] == pytest.approx(12.65858)


def test_same_table_is_written_as_the_same_bytes(tmp_path: Path) -> None:
    for name in ("one", "two"):
        write_training_table(tmp_path / f"{name}.parquet", FIRST_DAY)
        write_weather_table(tmp_path / f"{name}.npz")

    assert (tmp_path / "one.parquet").read_bytes() == (tmp_path / "two.parquet").read_bytes()
    assert (tmp_path / "one.npz").read_bytes() == (tmp_path / "two.npz").read_bytes()
    assert not list(tmp_path.glob("*.part"))


def test_labels_name_the_flights_that_arrived(tmp_path: Path) -> None:
    path = tmp_path / "labels.parquet"

    rows = write_labels(
        path,
        Period(first=date(2013, 6, 15), last=date(2013, 6, 26)),
        Period(first=date(2013, 6, 27), last=date(2013, 6, 28)),
    )

    assert rows == 12_798
    assert _query(path, "SELECT count(DISTINCT event_id), sum(late)::INT FROM read_parquet($path)") == [(12_798, 4_088)]


def test_requests_are_in_order_of_departure_and_say_what_is_known_before_it() -> None:
    bodies = request_bodies(Period(first=date(2013, 6, 15), last=date(2013, 6, 28)))
    flights = [json.loads(body) for body in bodies]

    assert len({flight["event_id"] for flight in flights}) == len(flights) == 13_365
    assert [flight["time_hour"] for flight in flights] == sorted(flight["time_hour"] for flight in flights)
    assert flights[0] == {
        "event_id": "2013-06-14-9E-3395-JFK-2030",
        "carrier": "9E",
        "origin": "JFK",
        "dest": "DCA",
        "distance": 213.0,
        "sched_hour": 20.0,
        "weekday": 4.0,  # 14 June 2013 was a Friday
        "time_hour": "2013-06-15T00:00:00Z",
    }


def test_weather_table_holds_the_hours_in_order_and_no_impossible_wind(tmp_path: Path) -> None:
    path = tmp_path / "weather.npz"
    write_weather_table(path)

    with np.load(path) as stored:
        columns, values = stored["columns"].tolist(), stored["values"]
        assert stored["origins"].tolist() == ["EWR", "JFK", "LGA"]
        assert int(stored["first_hour"]) == 376_950  # 2013-01-01T06:00Z is 1,357,020,000 s after 1970
    assert columns == ["temp", "dewp", "humid", "wind_speed", "precip", "pressure", "visib"]
    assert values.shape == (3, 8_730, 7)
    assert values[0, 0, 0] == np.float32(39.02)
    assert np.nanmax(values[:, :, 3]) < 50
