"""Several serving processes on one port: fork them, mourn them, replace them.

Linux only, as ``fork`` and ``PR_SET_PDEATHSIG`` are; one worker needs none of this.
"""

from __future__ import annotations

import ctypes
import logging
import mmap
import os
import select
import signal
import sys
import time
from contextlib import suppress
from typing import TYPE_CHECKING, Final, Self

from ci_core.serving.ending import OF_SIGNAL, Orders, leave_at_once

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from ci_core.serving.metrics import Metrics

    Run = Callable[[int, Callable[[], None]], int]

logger = logging.getLogger(__name__)

_ENDING: Final = (signal.SIGTERM, signal.SIGINT)
_WATCHED: Final = (*_ENDING, signal.SIGCHLD)
_PR_SET_PDEATHSIG: Final = 1  # <sys/prctl.h>
_prctl = ctypes.CDLL(None).prctl
"""Looked up before the fork: it makes classes, and so would have each worker copy 0.1 MB of shared pages."""
_LONG_LIFE_S: Final = 5.0
"""A process that lived shorter is replaced after a pause only, so that requests that kill a process, or a model that
cannot be loaded, do not keep a core busy with forking."""
_FIRST_PAUSE_S: Final = 0.1
_LONGEST_PAUSE_S: Final = 5.0
_DOUBLINGS: Final = 10
"""Of the pause, more than the longest needs: a power of a thousand deaths is no number any more."""


def run_workers(run: Run, n_workers: int, metrics: Metrics, *, grace_s: float, functions: Sequence[str] = ()) -> int:
    """Fork processes and wait for them until told to stop (SIGTERM, SIGINT); return the exit code.

    A process that dies after it had started is replaced, always. One that cannot start ends the server, with its exit
    code; but if it is a replacement, or was killed, and a worker serves meanwhile, it is tried again. So is a
    replacement that the system has no room for just now, for as long as that lasts. Who is told again to stop kills
    those that are left.

    Args:
        run: what a process does; gets its number, 1-based, and what it calls when it has started and nothing can fail
            any more but requests; returns its exit code.
        n_workers: how many take requests.
        metrics: counts restarts.
        grace_s: how long after the signal to stop a process may live; then it is killed.
        functions: names of what other processes run, with the numbers that follow. They are told to stop only when the
            workers have ended: they are what the workers call.
    """
    processes = [_Process(number, "worker", is_worker=True) for number in range(1, n_workers + 1)]
    for number, name in enumerate(functions, start=n_workers + 1):
        processes.append(_Process(number, f"function {name}", is_worker=False))
    with _Signals() as signals:
        return _Supervisor(run, processes, metrics, signals, grace_s).run()


class _Signals:
    """The signals that the supervisor waits for, whichever thread they reach, read in one place.

    What is done about them is then never done in the middle of something else.
    """

    def __enter__(self) -> Self:
        self._read, self._write = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
        self._wakeup_before = signal.set_wakeup_fd(self._write, warn_on_full_buffer=False)
        self._before = {number: signal.signal(number, lambda _number, _frame: None) for number in _WATCHED}
        return self

    def __exit__(self, *_: object) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)
        signal.set_wakeup_fd(self._wakeup_before)
        os.close(self._read)
        os.close(self._write)

    def wait(self, timeout_s: float | None) -> bytes:
        """Return the numbers of the signals that came, once some did, or after `timeout_s`."""
        select.select([self._read], [], [], timeout_s)
        with suppress(BlockingIOError):
            return os.read(self._read, 4096)
        return b""

    def reset(self) -> None:
        """Let a forked process take them as any process does."""
        signal.set_wakeup_fd(-1)
        for number in _WATCHED:
            signal.signal(number, signal.SIG_DFL)
        os.close(self._read)
        os.close(self._write)


class _Process:
    """A place for a process, and who has it now."""

    def __init__(self, number: int, name: str, *, is_worker: bool) -> None:
        self.number, self.name, self.is_worker = number, name, is_worker
        self.pid = 0
        """0: none."""
        self.started = 0.0
        self.has_started_before = False
        self.is_told = False
        self.early_deaths = 0
        self.due: float | None = None
        """When the next one is started."""


class _Supervisor:
    def __init__(
        self, run: Run, processes: Sequence[_Process], metrics: Metrics, signals: _Signals, grace_s: float
    ) -> None:
        self._run, self._metrics, self._signals, self._grace_s = run, metrics, signals, grace_s
        self._processes = processes
        self._is_up = mmap.mmap(-1, 1 + len(processes))
        """By number, whether the process has started; each writes its own."""
        self._kill_at: float | None = None
        """When who is still there is killed; None before the signal to stop."""
        self._is_killed = False
        self._orders = Orders()
        self._exit_code = 0

    def run(self) -> int:
        for one in self._processes:
            if self._kill_at is None:
                self._start(one)
        while self._kill_at is None or self._alive():
            signals = self._signals.wait(self._nap_s())
            for number in _ENDING:
                if number in signals:
                    self._obey(number)
            for one in self._alive():
                self._mourn(one)
            self._start_due()
            self._kill_late()
        return self._exit_code

    def _alive(self) -> list[_Process]:
        return [one for one in self._processes if one.pid]

    def _nap_s(self) -> float | None:
        times = [one.due for one in self._processes if one.due is not None]
        if self._kill_at is not None and not self._is_killed:
            times.append(self._kill_at)
        return max(0.0, min(times) - time.monotonic()) if times else None

    def _start(self, one: _Process) -> None:
        parent = os.getpid()
        self._is_up[one.number] = 0
        one.started, one.due = time.monotonic(), None
        # the child must not take a signal before it has laid its parent's handlers down: the parent would read it
        before = signal.pthread_sigmask(signal.SIG_BLOCK, _WATCHED)
        try:
            one.pid = os.fork()
        except OSError as error:  # no room for one more process now
            signal.pthread_sigmask(signal.SIG_SETMASK, before)
            self._delay(one, error)
            return
        if one.pid == 0:
            try:
                code = self._be(one, parent, before)
            except BaseException as error:  # noqa: BLE001 - told there; nothing may reach the parent's frames
                code = _tell(error)
            leave_at_once(code)
        signal.pthread_sigmask(signal.SIG_SETMASK, before)

    def _be(self, one: _Process, parent: int, signal_mask: set[int | signal.Signals]) -> int:
        """Be the child, and end when the parent does."""
        self._signals.reset()
        _prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)
        signal.pthread_sigmask(signal.SIG_SETMASK, signal_mask)
        if os.getppid() != parent:  # it ended before the line above
            return 0

        def started() -> None:
            self._is_up[one.number] = 1

        return self._run(one.number, started)

    def _delay(self, one: _Process, error: OSError) -> None:
        """Try again later to start a process that could not be forked, if the server has begun to serve."""
        facts = f"number={one.number} error={error.strerror}"
        if one.has_started_before or self._serves():
            self._replace(one, 0.0, "could not be forked and is tried again", facts)
        else:
            logger.error("%s could not be forked and the server ends %s", one.name, facts)
            self._exit_code = 1
            self._stop()

    def _mourn(self, one: _Process) -> None:
        pid, status = os.waitpid(one.pid, os.WNOHANG)
        if pid == 0:
            return
        one.pid, one.is_told = 0, False
        self._metrics.worker_ended(one.number)
        code, lived_s = os.waitstatus_to_exitcode(status), time.monotonic() - one.started
        has_started = bool(self._is_up[one.number])
        self._is_up[one.number] = 0
        facts = f"number={one.number} {_end(code)} lived_s={lived_s:.1f}"
        if self._kill_at is not None:
            is_well = code in {0, -signal.SIGTERM}  # the latter: told before it had started
            logger.log(logging.INFO if is_well else logging.WARNING, "%s ended %s", one.name, facts)
            self._tell_to_stop()
        elif has_started:
            one.has_started_before = True
            self._replace(one, lived_s, "died and is replaced", facts)
        elif (one.has_started_before or code < 0) and self._serves():
            self._replace(one, lived_s, "could not start and is tried again", facts)
        else:
            logger.error("%s could not start and the server ends %s", one.name, facts)
            self._exit_code = code if code > 0 else OF_SIGNAL - code if code < 0 else 1
            self._stop()

    def _serves(self) -> bool:
        return any(self._is_up[one.number] for one in self._processes if one.is_worker)

    def _replace(self, one: _Process, lived_s: float, what: str, facts: str) -> None:
        one.early_deaths = one.early_deaths + 1 if lived_s < _LONG_LIFE_S else 0
        pause_s = 0.0
        if one.early_deaths:
            pause_s = min(_LONGEST_PAUSE_S, _FIRST_PAUSE_S * 2.0 ** min(one.early_deaths, _DOUBLINGS))
        one.due = time.monotonic() + pause_s
        logger.error("%s %s %s pause_s=%.1f", one.name, what, facts, pause_s)

    def _start_due(self) -> None:
        for one in self._processes:
            if one.due is not None and time.monotonic() >= one.due:
                self._start(one)
                if one.pid:
                    self._metrics.restarts.inc()

    def _obey(self, number: signal.Signals) -> None:
        """Do what a signal to stop means."""
        if self._orders.is_again():
            logger.warning("told again to stop and ends at once processes=%d", len(self._alive()))
            self._exit_code = OF_SIGNAL + number
            self._kill()
        elif self._kill_at is None:
            self._stop()

    def _stop(self) -> None:
        self._kill_at = time.monotonic() + self._grace_s
        for one in self._processes:
            one.due = None
        self._tell_to_stop()

    def _tell_to_stop(self) -> None:
        """Tell the workers to stop, and once they have ended, those that they called."""
        alive = self._alive()
        for one in [worker for worker in alive if worker.is_worker] or alive:
            if not one.is_told:
                one.is_told = True
                _kill(one.pid, signal.SIGTERM)

    def _kill_late(self) -> None:
        """End processes that do not end: one whose code hangs sees no signal but this."""
        if self._kill_at is None or self._is_killed or time.monotonic() < self._kill_at:
            return
        alive = self._alive()
        if alive:
            logger.error("workers did not stop in time and are killed count=%d", len(alive))
        self._kill()

    def _kill(self) -> None:
        self._is_killed = True
        for one in self._alive():
            _kill(one.pid, signal.SIGKILL)


def _kill(pid: int, number: signal.Signals) -> None:
    with suppress(ProcessLookupError):
        os.kill(pid, number)


def _end(code: int) -> str:
    """Return how a process ended, for the log."""
    if code >= 0:
        return f"exit_code={code}"
    try:
        return f"signal={signal.Signals(-code).name}"
    except ValueError:  # one without a name
        return f"signal={-code}"


def _tell(error: BaseException) -> int:
    """Say why a process ends; return its exit code."""
    from ci_core.errors import GraphshipError
    from ci_core.serving.__main__ import render

    if isinstance(error, GraphshipError):
        sys.stderr.write(render(error) + "\n")
        return int(error.exit_code)
    logger.critical("could not go on", exc_info=error)
    return 1
