"""Capture segments: Arrow IPC stream files, one row per model call and row.

Columns of a segment::

    _event_id    string               who: see Event.id
    _event_time  timestamp[us, UTC]   the event's own time
    _release     string               id of the release that answered; null when none is known
    _model       string               name of the route
    _role        string               only where it is not ``answer``: ``member`` of an ensemble, or ``shadow``
    <column>     float64|string|bool  as the model received it; missing values (None, NaN) are null
    _output      float64              see ModelCall.outputs; null when there is no number

A column of the model that has one of these names is written under the name with another ``_`` in front. All rows of a
segment come from one model, so its columns are the same for all. Files are published by rename under their final name,
``<folder>/<yyyymmdd>/<pid>-<n>.arrow`` (UTC day of arrival), and never change afterwards.

The Arrow library is nanoarrow (3 MB); pyarrow is never in a serving process.
"""

from __future__ import annotations

import contextlib
import os
from dataclasses import dataclass
from datetime import UTC, datetime
from types import NoneType
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

import numpy as np

from ci_core.serving.base import ANSWER

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from pathlib import Path

    from numpy.typing import NDArray

RESERVED = frozenset({"_event_id", "_event_time", "_release", "_model", "_role", "_output"})
Kind = Literal["float64", "string", "bool"]
ColumnData: TypeAlias = "NDArray[np.float64] | NDArray[np.bool_] | list[str | None]"
_TEXTS = {str, NoneType}
_NUMBERS = {float, int, bool, NoneType}
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True, kw_only=True)
class Texts:
    """Many texts in one piece, as Arrow keeps them."""

    data: bytes
    """All of them, in UTF-8, without anything in between."""
    lengths: NDArray[np.int32]
    """Of each, in bytes."""

    @classmethod
    def of(cls, values: Sequence[str]) -> Texts:
        """Return `values` in one piece."""
        joined = "".join(values)
        if joined.isascii():
            return cls(data=joined.encode("ascii"), lengths=np.fromiter(map(len, values), np.int32, len(values)))
        # a lone surrogate is valid in a JSON text and in no UTF-8; it must not cost the segment
        encoded = [value.encode("utf-8", "replace") for value in values]
        return cls(data=b"".join(encoded), lengths=np.fromiter(map(len, encoded), np.int32, len(encoded)))

    @classmethod
    def joined(cls, parts: Sequence[Texts]) -> Texts:
        """Return several as one, in their order."""
        return cls(data=b"".join([one.data for one in parts]), lengths=np.concatenate([one.lengths for one in parts]))

    def __len__(self) -> int:
        return len(self.lengths)


@dataclass(frozen=True, slots=True, kw_only=True)
class Segment:
    """What one file holds; all columns are equally long."""

    release: str | None
    model: str
    role: str = ANSWER
    """Of all its calls, see ``ModelObserver``. What the client got nothing of is kept, and not counted as an event."""
    event_ids: Sequence[str] | Texts
    event_times: Sequence[datetime] | NDArray[np.int64]
    """With time zone, or in microseconds since 1970."""
    columns: Mapping[str, ColumnData]
    outputs: NDArray[np.float64]
    """NaN where there is no number."""


def kind_of(values: Sequence[Any] | NDArray[Any]) -> Kind:
    """Return the type that a captured column is written as; ``float64`` for one that is missing throughout."""
    if isinstance(values, np.ndarray) and values.dtype.kind in "biuf":
        return "bool" if values.dtype.kind == "b" else "float64"
    types = set(map(type, values))
    if types == {bool}:
        return "bool"
    if types <= _NUMBERS:
        return "float64"
    # whatever is no number makes the whole column text: a segment has one type a column
    is_numeric = all(issubclass(one, bool | int | float | np.number | NoneType) for one in types)
    return "float64" if is_numeric else "string"


def column_data(kind: Kind, values: Sequence[Any] | NDArray[Any]) -> ColumnData:
    """Return the values of a column as `kind`."""
    if kind == "string":
        if set(map(type, values)) <= _TEXTS:
            return list(values)
        return [None if value is None else str(value) for value in values]
    return np.asarray(values, dtype=np.float64 if kind == "float64" else np.bool_)


def write_segment(segment: Segment, path: Path) -> None:
    """Write a segment to a new file.

    Raises:
        FileExistsError: `path` exists; nothing is changed.
        OSError: the file system refuses.
    """
    temporary = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        with temporary.open("wb") as file:
            _write_stream(segment, file)
        _publish(temporary, path)
    finally:
        with contextlib.suppress(OSError):
            temporary.unlink()


def _publish(temporary: Path, path: Path) -> None:
    """Give a finished file its name, unless the name is taken: two containers may have the same process id."""
    try:
        os.link(temporary, path)
    except FileExistsError:
        raise
    except OSError:  # a file system without hard links
        if path.exists():
            raise FileExistsError(path) from None
        temporary.rename(path)


def _write_stream(segment: Segment, file: Any) -> None:
    import nanoarrow as na
    from nanoarrow.ipc import StreamWriter

    n_rows = len(segment.event_ids)
    types: dict[str, Any] = {"_event_id": na.string(), "_event_time": na.timestamp("us", "UTC")}
    arrays = [_strings(segment.event_ids), _times(segment.event_times)]
    same = {"_release": segment.release, "_model": segment.model}
    if segment.role != ANSWER:
        same["_role"] = segment.role
    for name, value in same.items():
        types[name] = na.string()
        arrays.append(_repeated(value, n_rows))
    for name, data in segment.columns.items():
        stored_as, array = _array(data)
        types[f"_{name}" if name in RESERVED else name] = stored_as
        arrays.append(array)
    types["_output"] = na.float64()
    arrays.append(_floats(segment.outputs))
    batch = na.c_array_from_buffers(na.struct(types), n_rows, [None], children=arrays)
    with StreamWriter.from_writable(file) as writer:
        writer.write_array(batch)


def _array(data: ColumnData) -> tuple[Any, Any]:
    import nanoarrow as na

    if isinstance(data, list):
        return na.string(), _strings(data)
    if data.dtype == np.bool_:
        return na.bool_(), na.c_array_from_buffers(na.bool_(), len(data), [None, _bits(data)])
    return na.float64(), _floats(data)


def _bits(flags: NDArray[Any]) -> NDArray[np.uint8]:
    """Return flags as Arrow packs them: least significant bit first."""
    return np.packbits(flags, bitorder="little")


def _validity(valid: NDArray[Any]) -> tuple[NDArray[np.uint8] | None, int]:
    n_null = int(len(valid) - np.count_nonzero(valid))
    return (_bits(valid) if n_null else None), n_null


def _floats(values: NDArray[Any]) -> Any:
    import nanoarrow as na

    validity, n_null = _validity(~np.isnan(values))
    return na.c_array_from_buffers(na.float64(), len(values), [validity, values], null_count=n_null)


def _strings(values: Sequence[str | None] | Texts) -> Any:
    import nanoarrow as na

    validity: NDArray[np.uint8] | None = None
    n_null = 0
    if not isinstance(values, Texts):
        if None in set(values):
            validity, n_null = _validity(np.array([value is not None for value in values], dtype=np.bool_))
        values = Texts.of(["" if value is None else value for value in values])
    offsets = np.zeros(len(values) + 1, dtype=np.int32)
    np.cumsum(values.lengths, out=offsets[1:])
    return na.c_array_from_buffers(na.string(), len(values), [validity, offsets, values.data], null_count=n_null)


def _repeated(value: str | None, n_rows: int) -> Any:
    if value is None:
        return _strings([None] * n_rows)
    encoded = value.encode("utf-8", "replace")
    return _strings(Texts(data=encoded * n_rows, lengths=np.full(n_rows, len(encoded), dtype=np.int32)))


def _times(values: Sequence[datetime] | NDArray[np.int64]) -> Any:
    import nanoarrow as na

    micros = values if isinstance(values, np.ndarray) else np.array([*map(microseconds, values)], dtype=np.int64)
    return na.c_array_from_buffers(na.timestamp("us", "UTC"), len(micros), [None, micros])


def microseconds(value: datetime | float) -> int:
    """Return a point in time, with its zone or in seconds since 1970, as microseconds since 1970."""
    if isinstance(value, float):
        return round(value * 1e6)
    delta = value - _EPOCH
    return (delta.days * 86_400 + delta.seconds) * 1_000_000 + delta.microseconds


def read_segments(paths: Iterable[Path]) -> dict[str, list[Any]]:
    """Return the columns of several segments, one after the other; None where a value, or a whole column, is missing.

    For tests and small looks; monitoring reads segments by SQL.
    """
    import nanoarrow as na

    table: dict[str, list[Any]] = {}
    n_rows = 0
    for path in paths:
        with na.ArrayStream.from_path(str(path)) as stream:
            for batch in stream:
                names = [field.name for field in batch.schema.fields]
                columns = {name: batch.child(index).to_pylist() for index, name in enumerate(names)}
                for name in {*table, *columns}:
                    table.setdefault(name, [None] * n_rows).extend(columns.get(name, [None] * len(batch)))
                n_rows += len(batch)
    return table
