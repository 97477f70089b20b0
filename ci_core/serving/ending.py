"""The end of a serving process: each of its parts is closed, whatever becomes of the others, and then it is over."""

from __future__ import annotations

import atexit
import inspect
import logging
import os
import sys
from contextlib import AsyncExitStack, suppress
from time import monotonic
from typing import TYPE_CHECKING, Any, Final, NoReturn

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

logger = logging.getLogger(__name__)

OF_SIGNAL: Final = 128
"""What shells add to the number of the signal that ended a process, for its exit code."""
_SAME_ORDER_S: Final = 0.3
"""Ctrl-C reaches every process of a terminal, and programs that started this one may hand it on: signals that come
within this time are one order."""


class Orders:
    """The signals to stop that a process got."""

    def __init__(self) -> None:
        self._first: float | None = None

    def is_again(self) -> bool:
        """Take note of a signal; return whether it is another order, and not the first one."""
        now = monotonic()
        if self._first is None:
            self._first = now
        return now - self._first > _SAME_ORDER_S


async def close_all(parts: Iterable[tuple[str, Callable[[], Any]]]) -> None:
    """Close parts one after the other.

    What fails is logged and changes nothing else, the exit code of a process that was told to stop neither: all its
    requests are answered, and a supervisor could not mend it by starting the process again.

    Args:
        parts: name, for the log, and what closes it; it may return an awaitable.
    """
    async with AsyncExitStack() as ending:  # goes on when this task is cancelled meanwhile
        for name, close in reversed(list(parts)):
            ending.push_async_callback(_close, name, close)


async def _close(name: str, close: Callable[[], Any]) -> None:
    try:
        result = close()
        if inspect.isawaitable(result):
            await result
    except (Exception, SystemExit):
        logger.exception("could not be closed part=%s", name)


def leave(code: int) -> NoReturn:
    """End this process, now that all is closed, without taking the interpreter apart.

    A thread that is left, of a model call that hangs or of the server's runtime, may come back to an interpreter that
    is half gone; libraries in Rust and C++ then abort the process.
    """
    # of the user's libraries; logs are flushed here, too
    atexit._run_exitfuncs()  # noqa: SLF001 - what `multiprocessing` calls before it ends a process in this way
    leave_at_once(code)


def leave_at_once(code: int) -> NoReturn:
    """End this process without what was registered to be run at its end.

    In a forked worker that is its parent's, and a server that is told again to stop has no time for it.
    """
    for stream in (sys.stdout, sys.stderr):
        with suppress(OSError, ValueError, AttributeError):  # closed, full, or none
            stream.flush()
    os._exit(code)
