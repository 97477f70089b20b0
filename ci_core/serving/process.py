"""A serving process: from a graph to a listening port, and to a clean end.

One worker runs in the process itself, under granian's embedded server; several are forked after the graph's code is
imported, so that they share its memory, and each opens its own model sessions and writer threads (threads do not
survive a fork). Who is told to stop (SIGTERM, SIGINT) first says so for a moment (``/readyz`` 503, ``connection:
close`` on answers), then finishes what is in flight, writes its captures, and exits 0.
"""

from __future__ import annotations

import asyncio
import contextlib
import gc
import logging
import signal
import socket
import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ci_core.errors import PortTakenError
from ci_core.serving.capture import Capture
from ci_core.serving.doors import RsgiDoor
from ci_core.serving.identity import EventIdentity
from ci_core.serving.metrics import Metrics
from ci_core.serving.server import DEFAULT_BODY_LIMIT_BYTES, Application

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from ci_core.serving.base import ModelCall, ModelObserver
    from ci_core.serving.event import Event
    from ci_core.serving.graph import Graph

logger = logging.getLogger(__name__)

_POLL_S = 0.01
_GC_THRESHOLD = 50_000
"""Allocations between two collections, Python's default being 700: what waits to be captured would be looked at again
and again, and requests make no cycles."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ServeOptions:
    """How a graph is served."""

    host: str = "127.0.0.1"
    port: int = 8080
    """0 is any free port; the address is printed."""
    workers: int = 1
    release: str | None = None
    captures: Path | None = None
    """Folder for captures; None for none."""
    capture_sample: float = 1.0
    time_column: str | None = None
    """Field of the body with the event's own time."""
    body_limit_bytes: int = DEFAULT_BODY_LIMIT_BYTES
    lame_duck_s: float = 0.3
    """How long a process that was told to stop still takes requests: longer than a client on a kept connection needs
    to see ``connection: close``."""
    drain_s: float = 30.0
    """How long requests in flight may take to finish."""


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
    if options.workers == 1:
        application = build_application(graph, options)
        return run_worker(application, options, port, on_ready=lambda: _announce(graph, options, port))
    if options.captures is not None:
        Capture(options.captures).check_folder()
    graph.check()  # imports the user's modules, and finds most mistakes before the first fork
    gc.collect()
    gc.freeze()  # the collector would otherwise write to, and so copy, every page the workers share
    from ci_core.serving.workers import run_workers

    def run(number: int) -> int:
        application = build_application(graph, options)
        return run_worker(application, options, port, on_ready=lambda: _announce(graph, options, port, number))

    return run_workers(run, options.workers)


def build_application(graph: Graph, options: ServeOptions) -> Application:
    """Compile `graph`, start its capture, and return the application; in the process that serves it."""
    metrics = Metrics()
    capture = None
    observe: ModelObserver = metrics
    if options.captures is not None:
        capture = Capture(options.captures, release=options.release, sample=options.capture_sample)
        capture.check_folder()
        observe = _Both(metrics, capture)
    plan = graph.compile(observe=observe, release=options.release)
    if capture is not None:
        capture.start()
    return Application(
        graph.spec,
        plan,
        metrics=metrics,
        release=options.release,
        identity=EventIdentity(time_column=options.time_column),
        capture=capture,
    )


class _Both:
    """Tells metrics and capture of every model call."""

    def __init__(self, metrics: Metrics, capture: Capture) -> None:
        self._metrics, self._capture = metrics, capture

    def answered(self, event: Event, model: str, call: ModelCall, seconds: float) -> None:
        self._metrics.answered(event, model, call, seconds)
        self._capture.add(event, model, call)

    def failed(self, event: Event, model: str, error: Exception) -> None:
        self._metrics.failed(event, model, error)


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


def run_worker(application: Application, options: ServeOptions, port: int, *, on_ready: Callable[[], None]) -> int:
    """Answer requests in this process until it is told to stop; return the exit code.

    Args:
        application: that answers.
        options: how.
        port: claimed before.
        on_ready: called once the port answers.
    """
    gc.collect()
    gc.freeze()  # models and modules stay: the collector need not look at them again
    gc.set_threshold(_GC_THRESHOLD)
    try:
        with asyncio.Runner(loop_factory=_loop_factory()) as runner:
            runner.run(_serve(application, options, port, on_ready))
    finally:
        if application.capture is not None:
            application.capture.close()
    return 0


def _loop_factory() -> Callable[[], asyncio.AbstractEventLoop] | None:
    try:
        import uvloop
    except ImportError:  # not on every platform; asyncio's own loop serves as well, at a third more CPU
        return None
    return uvloop.new_event_loop


async def _serve(application: Application, options: ServeOptions, port: int, on_ready: Callable[[], None]) -> None:
    from granian.constants import HTTPModes, Interfaces
    from granian.log import LogLevels
    from granian.server.embed import Server

    server = Server(
        RsgiDoor(application, body_limit_bytes=options.body_limit_bytes),
        address=options.host,
        port=port,
        interface=Interfaces.RSGI,
        http=HTTPModes.auto,
        websockets=False,
        log_level=LogLevels.error,
        log_dictconfig=_GRANIAN_LOGS,
    )
    stopping = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stopping.set)
    serving = loop.create_task(server.serve())
    announcing = loop.create_task(_announce_when_listening(options.host, port, on_ready))
    await asyncio.wait({serving, loop.create_task(stopping.wait())}, return_when=asyncio.FIRST_COMPLETED)
    announcing.cancel()
    if not serving.done():
        await _drain(application, options)
        server.stop()  # type: ignore[no-untyped-call]
    await serving


async def _drain(application: Application, options: ServeOptions) -> None:
    application.is_draining = True
    logger.info("draining in_flight=%d", application.in_flight)
    await asyncio.sleep(options.lame_duck_s)
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(options.drain_s):
            while application.in_flight:  # noqa: ASYNC110 - an event would cost every request, this costs the last second
                await asyncio.sleep(_POLL_S)


async def _announce_when_listening(host: str, port: int, on_ready: Callable[[], None]) -> None:
    while True:
        try:
            _reader, writer = await asyncio.open_connection(host, port)
        except OSError:
            await asyncio.sleep(_POLL_S)
            continue
        writer.close()
        on_ready()
        return


def _announce(graph: Graph, options: ServeOptions, port: int, worker: int | None = None) -> None:
    shown = f"[{options.host}]" if ":" in options.host else options.host
    release = f" release {options.release[:12]}" if options.release else ""
    which = "" if worker is None else f" (worker {worker})"
    print(f"serving `{graph.name}`{release} on http://{shown}:{port}{which}", file=sys.stderr, flush=True)  # noqa: T201 - the one line a serving process prints


_GRANIAN_LOGS = {
    "handlers": {
        "console": {"formatter": "generic", "class": "logging.StreamHandler", "stream": "ext://sys.stderr"},
        "access": {"formatter": "access", "class": "logging.StreamHandler", "stream": "ext://sys.stderr"},
    }
}
