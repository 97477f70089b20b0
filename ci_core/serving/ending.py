"""The end of a serving process: each of its parts is closed, whatever becomes of the others."""

from __future__ import annotations

import inspect
import logging
from contextlib import AsyncExitStack
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

logger = logging.getLogger(__name__)


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
