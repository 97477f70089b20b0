"""Keep what the programs of a stage print: all of it in a file, line by line for a listener, the end for an error.

The programs print into a pipe, which a thread empties; our own standard streams stay ours. Secrets are masked before
anything is kept or told. Memory is bounded whatever is printed. Used by ``pipelines/dvc.py``; knows nothing of DVC.
"""

from __future__ import annotations

import collections
import contextlib
import fcntl
import os
import select
import struct
import termios
import threading
from typing import IO, TYPE_CHECKING, Final

from ci_core.masking import SHAPES_ONLY
from ci_core.pipelines._lines import LineSplitter
from ci_core.pipelines._masked_stream import MaskedStream

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from ci_core.masking import Masker

LAST_LINES: Final = 20
"""Lines that an error shows: a traceback's end, and still one screen."""
_PIECE_BYTES: Final = 65_536


class StageOutput:
    """The output of one stage.

    Args:
        log: file that gets all of it, byte for byte but for secrets.
        on_line: told each line; of a line that overwrites itself (a progress bar) the last state.
        on_state: told what an unfinished line shows, whenever it changed.
        masker: knows the secrets.
    """

    def __init__(
        self,
        log: Path,
        on_line: Callable[[str], None],
        on_state: Callable[[str], None] = lambda _text: None,
        *,
        masker: Masker = SHAPES_ONLY,
    ) -> None:
        self._path = log
        self._on_line, self._on_state = on_line, on_state
        self._stream, self._lines = MaskedStream(masker), LineSplitter()
        self._last: collections.deque[str] = collections.deque(maxlen=LAST_LINES)
        self._listener_problem: BaseException | None = None
        self.log_problem: OSError | None = None
        """Why the file does not hold all of the output; None when it does."""

    @property
    def last_lines(self) -> tuple[str, ...]:
        """The end of what was printed."""
        return tuple(self._last)

    @contextlib.contextmanager
    def caught(self) -> Iterator[int]:
        """Give a file descriptor to print to, for the length of the ``with`` block.

        Raises:
            BaseException: whatever the listener raised, after the block.
        """
        reading, writing = os.pipe()
        # A program that a stage left behind still holds the pipe, so its end is told, not waited for.
        end_reading, end_writing = os.pipe()
        pump = threading.Thread(target=self._pump, args=(reading, end_reading), name="stage-output", daemon=True)
        pump.start()
        try:
            yield writing
        finally:
            os.close(end_writing)
            pump.join()
            for descriptor in (reading, writing, end_reading):
                os.close(descriptor)
        if self._listener_problem is not None:
            raise self._listener_problem

    def _pump(self, reading: int, end: int) -> None:
        with self._opened_log() as log:
            while True:
                ready, _, _ = select.select([reading, end], [], [])
                if end in ready:
                    self._take(reading, _waiting_bytes(reading), log)
                    break
                self._take(reading, _PIECE_BYTES, log)
            self._pass_on(self._stream.end(), log)
        if self._lines.unfinished:
            self._tell(self._lines.unfinished)

    @contextlib.contextmanager
    def _opened_log(self) -> Iterator[IO[bytes] | None]:
        try:
            log = self._path.open("wb", buffering=0)
        except OSError as error:
            self.log_problem = error
            yield None
            return
        with log:
            yield log

    def _take(self, reading: int, size: int, log: IO[bytes] | None) -> None:
        while size > 0:
            piece = os.read(reading, min(size, _PIECE_BYTES))
            size = size - len(piece) if size > _PIECE_BYTES else 0
            self._pass_on(self._stream.feed(piece), log)
        self._hear(self._on_state, self._stream.unfinished or self._lines.unfinished)

    def _pass_on(self, piece: bytes, log: IO[bytes] | None) -> None:
        self._keep(piece, log)
        for line in self._lines.feed(piece):
            self._tell(line)

    def _keep(self, piece: bytes, log: IO[bytes] | None) -> None:
        if log is None or self.log_problem is not None:
            return  # a hole in the middle would be worse than an end that is missing
        try:
            rest = memoryview(piece)
            while rest:
                rest = rest[log.write(rest) :]
        except OSError as error:  # the pipe must be emptied all the same, else the stage hangs
            self.log_problem = error

    def _tell(self, line: str) -> None:
        self._last.append(line)
        self._hear(self._on_line, line)

    def _hear(self, listener: Callable[[str], None], text: str) -> None:
        if self._listener_problem is None:
            try:
                listener(text)
            except BaseException as error:  # noqa: BLE001 - the pipe must be emptied, else the stage hangs
                self._listener_problem = error


def _waiting_bytes(reading: int) -> int:
    """Return how much was printed and not read yet; what comes after it is of no stage."""
    count: int = struct.unpack("i", fcntl.ioctl(reading, termios.FIONREAD, b"\0\0\0\0"))[0]
    return count
