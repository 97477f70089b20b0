"""The HTTP client of remote steps against real sockets: connections, answers of every shape, and every way to fail."""

from __future__ import annotations

import asyncio
import gc
import os
import ssl
import time
import warnings
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest
import uvloop
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from ci_core.serving.remote.client import HttpClient
from ci_core.serving.remote.connection import Answer, AnswerLimits
from ci_core.serving.remote.failures import (
    CallTimeoutError,
    ConnectionLostError,
    MalformedAnswerError,
    NotConnectedError,
)
from tests.e2e.serving.remote_stand_in import Behaviour, StandIn, answers, closes, echoes, is_silent, says, until

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Iterator
    from pathlib import Path

    Run = Callable[[Coroutine[Any, Any, Any]], Any]

pytestmark = pytest.mark.e2e

PATIENCE_S = 30.0
"""Far more than anything here takes; only tests of time-outs say less."""


@pytest.fixture(params=["asyncio", "uvloop"])
def run(request: pytest.FixtureRequest) -> Run:
    """Run a coroutine to its end in a new loop."""
    return asyncio.run if request.param == "asyncio" else uvloop.run


@pytest.fixture(params=["tcp", "unix"])
def stand_in(request: pytest.FixtureRequest, tmp_path: Path) -> Callable[..., StandIn]:
    def make(*behaviours: Behaviour) -> StandIn:
        return StandIn(*behaviours, socket=tmp_path / "s" if request.param == "unix" else None)

    return make


async def get(client: HttpClient, target: str = "/", timeout_s: float = PATIENCE_S) -> Answer:
    return await client.request("GET", target, timeout_s=timeout_s)


async def post(client: HttpClient, body: bytes = b"{}", **options: Any) -> Answer:
    return await client.request("POST", "/", body=body, timeout_s=PATIENCE_S, **options)


# Requests and answers


def test_a_request_arrives_as_it_was_meant(run: Run, stand_in: Callable[..., StandIn]) -> None:
    async def scenario(url: str) -> Answer:
        async with HttpClient(url) as client:
            return await client.request("PUT", "/a?b=c", headers=b"x-a: b\r\n", body=b"body", timeout_s=PATIENCE_S)

    with stand_in(echoes) as service:
        answer = run(scenario(service.url))

    assert answer == (200, [(b"content-length", b"4")], b"body")
    (request,) = service.requests
    assert (request.method, request.target, request.body) == ("PUT", "/a?b=c", b"body")
    host = "localhost" if service.url.startswith("unix:") else service.url.removeprefix("http://")
    assert request.headers == {"host": host, "accept-encoding": "identity", "x-a": "b", "content-length": "4"}


def test_calls_in_turn_share_a_connection_and_calls_side_by_side_do_not(
    run: Run, stand_in: Callable[..., StandIn]
) -> None:
    async def scenario(url: str) -> tuple[int, int]:
        async with HttpClient(url) as client:
            for _ in range(10):
                await get(client)
            in_turn = client.open_connections
            await asyncio.gather(*(get(client) for _ in range(5)))
            return in_turn, client.open_connections

    with stand_in(answers()) as service:
        assert run(scenario(service.url)) == (1, 5)

    assert service.connections == 5


@pytest.mark.parametrize(
    ("sent", "closes_after", "body", "connections"),
    [
        (b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n2\r\nab\r\n1\r\nc\r\n0\r\n\r\n", False, b"abc", 1),
        (b"HTTP/1.1 200 OK\r\n\r\nabc", True, b"abc", 2),
        (b"HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: 3\r\n\r\nabc", True, b"abc", 2),
        (b"HTTP/1.1 204 No Content\r\n\r\n", False, b"", 1),
        (b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\ncontent-length: 1\r\n\r\na", False, b"a", 1),
    ],
)
def test_an_answer_of_any_shape_is_read_and_the_connection_used_again_where_it_can_be(
    run: Run, sent: bytes, closes_after: bool, body: bytes, connections: int
) -> None:
    async def scenario(url: str) -> list[bytes]:
        async with HttpClient(url) as client:
            return [(await get(client)).body for _ in range(2)]

    with StandIn(says(sent, closes=closes_after)) as service:
        assert run(scenario(service.url)) == [body, body]

    assert service.connections == connections


def test_large_bodies_pass_both_ways(run: Run, stand_in: Callable[..., StandIn]) -> None:
    body = bytes(range(256)) * 16 * 1024  # 4 MiB: many times the buffers of a socket

    async def scenario(url: str) -> Answer:
        async with HttpClient(url) as client:
            return await post(client, body)

    with stand_in(echoes) as service:
        assert run(scenario(service.url)).body == body


def test_an_answer_to_head_has_no_body(run: Run) -> None:
    async def scenario(url: str) -> list[Answer]:
        async with HttpClient(url) as client:
            return [await client.request("HEAD", "/", timeout_s=PATIENCE_S) for _ in range(2)]

    with StandIn(says(b"HTTP/1.1 200 OK\r\ncontent-length: 99\r\n\r\n")) as service:
        found = run(scenario(service.url))

    assert [(one.status, one.body, one.header("content-length")) for one in found] == [(200, b"", "99")] * 2


@pytest.mark.parametrize(
    ("base", "target", "expected"),
    [
        ("/api/v1/", "/users?x=1", "/api/v1/users?x=1"),
        ("/api", "?x=1", "/api?x=1"),
        ("/api", "", "/api"),
        ("", "?x=1", "/?x=1"),
        ("/", "", "/"),
    ],
)
def test_the_base_path_of_the_url_stands_before_every_path(base: str, target: str, expected: str) -> None:
    async def scenario(url: str) -> None:
        async with HttpClient(url + base) as client:
            await get(client, target)

    with StandIn(answers()) as service:
        asyncio.run(scenario(service.url))

    assert service.requests[0].target == expected


@pytest.mark.parametrize("target", ["/a b", "/a\r\nx: y", "/é", "evil"])
def test_a_target_that_would_break_the_request_is_not_sent(target: str) -> None:
    async def scenario() -> None:
        async with HttpClient("http://localhost:1") as client:
            await get(client, target)

    with pytest.raises(ValueError, match="percent-encoded"):
        asyncio.run(scenario())


# Connections that end


def test_a_kept_connection_that_was_closed_while_idle_is_replaced_whatever_the_method(
    run: Run, stand_in: Callable[..., StandIn]
) -> None:
    async def scenario(service: StandIn) -> list[int]:
        async with HttpClient(service.url) as client:
            first = await post(client)
            await asyncio.to_thread(service.drop_connections)
            await until(lambda: not client.open_connections)
            return [first.status, (await post(client)).status]

    with stand_in(answers()) as service:
        assert run(scenario(service)) == [200, 200]

    assert [request.connection for request in service.requests] == [1, 2]


@pytest.mark.parametrize(("method", "repeatable"), [("GET", None), ("PUT", None), ("POST", True)])
def test_a_request_that_met_a_closing_connection_is_sent_once_more_on_a_new_one(
    run: Run, method: str, repeatable: bool | None
) -> None:
    async def scenario(url: str) -> Answer:
        async with HttpClient(url) as client:
            await get(client)
            return await client.request(method, "/", timeout_s=PATIENCE_S, is_repeatable=repeatable)

    with StandIn(answers(), closes, answers(201)) as service:
        assert run(scenario(service.url)).status == 201

    assert [request.connection for request in service.requests] == [1, 1, 2]


def test_a_request_that_may_have_been_carried_out_is_not_sent_once_more(run: Run) -> None:
    async def scenario(url: str) -> None:
        async with HttpClient(url) as client:
            await get(client)
            await post(client)

    with StandIn(answers(), closes, answers()) as service, pytest.raises(ConnectionLostError):
        run(scenario(service.url))

    assert len(service.requests) == 2


def test_a_request_whose_answer_had_begun_is_not_sent_once_more(run: Run) -> None:
    async def scenario(url: str) -> None:
        async with HttpClient(url) as client:
            await get(client)
            await get(client)

    half = says(b"HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\nabc", closes=True)
    with StandIn(answers(), half, answers()) as service, pytest.raises(ConnectionLostError):
        run(scenario(service.url))

    assert len(service.requests) == 2


def test_a_connection_that_grew_old_while_the_loop_was_busy_is_not_used() -> None:
    async def scenario(url: str) -> None:
        async with HttpClient(url, idle_s=0.01) as client:
            await get(client)
            time.sleep(0.02)  # noqa: ASYNC251 - a step that blocks the loop
            await get(client)

    with StandIn(answers()) as service:
        asyncio.run(scenario(service.url))

    assert service.connections == 2


def test_a_new_connection_that_is_closed_unanswered_is_not_tried_again(run: Run) -> None:
    async def scenario(url: str) -> None:
        async with HttpClient(url) as client:
            await get(client)

    with StandIn(closes) as service, pytest.raises(ConnectionLostError) as caught:
        run(scenario(service.url))

    assert not caught.value.has_begun
    assert len(service.requests) == 1


@pytest.mark.parametrize(
    "half",
    [
        b"HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\nabc",
        b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n5\r\nabc",
        b"HTTP/1.1 200 OK\r\ncontent-le",
    ],
)
def test_an_answer_cut_short_is_a_lost_connection(run: Run, half: bytes) -> None:
    async def scenario(url: str) -> None:
        async with HttpClient(url) as client:
            await get(client)

    with StandIn(says(half, closes=True)) as service, pytest.raises(ConnectionLostError) as caught:
        run(scenario(service.url))

    assert caught.value.has_begun
    assert len(service.requests) == 1


def test_an_idle_connection_is_closed_after_a_while(run: Run) -> None:
    async def scenario(url: str) -> int:
        async with HttpClient(url, idle_s=0.05) as client:
            await asyncio.gather(*(get(client) for _ in range(3)))
            assert client.open_connections == 3
            await until(lambda: not client.open_connections)
            return (await get(client)).status

    with StandIn(answers()) as service:
        assert run(scenario(service.url)) == 200


def test_nobody_listening_is_a_failure_to_connect(run: Run, tmp_path: Path) -> None:
    async def scenario(url: str) -> None:
        async with HttpClient(url) as client:
            await post(client)

    with StandIn(answers()) as service:
        url = service.url

    for where, reason in [
        (url.replace("localhost", "127.0.0.1"), "connection refused"),
        (f"unix:{tmp_path}/none", "no such file or directory"),
    ]:
        with pytest.raises(NotConnectedError) as caught:
            run(scenario(where))
        assert reason in str(caught.value).lower()
        assert not caught.value.may_have_arrived


def test_a_host_that_does_not_exist_is_a_failure_to_connect(run: Run) -> None:
    async def scenario() -> None:
        async with HttpClient("http://a..b") as client:
            await get(client)

    with pytest.raises(NotConnectedError):
        run(scenario())


# Time


@pytest.mark.parametrize(
    "behaviour",
    [
        is_silent,
        says(b"HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\n"),
        says(b"HTTP/1.1 200 OK\r\ncontent-length: 1000\r\n\r\n", *[b"a"] * 1000, pause_s=0.02),
    ],
)
def test_an_answer_that_is_not_complete_in_time_is_given_up_and_its_connection_closed(
    run: Run, behaviour: Behaviour
) -> None:
    async def scenario(url: str) -> int:
        async with HttpClient(url) as client:
            with pytest.raises(CallTimeoutError):
                await get(client, timeout_s=0.1)
            await asyncio.sleep(0)
            await asyncio.sleep(0)
            return client.open_connections

    with StandIn(behaviour) as service:
        assert run(scenario(service.url)) == 0


def test_a_cancelled_call_closes_its_connection(run: Run, stand_in: Callable[..., StandIn]) -> None:
    async def scenario(service: StandIn) -> int:
        async with HttpClient(service.url) as client:
            call = asyncio.create_task(get(client))
            await until(lambda: service.requests)
            call.cancel()
            with pytest.raises(asyncio.CancelledError):
                await call
            assert await asyncio.to_thread(service.ended.wait, PATIENCE_S)
            return client.open_connections

    with stand_in(is_silent) as service:
        assert run(scenario(service)) == 0


# Sizes


@pytest.mark.parametrize(
    "sent",
    [
        b"HTTP/1.1 200 OK\r\ncontent-length: 2000000\r\n\r\n" + b"a" * 2_000_000,
        b"HTTP/1.1 200 OK\r\n\r\n" + b"a" * 2_000_000,
        b"HTTP/1.1 200 OK\r\nx: " + b"a" * 2_000_000 + b"\r\n\r\n",
        b"HTTP/1.1 100 Continue\r\n\r\n" * 100_000,
    ],
)
def test_an_answer_without_measure_is_refused(run: Run, sent: bytes) -> None:
    async def scenario(url: str) -> None:
        async with HttpClient(url, limits=AnswerLimits(body_bytes=1_000_000)) as client:
            await get(client)

    with StandIn(says(sent, closes=True)) as service, pytest.raises(MalformedAnswerError, match="is larger than"):
        run(scenario(service.url))


# Loops


def test_a_client_outlives_its_loops_and_leaves_nothing_in_them(run: Run, stand_in: Callable[..., StandIn]) -> None:
    async def scenario(client: HttpClient) -> list[int]:
        return [one.status for one in await asyncio.gather(*(get(client) for _ in range(3)))]

    with warnings.catch_warnings(record=True) as seen, stand_in(answers()) as service:
        warnings.simplefilter("always")
        client = HttpClient(service.url)
        outcomes = [run(scenario(client)) for _ in range(5)]
        gc.collect()

        assert outcomes == [[200, 200, 200]] * 5
        assert client.open_connections == 0
    assert [str(one.message) for one in seen] == []


def test_a_closed_client_ends_the_calls_under_way(run: Run) -> None:
    async def scenario(service: StandIn) -> None:
        client = HttpClient(service.url)
        call = asyncio.create_task(get(client))
        await until(lambda: service.requests)
        client.close()
        await call

    with StandIn(is_silent) as service, pytest.raises(ConnectionLostError):
        run(scenario(service))


def test_a_thousand_calls_leak_no_socket(run: Run, stand_in: Callable[..., StandIn]) -> None:
    async def scenario(url: str) -> int:
        async with HttpClient(url) as client:
            for _ in range(125):
                await asyncio.gather(*(get(client) for _ in range(8)), return_exceptions=True)
            return client.open_connections

    before = _open_files()

    shapes: list[Behaviour] = [
        answers(),
        closes,
        answers(503),
        says(b"x"),
        says(b"HTTP/1.1 200 OK\r\n\r\na", closes=True),
    ]
    with stand_in(*shapes * 210) as service:
        assert run(scenario(service.url)) <= 8

    for _ in range(500):  # the service's own threads close theirs when they notice that the client has gone
        if _open_files() <= before:
            break
        time.sleep(0.02)
    assert _open_files() <= before
    assert len(service.requests) >= 1000


def _open_files() -> set[int]:
    return {int(name) for name in os.listdir("/proc/self/fd")}  # noqa: PTH208 - numbers, not paths


# TLS


def _authority(folder: Path, name: str) -> tuple[Path, Path]:
    """Make a certificate that signs itself; return the files of certificate and key."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    now = datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(name)]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    files = folder / f"{name}.crt", folder / f"{name}.key"
    files[0].write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    files[1].write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )
    return files


def _server_side(files: tuple[Path, Path]) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(*files)
    return context


def test_a_service_with_a_trusted_certificate_is_called_over_tls(run: Run, tmp_path: Path) -> None:
    files = _authority(tmp_path, "localhost")
    trusting = ssl.create_default_context(cafile=files[0])

    async def scenario(url: str) -> list[bytes]:
        async with HttpClient(url, tls=trusting) as client:
            found = [(await post(client, b"secret")).body for _ in range(2)]
            assert client.open_connections == 1
            return found

    with warnings.catch_warnings(record=True) as seen, StandIn(echoes, tls=_server_side(files)) as service:
        warnings.simplefilter("always")
        assert run(scenario(service.url)) == [b"secret", b"secret"]
        gc.collect()
    assert [str(one.message) for one in seen] == []


@pytest.mark.parametrize(("name", "trusts"), [("localhost", False), ("elsewhere", True)])
def test_a_service_whose_certificate_is_not_trusted_or_not_its_own_is_told_nothing(
    run: Run, tmp_path: Path, name: str, trusts: bool
) -> None:
    files = _authority(tmp_path, name)
    tls = ssl.create_default_context(cafile=files[0]) if trusts else None

    async def scenario(url: str) -> None:
        async with HttpClient(url, tls=tls) as client:
            await get(client)

    with (
        StandIn(answers(), tls=_server_side(files)) as service,
        pytest.raises(NotConnectedError, match="its certificate is refused") as caught,
    ):
        run(scenario(service.url))

    assert not caught.value.may_pass
    assert service.requests == []


@pytest.fixture(autouse=True)
def _no_leftovers() -> Iterator[None]:
    """Let what a test left behind warn in that test."""
    yield
    gc.collect()
