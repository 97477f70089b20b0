"""Stand in front of a server, remember what passes, and let chosen requests meet chosen faults.

::

    with faulty_server(handler, flavour="github") as front:
        front.plan.at(2, Fault("502-after"))   # the third request from now on is done, and its answer gets lost
        ...
        front.url, front.requests

Faults that have no ``-before`` or ``-after`` in their name are one or the other by nature: an answer that refuses comes
from a server that did nothing; what is spoiled on its way back (``timeout``, ``truncated-json``, ``empty-body``) was
done, the worse of the two; ``html-200`` is a page of some machine in between, and nothing was done. ``slow`` arrives
whole. Limits and refusals are spelled as the `flavour` spells them.
"""

from __future__ import annotations

import contextlib
import json
import select
import socket
import struct
import threading
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from tests.servers.faults import DONE, FAULT_KINDS, Fault, FaultKind, Flavour, gateway_error, refusal
from tests.servers.http_server import Handler, Request, Response, http_server, write_response

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from http.server import BaseHTTPRequestHandler

__all__ = ["DONE", "FAULT_KINDS", "Fault", "FaultKind", "FaultPlan", "Flavour", "Front", "Recorded", "faulty_server"]

_DRIP_S: Final = 0.1


@dataclass(frozen=True, slots=True, kw_only=True)
class Recorded:
    """A request that came in, and what it was answered."""

    method: str
    path: str
    """Path and query, as sent."""
    headers: dict[str, str]
    """With lower-case names."""
    body: bytes
    status: int | None
    """None when the connection was cut, or nothing was answered."""
    answer: bytes = b""
    answer_headers: dict[str, str] = field(default_factory=dict)
    fault: Fault | None = None

    @property
    def is_write(self) -> bool:
        """Whether it asked for a change; a GraphQL query is a ``POST`` and none."""
        if self.method == "POST" and self.path.endswith("/graphql"):
            return b"mutation" in self.body
        return self.method not in {"GET", "HEAD"}

    def json(self) -> object:
        """Return the body that was sent, parsed."""
        return json.loads(self.body) if self.body else None


class FaultPlan:
    """Which requests meet which faults. Threads may ask at once."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._faults: dict[int, Fault] = {}
        self._every: Fault | None = None
        self._hooks: dict[int, Callable[[], object]] = {}
        self._answers: dict[int, Response] = {}
        self._watchers: list[tuple[Callable[[Request], bool], Callable[[], object]]] = []
        self.count = 0
        """Requests since :meth:`reset`."""
        self.met: list[tuple[int, Fault]] = []
        """The faults that were reached, with the number of the request."""
        self.over = threading.Event()
        """Set when the server ends: connections that hang are let go."""

    def at(self, n: int, fault: Fault, *, times: int = 1) -> None:
        """Let the `n`-th request from :meth:`reset` on (the first is 0), and the `times` - 1 after it, meet a fault."""
        with self._lock:
            self._faults.update(dict.fromkeys(range(n, n + times), fault))

    def always(self, fault: Fault) -> None:
        """Let each request without a fault of its own meet this one."""
        with self._lock:
            self._every = fault

    def before(self, n: int, act: Callable[[], object]) -> None:
        """Do something else just before the `n`-th request: somebody pushes, or a barrier is waited for."""
        with self._lock:
            self._hooks[n] = act

    def on(self, matches: Callable[[Request], bool], act: Callable[[], object]) -> None:
        """Do something before each matching request: two clients meet at a barrier, whoever is first."""
        with self._lock:
            self._watchers.append((matches, act))

    def answer(self, n: int, response: Response) -> None:
        """Answer the `n`-th request like this; nothing is done. For redirects, and links that lead elsewhere."""
        with self._lock:
            self._answers[n] = response

    def reset(self) -> None:
        """Forget all faults and count from 0."""
        with self._lock:
            self._faults.clear()
            self._hooks.clear()
            self._answers.clear()
            self._watchers.clear()
            self._every, self.count = None, 0
            self.met.clear()

    def next(self, request: Request) -> Fault | Response | None:
        """Count one request; return what it meets."""
        with self._lock:
            n, self.count = self.count, self.count + 1
            fault = self._faults.get(n, self._every)
            response = self._answers.get(n)
            if fault is not None:
                self.met.append((n, fault))
            acts = [act for matches, act in self._watchers if matches(request)]
            if n in self._hooks:
                acts.append(self._hooks.pop(n))
        for act in acts:
            act()
        return fault or response


@dataclass(frozen=True, slots=True, kw_only=True)
class Front:
    """A server with faults in front."""

    url: str
    """``http://localhost:PORT``."""
    plan: FaultPlan
    requests: list[Recorded]
    """Everything that came in, in the order in which it was answered."""


@contextlib.contextmanager
def faulty_server(
    handler: Handler, *, flavour: Flavour, exempt: Callable[[Request], bool] = lambda _request: False
) -> Iterator[Front]:
    """Serve `handler` behind a fault plan until the end of the block.

    Args:
        handler: the server's own answers; may be called by several threads at once.
        flavour: whose errors the faults look like.
        exempt: requests that are neither counted nor disturbed, though recorded.
    """
    plan, requests = FaultPlan(), list[Recorded]()

    def answer(request: Request, connection: BaseHTTPRequestHandler) -> None:
        met = None if exempt(request) else plan.next(request)
        fault = met if isinstance(met, Fault) else None
        if isinstance(met, Response):
            response = met
        else:
            response = handler(request) if fault is None or fault.is_done else refusal(fault, flavour)
        seen = _seen(response, fault)
        requests.append(
            Recorded(
                method=request.method,
                path=request.target,
                headers={name.lower(): value for name, value in request.headers.items()},
                body=request.body,
                status=None if seen is None else seen.status,
                answer=b"" if seen is None else seen.body,
                answer_headers={} if seen is None else dict(seen.headers),
                fault=fault,
            )
        )
        _send(connection, seen, fault, plan)

    with http_server(answer) as port:
        try:
            yield Front(url=f"http://localhost:{port}", plan=plan, requests=requests)
        finally:
            plan.over.set()


def _seen(response: Response, fault: Fault | None) -> Response | None:
    """Return what the client is sent; None for nothing."""
    match fault.kind if fault else None:
        case "502-after":
            return gateway_error()
        case "reset-before" | "reset-after" | "timeout":
            return None
        case "empty-body":
            return Response(status=response.status, headers=response.headers)
        case "truncated-json":
            return Response(
                status=response.status, headers=response.headers, body=response.body[: len(response.body) // 2]
            )
        case _:
            return response


def _send(connection: BaseHTTPRequestHandler, response: Response | None, fault: Fault | None, plan: FaultPlan) -> None:
    if response is None:
        assert fault is not None
        if fault.kind == "timeout":
            _hang(connection, plan)
        _reset(connection)
        return
    is_slow = fault is not None and fault.kind == "slow"
    write_response(connection, response, parts=4 if is_slow else 1, pause_s=_DRIP_S)


def _hang(connection: BaseHTTPRequestHandler, plan: FaultPlan) -> None:
    """Answer nothing until the client has gone, or the test is over."""
    while not plan.over.is_set():
        readable, _, _ = select.select([connection.connection], [], [], 0.05)
        if readable and not connection.connection.recv(1, socket.MSG_PEEK):
            return


def _reset(connection: BaseHTTPRequestHandler) -> None:
    """Cut the connection so that the client sees a reset and not an end."""
    connection.close_connection = True
    connection.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    connection.rfile.close()
    connection.wfile.close()  # both keep the socket open
    connection.connection.close()
