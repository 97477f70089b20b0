"""A small HTTP server for stand-ins: a handler takes a whole request and returns a whole answer.

It listens on loopback at a free port, answers in threads, keeps connections open as real servers do, and reads bodies
with a length as well as chunked ones (Git sends those).
"""

from __future__ import annotations

import contextlib
import json
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from email.message import Message
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """What a client asked."""

    method: str
    target: str
    """Path and query, as sent."""
    headers: Message = field(default_factory=Message)
    body: bytes = b""

    @property
    def path(self) -> str:
        """Path, as sent: a name with ``%2F`` in it is still one part."""
        return urlsplit(self.target).path

    @property
    def query(self) -> Mapping[str, str]:
        """Query parameters; of one that is given several times, the last."""
        given = parse_qs(urlsplit(self.target).query, keep_blank_values=True)
        return {name: values[-1] for name, values in given.items()}

    @property
    def parts(self) -> tuple[str, ...]:
        """Parts of the path, decoded."""
        return tuple(unquote(part) for part in self.path.strip("/").split("/"))

    def json(self) -> Any:
        """Return the body; ``{}`` when there is none.

        Raises:
            ValueError: it is not JSON.
        """
        return json.loads(self.body) if self.body else {}


@dataclass(frozen=True, slots=True, kw_only=True)
class Response:
    """What a server answers."""

    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b""


Handler = Callable[[Request], Response]


def json_response(value: object, status: int = 200, headers: Mapping[str, str] | None = None) -> Response:
    """Return `value` as JSON."""
    content = json.dumps(value).encode()
    return Response(status=status, headers={"Content-Type": "application/json", **(headers or {})}, body=content)


Answer = Callable[[Request, BaseHTTPRequestHandler], None]
"""Writes the answer to a connection: the door through which faults come in."""


def write_response(
    connection: BaseHTTPRequestHandler, response: Response, *, parts: int = 1, pause_s: float = 0
) -> None:
    """Write a whole answer, its body in `parts` with a pause before each."""
    connection.send_response(response.status)
    for name, value in response.headers.items():
        connection.send_header(name, value)
    if response.status != 204:
        connection.send_header("Content-Length", str(len(response.body)))
    connection.end_headers()
    if connection.command != "HEAD":
        size = -(-len(response.body) // parts) or 1
        for start in range(0, len(response.body), size):
            if parts > 1:
                connection.wfile.flush()
                time.sleep(pause_s)
            connection.wfile.write(response.body[start : start + size])


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False  # a client may keep its connection as long as it likes
    request_queue_size = 128

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Say nothing of clients that went away; the handler's own mistakes are told by its answer."""


@contextlib.contextmanager
def http_server(answer: Answer) -> Iterator[int]:
    """Serve on a free port, which is the value, until the end of the block."""

    class Connection(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        disable_nagle_algorithm = True
        wbufsize = -1  # one packet an answer

        def _serve(self) -> None:
            body = _read_body(self)
            request = Request(method=self.command, target=self.path, headers=self.headers, body=body)
            try:
                answer(request, self)
            except (ConnectionError, TimeoutError):
                self.close_connection = True

        def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the parent's name
            """Keep the test's output clean."""

    for method in ("GET", "POST", "PUT", "PATCH", "DELETE", "HEAD"):
        setattr(Connection, f"do_{method}", Connection._serve)

    server = _Server(("127.0.0.1", 0), Connection)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    try:
        yield server.server_port
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def _read_body(connection: BaseHTTPRequestHandler) -> bytes:
    if connection.headers.get("Transfer-Encoding", "").lower() != "chunked":
        return connection.rfile.read(int(connection.headers.get("Content-Length") or 0))
    chunks = []
    while size := int(connection.rfile.readline().split(b";")[0], 16):
        chunks.append(connection.rfile.read(size))
        connection.rfile.readline()
    while connection.rfile.readline().strip():
        pass
    return b"".join(chunks)
