"""A serving process: from a graph to a listening port, and to a clean end.

The graph is compiled once. One worker then answers in the process itself; several are forked, so that they share the
code and the models.
"""

from __future__ import annotations

import gc
import sys
from typing import TYPE_CHECKING, Final

from ci_core.serving.address import claimed
from ci_core.serving.listen import import_server
from ci_core.serving.logs import log_access, own_logs
from ci_core.serving.metrics import Metrics
from ci_core.serving.options import ServeOptions
from ci_core.serving.served_graph import ServedGraph, served_function

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from ci_core.serving.address import Address
    from ci_core.serving.functions.serving import Functions
    from ci_core.serving.graph import Graph

_END_S: Final = 10.0
"""Seconds that a worker has, after it answered its last request, to write its captures."""


def serve_graph(graph: Graph, *, host: str = "127.0.0.1", port: int = 8080) -> None:
    """Serve a graph of this process, without captures, until it is told to stop."""
    graph.settle()
    serve(graph, ServeOptions(host=host, port=port))


def serve(graph: Graph, options: ServeOptions) -> int:
    """Serve `graph` until SIGTERM or SIGINT; return the exit code.

    Raises:
        PortTakenError: another program has the address.
        ListenAddressError: it cannot be listened on.
        CaptureFolderError: the folder for captures cannot be written.
        GraphshipError: the graph cannot be compiled.
    """
    with own_logs() as settle_logs, claimed(options.host, options.port) as claim:
        if options.access_log:
            log_access()
        functions = _functions(graph, options)
        try:
            served = ServedGraph(graph, options, functions)
            settle_logs()
            _freeze()
            if options.workers == 1 and not served.local_functions:
                return served.run(claim.address, on_ready=lambda: _announce(graph, options, claim.address))

            def run(number: int, on_start: Callable[[], None]) -> int:
                claim.close()
                served.metrics.bind(number)
                if number > options.workers:
                    return served.run_function(served.local_functions[number - options.workers - 1], on_start)
                worker = None if options.workers == 1 else number
                return served.run(
                    claim.address,
                    on_start=on_start,
                    on_ready=lambda: _announce(graph, options, claim.address, worker),
                    is_supervised=True,
                )

            return _fork(run, options, served.metrics, served.local_functions)
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
    with own_logs() as settle_logs, claimed(options.host, options.port) as claim:
        metrics = Metrics(n_workers=0 if options.workers == 1 else options.workers, release=options.release)
        served = served_function(graph, plan, name, options, metrics)
        settle_logs()
        _freeze()
        if options.workers == 1:
            return served.run(claim.address, on_ready=lambda: _announce(graph, options, claim.address, function=name))

        def run(number: int, on_start: Callable[[], None]) -> int:
            claim.close()
            metrics.bind(number)
            return served.run(
                claim.address,
                on_start=on_start,
                on_ready=lambda: _announce(graph, options, claim.address, number, function=name),
                is_supervised=True,
            )

        return _fork(run, options, metrics)


def _functions(graph: Graph, options: ServeOptions) -> Functions | None:
    if not options.functions and not any(step.function for step in graph.spec.steps):
        return None
    from ci_core.serving.functions.serving import Functions

    return Functions(graph, options.functions)


def _freeze() -> None:
    import_server()
    gc.collect()
    gc.freeze()  # the collector would otherwise write to, and so copy, every page the workers share


def _fork(
    run: Callable[[int, Callable[[], None]], int],
    options: ServeOptions,
    metrics: Metrics,
    functions: Sequence[str] = (),
) -> int:
    from ci_core.serving.workers import run_workers

    # once for the requests in flight, and once for the messages of queues that end with their process
    grace_s = options.lame_duck_s + 2 * options.drain_s + _END_S
    return run_workers(run, options.workers, metrics, grace_s=grace_s, functions=functions)


def _announce(
    graph: Graph, options: ServeOptions, address: Address, worker: int | None = None, *, function: str | None = None
) -> None:
    release = f" release {options.release[:12]}" if options.release else ""
    which = "" if worker is None else f" (worker {worker})"
    what = f"`{graph.name}`" if function is None else f"the function `{function}` of `{graph.name}`"
    print(f"serving {what}{release} on {address.url}{which}", file=sys.stderr, flush=True)  # noqa: T201 - the one line a serving process prints
