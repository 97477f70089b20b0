"""Write down every model call without slowing the answer and without changing it.

The server appends what a model call already made (references, no copies) to a bounded buffer; one thread packs it, a
few hundred rows at a time (``packing.py``), and writes segments (``segments.py``). What does not fit into the buffer,
or cannot be written, is counted, never waited for. The buffer is bounded by rows, and by the size of the requests that
they came with: a row of text may be as large as a request.

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
from ci_core.serving.identity import SMOKE_HEADER, TIME_HEADER
from ci_core.serving.packing import DAY_S, Record, key_of, pack, segment_of
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
_MIB = 1024 * 1024
_PACK_BYTES, _FLUSH_BYTES = 4 * _MIB, 16 * _MIB


class Capture:
    """A buffer and its writer thread. Use: :meth:`start`, :meth:`add` for each call, :meth:`close`.

    Args:
        folder: where segments go; made when it does not exist.
        release: id that is written beside each row.
        sample: share of events that is captured, 0 to 1; chosen by the event's id, so all rows and models of one event
            are captured together, and the same ones by every process.
        max_rows: rows the buffer holds; more are dropped and counted. 100 000 rows of 20 columns are about 30 MB.
        max_bytes: bytes of request bodies, and of ids of rows, that it holds; as for `max_rows`.
        flush_rows: rows after which a segment is written.
        flush_interval_s: time after which rows are written even if they are few.
        close_s: how long :meth:`close` waits for a folder that takes no data.

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
        max_bytes: int = 64 * _MIB,
        flush_rows: int = 16_384,
        flush_interval_s: float = 2.0,
        close_s: float = 10.0,
    ) -> None:
        self.folder = folder
        self._release = release
        self._threshold = round(sample * _HASH_RANGE)
        self._max_rows, self._max_bytes = max_rows, max_bytes
        self._flush_rows, self._flush_interval_s, self._close_s = flush_rows, flush_interval_s, close_s
        self._buffer: deque[tuple[Any, ...]] = deque()
        self._packs: dict[Key, list[Pack]] = {}
        self._packed_rows = self._packed_bytes = 0
        self._added_rows = self._added_bytes = 0
        self._taken_rows = self._taken_bytes = 0  # counted by the writer's thread only
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
        headers, event_id = event.headers, event._id  # noqa: SLF001 - a property costs as much as half of the rest
        if SMOKE_HEADER in headers:
            return
        if self._threshold < _HASH_RANGE and zlib.crc32(event_id.encode(errors="replace")) >= self._threshold:
            return
        n_rows, n_bytes = len(call.answers), event.body_bytes
        if n_rows > 1:
            n_bytes += n_rows * len(event_id)
        waiting = self._added_rows - self._taken_rows + n_rows
        waiting_bytes = self._added_bytes - self._taken_bytes + n_bytes
        if waiting > self._max_rows or waiting_bytes > self._max_bytes:
            self._unbuffered_rows += n_rows
            self._wake.set()
            return
        self._added_rows += n_rows
        self._added_bytes += n_bytes
        own_time = None if event._time is None and TIME_HEADER not in headers else event.time  # noqa: SLF001 - as above
        columns, outputs = call.columns, call.outputs
        # what will be a `Record`; not the call itself: what the client is told must not live until it is written down
        record = (event_id, event.arrived, own_time, event.rows, model, role, n_rows, n_bytes, columns, outputs)
        buffer = self._buffer
        buffer.append(record)
        if (
            waiting >= _PACK_ROWS or len(buffer) >= _PACK_CALLS or waiting_bytes >= _PACK_BYTES
        ) and not self._wake.is_set():
            self._wake.set()

    def close(self) -> None:
        """Write what is left, and stop the writer; one that the folder keeps waiting is left behind after a while."""
        self._stopping = True
        self._wake.set()
        thread, self._thread = self._thread, None
        if thread is None:
            return
        thread.join(self._close_s)
        if thread.is_alive():
            text = "capture left unfinished folder=%s rows=%d reason=it took nothing for %g s; they may be lost"
            logger.error(text, self.folder, self._unwritten_rows, self._close_s)

    def _write_until_closed(self) -> None:
        next_write = time.monotonic() + self._flush_interval_s
        while not self._stopping:
            self._wake.wait(max(0.0, next_write - time.monotonic()))
            self._wake.clear()
            self._pack()
            if self._is_enough or time.monotonic() >= next_write:
                self._write_packed()
                next_write = time.monotonic() + self._flush_interval_s
        self.flush()

    def flush(self) -> None:
        """Write all that is in the buffer now; called by the writer's thread, or by tests without one."""
        self._pack()
        self._write_packed()

    @property
    def _is_enough(self) -> bool:
        """Whether what is packed is worth a segment."""
        return self._packed_rows >= self._flush_rows or self._packed_bytes >= _FLUSH_BYTES

    @property
    def _unwritten_rows(self) -> int:
        return self._added_rows - self.written_rows - self.failed_rows - self._strange_rows

    def _pack(self) -> None:
        """Take what is in the buffer, some calls at a time, out of their objects into arrays."""
        while self._buffer:
            records = self._take()
            for key, group in self._by_segment(records).items():
                self._keep_sound(key, group)
            self._taken_rows += _rows_of(records)
            self._taken_bytes += sum([record.n_bytes for record in records])
            if self._is_enough:
                self._write_packed()

    def _take(self) -> list[Record]:
        records: list[Record] = []
        n_rows = n_bytes = 0
        while self._buffer and n_rows < _PACK_ROWS and n_bytes < _PACK_BYTES and len(records) < _PACK_CALLS:
            record = Record._make(self._buffer.popleft())
            records.append(record)
            n_rows += record.n_rows
            n_bytes += record.n_bytes
        return records

    def _by_segment(self, records: list[Record]) -> dict[Key, list[Record]]:
        found: dict[Key, list[Record]] = {}
        for record in records:
            try:
                found.setdefault(key_of(record), []).append(record)
            except Exception as error:  # noqa: BLE001 - a user's own `call` may have returned anything
                self._note_failure(record.n_rows, error)
        return found

    def _keep_sound(self, key: Key, records: list[Record]) -> None:
        """Keep the calls; those that cannot be packed do not cost the others."""
        try:
            self._keep(key, records)
        except Exception as error:  # noqa: BLE001 - whatever happens here, the answers go on
            sound = [record for record in records if _can_be_packed(record)]
            if len(sound) == len(records):  # but not together
                sound = []
            self._note_failure(_rows_of(records) - _rows_of(sound), error)
            if sound:
                self._keep_sound(key, sound)

    def _keep(self, key: Key, records: list[Record]) -> None:
        if not self._knows_columns(key):
            self._strange_rows += _rows_of(records)
            return
        packed = pack(records)
        others = self._packs.setdefault(key, [])
        if others and others[0].kinds != packed.kinds:
            self._write(key, others)  # a column has one type a segment
            others = self._packs[key] = []
        others.append(packed)
        self._packed_rows += packed.n_rows
        self._packed_bytes += packed.n_bytes

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
        packs, self._packs = self._packs, {}
        self._packed_rows = self._packed_bytes = 0
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


def _rows_of(records: list[Record]) -> int:
    return sum([record.n_rows for record in records])


def _can_be_packed(record: Record) -> bool:
    try:
        pack([record])
    except Exception:  # noqa: BLE001 - as above
        return False
    return True
