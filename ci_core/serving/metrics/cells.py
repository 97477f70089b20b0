"""Numbers that every process of a server writes and each can read: anonymous shared memory, one row a process.

Made before the fork and inherited. A process writes its own row only, so nothing is locked; a reader takes all rows. A
row says itself what its cells are (its directory: one JSON line a declaration), so a process can declare more at any
time, and a process that replaces another goes on with the row it finds.

A row: ``_DIRECTORY_BYTES`` of directory, then cells of 8 bytes (float64: whole numbers stay exact up to 2**53). Cell 0
is the length of the directory, cell 1 the id of the process. Pages that nobody touched cost nothing.
"""

from __future__ import annotations

import mmap
import os

_DIRECTORY_BYTES = 4 * 1024 * 1024
_CELL_BYTES = 8
_ROW_BYTES = _DIRECTORY_BYTES + 4 * 1024 * 1024
_USED, _PROCESS = 0, 1
FIRST_CELL = 2
N_CELLS = (_ROW_BYTES - _DIRECTORY_BYTES) // _CELL_BYTES


class Cells:
    """Shared memory of `n_rows` rows.

    Attributes:
        values: the cells of this process's own row; ``values[i] += x`` is one step for other threads of the process,
            as nothing is called between reading and writing.
    """

    def __init__(self, n_rows: int) -> None:
        self._memory = memoryview(mmap.mmap(-1, n_rows * _ROW_BYTES))
        self.n_rows = n_rows
        self.values = self.bind(0)

    def bind(self, row: int) -> memoryview[float]:
        """Make `row` this process's own, and return its cells; its directory and its numbers stay."""
        self._row = row
        self.values = self.row(row)
        self.values[_PROCESS] = os.getpid()
        return self.values

    def vacate(self, row: int) -> None:
        """Forget the process that a row belonged to."""
        self.row(row)[_PROCESS] = 0.0

    def row(self, row: int) -> memoryview[float]:
        """Return the cells of any row, to be read."""
        start = row * _ROW_BYTES
        return self._memory[start + _DIRECTORY_BYTES : start + _ROW_BYTES].cast("d")

    def declare(self, line: bytes) -> bool:
        """Append a line to the directory of the own row; False when it does not fit any more."""
        start, used = self._row * _ROW_BYTES, int(self.values[_USED])
        if used + len(line) + 1 > _DIRECTORY_BYTES:
            return False
        self._memory[start + used : start + used + len(line) + 1] = line + b"\n"
        self.values[_USED] = used + len(line) + 1  # last: a reader sees whole lines
        return True

    def used(self, row: int) -> int:
        """Return the length of the directory of any row."""
        return int(self.row(row)[_USED])

    def directory(self, row: int, start: int, end: int) -> bytes:
        """Return a part of the directory of any row."""
        return bytes(self._memory[row * _ROW_BYTES + start : row * _ROW_BYTES + end])

    def process_ids(self) -> list[int]:
        """Return the ids of the processes that own rows, dead ones too."""
        found = (int(self.row(row)[_PROCESS]) for row in range(self.n_rows))
        return [process_id for process_id in found if process_id]
