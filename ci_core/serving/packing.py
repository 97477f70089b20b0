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

from ci_core.serving.models.batch import Batch
from ci_core.serving.models.snapshot import as_array
from ci_core.serving.segments import Segment, Texts, column_data, kind_of, microseconds

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import datetime

    from numpy.typing import NDArray

    from ci_core.serving.base import Role
    from ci_core.serving.segments import ColumnData


class Record(NamedTuple):
    """One model call, without what the client was told; a tuple, which costs a quarter of an object with names."""

    event_id: str
    arrived: float
    """In seconds since 1970."""
    own_time: datetime | None
    """The event's own time, if it has one."""
    rows: tuple[tuple[str, datetime], ...] | None
    """Id and time of each row, if they are known."""
    model: str
    role: Role
    n_rows: int
    columns: Mapping[str, Sequence[Any] | NDArray[Any]]
    outputs: Sequence[float | None] | NDArray[np.float64]


Key: TypeAlias = "tuple[int, str, Role, tuple[str, ...]]"
"""What the rows of one segment have in common: the day since 1970, the model, its role, the columns."""
DAY_S = 86_400


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
    def kinds(self) -> tuple[Any, ...]:
        """The types of the columns; packs with the same ones may be joined."""
        return tuple([type(data) if type(data) is list else data.dtype for data in self.columns.values()])  # type: ignore[union-attr]


def groups(records: list[Record]) -> dict[Key, list[Record]]:
    """Return the records by the segment that they go to."""
    found: dict[Key, list[Record]] = {}
    for record in records:
        columns = record.columns
        names = columns.names if type(columns) is Batch else columns
        key = (int(record.arrived // DAY_S), record.model, record.role, tuple(names))
        group = found.get(key)
        if group is None:
            group = found[key] = []
        group.append(record)
    return found


def pack(records: list[Record]) -> Pack:
    """Return the rows of calls with the same key."""
    counts = [record.n_rows for record in records]
    ids, times = _ids_and_times(records, counts)
    return Pack(
        n_rows=sum(counts),
        ids=ids,
        times=times,
        columns=_columns([record.columns for record in records]),
        outputs=np.asarray(_joined([record.outputs for record in records]), dtype=np.float64),
    )


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
    numbered = [one if n == 1 else one.join(_suffixes(n)) for one, n in zip(ids, counts, strict=True)]
    text = "".join(numbered)
    if not text.isascii():
        return _own_ids_and_times(records)
    lengths = np.repeat(np.fromiter(map(len, ids), np.int32, len(ids)), counts)
    lengths += np.concatenate([_suffix_lengths(n) for n in counts])
    return Texts(data=text.encode("ascii"), lengths=lengths), np.repeat(times, counts)


def _own_ids_and_times(records: list[Record]) -> tuple[Texts, NDArray[np.int64]]:
    ids: list[str] = []
    moments: list[datetime | float] = []
    for record in records:
        rows, n_rows = record.rows, record.n_rows
        if rows is not None and len(rows) == n_rows:
            ids += [row_id for row_id, _time in rows]
            moments += [row_time for _id, row_time in rows]
        else:
            event_id = record.event_id
            ids += [event_id] if n_rows == 1 else [f"{event_id}/{index}" for index in range(n_rows)]
            moments += repeat(record.own_time or record.arrived, n_rows)
    return Texts.of(ids), _microseconds(moments)


@lru_cache(maxsize=64)
def _suffixes(n_rows: int) -> tuple[str, ...]:
    """Return what an event's id joins to the ids of its rows: nothing before the first one."""
    return ("", *(f"/{index}" for index in range(n_rows)))


@lru_cache(maxsize=64)
def _suffix_lengths(n_rows: int) -> NDArray[np.int32]:
    return np.array([len(one) for one in _suffixes(n_rows)[1:]] if n_rows > 1 else [0] * n_rows, dtype=np.int32)


def _microseconds(moments: list[datetime | float]) -> NDArray[np.int64]:
    if set(map(type, moments)) <= {float}:
        return np.round(np.array(moments, dtype=np.float64) * 1e6).astype(np.int64)
    return np.array([microseconds(moment) for moment in moments], dtype=np.int64)


def _columns(parts: list[Any]) -> dict[str, ColumnData]:
    """Return the columns of many calls as one table; the types are looked at once for all of them."""
    if set(map(type, parts)) == {Batch}:
        names, read = parts[0].names, [part.as_read for part in parts]
        kinds = set(map(type, read))
        if kinds == {np.ndarray}:
            return dict(zip(names, map(_column, np.ascontiguousarray(np.concatenate(read).T)), strict=True))
        if np.ndarray not in kinds:
            parts = read
    return {name: _column(_joined([part[name] for part in parts])) for name in parts[0]}


def _column(values: Sequence[Any] | NDArray[Any]) -> ColumnData:
    if type(values) is list:
        array = as_array(values)
        if type(array) is np.ndarray:
            return array
    return column_data(kind_of(values), values)


def _joined(parts: list[Any]) -> Sequence[Any] | NDArray[Any]:
    types = set(map(type, parts))
    if types == {np.ndarray}:
        return np.concatenate(parts)
    if np.ndarray in types:
        parts = [part.tolist() if type(part) is np.ndarray else part for part in parts]
    if types == {list} and set(map(len, parts)) == {1}:
        return [value for (value,) in parts]  # half the time of a chain
    return list(chain.from_iterable(parts))
