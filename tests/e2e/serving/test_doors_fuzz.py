"""Whatever bytes come to a door, over real sockets: no 5xx, no hang, no crash. The whole matrix: ``make faults``.

A failure names its seed and its bytes; put the bytes into :data:`FOUND`, as seeds change with the code.
"""

from __future__ import annotations

import gzip
import random
import re
import struct
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import orjson
import pytest

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

pytestmark = pytest.mark.e2e

SAMPLE, WHOLE = 300, 100_000
ROUND = 1_000
"""Inputs after which the server is asked whether all is well."""
CONNECTIONS = 16
QUIET_S = 0.05

ROW = b'{"a":1,"b":2,"c":3,"d":4}'
TENSOR = orjson.dumps({"inputs": [{"name": "x", "shape": [1, 4], "datatype": "FP32", "data": [1, 2, 3, 4]}]})
HEAD = orjson.dumps(
    {
        "inputs": [{"name": "x", "shape": [1, 4], "datatype": "FP32", "parameters": {"binary_data_size": 16}}],
        "parameters": {"binary_data_output": True},
    }
)
LAST = b"GET /livez HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n"
STATUS = re.compile(rb"HTTP/1\.[01] (\d\d\d) ")


def post(path: bytes, body: bytes, *headers: bytes) -> bytes:
    lines = (b"POST %b HTTP/1.1" % path, b"host: a", b"content-length: %d" % len(body), *headers)
    return b"\r\n".join(lines) + b"\r\n\r\n" + body


MODEL = b"/v2/models/linear/infer"
POSTS: tuple[tuple[bytes, ...], ...] = (
    (b"/", ROW, b"content-type: application/json"),
    (b"/", b"[%b, %b]" % (ROW, ROW), b"x-event-id: e1", b"x-request-timeout-ms: 5000"),
    (b"/", gzip.compress(ROW, mtime=0), b"content-encoding: gzip"),
    (MODEL, TENSOR),
    (MODEL, b'{"inputs": [[1, 2, 3, 4]]}'),
    (MODEL, HEAD + struct.pack("<4f", 1, 2, 3, 4), b"inference-header-content-length: %d" % len(HEAD)),
)
SOUND = (
    *(post(*one) for one in POSTS),
    b"POST / HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\n\r\n%x\r\n%b\r\n0\r\n\r\n" % (len(ROW), ROW),
    b"GET /v2/models/linear HTTP/1.1\r\nhost: a\r\n\r\n",
    b"HEAD /livez HTTP/1.1\r\nhost: a\r\n\r\n",
)
PIECES = (
    b"\r\n",
    b"\n",
    b"\x00",
    b": ",
    b"content-length: 5\r\n",
    b"content-length: -1\r\n",
    b"content-length: 99999999999999999999\r\n",
    b"transfer-encoding: chunked\r\n",
    b"transfer-encoding: identity, chunked\r\n",
    b"expect: 100-continue\r\n",
    b"x: \xff\xfe\r\n",
    b"x-event-id: \xc3\xbc\r\n",
    b"traceparent: \x80\r\n",
    b"content-encoding: gzip\r\n",
    b"inference-header-content-length: 5\r\n",
    b"inference-header-content-length: %b\r\n" % (b"0" * 4301),
    b"x-request-timeout-ms: 1e400\r\n",
    b" HTTP/1.1\r\n",
    b"upgrade: websocket\r\nconnection: upgrade\r\n",
    b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    b"%00",
    b"/v2/models/linear/infer",
    b"a" * 3000,
    b"x: 1\r\n" * 120,
)
WORDS = (
    b"1e999", b"-0", b"NaN", b"9" * 30, b"9" * 5000, b"null", b"true", b'"\\ud800"', b"[", b"]", b"{}", b"-1", b",",
    b"18446744073709551616", b'"a":1,', b"BYTES", b"BOOL", b"FP16", b"[" * 2000, b'{"a":' * 1500, b"\xff\xfe", b"\x00",
    b'"parameters": {"binary_data_size": 8},', b'"parameters": {"shared_memory_region": "r"},',
)  # fmt: skip
FOUND: tuple[bytes, ...] = (
    # more digits than Python makes a number of
    post(MODEL, TENSOR, b"inference-header-content-length: %b" % (b"0" * 4301)),
)
"""What once made a server fail."""


def damaged(seed: int) -> bytes:
    """Return bytes that once were one HTTP request, or a few on one connection; the same for the same seed.

    Of every second one only the body is damaged, so that it gets behind the parser of HTTP.
    """
    chance = random.Random(seed)
    if seed % 2:
        path, body, *headers = chance.choice(POSTS)
        return post(path, _damaged(chance, body, WORDS), *headers)
    return _damaged(chance, b"".join(chance.choice(SOUND) for _ in range(chance.choice([1, 1, 1, 2, 3]))), PIECES)


def _damaged(chance: random.Random, sent: bytes, pieces: Sequence[bytes]) -> bytes:
    for _ in range(chance.randint(1, 4)):
        at = chance.randrange(len(sent) + 1)
        kind = chance.randrange(4)
        if kind == 0:
            sent = sent[:at] + bytes([chance.randrange(256)]) + sent[at + 1 :]
        elif kind == 1:
            sent = sent[:at] + sent[at + chance.randrange(12) :]
        else:
            line = sent.find(b"\r\n")
            at = line + 2 if line >= 0 and chance.random() < 0.6 else at
            sent = sent[:at] + chance.choice(pieces) + sent[at:]
    return sent


@pytest.fixture(scope="module", params=["granian", "uvicorn"])
def server(request: pytest.FixtureRequest, start_graph_server: Callable[[str, str], Any]) -> Iterator[Any]:
    with start_graph_server(request.param, "models") as server:
        yield server


def statuses(server: Any, sent: bytes) -> list[int]:
    """Return the status of each answer; a connection that is neither answered nor closed raises.

    The last request closes the connection, unless what was damaged before takes it for its body. A client that closes
    its half of the connection at once would see nothing: granian takes it for gone.
    """
    got = server.exchange(sent + LAST, quiet_s=QUIET_S)
    found = [int(status) for status in STATUS.findall(got)]
    assert all(status < 500 for status in found), got
    return found


def statuses_of_seed(server: Any, seed: int) -> list[int]:
    try:
        return statuses(server, damaged(seed))
    except BaseException as error:
        error.add_note(f"seed {seed}: {damaged(seed)!r}")
        raise


def check_seeds(server: Any, seeds: range) -> Counter[str]:
    """Return how many answers there were, by the first digit of their status, and connections without any."""
    counts: Counter[str] = Counter()
    for start in range(seeds.start, seeds.stop, ROUND):
        part = range(start, min(start + ROUND, seeds.stop))
        with ThreadPoolExecutor(CONNECTIONS) as clients:
            for found in clients.map(lambda seed: statuses_of_seed(server, seed), part):
                counts.update([f"{status // 100}xx" for status in found] or ["no answer"])
        assert server.ask("/", ROW)[0] == 200, start
    until_only_one_is_in_flight(server)
    assert counts["2xx"] > len(seeds) / 4  # or hardly anything came behind the parser of HTTP
    assert counts["4xx"] > len(seeds) / 4
    return counts


def until_only_one_is_in_flight(server: Any) -> None:
    """Return once the request that asks is the only one that the server knows of."""
    until = time.monotonic() + 60
    while (known := server.in_flight()) != 1:
        assert time.monotonic() < until, f"{known} requests are in flight, and nobody waits for them"


@pytest.mark.parametrize("sent", SOUND)
def test_what_is_damaged_was_sound(server: Any, sent: bytes) -> None:
    assert statuses(server, sent) == [200, 200]


@pytest.mark.parametrize("sent", FOUND)
def test_what_once_made_a_server_fail_does_so_no_more(server: Any, sent: bytes) -> None:
    assert statuses(server, sent)[0] == 400


def test_malformed_http_harms_nobody(server: Any) -> None:
    check_seeds(server, range(SAMPLE))


@pytest.mark.slow
@pytest.mark.faults
def test_the_whole_matrix_of_malformed_http_harms_nobody(
    server: Any, record_property: Callable[[str, object], None]
) -> None:
    began = time.monotonic()
    record_property("seeds", f"{SAMPLE} to {SAMPLE + WHOLE - 1}")
    record_property("inputs, each on a connection of its own", WHOLE)

    for name, count in sorted(check_seeds(server, range(SAMPLE, SAMPLE + WHOLE)).items()):
        record_property(name, count)

    record_property("seconds", round(time.monotonic() - began))
