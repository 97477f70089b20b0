"""How much memory do the rows of a request take? Counted, so that what waits can be bounded by it."""

from __future__ import annotations

from sys import getsizeof
from typing import Any


def size_of(value: Any, most: int) -> int:
    """Return the bytes that a JSON value takes in memory, about: equal parts that it shares are counted again.

    Args:
        value: any; of what JSON does not know, an array say, what it says of itself.
        most: where counting may end: what is returned is then more than this.
    """
    size, left = 0, [value]
    while left and size <= most:
        one = left.pop()
        size += getsizeof(one)
        if isinstance(one, dict):
            left += one
            left += one.values()
        elif isinstance(one, list | tuple):
            left += one
    return size
