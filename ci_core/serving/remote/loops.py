"""What belongs to one event loop: connections and waiting lists cannot be shared between loops.

A server has one loop for its whole life. ``graph.test`` runs each event in a loop of its own, and a notebook's thread
has yet another.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Generic, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable

T = TypeVar("T")


class PerLoop(Generic[T]):
    """One `T` for each event loop.

    Args:
        make: makes one for the running loop.
    """

    def __init__(self, make: Callable[[], T]) -> None:
        self._make = make
        self._made: dict[asyncio.AbstractEventLoop, T] = {}

    def get(self) -> T:
        """Return the one of the running loop; what closed loops had is dropped on the way."""
        loop = asyncio.get_running_loop()
        found = self._made.get(loop)
        if found is None:
            for dead in [one for one in list(self._made) if one.is_closed()]:
                self._made.pop(dead, None)
            found = self._made[loop] = self._make()
        return found

    def items(self) -> list[tuple[asyncio.AbstractEventLoop, T]]:
        """Return every loop that is not closed, with what it has."""
        return [(loop, one) for loop, one in list(self._made.items()) if not loop.is_closed()]
