"""From model calls to the columns of a segment, in two steps, so that the interpreter is never held for long.

A few hundred rows at a time are *packed*: from Python objects, which are let go at once, to a few arrays. What is
packed is joined when a segment is written. No row is looked at by itself where its columns are arrays; a request of
many rows without ids of their own is not, either.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from itertools import chain, repeat
from typing import TYPE_CHECKING, Any, NamedTuple, TypeAlias

import numpy as np

from ci_core.serving.identity import bounded_id
from ci_core.serving.models.batch import Batch
from ci_core.serving.models.snapshot import as_array
from ci_core.serving.segments import Segment, Texts, column_data, kind_of, microseconds

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import datetime

    from numpy.typing import NDArray

    from ci_core.serving.base import Role
    from ci_core.serving.identity import RowKey
    from ci_core.serving.segments import ColumnData


class Record(NamedTuple):
    """One model call, without what the client was told; a tuple, which costs a quarter of an object with names."""

    event_id: str
    arrived: float
    """In seconds since 1970."""
    own_time: datetime | None
    """The event's own time, if it has one."""
    rows: tuple[RowKey, ...] | None
    """What each row says of itself, if one says anything."""
    model: str
    role: Role
    n_rows: int
    n_bytes: int
    """About what it holds on to."""
    columns: Mapping[str, Sequence[Any] | NDArray[Any]]
    outputs: Sequence[float | None] | NDArray[np.float64]


Key: TypeAlias = "tuple[int, str, Role, tuple[str, ...]]"
"""What the rows of one segment have in common: the day since 1970, the model, its role, the columns."""
DAY_S = 86_400
_KEPT_SUFFIXES = 4096


@dataclass(frozen=True, slots=True, kw_only=True)
class Pack:
    """The rows of some calls with the same key."""

    n_rows: int
    ids: Texts
    times: NDArray[np.int64]
    """Microseconds since 1970."""
    columns: dict[str, ColumnData]
    outputs: NDArray[np.float64]

    @property
    def n_bytes(self) -> int:
        """What it holds on to, but for what texts cost beside their characters."""
        n_bytes = len(self.ids.data) + self.times.nbytes + self.outputs.nbytes
        for data in self.columns.values():
            n_bytes += sum(map(len, filter(None, data))) if isinstance(data, list) else data.nbytes
        return n_bytes

    @property
    def kinds(self) -> tuple[Any, ...]:
        """The types of the columns; packs with the same ones may be joined."""
        return tuple([type(data) if type(data) is list else data.dtype for data in self.columns.values()])  # type: ignore[union-attr]


def key_of(record: Record) -> Key:
    """Return what a call has in common with those that go to the same segment."""
    columns = record.columns
    names = columns.names if type(columns) is Batch else columns
    return int(record.arrived // DAY_S), record.model, record.role, tuple(names)


def pack(records: list[Record]) -> Pack:
    """Return the rows of calls with the same key.

    Raises:
        UnevenCallError: a call has not one value of each column, and one output, for each of its rows.
    """
    counts = [record.n_rows for record in records]
    columns = _columns([record.columns for record in records], counts)
    outputs = np.asarray(_joined([record.outputs for record in records], counts, "outputs"), dtype=np.float64)
    if any([getattr(values, "ndim", 1) != 1 for values in (outputs, *columns.values())]):  # noqa: C419 - as below
        raise ValueError("a call of the model has columns, or outputs, of more than one number a row")
    ids, times = _ids_and_times(records, counts)
    return Pack(n_rows=sum(counts), ids=ids, times=times, columns=columns, outputs=outputs)


class UnevenCallError(ValueError):
    """A model call, of a user's own ``call`` perhaps, is not equally long throughout: its rows would be other rows'."""

    def __init__(self, what: str, counts: list[int], found: list[int]) -> None:
        rows, values = next(pair for pair in zip(counts, found, strict=True) if pair[0] != pair[1])
        super().__init__(f"a call of the model has {values} {what} for {rows} answers")


def segment_of(packs: Sequence[Pack], *, release: str | None, model: str, role: Role) -> Segment:
    """Return packs with the same key and kinds as one segment."""
    columns: dict[str, ColumnData] = {}
    for name in packs[0].columns:
        parts: list[Any] = [one.columns[name] for one in packs]
        columns[name] = list(chain.from_iterable(parts)) if type(parts[0]) is list else np.concatenate(parts)
    return Segment(
        release=release,
        model=model,
        role=role,
        event_ids=Texts.joined([one.ids for one in packs]),
        event_times=np.concatenate([one.times for one in packs]),
        columns=columns,
        outputs=np.concatenate([one.outputs for one in packs]),
    )


def _ids_and_times(records: list[Record], counts: list[int]) -> tuple[Texts, NDArray[np.int64]]:
    if any([record.rows is not None for record in records]):  # noqa: C419 - a generator takes twice as long
        return _own_ids_and_times(records)
    times = _microseconds([record.own_time or record.arrived for record in records])
    ids = [record.event_id for record in records]
    if counts.count(1) == len(counts):
        return Texts.of(ids), times
    encoded = [one.encode("utf-8", "replace") for one in ids]
    numbered = [one if n == 1 else one.join(_suffixes(n)) for one, n in zip(encoded, counts, strict=True)]
    lengths = np.repeat(np.fromiter(map(len, encoded), np.int32, len(encoded)), counts)
    lengths += np.concatenate([_suffix_lengths(n) for n in counts])
    return Texts(data=b"".join(numbered), lengths=lengths), np.repeat(times, counts)


def _own_ids_and_times(records: list[Record]) -> tuple[Texts, NDArray[np.int64]]:
    ids: list[str] = []
    moments: list[datetime | float] = []
    for record in records:
        rows, n_rows, moment = record.rows, record.n_rows, record.own_time or record.arrived
        if rows is None or len(rows) != n_rows:
            rows = tuple(zip(range(n_rows) if n_rows > 1 else (None,), repeat(None)))
        ids += [_row_id(record.event_id, own) for own, _time in rows]
        moments += [time or moment for _own, time in rows]
    return Texts.of(ids), _microseconds(moments)


def _row_id(event_id: str, own: str | int | None) -> str:
    if own is None:
        return event_id
    return f"{event_id}/{own}" if type(own) is int else bounded_id(str(own))


def _suffixes(n_rows: int) -> Sequence[bytes]:
    """Return what an event's id joins to the ids of its rows: nothing before the first one."""
    if n_rows < _KEPT_SUFFIXES:
        return _first_suffixes()[: n_rows + 1]
    return [b"", *[b"/%d" % index for index in range(n_rows)]]


@lru_cache(maxsize=1)
def _first_suffixes() -> Sequence[bytes]:
    return [b"", *[b"/%d" % index for index in range(_KEPT_SUFFIXES)]]


def _suffix_lengths(n_rows: int) -> NDArray[np.int32]:
    if n_rows == 1:
        return np.zeros(1, dtype=np.int32)
    lengths = np.full(n_rows, 2, dtype=np.int32)
    digits = 10
    while digits < n_rows:
        lengths[digits:] += 1
        digits *= 10
    return lengths


def _microseconds(moments: list[datetime | float]) -> NDArray[np.int64]:
    if set(map(type, moments)) <= {float}:
        return np.round(np.array(moments, dtype=np.float64) * 1e6).astype(np.int64)
    return np.array([microseconds(moment) for moment in moments], dtype=np.int64)


def _columns(parts: list[Any], counts: list[int]) -> dict[str, ColumnData]:
    """Return the columns of many calls as one table; the types are looked at once for all of them."""
    if set(map(type, parts)) == {Batch}:
        names, read = parts[0].names, [part.as_read for part in parts]
        kinds = set(map(type, read))
        if kinds == {np.ndarray}:
            table = np.ascontiguousarray(_joined(read, counts, "rows").T)  # type: ignore[union-attr]  # of arrays
            return dict(zip(names, map(_column, table), strict=True))
        if np.ndarray not in kinds:
            parts = read
    return {name: _column(_joined([part[name] for part in parts], counts, f"values of `{name}`")) for name in parts[0]}


def _column(values: Sequence[Any] | NDArray[Any]) -> ColumnData:
    if type(values) is list:
        array = as_array(values)
        if type(array) is np.ndarray:
            return array
    return column_data(kind_of(values), values)


def _joined(parts: list[Any], counts: list[int], what: str) -> Sequence[Any] | NDArray[Any]:
    lengths = list(map(len, parts))
    if lengths != counts:
        raise UnevenCallError(what, counts, lengths)
    types = set(map(type, parts))
    if types == {np.ndarray}:
        return np.concatenate(parts)
    if np.ndarray in types:
        parts = [part.tolist() if type(part) is np.ndarray else part for part in parts]
    if types == {list} and lengths.count(1) == len(lengths):
        return [value for (value,) in parts]  # half the time of a chain
    return list(chain.from_iterable(parts))
