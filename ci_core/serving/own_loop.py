"""Run coroutines where there may be an event loop already: in tests and in notebooks."""

from __future__ import annotations

import _thread
import asyncio
import threading
import weakref
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

from ci_core.serving.logs import users_frames

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine


class OwnLoop:
    """One event loop for all tests of one graph: a client that a step made for one event serves the next one too.

    Args:
        owner: the loop is closed when it is gone.
    """

    def __init__(self, owner: object) -> None:
        self._runner = asyncio.Runner()
        self._lock = threading.Lock()
        weakref.finalize(owner, _close, self._runner)

    def run(self, work: Coroutine[Any, Any, Any]) -> Any:
        """Run a coroutine to its end, also inside a notebook, whose thread has a running loop already.

        What it raises has a traceback without the loop and the engine between the caller and the step.
        """
        with self._lock:
            try:
                return _outside_loops(self._runner.run, work)
            except Exception as error:  # noqa: BLE001 - it is raised again
                raise error.with_traceback(users_frames(error.__traceback__))  # noqa: B904 - it has its cause


def _close(runner: asyncio.Runner) -> None:
    """Close a loop whose owner was collected, which may have been in the middle of anything.

    Inside a running loop that takes a thread, for which nobody waits here: this thread may hold a lock that any way to
    wait for it needs, such as the one that every executor takes when it is given something to do.
    """
    if _is_in_loop():
        _thread.start_new_thread(runner.close, ())
    else:
        runner.close()


def _is_in_loop() -> bool:
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return False
    return True


def _outside_loops(call: Callable[..., Any], *args: Any) -> Any:
    """Return what `call` returns, called in a thread of its own if this one is inside a running loop."""
    if not _is_in_loop():
        return call(*args)
    with ThreadPoolExecutor(1, thread_name_prefix="graphship-test") as thread:
        return thread.submit(call, *args).result()
