"""Processes of functions: what the server that takes the requests knows of them, and what runs in one.

A server that was given no address for a function forks a process for it: like a worker it is replaced when it dies, and
it ends after the last worker that may call it. It listens on a Unix socket in a folder that only this user can open.
"""

from __future__ import annotations

import asyncio
import contextlib
import gc
import os
import secrets
import shutil
import tempfile
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ci_core.errors import UnknownFunctionNameError
from ci_core.serving.ending import close_all
from ci_core.serving.functions.application import FunctionApplication
from ci_core.serving.functions.client import MESSAGE_BYTES, FunctionClient
from ci_core.serving.functions.host import FunctionHost
from ci_core.serving.functions.parts import caller_graph, segment_graph
from ci_core.serving.functions.split import split
from ci_core.serving.limits import Limits
from ci_core.serving.listen import listen, run

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping

    from ci_core.serving.address import Address
    from ci_core.serving.base import ModelObserver
    from ci_core.serving.capture import Capture
    from ci_core.serving.functions.split import FunctionPlan
    from ci_core.serving.graph import Graph
    from ci_core.serving.metrics import Metrics
    from ci_core.serving.metrics.steps import StepMetrics
    from ci_core.serving.options import ServeOptions
    from ci_core.serving.plan import Plan


class Functions:
    """The functions of a graph, as the server that takes the requests knows them.

    Args:
        graph: whose steps name functions.
        addresses: function → URL of whoever runs it; the others are run here.

    Attributes:
        local: names of the functions that get a process of this server.
        graph: what is compiled in the workers.

    Raises:
        UnknownFunctionNameError: an address is of a function that the graph does not have.
        FunctionAddressError: an address is none.
    """

    def __init__(self, graph: Graph, addresses: Mapping[str, str]) -> None:
        self.plan = split(graph.spec)
        for name in addresses:
            check_function(self.plan, name)
        self._whole = graph
        self.local = tuple(name for name in self.plan.functions if name not in addresses)
        self._folder = Path(tempfile.gettempdir()) / f"graphship-{secrets.token_urlsafe(6)}" if self.local else None
        urls = {name: f"unix:{self.socket(name)}" for name in self.local} | dict(addresses)
        self._clients = {name: FunctionClient(name, urls[name], self.plan.of(name)) for name in self.plan.functions}
        self.graph = caller_graph(graph, self.plan, {name: one.send for name, one in self._clients.items()})

    def socket(self, function: str) -> Path:
        """Return the Unix socket of a function that is run here; neither it nor its folder need be there."""
        if self._folder is None:
            raise ValueError(function)
        return self._folder / f"{self.plan.functions.index(function)}.sock"

    def make_room(self, function: str) -> Path:
        """Return the socket of a function, for the process that is to listen on it.

        The folder is made there and not before: a server that is told to stop while its graph is compiled ends at
        once, and could remove nothing.
        """
        socket = self.socket(function)
        socket.parent.mkdir(mode=0o700, exist_ok=True)  # of a name that nobody can guess
        socket.unlink(missing_ok=True)  # of the process that this one replaces
        return socket

    def extend(self, plan: Plan) -> None:
        """Let the plan of the caller show the models of its functions, and wait for them to be ready."""
        own_unready: Callable[[], dict[str, str]] = plan.unready
        clients = tuple(self._clients.values())

        def unready() -> dict[str, str]:
            found = own_unready()
            for one in clients:
                if one.reason:
                    waiting = {key: model.reason for key, model in one.models.items() if model.reason}
                    found |= {f"function {one.function}": one.reason, **waiting}
            return found

        models: dict[str, Any] = {**plan.models}
        for one in clients:
            models |= one.models
        vars(plan).update(models=models, unready=unready)

    def start(self) -> None:
        """Begin to ask the functions whether they are ready; on the running loop."""
        for client in self._clients.values():
            client.start()

    async def close(self) -> None:
        """Close the connections to the functions."""
        await asyncio.gather(*(client.close() for client in self._clients.values()))

    def leave_room(self, function: str) -> None:
        """Remove the socket of a function that ended, and the folder with the last one: the server may be gone."""
        socket = self.socket(function)
        socket.unlink(missing_ok=True)
        with contextlib.suppress(OSError):  # there are others, or the server was first
            socket.parent.rmdir()

    def remove_sockets(self) -> None:
        """Remove the folder of the sockets, once those who listened on them have ended."""
        if self._folder is not None:
            shutil.rmtree(self._folder, ignore_errors=True)


def check_function(plan: FunctionPlan, name: str) -> None:
    """Make sure that a graph has a function.

    Raises:
        UnknownFunctionNameError: it has not.
    """
    if name not in plan.functions:
        raise UnknownFunctionNameError(graph=plan.root.name, name=name, known_names=plan.functions)


class ServedFunction:
    """One function in its own process.

    Args:
        graph: the whole graph.
        plan: of its parts.
        function: that runs here.
        options: of the server.
        metrics: that is told of steps and models.
        observe: told of model calls.
        capture: what `observe` writes to; None for none.

    Raises:
        GraphshipError: a segment cannot be compiled.
    """

    def __init__(
        self,
        graph: Graph,
        plan: FunctionPlan,
        function: str,
        options: ServeOptions,
        *,
        metrics: Metrics,
        observe: ModelObserver,
        capture: Capture | None,
    ) -> None:
        self._options = replace(options, limits=Limits(body_bytes=MESSAGE_BYTES))
        self._metrics, self._capture = metrics, capture
        self._segments = plan.of(function)
        self._plans: dict[str, Plan] = {}
        self._steps: list[StepMetrics] = []
        for segment in self._segments:
            steps = metrics.steps_of_segment()
            made = self._plans[segment.name] = segment_graph(graph, segment).compile(
                observe=observe,
                release=options.release,
                observe_steps=steps,
                environment=options.environment,
                metrics=metrics.custom,
                batching=options.batching,
                time_limit=graph.spec.timeout_s is not None or options.limits.request_timeout_s is not None,
                start=False,
            )
            steps.describe(made.steps)
            self._steps.append(steps)
            metrics.models.describe(made.models)

    def run(
        self,
        address: Address | None,
        *,
        on_start: Callable[[], None] = lambda: None,
        on_ready: Callable[[], None] = lambda: None,
        is_supervised: bool = False,
    ) -> int:
        """Answer callers until told to stop; return the exit code; see :func:`~ci_core.serving.listen.listen`."""
        listening = partial(listen, on_start=on_start, on_ready=on_ready, is_supervised=is_supervised)
        run(self._serve(address, listening))
        return 0

    async def _serve(self, address: Address | None, listening: Callable[..., Awaitable[None]]) -> None:
        try:
            if self._capture is not None:
                self._capture.start()
            for plan in self._plans.values():
                plan.start()
                plan.follow(self._metrics)
            for steps in self._steps:
                steps.follow(self._metrics)
            host = FunctionHost(self._segments, self._plans)
            application: Any = FunctionApplication(
                host, self._segments, self._plans, metrics=self._metrics, limits=self._options.limits
            )
            gc.collect()
            gc.freeze()
            await listening(application, self._options, address, metrics=self._metrics)
        finally:
            parts: list[tuple[str, Callable[[], Any]]] = [
                (f"steps of {name}", plan.close) for name, plan in self._plans.items()
            ]
            if self._capture is not None:
                parts.append(("capture", self._capture.close))
            await close_all(parts)


def leave_terminal() -> None:
    """Let Ctrl-C reach the workers and not this process: it is still needed while they finish their requests."""
    os.setpgid(0, 0)
