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
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final, Literal, get_args

from tests.servers.http_server import Handler, Request, Response, http_server, json_response, write_response

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from http.server import BaseHTTPRequestHandler

FaultKind = Literal[
    "502-before",
    "502-after",
    "503",
    "500",
    "reset-before",
    "reset-after",
    "timeout",
    "429-retry-after",
    "429-silent",
    "403-secondary",
    "403-primary-far",
    "401",
    "403-permission",
    "404",
    "410",
    "422",
    "451",
    "html-200",
    "truncated-json",
    "empty-body",
    "slow",
]
FAULT_KINDS: Final[tuple[FaultKind, ...]] = get_args(FaultKind)
Flavour = Literal["github", "gitlab"]

DONE: Final[frozenset[FaultKind]] = frozenset(
    {"502-after", "reset-after", "timeout", "truncated-json", "empty-body", "slow"}
)
"""Kinds after which the server has done what it was asked."""
FAR_S: Final = 40 * 60
_DRIP_S: Final = 0.1


@dataclass(frozen=True, slots=True)
class Fault:
    """What happens to a request."""

    kind: FaultKind
    wait_s: int | None = None
    """What a limit's ``Retry-After`` says: 1 by default for ``429-retry-after``, and none for ``403-secondary``."""
    permission: str = "pull_requests=write"
    """What ``403-permission`` says would have been needed, on GitHub."""

    @property
    def is_done(self) -> bool:
        """Whether the server does what it was asked, whatever the client sees."""
        return self.kind in DONE


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

    def reset(self) -> None:
        """Forget all faults and count from 0."""
        with self._lock:
            self._faults.clear()
            self._hooks.clear()
            self._every, self.count = None, 0
            self.met.clear()

    def next(self) -> Fault | None:
        """Count one request; return what it meets."""
        with self._lock:
            n, self.count = self.count, self.count + 1
            fault = self._faults.get(n, self._every)
            if fault is not None:
                self.met.append((n, fault))
            act = self._hooks.pop(n, None)
        if act is not None:
            act()
        return fault


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
        fault = None if exempt(request) else plan.next()
        response = handler(request) if fault is None or fault.is_done else _refusal(fault, flavour)
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
            return _gateway_error()
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


def _gateway_error(status: int = 502, title: str = "Bad Gateway") -> Response:
    page = f"<html><head><title>{status} {title}</title></head><body><h1>{title}</h1></body></html>"
    return Response(status=status, headers={"Content-Type": "text/html"}, body=page.encode())


_PLAIN: Final[dict[str, tuple[int, dict[Flavour, dict[str, object]]]]] = {
    "500": (500, {"github": {"message": "Server Error"}, "gitlab": {"message": "500 Internal Server Error"}}),
    "401": (401, {"github": {"message": "Bad credentials"}, "gitlab": {"message": "401 Unauthorized"}}),
    "404": (404, {"github": {"message": "Not Found"}, "gitlab": {"message": "404 Not found"}}),
    "410": (410, {"github": {"message": "Issues are disabled for this repo"}, "gitlab": {"message": "410 Gone"}}),
    "422": (
        422,
        {
            "github": {"message": "Validation Failed", "errors": [{"resource": "Issue", "code": "invalid"}]},
            "gitlab": {"message": {"base": ["is invalid"]}},
        },
    ),
    "451": (
        451,
        {
            "github": {"message": "Repository access blocked", "block": {"reason": "dmca"}},
            "gitlab": {"message": "451 Unavailable For Legal Reasons"},
        },
    ),
}


def _refusal(fault: Fault, flavour: Flavour) -> Response:
    """Return the answer of a server, or of a machine before it, that did nothing."""
    if fault.kind in {"429-retry-after", "429-silent", "403-secondary", "403-primary-far"}:
        return _limit(fault, flavour)
    if fault.kind == "403-permission":
        return _no_permission(fault, flavour)
    if fault.kind in _PLAIN:
        status, bodies = _PLAIN[fault.kind]
        return json_response(bodies[flavour], status)
    if fault.kind == "html-200":
        page = b"<!DOCTYPE html><html><body><h1>Sign in to the network</h1></body></html>"
        return Response(headers={"Content-Type": "text/html; charset=utf-8"}, body=page)
    return _gateway_error(503, "Service Unavailable") if fault.kind == "503" else _gateway_error()


def _limit(fault: Fault, flavour: Flavour) -> Response:
    if flavour == "gitlab":
        return _gitlab_limit(fault)
    wait = fault.wait_s if fault.wait_s is not None else 1 if fault.kind == "429-retry-after" else None
    headers = {} if wait is None else {"Retry-After": str(wait)}
    if fault.kind == "403-primary-far":
        reset = int(time.time()) + (FAR_S if fault.wait_s is None else fault.wait_s)
        body = {"message": "API rate limit exceeded for installation ID 1."}
        limits = {"Limit": "1000", "Remaining": "0", "Used": "1000", "Reset": str(reset), "Resource": "core"}
        return json_response(body, 403, {f"X-RateLimit-{name}": value for name, value in limits.items()})
    message = "You have exceeded a secondary rate limit. Please wait a few minutes before you try again."
    docs = "https://docs.github.com/rest/using-the-rest-api/rate-limits-for-the-rest-api"
    status = 403 if fault.kind == "403-secondary" else 429
    return json_response({"message": message, "documentation_url": docs}, status, headers)


def _gitlab_limit(fault: Fault) -> Response:
    """GitLab answers 429 with plain text; what it has no name for looks like the nearest that it has."""
    waits = {"429-retry-after": 1, "403-primary-far": FAR_S}
    wait = waits.get(fault.kind) if fault.wait_s is None else fault.wait_s
    headers = {"Content-Type": "text/plain"}
    if wait is not None:
        reset = str(int(time.time()) + wait)
        headers |= {"Retry-After": str(wait), "RateLimit-Remaining": "0", "RateLimit-Reset": reset}
    return Response(status=429, headers=headers, body=b"Retry later\n")


def _no_permission(fault: Fault, flavour: Flavour) -> Response:
    if flavour == "gitlab":
        return json_response({"message": "403 Forbidden"}, 403)
    body = {"message": "Resource not accessible by integration", "documentation_url": "https://docs.github.com/rest"}
    return json_response(body, 403, {"X-Accepted-GitHub-Permissions": fault.permission})
