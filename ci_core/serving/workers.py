"""Several serving processes on one port: fork them, mourn them, replace them.

Linux only, as ``fork`` and ``PR_SET_PDEATHSIG`` are; one worker needs none of this.
"""

from __future__ import annotations

import ctypes
import logging
import os
import signal
import sys
import time
import traceback
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import FrameType

logger = logging.getLogger(__name__)

_ENDING = (signal.SIGTERM, signal.SIGINT)
_PR_SET_PDEATHSIG = 1  # <sys/prctl.h>
_MIN_LIFE_S = 5.0
"""A worker that lived shorter did not fail by accident, and is not replaced."""


def run_workers(run: Callable[[int], int], n_workers: int) -> int:
    """Fork workers and wait for them; return the exit code.

    A worker that is killed, or dies after a while, is replaced. One that ends by itself soon after its start (its graph
    cannot be compiled) ends the others, and its exit code is the result.

    Args:
        run: what a worker does; gets its number, 1-based, returns its exit code.
        n_workers: how many.
    """
    supervisor = _Supervisor(run)
    for number in range(1, n_workers + 1):
        supervisor.start(number)
    return supervisor.wait()


class _Supervisor:
    def __init__(self, run: Callable[[int], int]) -> None:
        self._run = run
        self._workers: dict[int, tuple[int, float]] = {}  # process id -> number, started
        self._is_stopping = False
        self._exit_code = 0
        for name in _ENDING:
            signal.signal(name, self._on_signal)

    def start(self, number: int) -> None:
        parent = os.getpid()
        # A signal must find either the parent that knows the worker, or the worker that has laid the parent's handler
        # down: in between, the child would run the handler and end its sisters.
        signal.pthread_sigmask(signal.SIG_BLOCK, _ENDING)
        pid = os.fork()
        if pid == 0:
            os._exit(self._be_worker(number, parent))
        self._workers[pid] = (number, time.monotonic())
        signal.pthread_sigmask(signal.SIG_UNBLOCK, _ENDING)
        if self._is_stopping:  # told before the signals were blocked
            os.kill(pid, signal.SIGTERM)

    def wait(self) -> int:
        while self._workers:
            pid, status = os.wait()
            number, started = self._workers.pop(pid)
            if self._is_stopping:
                continue
            code = os.waitstatus_to_exitcode(status)
            if time.monotonic() - started >= _MIN_LIFE_S or code < 0:
                logger.error("worker died and is replaced number=%d exit_code=%d", number, code)
                self.start(number)
            else:
                self._exit_code = self._exit_code or code
                self.stop()
        return self._exit_code

    def stop(self) -> None:
        self._is_stopping = True
        for pid in self._workers:
            os.kill(pid, signal.SIGTERM)

    def _on_signal(self, number: int, frame: FrameType | None) -> None:
        del number, frame
        if not self._is_stopping:
            self.stop()

    def _be_worker(self, number: int, parent: int) -> int:
        """Be the child: never return into the parent's code, and end when the parent does."""
        for name in _ENDING:
            signal.signal(name, signal.SIG_DFL)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, _ENDING)
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)
        if os.getppid() != parent:  # it ended before the line above
            return 0
        try:
            code = self._run(number)
        except Exception as error:  # noqa: BLE001 - told here; an exception must not reach the parent's frames
            code = _tell(error)
        sys.stdout.flush()
        sys.stderr.flush()
        return code


def _tell(error: Exception) -> int:
    from ci_core.errors import GraphshipError
    from ci_core.serving.__main__ import render

    if isinstance(error, GraphshipError):
        sys.stderr.write(render(error) + "\n")
        return int(error.exit_code)
    traceback.print_exception(error)
    return 1
