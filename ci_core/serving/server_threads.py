"""The threads of granian's runtime, which Python does not know of.

They end a moment after the server says that it has. One that came back to an interpreter that is being taken apart
would abort the process, so they are waited for. Where there is no ``/proc`` nothing is.
"""

from __future__ import annotations

import asyncio
import threading
from pathlib import Path
from typing import Final

_TASKS: Final = Path("/proc/self/task")
_POLL_S: Final = 0.001
_PATIENCE_S: Final = 1.0


class ServerThreads:
    """Threads that were started since this was made, and not by Python."""

    def __init__(self) -> None:
        self._before = _native_threads()
        self._started: frozenset[int] = frozenset()

    def note(self) -> None:
        """Take the threads that were started by now for the server's."""
        self._started = _native_threads() - self._before

    async def wait(self) -> None:
        """Return when they have ended; or after a while, whatever became of them."""
        for _ in range(round(_PATIENCE_S / _POLL_S)):
            if not self._started & _native_threads():
                return
            await asyncio.sleep(_POLL_S)


def _native_threads() -> frozenset[int]:
    if not _TASKS.exists():
        return frozenset()
    return frozenset(int(task.name) for task in _TASKS.iterdir()) - {one.native_id for one in threading.enumerate()}
