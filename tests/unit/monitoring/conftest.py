"""Tables and capture segments for the monitoring tests, made in the test's own folder."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import duckdb
import nanoarrow as na
import numpy as np
import pytest
from nanoarrow.ipc import StreamWriter

from ci_core.monitoring.table_diff import table_format
from ci_core.monitoring.table_files import TableFiles

WriteTable = Callable[..., Path]
WriteSegment = Callable[..., Path]
Parquet = Callable[[str], TableFiles]
Text = Callable[..., TableFiles]


@pytest.fixture
def write_table(tmp_path: Path) -> WriteTable:
    """Return ``write(name, **columns)``: makes a Parquet or CSV file of columns given as arrays or lists."""

    def write(name: str, **columns: Any) -> Path:
        path = tmp_path / name
        connection = duckdb.connect()
        connection.register("rows", {key: np.asarray(values) for key, values in columns.items()})
        kind = "csv, HEADER" if path.suffix == ".csv" else "parquet"
        connection.execute(f"COPY (SELECT * FROM rows) TO '{path}' (FORMAT {kind})")
        connection.close()
        return path

    return write


def _arrow(values: Sequence[Any]) -> tuple[Any, Any]:
    """Return schema and array of one column: text, booleans or numbers by its first value that is not None."""
    first = next((value for value in values if value is not None), 0.0)
    schema = na.string() if isinstance(first, str) else na.bool_() if isinstance(first, bool) else na.float64()
    return schema, na.c_array(list(values), schema)


@pytest.fixture
def write_segment(tmp_path: Path) -> WriteSegment:
    """Return ``write(name, ids, times, columns)``: makes a capture segment as a serving process publishes it."""

    def write(
        name: str,
        *,
        ids: Sequence[str],
        times: Sequence[datetime],
        columns: Mapping[str, Sequence[Any]],
        model: str = "m1",
        release: str = "f" * 64,
    ) -> Path:
        path = tmp_path / "captures" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        microseconds = np.array(
            [round((time - datetime(1970, 1, 1, tzinfo=UTC)).total_seconds() * 1e6) for time in times]
        )
        instants = na.c_array_from_buffers(
            na.timestamp("us", "UTC"), len(ids), [None, na.c_buffer(microseconds.astype("int64"))]
        )
        fields: dict[str, Any] = {"_event_id": na.string(), "_event_time": na.timestamp("us", "UTC")}
        children: list[Any] = [na.c_array(list(ids), na.string()), instants]
        constant = {"_release": [release] * len(ids), "_model": [model] * len(ids)}
        for column, values in {**constant, **columns}.items():
            schema, array = _arrow(values)
            fields[column] = schema
            children.append(array)
        batch = na.Array(na.c_array_from_buffers(na.struct(fields), len(ids), [None], children=children))
        with StreamWriter.from_path(str(path)) as writer:
            writer.write_array(batch)
        return path

    return write


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
