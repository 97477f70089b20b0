"""Write down every model call without slowing the answer and without changing it.

The server appends what a model call already made (references, no copies) to a bounded buffer; one thread packs it, a
few hundred rows at a time (``packing.py``), and writes segments (``segments.py``). What does not fit into the buffer,
or cannot be written, is counted, never waited for.

Rows with the same columns share a segment. A model that names no columns receives whatever clients send, and so that
they cannot make a file a request, rows of the first 64 sets of columns of a model on a day are kept; rows with any
other set are dropped, counted, and told in the log once a day and model. Models that name their ``input_columns`` have
one set.
"""

from __future__ import annotations

import logging
import os
import threading
import time
import zlib
from collections import deque
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from ci_core.errors import CaptureFolderError
from ci_core.serving.base import ANSWER
from ci_core.serving.identity import SMOKE_HEADER
from ci_core.serving.packing import DAY_S, Record, groups, pack, segment_of
from ci_core.serving.segments import write_segment

if TYPE_CHECKING:
    from pathlib import Path

    from ci_core.serving.base import ModelCall, Role
    from ci_core.serving.event import Event
    from ci_core.serving.packing import Key, Pack
    from ci_core.serving.segments import Segment

logger = logging.getLogger(__name__)

_LOG_EVERY_S = 60.0
_HASH_RANGE = 2**32
_COLUMN_SETS = 64
"""Sets of columns of one model and role that are kept on a day, at most."""
_PACK_CALLS, _PACK_ROWS = 512, 4096
"""Enough that arrays pay and the writer is seldom woken, and few enough that nobody waits long for the interpreter: a
millisecond."""


class Capture:
    """A buffer and its writer thread. Use: :meth:`start`, :meth:`add` for each call, :meth:`close`.

    Args:
        folder: where segments go; made when it does not exist.
        release: id that is written beside each row.
        sample: share of events that is captured, 0 to 1; chosen by the event's id, so all rows and models of one event
            are captured together, and the same ones by every process.
        max_rows: rows the buffer holds; more are dropped and counted. 100 000 rows of 20 columns are about 30 MB.
        flush_rows: rows after which a segment is written.
        flush_interval_s: time after which rows are written even if they are few.

    Attributes:
        written_rows: rows in published segments.
        failed_rows: rows that could not be written.
    """

    def __init__(
        self,
        folder: Path,
        *,
        release: str | None = None,
        sample: float = 1.0,
        max_rows: int = 100_000,
        flush_rows: int = 16_384,
        flush_interval_s: float = 2.0,
    ) -> None:
        self.folder = folder
        self._release = release
        self._threshold = round(sample * _HASH_RANGE)
        self._max_rows, self._flush_rows, self._flush_interval_s = max_rows, flush_rows, flush_interval_s
        self._buffer: deque[tuple[Any, ...]] = deque()
        self._packs: dict[Key, list[Pack]] = {}
        self._packed_rows = 0
        self._added_rows = 0
        self._taken_rows = 0  # counted by the writer's thread only
        self._wake = threading.Event()
        self._stopping = False
        self._thread: threading.Thread | None = None
        self._next_number = 0
        self._logged_at = -_LOG_EVERY_S
        self._column_sets: dict[tuple[int, str, Role], set[tuple[str, ...]]] = {}
        self._overfull: set[tuple[int, str, Role]] = set()
        self._unbuffered_rows = 0
        self._strange_rows = 0  # counted by the writer's thread only
        self.written_rows = self.failed_rows = 0

    @property
    def dropped_rows(self) -> int:
        """Rows that met a full buffer, or had one set of columns too many."""
        return self._unbuffered_rows + self._strange_rows

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
        if self._threshold < _HASH_RANGE and zlib.crc32(event.id.encode(errors="replace")) >= self._threshold:
            return
        n_rows = len(call.answers)
        waiting = self._added_rows - self._taken_rows + n_rows
        if waiting > self._max_rows:
            self._unbuffered_rows += n_rows
            self._wake.set()
            return
        self._added_rows += n_rows
        own_time = event.time if event.has_own_time else None
        buffer = self._buffer
        # what will be a `Record`; not the call itself: what the client is told must not live until it is written down
        buffer.append((event.id, event.arrived, own_time, event.rows, model, role, n_rows, call.columns, call.outputs))
        if (waiting >= _PACK_ROWS or len(buffer) >= _PACK_CALLS) and not self._wake.is_set():
            self._wake.set()

    def close(self) -> None:
        """Write what is left, and stop the writer."""
        self._stopping = True
        self._wake.set()
        if self._thread is not None:
            self._thread.join()
            self._thread = None

    def _write_until_closed(self) -> None:
        next_write = time.monotonic() + self._flush_interval_s
        while not self._stopping:
            self._wake.wait(max(0.0, next_write - time.monotonic()))
            self._wake.clear()
            self._pack()
            if self._packed_rows >= self._flush_rows or time.monotonic() >= next_write:
                self._write_packed()
                next_write = time.monotonic() + self._flush_interval_s
        self.flush()

    def flush(self) -> None:
        """Write all that is in the buffer now; called by the writer's thread, or by tests without one."""
        self._pack()
        self._write_packed()

    def _pack(self) -> None:
        """Take what is in the buffer, some calls at a time, out of their objects into arrays."""
        take = self._buffer.popleft
        while self._buffer:
            records: list[Record] = []
            taken_rows = 0
            while self._buffer and taken_rows < _PACK_ROWS and len(records) < _PACK_CALLS:
                record = Record._make(take())
                records.append(record)
                taken_rows += record.n_rows
            for key, group in groups(records).items():
                self._keep(key, group)
            self._taken_rows += taken_rows
            if self._packed_rows >= self._flush_rows:
                self._write_packed()

    def _keep(self, key: Key, records: list[Record]) -> None:
        if not self._knows_columns(key):
            self._strange_rows += sum(record.n_rows for record in records)
            return
        try:
            packed = pack(records)
        except Exception as error:  # noqa: BLE001 - whatever happens here, the answers go on
            self._note_failure(sum(record.n_rows for record in records), error)
            return
        others = self._packs.setdefault(key, [])
        if others and others[0].kinds != packed.kinds:
            self._write(key, others)  # a column has one type a segment
            others = self._packs[key] = []
        others.append(packed)
        self._packed_rows += packed.n_rows

    def _knows_columns(self, key: Key) -> bool:
        """Whether the columns are among the first sets of their model on their day."""
        day, model, role, names = key
        known = self._column_sets.get((day, model, role))
        if known is None:
            for old in [one for one in self._column_sets if one[0] < day - 1]:
                del self._column_sets[old]
                self._overfull.discard(old)
            known = self._column_sets[day, model, role] = set()
        if names in known:
            return True
        if len(known) < _COLUMN_SETS:
            known.add(names)
            return True
        if (day, model, role) not in self._overfull:
            self._overfull.add((day, model, role))
            text = "capture drops rows model=%s reason=more than %d sets of columns today; name its `input_columns`"
            logger.warning(text, model, _COLUMN_SETS)
        return False

    def _write_packed(self) -> None:
        packs, self._packs, self._packed_rows = self._packs, {}, 0
        for key, some in packs.items():
            self._write(key, some)

    def _write(self, key: Key, packs: list[Pack]) -> None:
        day, model, role, _names = key
        n_rows = sum(one.n_rows for one in packs)
        try:
            segment = segment_of(packs, release=self._release, model=model, role=role)
            folder = self.folder / datetime.fromtimestamp(day * DAY_S, UTC).strftime("%Y%m%d")
            folder.mkdir(parents=True, exist_ok=True)
            self._write_under_free_name(segment, folder)
        except Exception as error:  # noqa: BLE001 - as above
            self._note_failure(n_rows, error)
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

    def _note_failure(self, n_rows: int, error: Exception) -> None:
        self.failed_rows += n_rows
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
