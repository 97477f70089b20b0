"""Threads for steps that wait for something, or must not take longer than a certain time.

A thread cannot be ended from outside. A call that takes too long is left alone: its thread counts as stuck until it
comes back, and its result is thrown away. Threads are daemons, so a stuck one does not keep the process from ending.
"""

from __future__ import annotations

import asyncio
import contextlib
import contextvars
import queue
import threading
from typing import TYPE_CHECKING, Any

from ci_core.serving.crashes import failure_of
from ci_core.serving.problems import OverloadedError

if TYPE_CHECKING:
    from collections.abc import Callable

DEFAULT_THREADS = 32
"""Enough that calls which wait for a database seldom wait for each other, and few enough to cost nothing: a thread is
started when it is needed first."""


class Threads:
    """A bounded set of threads that calls are handed to from event loops.

    Args:
        limit: threads at most.
    """

    def __init__(self, limit: int = DEFAULT_THREADS) -> None:
        self._limit = limit
        self._calls: queue.SimpleQueue[_Call | None] = queue.SimpleQueue()
        self._lock = threading.Lock()
        self._threads = 0
        self._unfinished = 0
        self._stuck = 0

    @property
    def stuck(self) -> int:
        """Threads whose call was given up and has not come back."""
        return self._stuck

    async def run(self, call: Callable[..., Any], *args: Any) -> Any:
        """Return what ``call(*args)`` returns, run in a thread; raise what it raises.

        When the caller is cancelled, a call that has begun goes on, and what becomes of it is thrown away.

        Raises:
            OverloadedError: every thread is stuck.
        """
        work = _Call(call, args, asyncio.get_running_loop())
        with self._lock:
            if self._stuck >= self._limit:
                raise self._all_stuck()
            self._unfinished += 1
            if self._threads < min(self._limit, self._unfinished):
                self._threads += 1
                threading.Thread(target=self._serve, name="graphship-step", daemon=True).start()
        self._calls.put(work)
        try:
            return await work.future
        except asyncio.CancelledError:
            self._give_up(work)
            raise

    def close(self) -> None:
        """Let the threads end after the calls they were given; wait for nothing."""
        with self._lock:
            threads, self._threads = self._threads, 0
        for _ in range(threads):
            self._calls.put(None)

    def _all_stuck(self) -> OverloadedError:
        return OverloadedError(f"all {self._limit} threads for steps that wait are stuck in calls that took too long")

    def _give_up(self, work: _Call) -> None:
        """Throw away what becomes of a call; refuse those in line when no thread is left that could take them."""
        with self._lock:
            if work.state == "waiting":
                work.state = "dropped"
            elif work.state == "running":
                work.state = "stuck"
                self._stuck += 1
            if self._stuck < self._limit:
                return
            refused = []
            with contextlib.suppress(queue.Empty):
                while (waiting := self._calls.get_nowait()) is not None:
                    refused.append(waiting)
            self._unfinished -= len(refused)
        for one in refused:
            one.refuse(self._all_stuck())

    def _serve(self) -> None:
        while (work := self._calls.get()) is not None:
            with self._lock:
                dropped = work.state == "dropped"
                if not dropped:
                    work.state = "running"
            if not dropped:
                work.run()
            with self._lock:
                self._unfinished -= 1
                if work.state == "stuck":
                    self._stuck -= 1
                work.state = "done"
            if not dropped:
                work.tell()
            del work  # the next wait may be long, and bodies are large


class _Call:
    """A call on its way through a thread."""

    __slots__ = ("_args", "_call", "_context", "_error", "_loop", "_result", "future", "state")

    def __init__(self, call: Callable[..., Any], args: tuple[Any, ...], loop: asyncio.AbstractEventLoop) -> None:
        self._call, self._args, self._loop = call, args, loop
        self._context = contextvars.copy_context()
        self._result: Any = None
        self._error: BaseException | None = None
        self.future: asyncio.Future[Any] = loop.create_future()
        self.state = "waiting"

    def run(self) -> None:
        try:
            self._result = self._context.run(self._call, *self._args)
        except BaseException as error:  # noqa: BLE001 - raised again where it is awaited
            self._error = error

    def refuse(self, error: OverloadedError) -> None:
        """Let the call fail without running it."""
        self._error = error
        self.tell()

    def tell(self) -> None:
        """Wake the caller, if it still waits."""
        try:
            self._loop.call_soon_threadsafe(self._settle)
        except RuntimeError:  # its loop was closed meanwhile, so nobody waits
            return

    def _settle(self) -> None:
        if self.future.done():
            return
        if isinstance(self._error, StopIteration):  # a future cannot carry it
            self._error = failure_of(self._error)
        if self._error is not None:
            self.future.set_exception(self._error)
        else:
            self.future.set_result(self._result)
