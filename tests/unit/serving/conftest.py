from __future__ import annotations

import asyncio
import inspect
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable


@pytest.fixture(params=["sync", "async"])
def as_step(request: pytest.FixtureRequest) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Turn a function into a step: as it is, or as a coroutine function that gives way once before it answers."""
    if request.param == "sync":
        return lambda function: function

    def wrap(function: Callable[..., Any]) -> Callable[..., Any]:
        async def step(body: Any) -> Any:
            await asyncio.sleep(0)
            return function(body)

        assert inspect.iscoroutinefunction(step)
        return step

    return wrap
