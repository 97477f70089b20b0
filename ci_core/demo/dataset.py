"""Cut the demo's tables and requests from the data asset: training table, weather table, labels, request bodies.

Called by ``workspace.py`` (once, to make the project), by ``story.py`` (traffic and labels) and by tests that need real
traffic of a known season. Knows nothing of Git, DVC or HTTP. All times are UTC; a range includes its start and leaves
its end out.

What a flight looks like, in every table made here:

- ``event_id``: ``2013-06-15-UA-1545-EWR-0515``: local day, carrier, flight number, origin, scheduled departure; unique;
- ``carrier``, ``origin``, ``dest``: strings;
- ``distance`` (miles), ``sched_hour`` (0 to 23, local), ``weekday`` (0 is Monday, local): floats;
- ``temp``, ``dewp``, ``humid``, ``wind_speed``, ``precip``, ``pressure``, ``visib``: floats, missing where the station
  reported nothing;
- ``time_hour``: the hour of the scheduled departure;
- ``late``: 1 when it arrived more than 15 minutes late, else 0. Cancelled and diverted flights have no ``late`` and are
  in no table that has this column; requests for them are made, for nobody knew.
"""

from __future__ import annotations

import json
from contextlib import closing
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING

import duckdb
import numpy as np

from ci_core.demo.data import FLIGHTS, WEATHER

if TYPE_CHECKING:
    from datetime import date
    from pathlib import Path

WEATHER_COLUMNS = ("temp", "dewp", "humid", "wind_speed", "precip", "pressure", "visib")

# The hour in UTC minus the hour on the schedule is New York's distance from UTC: 5 in winter, 4 in summer. So no time
# zone data base is needed. Wind above 150 miles an hour is a broken instrument (one report of 1,048 in February); a
# value of that size would dominate the standard deviation that drift is measured in.
_VIEWS = """
CREATE VIEW weather AS
SELECT * REPLACE (CASE WHEN wind_speed <= 150 THEN wind_speed END AS wind_speed)
FROM read_parquet('{weather}');

CREATE VIEW flights AS
SELECT
    strftime(local, '%Y-%m-%d') || '-' || carrier || '-' || flight || '-' || origin || '-'
        || lpad(CAST(sched_dep AS VARCHAR), 4, '0') AS event_id,
    carrier, origin, dest,
    CAST(distance AS FLOAT) AS distance,
    CAST(sched_dep // 100 AS FLOAT) AS sched_hour,
    CAST(isodow(local) - 1 AS FLOAT) AS weekday,
    time_hour,
    CAST(arr_delay > 15 AS TINYINT) AS late,
FROM (
    SELECT *, time_hour - to_hours((24 + hour(time_hour) - sched_dep // 100) % 24) AS local
    FROM read_parquet('{flights}')
);
"""

_TRAINING = """
SELECT
    event_id, time_hour, carrier, origin, dest, distance, sched_hour, weekday,
    temp, dewp, humid, wind_speed, precip, pressure, visib, late,
FROM flights LEFT JOIN weather USING (origin, time_hour)
WHERE late IS NOT NULL AND time_hour >= $start AND time_hour < $end
ORDER BY time_hour, event_id
"""

_LABELS = """
SELECT event_id, late FROM flights
WHERE late IS NOT NULL AND CAST(time_hour AS DATE) IN (SELECT unnest($days))
ORDER BY event_id
"""

_REQUESTS = """
SELECT
    event_id, carrier, origin, dest, distance, sched_hour, weekday,
    strftime(time_hour, '%Y-%m-%dT%H:%M:%SZ') AS time_hour,
FROM flights
WHERE time_hour >= $start AND time_hour < $end
ORDER BY flights.time_hour, event_id
"""

_WRITTEN = "FORMAT parquet, COMPRESSION zstd, ROW_GROUP_SIZE 122880"


@dataclass(frozen=True, slots=True, kw_only=True)
class Period:
    """Whole days in UTC, from the start of `first` to the end of `last`."""

    first: date
    last: date

    def days(self) -> list[date]:
        """Return all days, in order."""
        return [self.first + timedelta(days=number) for number in range((self.last - self.first).days + 1)]

    def __str__(self) -> str:
        return f"{self.first.isoformat()} to {self.last.isoformat()}"


def write_training_table(path: Path, period: Period) -> int:
    """Write the flights of `period`, with their weather and ``late``, as Parquet.

    Args:
        path: file to make, in an existing folder.
        period: the days to take, by ``time_hour``.

    Returns:
        The number of rows.
    """
    return _write(_TRAINING, path, _bounds(period))


def write_labels(path: Path, *periods: Period) -> int:
    """Write ``event_id`` and ``late`` of the flights of some periods as Parquet, and return the number of rows.

    The file appears by rename, so a reader sees the earlier labels or the new ones and nothing between.
    """
    return _write(_LABELS, path, {"days": [day for period in periods for day in period.days()]})


def write_weather_table(path: Path) -> None:
    """Write the weather of the year as an ``.npz`` file that a serving process opens with numpy alone.

    Its arrays: ``origins`` (n_origins,) strings; ``columns`` (n_columns,) strings; ``first_hour`` () int64, hours since
    1970-01-01 UTC; ``values`` (n_origins, n_hours, n_columns) float32 with NaN where nothing was reported. The same
    input gives the same bytes: numpy writes no clock time into the file.
    """
    with closing(_connect()) as connection:
        rows = connection.execute(
            "SELECT CAST(epoch(time_hour) AS BIGINT) // 3600 AS hour, * EXCLUDE (time_hour) FROM weather"
        ).fetchnumpy()
    origins, origin_index = np.unique(np.asarray(rows["origin"], dtype=np.str_), return_inverse=True)
    hours = np.asarray(rows["hour"], dtype=np.int64)
    first_hour = hours.min()
    values = np.full((len(origins), hours.max() - first_hour + 1, len(WEATHER_COLUMNS)), np.nan, dtype=np.float32)
    for position, column in enumerate(WEATHER_COLUMNS):
        values[origin_index, hours - first_hour, position] = np.ma.filled(np.ma.asarray(rows[column]), np.nan)
    part = path.with_name(path.name + ".part")
    with part.open("wb") as file:
        np.savez_compressed(
            file, origins=origins, columns=np.array(WEATHER_COLUMNS), first_hour=first_hour, values=values
        )
    part.replace(path)


def request_bodies(period: Period) -> list[bytes]:
    """Return one JSON body a flight of `period`, in the order of departure.

    The body says what is known before departure; the serving graph adds the weather.
    """
    with closing(_connect()) as connection:
        cursor = connection.execute(_REQUESTS, _bounds(period))
        names = [column[0] for column in cursor.description or ()]
        rows = cursor.fetchall()
    return [json.dumps(dict(zip(names, row, strict=True)), separators=(",", ":")).encode() for row in rows]


def _write(query: str, path: Path, parameters: dict[str, object]) -> int:
    part = path.with_name(path.name + ".part")
    with closing(_connect()) as connection:
        # One thread, so that the same rows become the same bytes on every machine.
        row = connection.execute(
            f"COPY ({query}) TO '{_sql_text(part)}' ({_WRITTEN})",
            parameters,
        ).fetchone()
    part.replace(path)
    return int(row[0]) if row else 0


def _connect() -> duckdb.DuckDBPyConnection:
    connection = duckdb.connect(config={"threads": 1, "autoinstall_known_extensions": "false"})
    connection.execute(_VIEWS.format(weather=_sql_text(WEATHER), flights=_sql_text(FLIGHTS)))
    return connection


def _bounds(period: Period) -> dict[str, object]:
    return {"start": period.first, "end": period.last + timedelta(days=1)}


def _sql_text(path: Path) -> str:
    return str(path).replace("'", "''")
