"""Write down every model call without slowing the answer and without changing it.

The server appends what a model call already made (references, no copies) to a bounded buffer; one thread groups it and
writes segments (``segments.py``). What does not fit into the buffer, or cannot be written, is counted, never waited
for.
"""

from __future__ import annotations

import logging
import os
import threading
import time
import zlib
from collections import deque
from datetime import UTC, datetime
from itertools import chain
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np

from ci_core.errors import CaptureFolderError
from ci_core.serving.base import ANSWER
from ci_core.serving.identity import SMOKE_HEADER
from ci_core.serving.models.batch import Batch
from ci_core.serving.segments import Segment, column_data, kind_of, write_segment

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    from ci_core.serving.base import ModelCall, Role
    from ci_core.serving.event import Event
    from ci_core.serving.segments import ColumnData

logger = logging.getLogger(__name__)

_LOG_EVERY_S = 60.0
_HASH_RANGE = 2**32
_DAY_S = 86_400


# One model call, as the request left it; a tuple, which costs a quarter of an object with names:
# event id, time of arrival, own time if it has one, id and time of each row if they are known, model, role, call.
_Record: TypeAlias = "tuple[str, float, datetime | None, tuple[tuple[str, datetime], ...] | None, str, Role, ModelCall]"


class Capture:
    """A buffer and its writer thread. Use: :meth:`start`, :meth:`add` for each call, :meth:`close`.

    Args:
        folder: where segments go; made when it does not exist.
        release: id that is written beside each row.
        sample: share of events that is captured, 0 to 1; chosen by the event's id, so all rows and models of one event
            are captured together, and the same ones by every process.
        max_rows: rows the buffer holds; more are dropped and counted. 100 000 rows of 20 columns are about 30 MB.
        flush_rows: rows after which the writer is woken.
        flush_interval_s: time after which rows are written even if they are few.

    Attributes:
        written_rows: rows in published segments.
        dropped_rows: rows that met a full buffer.
        failed_rows: rows that could not be written.
    """

    def __init__(
        self,
        folder: Path,
        *,
        release: str | None = None,
        sample: float = 1.0,
        max_rows: int = 100_000,
        flush_rows: int = 8192,
        flush_interval_s: float = 2.0,
    ) -> None:
        self.folder = folder
        self._release = release
        self._threshold = round(sample * _HASH_RANGE)
        self._max_rows, self._flush_rows, self._flush_interval_s = max_rows, flush_rows, flush_interval_s
        self._buffer: deque[_Record] = deque()
        self._added_rows = 0  # counted by the server's thread only
        self._taken_rows = 0  # counted by the writer's thread only
        self._wake = threading.Event()
        self._stopping = False
        self._thread: threading.Thread | None = None
        self._next_number = 0
        self._logged_at = -_LOG_EVERY_S
        self.written_rows = self.dropped_rows = self.failed_rows = 0

    def check_folder(self) -> None:
        """Make sure that the folder can be written.

        Raises:
            CaptureFolderError: it cannot.
        """
        probe = self.folder / f".probe-{threading.get_native_id()}"
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            probe.write_bytes(b"")
            probe.unlink()
        except OSError as error:
            raise CaptureFolderError(folder=str(self.folder), reason=error.strerror or str(error)) from error

    def start(self) -> None:
        """Start the writer. After a fork, in the process that serves: threads do not survive a fork.

        Raises:
            CaptureFolderError: the folder cannot be written.
        """
        self.check_folder()
        self._thread = threading.Thread(target=self._write_until_closed, name="graphship-capture", daemon=True)
        self._thread.start()

    def add(self, event: Event, model: str, call: ModelCall, role: Role = ANSWER) -> None:
        """Take note of one model call; never waits and never raises."""
        if SMOKE_HEADER in event.headers:
            return
        if self._threshold < _HASH_RANGE and zlib.crc32(event.id.encode()) >= self._threshold:
            return
        n_rows = len(call.answers)
        waiting = self._added_rows - self._taken_rows + n_rows
        if waiting > self._max_rows:
            self.dropped_rows += n_rows
            self._wake.set()
            return
        self._added_rows += n_rows
        own_time = event.time if event.has_own_time else None
        self._buffer.append((event.id, event.arrived, own_time, event.rows, model, role, call))
        if waiting >= self._flush_rows:
            self._wake.set()

    def close(self) -> None:
        """Write what is left, and stop the writer."""
        self._stopping = True
        self._wake.set()
        if self._thread is not None:
            self._thread.join()
            self._thread = None

    def _write_until_closed(self) -> None:
        while not self._stopping:
            self._wake.wait(self._flush_interval_s)
            self._wake.clear()
            self.flush()
        self.flush()

    def flush(self) -> None:
        """Write all that is in the buffer now; called by the writer's thread, or by tests without one."""
        take = self._buffer.popleft
        records = [take() for _ in range(len(self._buffer))]
        taken_rows = 0
        for (day, model, role, _names), group in _groups(records).items():
            n_rows = sum([len(call.answers) for call in group.calls])
            self._write(datetime.fromtimestamp(day * _DAY_S, UTC).strftime("%Y%m%d"), model, role, group, n_rows)
            taken_rows += n_rows
        self._taken_rows += taken_rows

    def _write(self, day: str, model: str, role: Role, group: _Group, n_rows: int) -> None:
        try:
            segment = group.segment(self._release, model, role)
            folder = self.folder / day
            folder.mkdir(parents=True, exist_ok=True)
            self._write_under_free_name(segment, folder)
        except Exception as error:  # noqa: BLE001 - whatever happens here, the answers go on
            self.failed_rows += n_rows
            self._log_failure(error)
        else:
            self.written_rows += n_rows

    def _write_under_free_name(self, segment: Segment, folder: Path) -> None:
        while True:
            path = folder / f"{os.getpid()}-{self._next_number}.arrow"
            self._next_number += 1
            try:
                write_segment(segment, path)
            except FileExistsError:
                continue
            return

    def _log_failure(self, error: Exception) -> None:
        now = time.monotonic()
        if now - self._logged_at >= _LOG_EVERY_S:
            self._logged_at = now
            logger.warning(
                "capture not written folder=%s failed_rows=%d error=%s: %s",
                self.folder,
                self.failed_rows,
                type(error).__name__,
                error,
            )


class _Group:
    """Calls whose rows go to one segment."""

    __slots__ = ("calls", "ids", "times")

    def __init__(self) -> None:
        self.ids: list[str] = []
        self.times: list[datetime | float] = []
        self.calls: list[ModelCall] = []

    def segment(self, release: str | None, model: str, role: Role) -> Segment:
        return Segment(
            release=release,
            model=model,
            role=role,
            event_ids=self.ids,
            event_times=self.times,
            columns=_columns([call.columns for call in self.calls]),
            outputs=np.asarray(_joined([call.outputs for call in self.calls]), dtype=np.float64),
        )


def _groups(records: list[_Record]) -> dict[tuple[int, str, Role, Sequence[str]], _Group]:
    """Return the calls by what the rows of a segment have in common: day, model, role and columns."""
    groups: dict[tuple[int, str, Role, Sequence[str]], _Group] = {}
    for event_id, arrived, own_time, rows, model, role, call in records:
        columns = call.columns
        names = columns.names if type(columns) is Batch else tuple(columns)
        key = (int(arrived // _DAY_S), model, role, names)
        group = groups.get(key)
        if group is None:
            group = groups[key] = _Group()
        group.calls.append(call)
        moment = own_time or arrived
        n_rows = len(call.answers)
        if rows is not None and len(rows) == n_rows:
            group.ids += [row_id for row_id, _time in rows]
            group.times += [row_time for _id, row_time in rows]
        elif n_rows == 1:
            group.ids.append(event_id)
            group.times.append(moment)
        else:
            group.ids += [f"{event_id}/{index}" for index in range(n_rows)]
            group.times += [moment] * n_rows
    return groups


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
    return column_data(kind_of(values), values)


def _joined(parts: list[Any]) -> Sequence[Any] | NDArray[Any]:
    types = set(map(type, parts))
    if types == {np.ndarray}:
        return np.concatenate(parts)
    if np.ndarray in types:
        parts = [part.tolist() if type(part) is np.ndarray else part for part in parts]
    return list(chain.from_iterable(parts))
