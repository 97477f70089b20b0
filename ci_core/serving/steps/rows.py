"""Let a function of one row serve a list of rows too."""

from __future__ import annotations

import functools
import inspect
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable


def per_row(function: Callable[..., Any]) -> Callable[..., Any]:
    """Return a step that calls `function` on a row, and once for each row of a list.

    A request body is one object or a list of objects. A step that treats rows one by one is written for one row and
    decorated with this.

    Args:
        function: takes a row as its first argument; sync or async.

    Example:
        >>> @per_row
        ... def double(row):
        ...     return {**row, "x": 2 * row["x"]}
        >>> double([{"x": 1}, {"x": 2}])
        [{'x': 2}, {'x': 4}]
    """
    if inspect.iscoroutinefunction(function):

        @functools.wraps(function)
        async def each_async(body: Any, **extra: Any) -> Any:
            if isinstance(body, list):
                return [await function(row, **extra) for row in body]
            return await function(body, **extra)

        return each_async

    @functools.wraps(function)
    def each(body: Any, **extra: Any) -> Any:
        if isinstance(body, list):
            return [function(row, **extra) for row in body]
        return function(body, **extra)

    return each
