"""A graph whose functions are called as if they were in processes of their own."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

from ci_core.serving.functions.host import FunctionHost
from ci_core.serving.functions.parts import caller_graph, segment_graph
from ci_core.serving.functions.split import Segment, split

if TYPE_CHECKING:
    from collections.abc import Callable

    from ci_core.serving import Graph


def split_graph(graph: Graph) -> Graph:
    """Return a graph that calls its functions over a transport that is a function call."""
    plan = split(graph.spec)

    def sender(function: str) -> Callable[[Segment, bytes, float], Any]:
        segments = plan.of(function)
        plans = {segment.name: segment_graph(graph, segment).compile() for segment in segments}
        host = FunctionHost(segments, plans)

        async def send(segment: Segment, request: bytes, timeout_s: float) -> bytes:
            assert timeout_s > 0
            await asyncio.sleep(0)  # as a socket does
            return await host.answer(segment.name, request)

        return send

    return caller_graph(graph, plan, {function: sender(function) for function in plan.functions})
