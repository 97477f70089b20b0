"""Both doors under the servers they are made for, granian and uvicorn, over real sockets; and malformed HTTP."""

from __future__ import annotations

import gzip
import json
import socket
import threading
import time
from contextlib import closing
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

pytestmark = pytest.mark.e2e


@pytest.fixture(scope="module", params=["granian", "uvicorn"])
def server(request: pytest.FixtureRequest, start_graph_server: Callable[[str, str], Any]) -> Iterator[Any]:
    with start_graph_server(request.param, "models") as server:
        yield server


@pytest.fixture(scope="module", params=["granian", "uvicorn"])
def slow_server(request: pytest.FixtureRequest, start_graph_server: Callable[[str, str], Any]) -> Iterator[Any]:
    with start_graph_server(request.param, "slow") as server:
        yield server


ROW = {"a": 1, "b": 2, "c": 3, "d": 4}


def until_only_one_is_in_flight(server: Any) -> None:
    """Return once the request that asks is the only one that the server knows of."""
    until = time.monotonic() + 60
    while (known := server.in_flight()) != 1:
        assert time.monotonic() < until, f"{known} requests are in flight, and nobody waits for them"


def slug(answer: bytes) -> str:
    found: str = json.loads(answer)["error"]["slug"]
    return found


def test_requests_are_answered(server: Any) -> None:
    status, headers, answer = server.ask("/", ROW, x_event_id="e1")

    assert (status, json.loads(answer)) == (200, {"sum": 5.5, "is_large": True})
    assert (headers["x-event-id"], headers["x-graphship-release"]) == ("e1", "r1")
    assert headers["content-length"] == str(len(answer))
    assert json.loads(server.ask("/v2/models/linear/infer", {"inputs": [[1, 2, 3, 4]]})[2])["outputs"][0]["sum"] == 5.5
    assert json.loads(server.ask("/?x=1", ROW)[2])["sum"] == 5.5


def test_a_path_is_decoded_once(server: Any) -> None:
    assert server.ask("/v2/models/l%69near")[0] == 200
    assert server.ask("/v2/models/none%0Aline")[0] == 404
    assert server.ask("/%ff%fe")[0] == 404


def test_head_and_options_and_other_methods(server: Any) -> None:
    status, headers, answer = server.ask("/livez", method="HEAD")
    assert (status, answer) == (200, b"")
    assert headers["content-length"] == "18"
    status, headers, answer = server.ask("/", method="OPTIONS")
    assert (status, headers["allow"], answer) == (204, "GET, HEAD, POST, OPTIONS", b"")
    status, headers, _answer = server.ask("/livez", method="DELETE")
    assert (status, headers["allow"]) == (405, "GET, HEAD, OPTIONS")


def test_bodies_over_the_limit_with_and_without_a_length(server: Any) -> None:
    big = b"[" + b"0," * 600_000 + b"0]"
    for body in (big, iter([big[:500_000], big[500_000:]]), gzip.compress(big)):
        headers = {"content_encoding": "gzip"} if isinstance(body, bytes) and body[:1] == b"\x1f" else {}
        status, answer_headers, answer = server.ask("/", body, method="POST", **headers)
        assert (status, slug(answer)) == (413, "body-too-large")
        assert answer_headers.get("connection") == "close" or headers
    assert server.ask("/", ROW)[0] == 200


def test_a_long_url_and_large_headers_are_refused(server: Any) -> None:
    assert server.ask("/" + "a" * 2000)[0] == 414
    assert server.ask("/livez", x="a" * 9000)[0] == 431
    assert server.ask("/livez", **{f"x{n}": "1" for n in range(99)})[0] == 431
    assert server.ask("/livez")[0] == 200


def test_a_body_that_does_not_come_ends_with_408_and_the_connection(server: Any) -> None:
    head = b"POST / HTTP/1.1\r\nhost: a\r\n"

    for rest in (b"content-length: 10\r\n\r\n{", b"transfer-encoding: chunked\r\n\r\n1\r\n{\r\n"):
        got = server.exchange(head + rest)
        assert got.startswith(b"HTTP/1.1 408 ")
        assert b"connection: close" in got.lower()


def test_a_client_that_leaves_in_the_middle_harms_nobody(server: Any) -> None:
    for cut in (b"POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 100\r\n\r\n{", b"POST / HT", b""):
        with closing(socket.create_connection(("127.0.0.1", server.port), timeout=5)) as connection:
            connection.sendall(cut)
    for _ in range(5):
        with closing(socket.create_connection(("127.0.0.1", server.port), timeout=5)) as connection:
            connection.sendall(b"POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 2\r\n\r\n[]")

    assert server.ask("/", ROW)[0] == 200
    until_only_one_is_in_flight(server)


def test_a_connection_is_kept_after_a_refusal_that_read_its_body(server: Any) -> None:
    request = b"POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 3\r\n\r\n[1]"
    last = request.replace(b"host: a", b"host: a\r\nconnection: close")

    got = server.exchange(request + request + last)

    assert got.count(b"HTTP/1.1 400 ") == 3


def test_one_request_too_many_is_a_429_and_health_is_answered(slow_server: Any) -> None:
    answers: list[tuple[int, dict[str, str], bytes]] = []
    clients = [
        threading.Thread(target=lambda: answers.append(slow_server.ask("/", {"wait_s": 1.5}))) for _ in range(70)
    ]
    for client in clients:
        client.start()
    deadline = time.monotonic() + 20
    while len(answers) < 6 and time.monotonic() < deadline:  # those over the limit of 64 do not wait
        assert slow_server.ask("/readyz")[0] == 200
    for client in clients:
        client.join()

    statuses = [status for status, _headers, _body in answers]
    assert (statuses.count(429), statuses.count(200)) == (6, 64)
    assert all(headers["retry-after"] == "1" for status, headers, _body in answers if status == 429)


def test_the_clients_deadline_is_held(slow_server: Any) -> None:
    status, _headers, answer = slow_server.ask("/", {"wait_s": 60}, x_request_timeout_ms="50")

    assert (status, slug(answer)) == (504, "deadline-exceeded")
