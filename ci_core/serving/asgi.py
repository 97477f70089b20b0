"""A graph inside somebody else's server: an ASGI 3 app that compiles, starts and closes the graph by itself."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

from ci_core.serving.doors import AsgiDoor, follow_lifespan
from ci_core.serving.models.loading import RETRY_LOAD_S
from ci_core.serving.served_graph import ServedGraph

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from ci_core.serving.doors import Receive, Send
    from ci_core.serving.graph import Graph
    from ci_core.serving.options import ServeOptions


class AsgiGraph:
    """What `Graph.asgi` returns: an ASGI 3 app.

    A server that tells apps of its life span starts and closes the graph by it. Mounted in another app, which tells it
    nothing, the graph is started by the first request, and closed by nobody unless that app awaits :meth:`close`.
    When the start fails, requests fail for ten seconds without another one: it compiles the graph and loads its models.

    Args:
        graph: to serve.
        options: how; those about addresses and processes mean nothing here.
        clock: in seconds, of ``time.monotonic``.

    Raises:
        CaptureFolderError: the folder for captures cannot be written.
        GraphshipError: the graph cannot be compiled.
    """

    def __init__(self, graph: Graph, options: ServeOptions, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._graph, self._options, self._clock = graph, options, clock
        # now, so that a mistake ends the start of the server rather than the first request
        self._served: ServedGraph | None = ServedGraph(graph, options)
        self._door: AsgiDoor | None = None
        self._failure: str | None = None
        self._failed_at = 0.0

    async def __call__(self, scope: Mapping[str, Any], receive: Receive, send: Send) -> None:
        """Answer one request, or follow the life span of the server; other scopes are refused."""
        if scope["type"] == "lifespan":
            await follow_lifespan(receive, send, self.start, self.close)
            return
        door = self._door or await self._start_for_request()
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

    async def _start_for_request(self) -> AsgiDoor:
        wait_s = self._failed_at + RETRY_LOAD_S - self._clock()
        if self._failure is not None and wait_s > 0:
            raise RuntimeError(f"the graph could not be started, tried again in {wait_s:.0f} s: {self._failure}")
        return await self._start()

    async def _start(self) -> AsgiDoor:
        self._failure = None
        try:
            served = self._served = self._served or ServedGraph(self._graph, self._options)
            served.start()
        except BaseException as error:
            self._failure, self._failed_at = f"{type(error).__name__}: {error}", self._clock()
            await self.close()  # of what had started
            raise
        self._door = AsgiDoor(served.application)
        return self._door
