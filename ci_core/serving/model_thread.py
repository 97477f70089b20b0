"""A thread that runs what it is given, one after the other: where a model's long calls happen."""

from __future__ import annotations

import threading
import weakref
from queue import SimpleQueue
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

_CLOSE_WAIT_S = 1.0


class ModelThread:
    """Runs one call after the other; a daemon, so that a call that hangs does not keep the process.

    The thread itself refers to nothing but its queue, and so ends with whoever owns it.
    """

    def __init__(self) -> None:
        self._queue: SimpleQueue[Callable[[], None] | None] = SimpleQueue()
        self._thread = threading.Thread(target=_run_all, args=(self._queue,), name="graphship-model", daemon=True)
        self._thread.start()
        self._stop = weakref.finalize(self, self._queue.put, None)

    def put(self, work: Callable[[], None]) -> None:
        """Run `work`, which must not raise, when all before it is done."""
        self._queue.put(work)

    def end(self) -> None:
        """End the thread when all is done; waits up to 1 s for what is under way."""
        self.leave()
        if self._thread is not threading.current_thread():
            self._thread.join(_CLOSE_WAIT_S)

    def leave(self) -> None:
        """Let the thread end when all is done, and wait for nothing."""
        self._stop()


def _run_all(queue: SimpleQueue[Callable[[], None] | None]) -> None:
    while (work := queue.get()) is not None:
        work()
        del work  # it refers to the owner of the queue, who must be able to go
