"""Both doors do the same: one suite, run through RSGI and ASGI as granian and uvicorn would call them."""

from __future__ import annotations

import asyncio
import gzip
import zlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import orjson
import pytest
from granian.rsgi import ProtocolClosed  # type: ignore[attr-defined]  # it is the public name

from ci_core.serving import Graph
from ci_core.serving.doors import AsgiDoor, RsgiDoor
from ci_core.serving.limits import Limits
from ci_core.serving.metrics import Metrics
from ci_core.serving.server import Application

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Sequence

    AsStep = Callable[[Callable[..., Any]], Callable[..., Any]]

GONE = object()
"""Instead of a chunk of a body: the client closes the connection."""
NEVER = object()
"""Instead of a chunk of a body: nothing comes."""


@dataclass(frozen=True, slots=True)
class Request:
    method: str = "POST"
    path: str = "/"
    query: str = ""
    headers: Sequence[tuple[str, str]] = ()
    chunks: Sequence[Any] = ()
    has_length: bool = True

    @property
    def all_headers(self) -> list[tuple[str, str]]:
        length = sum(len(chunk) for chunk in self.chunks if isinstance(chunk, bytes))
        return [*self.headers, *([("content-length", str(length))] if self.has_length else [])]


@dataclass(frozen=True, slots=True)
class Answer:
    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def slug(self) -> str:
        slug: str = orjson.loads(self.body)["error"]["slug"]
        return slug


class RsgiHeaders:
    def __init__(self, headers: list[tuple[str, str]]) -> None:
        self._headers = headers

    def items(self) -> list[tuple[str, str]]:
        return self._headers


class RsgiScope:
    proto = "http"

    def __init__(self, request: Request) -> None:
        self.method, self.path, self.query_string = request.method, request.path, request.query
        self.headers = RsgiHeaders(request.all_headers)


class RsgiProtocol:
    """What granian hands to a door: a body that is awaited as a whole or read in chunks, and a way to answer."""

    def __init__(self, request: Request) -> None:
        self._request = request
        self.answer: Answer | None = None

    def __call__(self) -> asyncio.Future[bytes]:
        return asyncio.ensure_future(self._whole())

    async def _whole(self) -> bytes:
        return b"".join([chunk async for chunk in self])

    async def __aiter__(self) -> AsyncIterator[bytes]:
        for chunk in self._request.chunks:
            await asyncio.sleep(0)
            if chunk is GONE:
                raise ProtocolClosed
            if chunk is NEVER:
                await asyncio.Event().wait()
            yield chunk

    def response_bytes(self, status: int, headers: list[tuple[str, str]], body: bytes) -> None:
        assert self.answer is None
        self.answer = Answer(status, dict(headers), body)


async def through_rsgi(application: Application, request: Request) -> Answer | None:
    protocol = RsgiProtocol(request)
    await RsgiDoor(application).__rsgi__(RsgiScope(request), protocol)
    return protocol.answer


async def through_asgi(application: Application, request: Request) -> Answer | None:
    chunks = list(request.chunks)
    sent: list[dict[str, Any]] = []

    async def receive() -> dict[str, Any]:
        await asyncio.sleep(0)
        if not chunks:
            return {"type": "http.request", "body": b"", "more_body": False}
        chunk = chunks.pop(0)
        if chunk is GONE:
            return {"type": "http.disconnect"}
        if chunk is NEVER:
            await asyncio.Event().wait()
        return {"type": "http.request", "body": chunk, "more_body": bool(chunks)}

    async def send(message: dict[str, Any]) -> None:
        sent.append(message)

    scope = {
        "type": "http",
        "method": request.method,
        "path": request.path,
        "query_string": request.query.encode(),
        "headers": [(name.encode(), value.encode("latin-1")) for name, value in request.all_headers],
        "root_path": "",
    }
    await AsgiDoor(application)(scope, receive, send)
    if not sent:
        return None
    headers = {name.decode(): value.decode() for name, value in sent[0]["headers"]}
    assert request.method == "HEAD" or headers["content-length"] == str(len(sent[1]["body"]))
    return Answer(sent[0]["status"], headers, sent[1]["body"])


@pytest.fixture(params=[through_rsgi, through_asgi], ids=["rsgi", "asgi"])
def send(request: pytest.FixtureRequest) -> Any:
    return request.param


def serve(step: Callable[..., Any] = lambda body: body, **arguments: Any) -> Application:
    graph = Graph("g")
    graph.to(step, name="step")
    return Application(graph.spec, graph.compile(), metrics=Metrics(), **arguments)


async def until_in_flight(application: Application, n_requests: int) -> None:
    while application.in_flight < n_requests:  # noqa: ASYNC110 - there is nothing that would tell
        await asyncio.sleep(0)


def ask(send: Any, application: Application, request: Request) -> Answer:
    answer = asyncio.run(send(application, request))
    assert isinstance(answer, Answer)
    return answer


@pytest.mark.parametrize("has_length", [True, False])
def test_a_body_in_one_or_more_parts_is_answered(send: Any, as_step: AsStep, has_length: bool) -> None:
    application = serve(as_step(lambda body: body))

    one = ask(send, application, Request(chunks=[b'{"x": 1}'], has_length=has_length))
    more = ask(send, application, Request(chunks=[b'{"x"', b"", b": 1}"], has_length=has_length))

    assert (one.status, one.body) == (more.status, more.body) == (200, b'{"x":1}')
    assert application.in_flight == 0


@pytest.mark.parametrize("has_length", [True, False])
@pytest.mark.parametrize("n_over", [1, 8, 9, 100])
def test_a_body_over_the_limit_is_refused_and_the_connection_closed(send: Any, has_length: bool, n_over: int) -> None:
    application = serve(limits=Limits(body_bytes=10))

    answer = ask(send, application, Request(chunks=[b"x" * 10] * n_over + [b"x"], has_length=has_length))

    assert (answer.status, answer.slug, answer.headers["connection"]) == (413, "body-too-large", "close")
    assert ask(send, application, Request(chunks=[b'{"x": 123}'], has_length=has_length)).status == 200


@pytest.mark.parametrize("has_length", [True, False])
def test_a_body_that_does_not_come_is_refused_in_time(send: Any, has_length: bool) -> None:
    application = serve(limits=Limits(body_timeout_s=0.05))

    answer = ask(send, application, Request(chunks=[b"{", NEVER], has_length=has_length))

    assert (answer.status, answer.slug, answer.headers["connection"]) == (408, "body-timeout", "close")
    assert application.in_flight == 0


@pytest.mark.parametrize("has_length", [True, False])
def test_a_client_that_goes_away_is_no_fault_of_ours(
    send: Any, has_length: bool, caplog: pytest.LogCaptureFixture
) -> None:
    application = serve()

    answer = ask(send, application, Request(chunks=[b"{", GONE], has_length=has_length))

    assert (answer.status, answer.slug) == (400, "body-incomplete")
    assert (caplog.records, application.in_flight) == ([], 0)


def test_a_request_that_is_cancelled_while_its_body_comes_is_not_counted_any_more(send: Any) -> None:
    application = serve()

    async def cancel() -> None:
        task = asyncio.ensure_future(send(application, Request(chunks=[b"{", NEVER])))
        await until_in_flight(application, 1)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    asyncio.run(cancel())

    assert application.in_flight == 0


def test_a_long_url_is_refused(send: Any) -> None:
    application = serve(limits=Limits(url_chars=20))

    assert ask(send, application, Request("GET", "/livez", query="x" * 15)).slug == "url-too-long"
    assert ask(send, application, Request("GET", "/livez", query="x" * 14)).status == 200
    assert ask(send, application, Request("POST", "/" + "x" * 20, chunks=[b"{}"])).status == 414


def test_too_many_headers_and_too_large_ones_are_refused(send: Any) -> None:
    application = serve(limits=Limits(headers=3, header_bytes=50))

    def status(*headers: tuple[str, str]) -> int:
        return ask(send, application, Request("GET", "/livez", headers=headers)).status

    assert status(("a", "1"), ("b", "2")) == 200  # and `content-length`
    assert status(("a", "1"), ("b", "2"), ("c", "3")) == 431
    assert status(("a", "x" * 34)) == 200
    assert status(("a", "x" * 35)) == 431


def test_one_request_too_many_is_told_to_come_back_and_health_is_always_answered(send: Any) -> None:
    async def ask_three() -> list[Any]:
        held = asyncio.Event()

        async def wait(body: Any) -> Any:
            await held.wait()
            return body

        application = serve(wait, limits=Limits(max_in_flight=2))
        request = Request(chunks=[b"{}"])
        first = [asyncio.ensure_future(send(application, request)) for _ in range(2)]
        await until_in_flight(application, 2)
        answers = [await send(application, request)]
        answers += [await send(application, Request("GET", path)) for path in ("/livez", "/readyz", "/metrics")]
        answers += [await send(application, Request("GET", f"/v2/health/{name}")) for name in ("live", "ready")]
        held.set()
        answers += await asyncio.gather(*first)
        return [*answers, await send(application, request)]

    refused, *others = asyncio.run(ask_three())

    assert (refused.status, refused.slug, refused.headers["retry-after"]) == (429, "overloaded", "1")
    assert [answer.status for answer in others] == [200] * 8


def test_a_body_still_coming_counts_as_a_request_in_flight(send: Any) -> None:
    async def ask_two() -> Any:
        application = serve(limits=Limits(max_in_flight=1))
        slow = asyncio.ensure_future(send(application, Request(chunks=[b"{", NEVER])))
        await until_in_flight(application, 1)
        answer = await send(application, Request(chunks=[b"{}"]))
        slow.cancel()
        return answer

    assert asyncio.run(ask_two()).status == 429


def test_headers_reach_the_graph(send: Any) -> None:
    answer = ask(send, serve(), Request(headers=[("x-event-id", "e1"), ("a", "ü")], chunks=[b"{}"]))

    assert answer.headers["x-event-id"] == "e1"


@pytest.mark.parametrize("encoding", ["gzip", "x-gzip", "GZIP", "deflate", "identity"])
def test_a_compressed_body_is_inflated(send: Any, encoding: str) -> None:
    body = b'{"x": 1}'
    packed = body if encoding == "identity" else zlib.compress(body) if encoding == "deflate" else gzip.compress(body)

    answer = ask(send, serve(), Request(headers=[("content-encoding", encoding)], chunks=[packed]))

    assert (answer.status, answer.body) == (200, b'{"x":1}')


@pytest.mark.parametrize("pack", [gzip.compress, zlib.compress])
def test_a_bomb_is_refused_before_it_unfolds(send: Any, pack: Callable[[bytes], bytes]) -> None:
    bomb = pack(b"[" + b" " * 50_000_000 + b"]")
    application = serve(limits=Limits(body_bytes=100_000))
    encoding = "gzip" if pack is gzip.compress else "deflate"

    answer = ask(send, application, Request(headers=[("content-encoding", encoding)], chunks=[bomb]))

    assert len(bomb) < 100_000
    assert (answer.status, answer.slug) == (413, "body-too-large")


@pytest.mark.parametrize(
    ("encoding", "body", "status"),
    [
        ("gzip", gzip.compress(b'{"x":', mtime=0) + gzip.compress(b"1}", mtime=0), 200),
        ("gzip", gzip.compress(b"{}", mtime=0)[:-1], 400),
        ("gzip", gzip.compress(b"{}", mtime=0) + b"more", 400),
        ("gzip", gzip.compress(b"", mtime=0) * 1000, 400),
        ("gzip", zlib.compress(b"{}"), 400),
        ("deflate", gzip.compress(b"{}", mtime=0), 400),
        ("deflate", b"", 400),
        ("gzip, gzip", b"", 415),
        ("br", b"{}", 415),
    ],
)
def test_only_whole_and_simple_compression_is_understood(send: Any, encoding: str, body: bytes, status: int) -> None:
    answer = ask(send, serve(), Request(headers=[("content-encoding", encoding)], chunks=[body]))

    assert answer.status == status


def test_a_head_request_has_the_headers_of_a_get_and_no_body_under_asgi() -> None:
    answer = ask(through_asgi, serve(), Request("HEAD", "/livez"))

    assert (answer.status, answer.body, answer.headers["content-length"]) == (200, b"", "18")


def test_a_web_socket_is_closed() -> None:
    closed: list[int] = []

    class Scope:
        proto = "ws"

    class Protocol:
        def close(self, status: int) -> None:
            closed.append(status)

    asyncio.run(RsgiDoor(serve()).__rsgi__(Scope(), Protocol()))

    assert closed == [403]


@pytest.mark.parametrize(
    ("root", "path", "status"),
    [
        ("/below", "/below/livez", 200),
        ("/below/", "/below/livez", 200),
        ("/below", "/below", 200),
        ("/below", "/livez", 200),  # servers that take the prefix off themselves
        ("/live", "/livez", 200),
        ("/live", "/live/livez", 200),
        ("/", "/livez", 200),
        ("", "/livez", 200),
        ("", "", 200),
        ("/below", "/belowlivez", 404),
    ],
)
def test_the_asgi_door_mounts_below_whole_segments_of_a_path(root: str, path: str, status: int) -> None:
    sent: list[dict[str, Any]] = []

    async def receive() -> dict[str, Any]:
        return {"type": "http.request"}

    async def note(message: dict[str, Any]) -> None:
        sent.append(message)

    scope = {"type": "http", "method": "GET", "path": path, "root_path": root, "headers": []}
    asyncio.run(AsgiDoor(serve())(scope, receive, note))

    assert sent[0]["status"] == status


def test_the_asgi_door_follows_the_life_span() -> None:
    messages = [{"type": "lifespan.startup"}, {"type": "lifespan.shutdown"}]
    sent: list[str] = []

    async def receive() -> dict[str, Any]:
        return messages.pop(0)

    async def note(message: dict[str, Any]) -> None:
        sent.append(message["type"])

    asyncio.run(AsgiDoor(serve())({"type": "lifespan"}, receive, note))

    assert sent == ["lifespan.startup.complete", "lifespan.shutdown.complete"]


def test_a_client_that_goes_before_the_answer_is_no_error_under_asgi() -> None:
    async def receive() -> dict[str, Any]:
        return {"type": "http.request", "body": b"{}"}

    async def refuse(message: dict[str, Any]) -> None:
        raise OSError("the client has gone")

    scope = {"type": "http", "method": "POST", "path": "/", "headers": []}
    asyncio.run(AsgiDoor(serve())(scope, receive, refuse))
