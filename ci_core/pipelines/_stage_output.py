"""Catch what the programs of a stage print: into a file, line by line to a listener, the end kept.

DVC starts a stage's commands on the standard streams of this process and offers no other way. Turning those streams
around would catch our own words, too (a listener that prints would hear itself for ever). So the one function of DVC
that says how programs are started is wrapped for the time of the run.
"""

from __future__ import annotations

import collections
import contextlib
import os
import secrets
import subprocess
import threading
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

LAST_LINES: Final = 20
"""Lines that an error shows: a traceback's end, and still one screen."""


class StageOutput:
    """The output of one stage.

    Args:
        log: file that gets all of it, byte for byte.
        on_line: told each line; of a line that overwrites itself (a progress bar) the last state.
    """

    def __init__(self, log: Path, on_line: Callable[[str], None]) -> None:
        self._log = log
        self._on_line = on_line
        self._last: collections.deque[str] = collections.deque(maxlen=LAST_LINES)
        self._problem: BaseException | None = None
        self.has_started = False
        """Whether a program of the stage was started; otherwise its outputs came from the run cache."""

    @property
    def last_lines(self) -> tuple[str, ...]:
        """The end of what was printed."""
        return tuple(self._last)

    @contextlib.contextmanager
    def caught(self) -> Iterator[None]:
        """Catch what DVC's stage programs print inside the ``with`` block.

        Raises:
            BaseException: whatever the listener raised, after the block.
        """
        reading, writing = os.pipe()
        end = secrets.token_hex(16).encode() + b"\n"
        pump = threading.Thread(target=self._pump, args=(reading, end), name="stage-output", daemon=True)
        pump.start()
        try:
            with self._programs_print_to(writing):
                yield
        finally:
            # A program that a stage left behind still holds the pipe, so its end is told, not waited for.
            os.write(writing, end)
            os.close(writing)
            pump.join()
        if self._problem is not None:
            raise self._problem

    @contextlib.contextmanager
    def _programs_print_to(self, descriptor: int) -> Iterator[None]:
        """Make the programs of stages print to a file descriptor and read nothing."""
        from dvc.stage import run

        original = run.prepare_kwargs

        def prepare(*arguments: Any, **named: Any) -> dict[str, Any]:
            self.has_started = True
            streams = {"stdin": subprocess.DEVNULL, "stdout": descriptor, "stderr": subprocess.STDOUT}
            return {**original(*arguments, **named), **streams}

        run.prepare_kwargs = prepare
        try:
            yield
        finally:
            run.prepare_kwargs = original

    def _pump(self, reading: int, end: bytes) -> None:
        with os.fdopen(reading, "rb") as source, self._log.open("wb") as log:
            for raw in source:
                is_over = raw.endswith(end)
                content = raw.removesuffix(end) if is_over else raw
                if content:
                    log.write(content)
                    log.flush()
                    self._tell(content)
                if is_over:
                    return

    def _tell(self, content: bytes) -> None:
        line = content.decode("utf-8", "replace").rstrip("\r\n").rpartition("\r")[2]
        self._last.append(line)
        if self._problem is None:
            try:
                self._on_line(line)
            except BaseException as error:  # noqa: BLE001 - the pipe must be emptied, else the stage hangs
                self._problem = error
