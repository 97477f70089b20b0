"""A serving process: from a graph to a listening port, and to a clean end.

The graph is compiled once. One worker then answers in the process itself; several are forked, so that they share the
code and the models. What does not survive a fork begins in the worker: writer threads, model sessions, background
loading, connections of steps.
"""

from __future__ import annotations

import gc
import logging
import socket
import sys
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ci_core.errors import PortTakenError
from ci_core.serving.base import ANSWER
from ci_core.serving.capture import Capture
from ci_core.serving.ending import close_all
from ci_core.serving.identity import EventIdentity
from ci_core.serving.listen import import_server, listen, run
from ci_core.serving.metrics import Metrics
from ci_core.serving.options import ServeOptions
from ci_core.serving.server import Application

if TYPE_CHECKING:
    from collections.abc import Callable

    from ci_core.serving.base import ModelCall, ModelObserver, Role
    from ci_core.serving.event import Event
    from ci_core.serving.functions.serving import Functions, ServedFunction
    from ci_core.serving.functions.split import FunctionPlan
    from ci_core.serving.graph import Graph
    from ci_core.serving.queues.binding import Queues

_GC_THRESHOLD = 50_000
"""Allocations between two collections, Python's default being 700: what waits to be captured would be looked at again
and again, and requests make no cycles."""


def serve_graph(graph: Graph, *, host: str = "127.0.0.1", port: int = 8080) -> None:
    """Serve a graph of this process, without captures, until it is told to stop."""
    graph.settle()
    serve(graph, ServeOptions(host=host, port=port))


def serve(graph: Graph, options: ServeOptions) -> int:
    """Serve `graph` until SIGTERM or SIGINT; return the exit code.

    Raises:
        PortTakenError: the address cannot be listened on.
        CaptureFolderError: the folder for captures cannot be written.
        GraphshipError: the graph cannot be compiled.
    """
    port = claim_port(options.host, options.port)
    if options.access_log:
        _log_access()
    functions = _functions(graph, options)
    try:
        served = ServedGraph(graph, options, functions)
        _freeze()
        if options.workers == 1 and not served.local_functions:
            return served.run(port, lambda: _announce(graph, options, port))

        def run(number: int) -> int:
            served.metrics.bind(number)
            if number > options.workers:
                return served.run_function(served.local_functions[number - options.workers - 1])
            worker = None if options.workers == 1 else number
            return served.run(port, lambda: _announce(graph, options, port, worker))

        return _fork(run, options, served.metrics, n_last=len(served.local_functions))
    finally:
        if functions is not None:
            functions.remove_sockets()


def serve_function(graph: Graph, name: str, options: ServeOptions) -> int:
    """Serve the steps of one function, for the servers that call it; see :func:`serve`.

    Raises:
        UnknownFunctionNameError: no step of the graph has this function.
        GraphshipError: see :func:`serve`.
    """
    from ci_core.serving.functions.serving import check_function
    from ci_core.serving.functions.split import split

    plan = split(graph.spec)
    check_function(plan, name)
    port = claim_port(options.host, options.port)
    metrics = Metrics(n_workers=0 if options.workers == 1 else options.workers, release=options.release)
    served = _served_function(graph, plan, name, options, metrics)
    _freeze()
    if options.workers == 1:
        return served.run(port, lambda: _announce(graph, options, port, function=name))

    def run(number: int) -> int:
        metrics.bind(number)
        return served.run(port, lambda: _announce(graph, options, port, number, function=name))

    return _fork(run, options, metrics)


def _freeze() -> None:
    import_server()
    gc.collect()
    gc.freeze()  # the collector would otherwise write to, and so copy, every page the workers share


def _fork(run: Callable[[int], int], options: ServeOptions, metrics: Metrics, *, n_last: int = 0) -> int:
    from ci_core.serving.workers import run_workers

    # once for the requests in flight, and once for the messages of queues that end with their process
    grace_s = options.lame_duck_s + 2 * options.drain_s + _END_S
    return run_workers(run, options.workers + n_last, metrics, grace_s=grace_s, n_last=n_last)


_END_S = 10.0
"""Seconds that a worker has, after it answered its last request, to write its captures."""


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

    def run_function(self, name: str) -> int:
        """Run the steps of a function in this process until it is told to stop; return the exit code."""
        from ci_core.serving.functions.serving import leave_terminal

        if self._functions is None:
            raise ValueError(name)
        leave_terminal()
        options = replace(self._options, socket=self._functions.socket(name))
        Path(str(options.socket)).unlink(missing_ok=True)  # of the process that this one replaces
        served = _served_function(self._graph, self._functions.plan, name, options, self.metrics)
        return served.run(0, lambda: None)

    def run(self, port: int, on_ready: Callable[[], None]) -> int:
        """Answer requests in this process until it is told to stop; return the exit code."""
        run(self._serve(port, on_ready))
        return 0

    async def _serve(self, port: int, on_ready: Callable[[], None]) -> None:
        try:
            self._start()
            gc.collect()
            gc.freeze()  # what was made since the fork stays, too
            gc.set_threshold(_GC_THRESHOLD)
            await listen(self.application, self._options, port, metrics=self.metrics, on_ready=on_ready)
        finally:
            await self._end()

    def _start(self) -> None:
        """Begin what does not survive a fork, on the event loop."""
        if self.capture is not None:
            self.capture.start()
        self.plan.start()
        self.plan.follow(self.metrics)
        if self._queues is not None:
            self._queues.start(self.plan)
            self._queues.follow(self.metrics)
        if self._functions is not None:
            self._functions.start()
        _follow(self.metrics, self.application)

    async def _end(self) -> None:
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


def _functions(graph: Graph, options: ServeOptions) -> Functions | None:
    if not options.functions and not any(step.function for step in graph.spec.steps):
        return None
    from ci_core.serving.functions.serving import Functions

    return Functions(graph, options.functions)


def _served_function(
    graph: Graph, plan: FunctionPlan, name: str, options: ServeOptions, metrics: Metrics
) -> ServedFunction:
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


def claim_port(host: str, port: int) -> int:
    """Return the port to listen on.

    Workers listen with ``SO_REUSEPORT``, with which a second server would quietly take half of the first one's
    connections; so it is found out before, without that option, whether the address is free.

    Raises:
        PortTakenError: it is not, or the host is none of ours.
    """
    try:
        family = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0][0]
        with socket.socket(family, socket.SOCK_STREAM) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind((host, port))
            probe.listen(1)
            claimed: int = probe.getsockname()[1]
    except (OSError, OverflowError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise PortTakenError(host=host, port=port, reason=reason) from error
    return claimed


def _log_access() -> None:
    """Let the access log go to standard output, a line a request, apart from all other logs."""
    handler = logging.StreamHandler(sys.stdout)
    handler.setFormatter(logging.Formatter("%(message)s"))
    logger = logging.getLogger("ci_core.serving.access")
    logger.addHandler(handler)
    logger.setLevel(logging.INFO)
    logger.propagate = False


def _announce(
    graph: Graph, options: ServeOptions, port: int, worker: int | None = None, *, function: str | None = None
) -> None:
    shown = f"[{options.host}]" if ":" in options.host else options.host
    release = f" release {options.release[:12]}" if options.release else ""
    which = "" if worker is None else f" (worker {worker})"
    what = f"`{graph.name}`" if function is None else f"the function `{function}` of `{graph.name}`"
    print(f"serving {what}{release} on http://{shown}:{port}{which}", file=sys.stderr, flush=True)  # noqa: T201 - the one line a serving process prints
