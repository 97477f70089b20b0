"""A graph inside somebody else's server: an ASGI 3 app that compiles, starts and closes the graph by itself."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ci_core.serving.doors import AsgiDoor, follow_lifespan
from ci_core.serving.served_graph import ServedGraph

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ci_core.serving.doors import Receive, Send
    from ci_core.serving.graph import Graph
    from ci_core.serving.options import ServeOptions


class AsgiGraph:
    """What `Graph.asgi` returns: an ASGI 3 app.

    A server that tells apps of its life span starts and closes the graph by it. Mounted in another app, which tells it
    nothing, the graph is started by the first request, and closed by nobody unless that app awaits :meth:`close`.

    Args:
        graph: to serve.
        options: how; those about addresses and processes mean nothing here.

    Raises:
        CaptureFolderError: the folder for captures cannot be written.
        GraphshipError: the graph cannot be compiled.
    """

    def __init__(self, graph: Graph, options: ServeOptions) -> None:
        self._graph, self._options = graph, options
        # now, so that a mistake ends the start of the server rather than the first request
        self._served: ServedGraph | None = ServedGraph(graph, options)
        self._door: AsgiDoor | None = None

    async def __call__(self, scope: Mapping[str, Any], receive: Receive, send: Send) -> None:
        """Answer one request, or follow the life span of the server; other scopes are refused."""
        if scope["type"] == "lifespan":
            await follow_lifespan(receive, send, self.start, self.close)
            return
        door = self._door or await self._start()
        await door(scope, receive, send)

    async def start(self) -> None:
        """Begin what steps and models own: sessions, connections, threads; again after :meth:`close`, if need be.

        Raises:
            GraphshipError: a model cannot be loaded.
            Exception: whatever the start of a step raises.
        """
        if self._door is None:
            await self._start()

    async def close(self) -> None:
        """End it again, when no request is in flight any more: messages of queues are worked off, captures written."""
        served, self._served, self._door = self._served, None, None
        if served is not None:
            await served.end()

    async def _start(self) -> AsgiDoor:
        served = self._served = self._served or ServedGraph(self._graph, self._options)
        try:
            served.start()
        except BaseException:
            await self.close()  # of what had started
            raise
        self._door = AsgiDoor(served.application)
        return self._door
