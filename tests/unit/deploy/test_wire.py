from __future__ import annotations

import json
from http import HTTPStatus

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ci_core.deploy.local.wire import AnswerHead, Framing, RequestHead, chunk, door_answer


def request(*headers: tuple[bytes, bytes], method: bytes = b"GET", is_http_1_1: bool = True) -> RequestHead:
    return RequestHead(method=method, target=b"/", headers=list(headers), is_http_1_1=is_http_1_1, keeps_alive=True)


def test_a_client_cannot_make_the_door_drop_the_length_of_its_body() -> None:
    head = request(
        (b"Host", b"x"),
        (b"Connection", b"content-length, host, x-private"),
        (b"Content-Length", b"5"),
        (b"X-Private", b"1"),
    )

    assert head.to_server(b"10.0.0.1") == (
        b"GET / HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\nx-forwarded-for: 10.0.0.1\r\n\r\n"
    )


@pytest.mark.parametrize(
    ("answer", "asked", "framing"),
    [
        (AnswerHead(status=200, reason=b"OK", headers=[(b"Content-Length", b"1")]), request(), Framing.LENGTH),
        (
            AnswerHead(status=200, reason=b"OK", headers=[(b"Transfer-Encoding", b"chunked")]),
            request(),
            Framing.CHUNKED,
        ),
        (AnswerHead(status=200, reason=b"OK", headers=[]), request(), Framing.CHUNKED),
        (AnswerHead(status=200, reason=b"OK", headers=[]), request(is_http_1_1=False), Framing.CLOSE),
        (AnswerHead(status=204, reason=b"", headers=[]), request(), Framing.NONE),
        (
            AnswerHead(status=200, reason=b"OK", headers=[(b"Content-Length", b"1")]),
            request(method=b"HEAD"),
            Framing.NONE,
        ),
    ],
)
def test_the_end_of_an_answer_is_always_told(answer: AnswerHead, asked: RequestHead, framing: Framing) -> None:
    assert answer.framing_for(asked) is framing


def test_an_answer_never_has_a_length_beside_chunks() -> None:
    answer = AnswerHead(
        status=200, reason=b"OK", headers=[(b"content-length", b"3"), (b"transfer-encoding", b"chunked")]
    )

    assert answer.to_client(Framing.CHUNKED, keeps_alive=False) == (
        b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\nconnection: close\r\n\r\n"
    )


@given(data=st.binary())
def test_a_chunk_tells_its_size_in_hexadecimal_and_is_never_the_last(data: bytes) -> None:
    framed = chunk(data)

    if data:
        size, _, rest = framed.partition(b"\r\n")
        assert int(size, 16) == len(data)
        assert rest == data + b"\r\n"
    else:
        assert framed == b""


def test_the_doors_own_answers_are_json_and_close() -> None:
    head, _, body = door_answer(HTTPStatus.BAD_GATEWAY, "server-failed", "it broke").partition(b"\r\n\r\n")

    assert head.split(b"\r\n")[0] == b"HTTP/1.1 502 Bad Gateway"
    assert f"content-length: {len(body)}".encode() in head
    assert b"connection: close" in head
    assert json.loads(body) == {"error": "server-failed", "message": "it broke"}


def test_a_client_cannot_call_its_request_a_rehearsal_to_escape_the_captures() -> None:
    head = request((b"Host", b"x"), (b"X-Graphship-Smoke", b"1"))

    assert b"smoke" not in head.to_server(b"10.0.0.1").lower()
