"""The demo's clients against a real server on loopback."""

from __future__ import annotations

import http.server
import threading
from typing import TYPE_CHECKING

import pytest

from ci_core.demo.traffic import Hammer, send

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = pytest.mark.e2e


class _Server(http.server.ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.received: list[bytes] = []
        self.connections: set[object] = set()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"


class _Handler(http.server.BaseHTTPRequestHandler):
    """Answers 200; 503 to ``refuse``; nothing at all to ``hang up``."""

    protocol_version = "HTTP/1.1"
    server: _Server

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["content-length"]))
        self.server.received.append(body)
        self.server.connections.add(self.client_address)
        if body == b"hang up":
            self.close_connection = True
            return
        self.send_response(503 if body == b"refuse" else 200)
        self.send_header("content-length", "2")
        self.end_headers()
        self.wfile.write(b"ok")

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@pytest.fixture
def server() -> Iterator[_Server]:
    with _Server() as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield server
        server.shutdown()
        thread.join()


def test_every_body_is_sent_once_over_connections_that_are_kept(server: _Server) -> None:
    bodies = [str(number).encode() for number in range(50)]

    report = send(server.url, bodies, connections=3)

    assert sorted(server.received) == sorted(bodies)
    assert len(server.connections) <= 3
    assert (report.sent, report.failed, report.first_failure) == (50, 0, None)
    assert 0 < report.median_ms <= report.slow_ms


def test_answers_of_another_status_and_lost_connections_are_counted_and_not_tried_again(server: _Server) -> None:
    report = send(server.url, [b"a", b"refuse", b"hang up", b"b"], connections=1)

    assert server.received == [b"a", b"refuse", b"hang up", b"b"]
    assert (report.sent, report.failed, report.first_failure) == (4, 2, "status 503: ok")


def test_without_a_server_every_request_fails() -> None:
    report = send("http://127.0.0.1:1", [b"a", b"b"], connections=1)

    assert (report.sent, report.failed) == (2, 2)
    assert report.median_ms != report.median_ms


def test_hammer_ends_with_its_block_though_there_is_more_to_send(server: _Server) -> None:
    def forever() -> Iterator[bytes]:
        while True:
            yield b"x"

    enough = threading.Event()
    with Hammer(server.url, forever(), connections=2, on_progress=lambda _sent: enough.set()) as hammer:
        assert enough.wait(10)
    report = hammer.report()

    assert report.sent == len(server.received) >= 100
    assert report.failed == 0
