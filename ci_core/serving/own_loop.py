"""Run coroutines where there may be an event loop already: in tests and in notebooks."""

from __future__ import annotations

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
        weakref.finalize(owner, _outside_loops, self._runner.close)

    def run(self, work: Coroutine[Any, Any, Any]) -> Any:
        """Run a coroutine to its end, also inside a notebook, whose thread has a running loop already.

        What it raises has a traceback without the loop and the engine between the caller and the step.
        """
        with self._lock:
            try:
                return _outside_loops(self._runner.run, work)
            except Exception as error:  # noqa: BLE001 - it is raised again
                raise error.with_traceback(users_frames(error.__traceback__))  # noqa: B904 - it has its cause


def _outside_loops(call: Callable[..., Any], *args: Any) -> Any:
    """Return what `call` returns, called in a thread of its own if this one is inside a running loop."""
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        is_inside = False
    else:
        is_inside = True
    if not is_inside:  # not called above: what it raises would be told as raised during the handling of that error
        return call(*args)
    with ThreadPoolExecutor(1, thread_name_prefix="graphship-test") as thread:
        return thread.submit(call, *args).result()
