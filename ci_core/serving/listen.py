"""Answer requests in this process until it is told to stop: granian's embedded server on an event loop.

Who is told to stop (SIGTERM, SIGINT) first says so for a moment (``/readyz`` 503, ``connection: close`` on answers),
then takes no connections any more and finishes what is in flight. Who is told again ends at once.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import resource
import signal
from time import monotonic
from typing import TYPE_CHECKING, Any

from ci_core.serving.doors import RsgiDoor
from ci_core.serving.ending import OF_SIGNAL, Orders, leave_at_once
from ci_core.serving.listener import take_no_more
from ci_core.serving.server_threads import ServerThreads

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine

    from ci_core.serving.address import Address
    from ci_core.serving.metrics import Metrics
    from ci_core.serving.options import ServeOptions
    from ci_core.serving.server import Application

logger = logging.getLogger(__name__)

_POLL_S = 0.01
_PUBLISH_S = 1.0
"""How old the gauges of other workers may be that a worker tells."""
_OTHER_FILES = 256
"""Files of a process that are no connections: models, segments, sockets of steps."""
_CUT_S = 1.0
"""How long the server may take to end once all requests are answered, or are to be cut."""
_LAST_REQUESTS_S = 0.1
"""How long the last connections have to be accepted and to send their requests."""
_BACKLOG = 4096
"""Connections that the kernel holds until they are accepted; it has a limit of its own, usually the same."""


def import_server() -> None:
    """Import what :func:`listen` needs, and have made what it makes at its first use: workers then share both."""
    from granian.server.embed import Server

    Server(None, log_dictconfig=_GRANIAN_LOGS)
    (_loop_factory() or asyncio.new_event_loop)().close()


def run(serving: Coroutine[Any, Any, None]) -> None:
    """Run `serving` on an event loop of the kind that requests are answered on."""
    with asyncio.Runner(loop_factory=_loop_factory()) as runner:
        runner.run(serving)


def _loop_factory() -> Callable[[], asyncio.AbstractEventLoop] | None:
    try:
        import uvloop
    except ImportError:  # not on every platform; asyncio's own loop serves as well, at a third more CPU
        return None
    return uvloop.new_event_loop


async def listen(
    application: Application,
    options: ServeOptions,
    address: Address | None,
    *,
    metrics: Metrics,
    on_start: Callable[[], None] = lambda: None,
    on_ready: Callable[[], None] = lambda: None,
    is_supervised: bool = False,
) -> None:
    """Answer requests until SIGTERM or SIGINT, and finish those in flight.

    Args:
        application: that answers.
        options: how.
        address: claimed before; None: the Unix socket of the options.
        metrics: shown to other workers now and then.
        on_start: called when nothing can fail any more, before the first request.
        on_ready: called once the port answers.
        is_supervised: whether another process of the server decides what a second signal means: a worker gets those
            sent to the whole group, and those of its parent as well.
    """
    server = _server(application, options, address)
    server.on_startup(on_start)
    stopping = asyncio.Event()
    orders = Orders()
    loop = asyncio.get_running_loop()

    def stop(number: signal.Signals) -> None:
        stopping.set()
        if orders.is_again() and not is_supervised:
            logger.warning("told again to stop and ends at once in_flight=%d", application.in_flight)
            leave_at_once(OF_SIGNAL + number)

    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop, number)
    threads = ServerThreads()

    def ready() -> None:
        threads.note()
        on_ready()

    serving = loop.create_task(server.serve())
    helpers = [
        loop.create_task(_announce_when_listening(options, address, ready)),
        loop.create_task(_publish(metrics)),
    ]
    await asyncio.wait({serving, loop.create_task(stopping.wait())}, return_when=asyncio.FIRST_COMPLETED)
    if not serving.done():
        application.is_draining = True
        await asyncio.sleep(options.lame_duck_s)
        if address is not None:
            take_no_more(address)
            await asyncio.sleep(_LAST_REQUESTS_S)
        server.stop()  # takes no connections any more, closes those that ask nothing, and answers the others
        await _finish(application, serving, options.drain_s)
    for helper in helpers:
        helper.cancel()
    if not serving.done():
        logger.error("requests did not end in time and are cut count=%d", application.in_flight)
        _be_quiet_about_cancelled_requests(loop)
        return
    await serving
    await threads.wait()


def _server(application: Application, options: ServeOptions, address: Address | None) -> Any:
    from granian.constants import HTTPModes, Interfaces
    from granian.http import HTTP1Settings
    from granian.log import LogLevels
    from granian.server.embed import Server

    where: dict[str, Any] = (
        {"uds": options.socket} if address is None else {"address": address.ip, "port": address.port}
    )
    return Server(
        RsgiDoor(application),
        **where,
        interface=Interfaces.RSGI,
        # not `auto`: there a connection that never sends a byte is waited for without end, to see which HTTP it speaks
        http=HTTPModes.http1,
        http1_settings=HTTP1Settings(
            header_read_timeout=round(options.idle_timeout_s * 1000),  # from the end of the last request, too
            max_buffer_size=max(8192, 2 * options.limits.header_bytes),
        ),
        websockets=False,
        backlog=_BACKLOG,
        backpressure=_connections(options.max_connections),
        log_level=LogLevels.error,
        log_dictconfig=_GRANIAN_LOGS,
    )


def _connections(wanted: int) -> int:
    """Return how many connections this process can hold, after taking all the files it may open."""
    _soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard == resource.RLIM_INFINITY:
        hard = wanted + _OTHER_FILES
    with contextlib.suppress(ValueError, OSError):  # a system with a lower limit of its own
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    may_open = resource.getrlimit(resource.RLIMIT_NOFILE)[0]
    return max(1, min(wanted, may_open - _OTHER_FILES))


async def _finish(application: Application, serving: asyncio.Task[None], drain_s: float) -> None:
    """Return once the server has ended, or will not in time."""
    if application.in_flight:
        # nobody sees why a process does not end otherwise
        logger.warning("draining in_flight=%d at_most_s=%g", application.in_flight, drain_s)
    longest = monotonic() + drain_s + _CUT_S
    until = monotonic() + _CUT_S
    while not serving.done() and monotonic() < until:
        if application.in_flight:
            until = min(monotonic() + _CUT_S, longest)
        await asyncio.wait({serving}, timeout=_POLL_S)


def _be_quiet_about_cancelled_requests(loop: asyncio.AbstractEventLoop) -> None:
    """Let granian not tell of each with a traceback, nor of its own end, which it no longer waits for."""
    logging.getLogger("_granian").setLevel(logging.CRITICAL)

    def handle(loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
        if not isinstance(context.get("exception"), asyncio.InvalidStateError):
            loop.default_exception_handler(context)

    loop.set_exception_handler(handle)


async def _publish(metrics: Metrics) -> None:
    while True:
        metrics.publish()
        await asyncio.sleep(_PUBLISH_S)


async def _announce_when_listening(
    options: ServeOptions, address: Address | None, on_ready: Callable[[], None]
) -> None:
    while True:
        try:
            if address is None:
                _reader, writer = await asyncio.open_unix_connection(options.socket)
            else:
                _reader, writer = await asyncio.open_connection(address.ip, address.port)
        except OSError:
            await asyncio.sleep(_POLL_S)
            continue
        writer.close()
        on_ready()
        return


_GRANIAN_LOGS = {
    # all but this would close the handlers of everyone else
    "incremental": True,
    "formatters": {},
    "handlers": {},
    "loggers": {"_granian": {"propagate": True}},
}
