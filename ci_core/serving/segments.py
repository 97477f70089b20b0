"""Capture segments: Arrow IPC stream files, one row per model call and row.

Columns of a segment::

    _event_id    string               who: see Event.id
    _event_time  timestamp[us, UTC]   the event's own time
    <column>     float64|string|bool  as the model received it; missing values (None, NaN) are null
    _output      float64              see ModelCall.outputs; null when there is no number

What is the same for all its rows stands once, in the metadata of its schema; where it is read it becomes columns::

    _release     id of the release that answered; left out when none is known
    _model       name of the route
    _role        only where it is not ``answer``: ``member`` of an ensemble, or ``shadow``

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
from functools import lru_cache
from types import NoneType
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

import numpy as np

from ci_core.serving.base import ANSWER

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence
    from pathlib import Path

    from numpy.typing import NDArray

RELEASE, MODEL, ROLE = "_release", "_model", "_role"
RESERVED = frozenset({"_event_id", "_event_time", RELEASE, MODEL, ROLE, "_output"})
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

    names = ["_event_id", "_event_time", *(f"_{name}" if name in RESERVED else name for name in segment.columns)]
    columns = [
        ("string", _strings(segment.event_ids)),
        ("time", _times(segment.event_times)),
        *map(_array, segment.columns.values()),
        ("float64", _floats(segment.outputs)),
    ]
    kinds, arrays = zip(*columns, strict=True)
    schema = _schema(tuple(zip([*names, "_output"], kinds, strict=True)), tuple(_constants(segment).items()))
    # each of the children was validated when it was made
    batch = na.c_array_from_buffers(schema, len(segment.event_ids), [None], children=arrays, validation_level="none")
    with StreamWriter.from_writable(file) as writer:
        writer.write_array(batch)


@lru_cache(maxsize=64)
def _schema(columns: tuple[tuple[str, str], ...], constants: tuple[tuple[str, str], ...]) -> Any:
    """Return the schema of a segment; to make one costs as much as to write a thousand rows."""
    import nanoarrow as na

    types = {name: _TYPES[kind](na) for name, kind in columns}
    return na.c_schema(na.schema(na.struct(types), metadata=dict(constants)))


@lru_cache(maxsize=8)
def _type(kind: str) -> Any:
    import nanoarrow as na

    return na.c_schema(_TYPES[kind](na))


_TYPES: dict[str, Callable[[Any], Any]] = {
    "float64": lambda na: na.float64(),
    "string": lambda na: na.string(),
    "bool": lambda na: na.bool_(),
    "time": lambda na: na.timestamp("us", "UTC"),
}


def _made(kind: str, n_rows: int, buffers: list[Any], n_null: int = 0) -> Any:
    import nanoarrow as na

    return na.c_array_from_buffers(_type(kind), n_rows, buffers, null_count=n_null)


def _array(data: ColumnData) -> tuple[str, Any]:
    if isinstance(data, list):
        return "string", _strings(data)
    if data.dtype == np.bool_:
        return "bool", _made("bool", len(data), [None, _bits(data)])
    return "float64", _floats(data)


def _bits(flags: NDArray[Any]) -> NDArray[np.uint8]:
    """Return flags as Arrow packs them: least significant bit first."""
    return np.packbits(flags, bitorder="little")


def _validity(valid: NDArray[Any]) -> tuple[NDArray[np.uint8] | None, int]:
    n_null = int(len(valid) - np.count_nonzero(valid))
    return (_bits(valid) if n_null else None), n_null


def _floats(values: NDArray[Any]) -> Any:
    validity, n_null = _validity(~np.isnan(values))
    return _made("float64", len(values), [validity, values], n_null)


def _strings(values: Sequence[str | None] | Texts) -> Any:
    validity: NDArray[np.uint8] | None = None
    n_null = 0
    if not isinstance(values, Texts):
        if None in set(values):
            validity, n_null = _validity(np.array([value is not None for value in values], dtype=np.bool_))
        values = Texts.of(["" if value is None else value for value in values])
    offsets = np.zeros(len(values) + 1, dtype=np.int32)
    np.cumsum(values.lengths, out=offsets[1:])
    return _made("string", len(values), [validity, offsets, values.data], n_null)


def _constants(segment: Segment) -> dict[str, str]:
    constants = {MODEL: segment.model}
    if segment.release is not None:
        constants[RELEASE] = segment.release
    if segment.role != ANSWER:
        constants[ROLE] = segment.role
    return {name: value.encode("utf-8", "replace").decode() for name, value in constants.items()}


def _times(values: Sequence[datetime] | NDArray[np.int64]) -> Any:
    micros = values if isinstance(values, np.ndarray) else np.array([*map(microseconds, values)], dtype=np.int64)
    return _made("time", len(micros), [None, micros])


def microseconds(value: datetime | float) -> int:
    """Return a point in time, with its zone or in seconds since 1970, as microseconds since 1970."""
    if isinstance(value, float):
        return round(value * 1e6)
    delta = value - _EPOCH
    return (delta.days * 86_400 + delta.seconds) * 1_000_000 + delta.microseconds


def constants_of(metadata: Mapping[bytes, bytes]) -> dict[str, str | None]:
    """Return what the metadata of a segment's schema say of all its rows."""
    known = {name.decode(): value.decode() for name, value in metadata.items()}
    role = {ROLE: known[ROLE]} if ROLE in known else {}
    return {RELEASE: known.get(RELEASE), MODEL: known.get(MODEL), **role}


def read_segments(paths: Iterable[Path]) -> dict[str, list[Any]]:
    """Return the columns of several segments, one after the other; None where a value, or a whole column, is missing.

    For tests and small looks; monitoring reads segments by SQL.
    """
    import nanoarrow as na

    table: dict[str, list[Any]] = {}
    n_rows = 0
    for path in paths:
        with na.ArrayStream.from_path(str(path)) as stream:
            constants = constants_of(stream.schema.metadata or {})
            for batch in stream:
                names = [field.name for field in batch.schema.fields]
                columns = {name: [value] * len(batch) for name, value in constants.items()}
                columns |= {name: batch.child(index).to_pylist() for index, name in enumerate(names)}
                for name in {*table, *columns}:
                    table.setdefault(name, [None] * n_rows).extend(columns.get(name, [None] * len(batch)))
                n_rows += len(batch)
    return table
