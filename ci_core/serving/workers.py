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
from contextlib import suppress
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import FrameType

    from ci_core.serving.metrics import Metrics

logger = logging.getLogger(__name__)

_ENDING = (signal.SIGTERM, signal.SIGINT)
_PR_SET_PDEATHSIG = 1  # <sys/prctl.h>
_prctl = ctypes.CDLL(None).prctl
"""Looked up before the fork: it makes classes, and so would have each worker copy 0.1 MB of shared pages."""
_MIN_LIFE_S = 5.0
"""A worker that ended by itself and lived shorter did not fail by accident, and is not replaced. One that was killed
is, but not before a pause, so that a model that kills its process does not keep a core busy with forking."""
_MAX_PAUSE_S = 5.0
_NAP_S = 0.05


def run_workers(run: Callable[[int], int], n_workers: int, metrics: Metrics, *, grace_s: float, n_last: int = 0) -> int:
    """Fork workers and wait for them; return the exit code.

    A worker that is killed, or dies after a while, is replaced. One that ends by itself soon after its start (a model
    session cannot be opened) ends the others, and its exit code is the result.

    Args:
        run: what a worker does; gets its number, 1-based, returns its exit code.
        n_workers: how many.
        metrics: counts restarts.
        grace_s: how long after the signal to stop a worker may live; then it is killed.
        n_last: how many of them, those with the highest numbers, are told to stop only when the others have ended:
            they are what the others call.
    """
    supervisor = _Supervisor(run, metrics, grace_s, n_first=n_workers - n_last)
    for number in range(1, n_workers + 1):
        supervisor.start(number)
    return supervisor.wait()


class _Supervisor:
    def __init__(self, run: Callable[[int], int], metrics: Metrics, grace_s: float, *, n_first: int) -> None:
        self._n_first = n_first
        self._run, self._metrics, self._grace_s = run, metrics, grace_s
        self._workers: dict[int, tuple[int, float]] = {}  # process id -> number, started
        self._told: set[int] = set()
        self._early_deaths = 0
        self._is_stopping = False
        self._exit_code = 0
        for name in _ENDING:
            signal.signal(name, self._on_signal)
        signal.signal(signal.SIGALRM, self._on_alarm)

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
            self._tell_to_stop()

    def wait(self) -> int:
        while self._workers:
            pid, status = os.wait()
            if pid not in self._workers:  # a child of the user's code
                continue
            number, started = self._workers.pop(pid)
            self._metrics.worker_ended(number)
            if self._is_stopping:
                self._tell_to_stop()
                continue
            code, lived_s = os.waitstatus_to_exitcode(status), time.monotonic() - started
            if lived_s < _MIN_LIFE_S and code >= 0:
                self._exit_code = self._exit_code or code
                self.stop()
            else:
                self._replace(number, code, lived_s)
        return self._exit_code

    def _replace(self, number: int, code: int, lived_s: float) -> None:
        self._early_deaths = self._early_deaths + 1 if lived_s < _MIN_LIFE_S else 0
        pause_s = min(_MAX_PAUSE_S, 0.1 * 2.0**self._early_deaths) if self._early_deaths else 0.0
        logger.error(
            "worker died and is replaced number=%d exit_code=%d lived_s=%.1f pause_s=%.1f",
            number,
            code,
            lived_s,
            pause_s,
        )
        until = time.monotonic() + pause_s
        while time.monotonic() < until and not self._is_stopping:
            time.sleep(_NAP_S)
        if not self._is_stopping:
            self._metrics.restarts.inc()
            self.start(number)

    def stop(self) -> None:
        self._is_stopping = True
        signal.setitimer(signal.ITIMER_REAL, self._grace_s)
        self._tell_to_stop()

    def _tell_to_stop(self) -> None:
        """Tell the workers to stop, and once they have ended, those that they called."""
        first = [pid for pid, (number, _started) in list(self._workers.items()) if number <= self._n_first]
        for pid in first or list(self._workers):
            if pid not in self._told:
                self._told.add(pid)
                with suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGTERM)

    def _kill_all(self, number: signal.Signals) -> None:
        for pid in list(self._workers):
            with suppress(ProcessLookupError):
                os.kill(pid, number)

    def _on_signal(self, number: int, frame: FrameType | None) -> None:
        del number, frame
        if not self._is_stopping:
            self.stop()

    def _on_alarm(self, number: int, frame: FrameType | None) -> None:
        """End workers that do not end: a model that hangs lets its process see no signal."""
        del number, frame
        logger.error("workers did not stop in time and are killed count=%d", len(self._workers))
        self._kill_all(signal.SIGKILL)

    def _be_worker(self, number: int, parent: int) -> int:
        """Be the child: never return into the parent's code, and end when the parent does."""
        for name in (*_ENDING, signal.SIGALRM):
            signal.signal(name, signal.SIG_DFL)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, _ENDING)
        _prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)
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
