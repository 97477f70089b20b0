"""A compiled graph as a process serves it: with its captures, metrics, queues and functions.

It is made before a fork, so that workers share the code and the models. What does not survive a fork begins in the
worker: writer threads, model sessions, background loading, connections of steps.
"""

from __future__ import annotations

import gc
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any, Final

from ci_core.serving.base import ANSWER
from ci_core.serving.capture import Capture
from ci_core.serving.ending import close_all
from ci_core.serving.identity import EventIdentity
from ci_core.serving.listen import listen, run
from ci_core.serving.metrics import Metrics
from ci_core.serving.server import Application

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from ci_core.serving.address import Address
    from ci_core.serving.base import ModelCall, ModelObserver, Role
    from ci_core.serving.event import Event
    from ci_core.serving.functions.serving import Functions, ServedFunction
    from ci_core.serving.functions.split import FunctionPlan
    from ci_core.serving.graph import Graph
    from ci_core.serving.options import ServeOptions
    from ci_core.serving.queues.binding import Queues

_GC_THRESHOLD: Final = 50_000
"""Allocations between two collections, Python's default being 700: what waits to be captured would be looked at again
and again, and requests make no cycles."""


class ServedGraph:
    """A compiled graph with everything around it that may be made before a fork.

    Raises:
        CaptureFolderError: the folder for captures cannot be written.
        GraphshipError: the graph cannot be compiled.
    """

    def __init__(self, graph: Graph, options: ServeOptions, functions: Functions | None = None) -> None:
        self._graph, self._options, self._functions = graph, options, functions
        self.local_functions = functions.local if functions is not None else ()
        n_forked = 0 if options.workers == 1 and not self.local_functions else options.workers
        self.metrics = Metrics(n_workers=n_forked + len(self.local_functions), release=options.release)
        self.capture = _capture(options)
        observe = self.metrics.models if self.capture is None else _Both(self.metrics.models, self.capture)
        self._queues = _queues(graph, options)
        if functions is not None:
            graph.check()  # imports what the functions need, for them to share, and finds most mistakes before the fork
        self.plan = (functions.graph if functions is not None else graph).compile(
            observe=observe,
            queues=self._queues,
            release=options.release,
            observe_steps=self.metrics.steps,
            environment=options.environment,
            metrics=self.metrics.custom,
            batching=options.batching,
            time_limit=options.limits.request_timeout_s is not None,
            start=False,
        )
        self.metrics.steps.describe(self.plan.steps)
        self.metrics.models.describe(self.plan.models)
        if functions is not None:
            functions.extend(self.plan)
        self.application = Application(
            graph.spec if functions is None else functions.plan.root,
            self.plan,
            metrics=self.metrics,
            release=options.release,
            identity=EventIdentity(time_column=options.time_column),
            capture=self.capture,
            limits=options.limits,
            access_log=options.access_log,
        )
        self.application.spec = graph.spec  # what is shown is the graph as it was written

    def run_function(self, name: str, on_start: Callable[[], None]) -> int:
        """Run the steps of a function in this process until it is told to stop; return the exit code.

        Args:
            name: of the function.
            on_start: called when nothing can fail any more but calls.
        """
        from ci_core.serving.functions.serving import leave_terminal

        if self._functions is None:
            raise ValueError(name)
        leave_terminal()
        options = replace(self._options, socket=self._functions.make_room(name))
        served = served_function(self._graph, self._functions.plan, name, options, self.metrics)
        try:
            return served.run(None, on_start=on_start, is_supervised=True)
        finally:
            self._functions.leave_room(name)

    def run(
        self,
        address: Address,
        *,
        on_start: Callable[[], None] = lambda: None,
        on_ready: Callable[[], None] = lambda: None,
        is_supervised: bool = False,
    ) -> int:
        """Answer requests in this process until it is told to stop; return the exit code; see :func:`listen`."""
        listening = partial(listen, on_start=on_start, on_ready=on_ready, is_supervised=is_supervised)
        run(self._serve(address, listening))
        return 0

    async def _serve(self, address: Address, listening: Callable[..., Awaitable[None]]) -> None:
        try:
            self.start()
            gc.collect()
            gc.freeze()  # what was made since the fork stays, too
            gc.set_threshold(_GC_THRESHOLD)
            await listening(self.application, self._options, address, metrics=self.metrics)
        finally:
            await self.end()

    def start(self) -> None:
        """Begin what does not survive a fork, on the event loop; once."""
        if self.capture is not None:
            self.capture.start()
        self.plan.start()
        self.plan.follow(self.metrics)
        self.metrics.steps.follow(self.metrics)
        if self._queues is not None:
            self._queues.start(self.plan)
            self._queues.follow(self.metrics)
        if self._functions is not None:
            self._functions.start()
        _follow(self.metrics, self.application)

    async def end(self) -> None:
        """Close all parts; what fails is logged."""
        parts: list[tuple[str, Callable[[], Any]]] = []
        if self._queues is not None:
            parts.append(("queues", partial(self._queues.close, drain_s=self._options.drain_s)))
        if self._functions is not None:
            parts.append(("functions", self._functions.close))
        parts.append(("steps", self.plan.close))
        if self.capture is not None:
            parts.append(("capture", self.capture.close))
        await close_all(parts)


def _capture(options: ServeOptions) -> Capture | None:
    if options.captures is None:
        return None
    capture = Capture(options.captures, release=options.release, sample=options.capture_sample)
    capture.check_folder()
    return capture


def _queues(graph: Graph, options: ServeOptions) -> Queues | None:
    if not any(step.queue for step in graph.spec.steps):
        return None
    from ci_core.serving.queues import broker_of
    from ci_core.serving.queues.binding import Queues

    return Queues(graph.spec, broker_of(options.queue_url))


def served_function(
    graph: Graph, plan: FunctionPlan, name: str, options: ServeOptions, metrics: Metrics
) -> ServedFunction:
    """Return one function of a graph, as the process that runs it serves it."""
    from ci_core.serving.functions.serving import ServedFunction

    capture = _capture(options)
    observe: ModelObserver = metrics.models if capture is None else _Both(metrics.models, capture)
    return ServedFunction(graph, plan, name, options, metrics=metrics, observe=observe, capture=capture)


class _Both:
    """Tells metrics and captures of model calls; a ``ModelObserver``."""

    def __init__(self, metrics: ModelObserver, capture: Capture) -> None:
        self._count, self._add = metrics.answered, capture.add
        self.failed = metrics.failed

    def answered(self, event: Event, model: str, call: ModelCall, seconds: float, role: Role = ANSWER) -> None:
        """Count `call`, and write it down."""
        self._count(event, model, call, seconds)
        self._add(event, model, call, role)


def _follow(metrics: Metrics, application: Application) -> None:
    metrics.follow_gauge(
        "graphship_requests_in_flight",
        "Requests being read or answered, this one among them.",
        lambda: application.in_flight,
    )
    capture = application.capture
    if capture is not None:
        name = "graphship_capture_rows_total"
        text = "Captured rows: written, dropped for want of room or for too many sets of columns, failed to be written."
        metrics.follow_counter(name, text, lambda: capture.written_rows, result="written")
        metrics.follow_counter(name, text, lambda: capture.dropped_rows, result="dropped")
        metrics.follow_counter(name, text, lambda: capture.failed_rows, result="failed")
