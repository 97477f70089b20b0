from __future__ import annotations

import http.client
import json
import signal
import socket
import subprocess
import sys
import tempfile
import time
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from ci_core.testing.prometheus_text import value

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

_PATIENCE_S = 60.0
_PROGRAM = Path(__file__).with_name("graph_server.py")


class LiveServer:
    """A graph that is served by a process, and its port."""

    def __init__(self, process: subprocess.Popen[bytes], port: int) -> None:
        self.process, self.port = process, port

    def ask(
        self, path: str = "/", body: Any = None, *, method: str | None = None, **headers: str
    ) -> tuple[int, dict[str, str], bytes]:
        with closing(http.client.HTTPConnection("127.0.0.1", self.port, timeout=20)) as connection:
            raw = json.dumps(body).encode() if isinstance(body, dict | list) else body
            sent = {name.replace("_", "-"): value for name, value in headers.items()}
            connection.request(method or ("GET" if raw is None else "POST"), path, raw, sent)
            answer = connection.getresponse()
            return answer.status, {name.lower(): value for name, value in answer.getheaders()}, answer.read()

    def in_flight(self) -> float | None:
        """Return how many requests are being answered, the one that asks among them."""
        return value(self.ask("/metrics")[2].decode(), "graphship_requests_in_flight")

    def exchange(self, sent: bytes, *, quiet_s: float | None = None) -> bytes:
        """Return everything that comes back for `sent`, until the server closes the connection.

        Args:
            sent: bytes.
            quiet_s: after which the server is told that nothing more comes; None: never.

        Raises:
            TimeoutError: the server neither answers nor closes the connection.
        """
        got = b""
        with closing(socket.create_connection(("127.0.0.1", self.port), timeout=_PATIENCE_S)) as connection:
            with suppress(ConnectionError):
                connection.sendall(sent)
            if quiet_s is not None:
                connection.settimeout(quiet_s)
            with suppress(ConnectionError):
                while part := _next(connection):
                    got += part
        return got


def _next(connection: socket.socket) -> bytes:
    """Return what comes next. After too long a silence the server is told that nothing more does."""
    try:
        return connection.recv(65536)
    except TimeoutError:
        if connection.gettimeout() == _PATIENCE_S:
            raise
    connection.settimeout(_PATIENCE_S)
    with suppress(OSError):  # not connected any more
        connection.shutdown(socket.SHUT_WR)
    return connection.recv(65536)


@contextmanager
def _serving(door: str, graph: str) -> Iterator[LiveServer]:
    with closing(socket.socket()) as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    with tempfile.TemporaryFile("w+") as log:
        process = subprocess.Popen([sys.executable, str(_PROGRAM), door, graph, str(port)], stderr=log)
        server = LiveServer(process, port)

        def said() -> str:
            log.seek(0)
            return f"{door} ended with {process.poll()} and said:\n{log.read()}"

        try:
            for _ in range(600):
                with suppress(OSError):
                    if server.ask("/livez")[0] == 200:
                        break
                assert process.poll() is None, said()
                time.sleep(0.05)
            yield server
            assert process.poll() is None, said()
            process.send_signal(signal.SIGTERM)
            # uvicorn finishes, and then ends by the signal it got
            assert process.wait(20) == (-signal.SIGTERM if door == "uvicorn" else 0), said()
        finally:
            if process.poll() is None:
                process.kill()
            process.wait()


@pytest.fixture(scope="session")
def start_graph_server() -> Callable[[str, str], Any]:
    """Start a program that serves a graph: ``with start_graph_server("granian", "models") as server``."""
    return _serving
