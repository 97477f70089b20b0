"""How answers are read from a connection, byte by byte; nothing that a service sends hangs or breaks us."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from ci_core.serving.remote.connection import Answer, AnswerLimits, Connection
from ci_core.serving.remote.failures import CallError, CallTimeoutError, ConnectionLostError, MalformedAnswerError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

LIMITS = AnswerLimits(head_bytes=1000, body_bytes=1000)


class Wire(asyncio.Transport):
    """A transport without a network: keeps what is written, and tells the connection when it is closed."""

    def __init__(self, connection: Connection) -> None:
        super().__init__()
        self.written: list[bytes] = []
        self.unsent_bytes = 0
        self._connection = connection
        self._is_closing = False

    def is_closing(self) -> bool:
        return self._is_closing

    def write(self, data: bytes | bytearray | memoryview) -> None:
        self.written.append(bytes(data))

    def get_write_buffer_size(self) -> int:
        return self.unsent_bytes

    def abort(self) -> None:
        self.end()

    def end(self) -> None:
        if not self._is_closing:
            self._is_closing = True
            asyncio.get_running_loop().call_soon(self._connection.connection_lost, None)


async def exchange(pieces: Iterable[bytes], *, is_head_request: bool) -> tuple[object, bool]:
    """Return what a request came to that was answered by `pieces`, and whether the connection can be used again."""
    connection = Connection(LIMITS, lambda _: None)
    wire = Wire(connection)
    connection.connection_made(wire)
    deadline = asyncio.get_running_loop().time() + 3600
    waiter = connection.send(b"GET / HTTP/1.1\r\n\r\n", is_head_request=is_head_request, deadline=deadline)
    for piece in pieces:
        if wire.is_closing():
            break
        connection.data_received(piece)
    is_reusable = connection.is_reusable
    wire.end()
    await asyncio.sleep(0)
    assert waiter.done(), "the answer never comes to an end"
    return waiter.exception() or waiter.result(), is_reusable


def read(*pieces: bytes, is_head_request: bool = False) -> tuple[object, bool]:
    return asyncio.run(exchange(pieces, is_head_request=is_head_request))


def answer_of(*pieces: bytes) -> tuple[int, bytes, bool]:
    outcome, is_reusable = read(*pieces)
    assert isinstance(outcome, Answer)
    return outcome.status, outcome.body, is_reusable


def failure_of(*pieces: bytes) -> CallError:
    outcome, is_reusable = read(*pieces)
    assert isinstance(outcome, CallError)
    assert not is_reusable
    return outcome


LENGTH = b"HTTP/1.1 200 OK\r\ncontent-type: text/plain\r\ncontent-length: 2\r\n\r\nab"
CHUNKED = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1;x=y\r\na\r\n1\r\nb\r\n0\r\nx-trailer: 1\r\n\r\n"
UNTIL_CLOSE = b"HTTP/1.1 200 OK\r\n\r\nab"
CLOSING = b"HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: 2\r\n\r\nab"
INTERIM = b"HTTP/1.1 100 Continue\r\nx: y\r\n\r\nHTTP/1.1 103 Early Hints\r\n\r\n" + LENGTH


@pytest.mark.parametrize(
    ("sent", "status", "body", "is_reusable"),
    [
        (LENGTH, 200, b"ab", True),
        (CHUNKED, 200, b"ab", True),
        (UNTIL_CLOSE, 200, b"ab", False),
        (CLOSING, 200, b"ab", False),
        (INTERIM, 200, b"ab", True),
        (b"HTTP/1.1 204 No Content\r\n\r\n", 204, b"", True),
        (b"HTTP/1.1 304 Not Modified\r\ncontent-length: 9\r\n\r\n", 304, b"", True),
        (b"HTTP/1.0 200 OK\r\ncontent-length: 2\r\n\r\nab", 200, b"ab", False),
        (b"HTTP/1.1 200 \r\ncontent-length: 0\r\n\r\n", 200, b"", True),
    ],
)
def test_an_answer_ends_where_its_head_says(sent: bytes, status: int, body: bytes, is_reusable: bool) -> None:
    assert answer_of(sent) == (status, body, is_reusable)


def test_headers_are_found_whatever_their_case_and_trailers_are_none() -> None:
    outcome, _ = read(CHUNKED)

    assert isinstance(outcome, Answer)
    assert outcome.header("TRANSFER-encoding") == "chunked"
    assert outcome.header("x-trailer") is None


def test_an_answer_to_a_head_request_has_no_body_whatever_its_head_says() -> None:
    outcome, is_reusable = read(b"HTTP/1.1 200 OK\r\ncontent-length: 5000\r\n\r\n", is_head_request=True)

    assert isinstance(outcome, Answer)
    assert (outcome.status, outcome.body, is_reusable) == (200, b"", False)


@pytest.mark.parametrize(
    "cut", [LENGTH[:-1], CHUNKED[:-1], CHUNKED[:60], LENGTH[:20], INTERIM[:50], LENGTH[:-2], b"H", CHUNKED[:-5]]
)
def test_an_answer_cut_short_is_a_lost_connection_and_never_half_an_answer(cut: bytes) -> None:
    error = failure_of(cut)

    assert isinstance(error, ConnectionLostError)
    assert error.has_begun


def test_a_connection_closed_before_any_byte_says_so() -> None:
    error = failure_of()

    assert isinstance(error, ConnectionLostError)
    assert not error.has_begun


@pytest.mark.parametrize(
    "sent",
    [
        b"SSH-2.0-OpenSSH_9.6\r\n",
        b"\x16\x03\x01\x02\x00",
        b"HTTP/1.1 99999 OK\r\n\r\n",
        b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\ncontent-length: 3\r\n\r\nab",
        b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\ntransfer-encoding: chunked\r\n\r\n2\r\nab\r\n0\r\n\r\n",
        b"HTTP/1.1 200 OK\r\ncontent-length: -2\r\n\r\nab",
        b"HTTP/1.1 200 OK\r\ncontent-length: 99999999999999999999\r\n\r\nab",
        b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\nzz\r\n",
        b"HTTP/1.1 101 Switching Protocols\r\nupgrade: x\r\nconnection: upgrade\r\n\r\n",
        b"HTTP/1.1 200 OK\ncontent-length: 2\n\nab",
    ],
)
def test_what_is_no_http_is_told_so(sent: bytes) -> None:
    assert isinstance(failure_of(sent), MalformedAnswerError)


@pytest.mark.parametrize(
    "sent",
    [
        b"HTTP/1.1 200 OK\r\nx: " + b"a" * 2000 + b"\r\ncontent-length: 0\r\n\r\n",
        b"HTTP/1.1 200 OK\r\n" + b"x: y\r\n" * 1000 + b"content-length: 0\r\n\r\n",
        b"HTTP/1.1 200 " + b"a" * 2000,
        b"HTTP/1.1 100 Continue\r\n\r\n" * 100,
        b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n1;" + b"x" * 2000,
        b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n1\r\na\r\n0\r\nx: " + b"y" * 2000,
        b"HTTP/1.1 200 OK\r\ncontent-length: 1001\r\n\r\n" + b"a" * 1001,
        b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n" + b"1\r\na\r\n" * 1001,
        b"HTTP/1.1 200 OK\r\n\r\n" + b"a" * 1001,
    ],
)
@pytest.mark.parametrize("size", [7, 100])
def test_nothing_of_an_answer_is_larger_than_its_limit(sent: bytes, size: int) -> None:
    error = failure_of(*split(sent, size))

    assert isinstance(error, MalformedAnswerError)
    assert "is larger than 1000 bytes" in str(error)


def test_an_answer_as_large_as_the_limit_is_taken() -> None:
    sent = b"HTTP/1.1 200 OK\r\ncontent-length: 1000\r\n\r\n" + b"a" * 1000

    assert answer_of(*split(sent, 100)) == (200, b"a" * 1000, True)


@pytest.mark.parametrize("more", [LENGTH, b"HTTP/1.1 200", b"garbage", b"x"])
def test_a_connection_that_says_more_than_it_was_asked_is_not_used_again(more: bytes) -> None:
    assert answer_of(LENGTH + more) == (200, b"ab", False)
    assert answer_of(LENGTH, more) == (200, b"ab", False)


def test_a_connection_that_was_answered_before_it_had_sent_all_is_not_used_again() -> None:
    async def scenario() -> tuple[Answer, bool]:
        connection = Connection(LIMITS, lambda _: None)
        wire = Wire(connection)
        connection.connection_made(wire)
        waiter = connection.send(b"half", is_head_request=False, deadline=asyncio.get_running_loop().time() + 3600)
        wire.unsent_bytes = 1
        connection.data_received(LENGTH)
        return await waiter, connection.is_reusable

    answer, is_reusable = asyncio.run(scenario())

    assert (answer.body, is_reusable) == (b"ab", False)


def test_nothing_is_sent_on_a_connection_that_is_closing() -> None:
    async def scenario() -> tuple[object, list[bytes]]:
        connection = Connection(LIMITS, lambda _: None)
        wire = Wire(connection)
        connection.connection_made(wire)
        wire.end()
        waiter = connection.send(b"GET", is_head_request=False, deadline=asyncio.get_running_loop().time() + 3600)
        return waiter.exception(), wire.written

    error, written = asyncio.run(scenario())

    assert isinstance(error, ConnectionLostError)
    assert not error.may_have_arrived
    assert written == []


def test_an_answer_that_takes_too_long_is_given_up() -> None:
    async def scenario() -> object:
        connection = Connection(LIMITS, lambda _: None)
        wire = Wire(connection)
        connection.connection_made(wire)
        waiter = connection.send(b"", is_head_request=False, deadline=asyncio.get_running_loop().time())
        connection.data_received(LENGTH[:-1])
        (outcome,) = await asyncio.gather(waiter, return_exceptions=True)
        assert wire.is_closing()
        return outcome

    assert isinstance(asyncio.run(scenario()), CallTimeoutError)


def test_one_connection_carries_many_requests_and_keeps_their_deadlines_apart() -> None:
    async def scenario() -> list[object]:
        connection, outcomes = Connection(LIMITS, lambda _: None), list[object]()
        connection.connection_made(Wire(connection))
        loop = asyncio.get_running_loop()
        for number in range(3):
            waiter = connection.send(b"", is_head_request=False, deadline=loop.time() + 3600)
            connection.data_received(b"HTTP/1.1 200 OK\r\nn: %d\r\ncontent-length: 1\r\n\r\n%d" % (number, number))
            outcomes.append(await waiter)
        waiter = connection.send(b"", is_head_request=False, deadline=loop.time())
        outcomes += await asyncio.gather(waiter, return_exceptions=True)
        return [one.body if isinstance(one, Answer) else type(one) for one in outcomes]

    assert asyncio.run(scenario()) == [b"0", b"1", b"2", CallTimeoutError]


# Laws

GENUINE = st.sampled_from([LENGTH, CHUNKED, CLOSING, INTERIM, UNTIL_CLOSE, LENGTH + LENGTH])


def split(data: bytes, size: int) -> Iterator[bytes]:
    return (data[start : start + size] for start in range(0, len(data), size))


@given(GENUINE, st.integers(1, 40))
def test_the_pieces_an_answer_comes_in_make_no_difference(sent: bytes, size: int) -> None:
    assert answer_of(*split(sent, size))[:2] == answer_of(sent)[:2] == (200, b"ab")


@settings(max_examples=300)
@given(st.lists(st.binary(min_size=1, max_size=300), max_size=8))
@example([b"HTTP/1.1 200 OK\r\n\r\n", b"\0"])
def test_bytes_of_chance_are_an_answer_or_a_failure_but_never_a_crash(pieces: list[bytes]) -> None:
    outcome, _ = read(*pieces)

    assert isinstance(outcome, Answer | CallError)


@st.composite
def damaged(draw: st.DrawFn) -> list[bytes]:
    """A genuine answer with bytes changed, removed and put in, in pieces."""
    data = bytearray(draw(GENUINE))
    for _ in range(draw(st.integers(1, 5))):
        place = draw(st.integers(0, len(data)))
        data[place : place + draw(st.integers(0, 3))] = draw(st.binary(max_size=3))
    return list(split(bytes(data), draw(st.integers(1, 60))))


@settings(max_examples=500)
@given(damaged())
def test_a_damaged_answer_is_an_answer_or_a_failure_but_never_a_crash(pieces: list[bytes]) -> None:
    outcome, _ = read(*pieces)

    assert isinstance(outcome, Answer | CallError)
    if isinstance(outcome, Answer):
        assert 200 <= outcome.status <= 999
        assert len(outcome.body) <= 1000
