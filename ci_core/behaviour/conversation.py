"""Lines of JSON to and from a process that may hang, die or say nonsense at any time."""

from __future__ import annotations

import contextlib
import json
import os
import select
import signal
import time
from typing import TYPE_CHECKING, Any, Final

from ci_core.masking import CUT

if TYPE_CHECKING:
    import subprocess
    from pathlib import Path

_LINE_BYTES: Final = 8 * 1024 * 1024
"""Of a reply: an answer of which all is kept, its characters escaped."""
_LOG_BYTES: Final = 50_000_000
"""Of what the process prints; then it is thrown away."""
_LOOK_S: Final = 0.25
"""Between two looks at how much that is: what does not reply may print all the more."""
_PATIENCE_S: Final = 5.0
_SHOWN_CHARACTERS: Final = 200


class ReplyError(Exception):
    """There is no reply; `reason` says why, as the end of "the process …"."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


class LateError(ReplyError):
    """It did not reply in time, and may go on not to."""


class Conversation:
    """The orders and replies of one process.

    Args:
        process: its standard input and output are unbuffered pipes.
        log: what it prints to standard error.
    """

    def __init__(self, process: subprocess.Popen[bytes], log: Path) -> None:
        self._process, self._log = process, log
        assert process.stdin is not None  # noqa: S101 - they are pipes
        assert process.stdout is not None  # noqa: S101
        self._orders, self._replies = process.stdin, process.stdout.fileno()
        self._buffer = bytearray()

    def tell(self, **order: object) -> None:
        """Send an order, small enough for a pipe to take at once; a process that is gone shows when it should reply."""
        with contextlib.suppress(OSError):
            self._orders.write(json.dumps(order).encode() + b"\n")

    def hear(self, within_s: float) -> dict[str, Any]:
        """Return the next reply.

        Raises:
            LateError: there is none within the time.
            ReplyError: the process ended, or says what is no reply.
        """
        deadline = time.monotonic() + within_s
        poll = select.poll()
        poll.register(self._replies, select.POLLIN)
        while (end := self._buffer.find(b"\n")) < 0:
            left_s = deadline - time.monotonic()
            if left_s <= 0:
                raise LateError(f"gave no answer within {within_s:.3g} s")
            self._bound_log()
            if not poll.poll(1000 * min(left_s, _LOOK_S)):
                continue
            block = os.read(self._replies, 1 << 20)
            if not block:
                raise ReplyError(self._end())
            self._buffer += block
            if len(self._buffer) > _LINE_BYTES:
                raise ReplyError("said something that is no reply")
        line = bytes(self._buffer[:end])
        del self._buffer[: end + 1]
        self._bound_log()
        try:
            reply = json.loads(line)
        except (ValueError, RecursionError):
            reply = None
        if not isinstance(reply, dict):
            raise ReplyError("said something that is no reply")
        return reply

    def _end(self) -> str:
        """Return how the process ended, with the last line that it printed."""
        deadline = time.monotonic() + _PATIENCE_S
        while (code := self._process.poll()) is None:
            if time.monotonic() > deadline:
                return "closed its standard output"
            self._bound_log()
            time.sleep(0.01)
        how = f"was ended by {_signal_name(-code)}" if code < 0 else f"ended with exit code {code}"
        if code == -signal.SIGKILL:
            how += " (often: there was too little memory)"
        last = self.last_line()
        return f"{how}; its last words: {last}" if last else how

    def last_line(self) -> str:
        """Return the last line that the process printed; empty when there is none."""
        with contextlib.suppress(OSError), self._log.open("rb") as file:
            file.seek(max(0, file.seek(0, os.SEEK_END) - 4096))
            is_cut = file.tell() > 0
            lines = file.read().decode(errors="replace").split("\n")
            lines[0] = f"{CUT}{lines[0]}" if is_cut else lines[0]
            last = next((line.strip() for line in reversed(lines) if line.strip()), "")
            return last if len(last) <= _SHOWN_CHARACTERS else last[:_SHOWN_CHARACTERS] + CUT
        return ""

    def _bound_log(self) -> None:
        with contextlib.suppress(OSError):
            if self._log.stat().st_size > _LOG_BYTES:
                os.truncate(self._log, 0)


def _signal_name(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"signal {number}"
