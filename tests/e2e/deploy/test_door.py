"""The door between a raw client and a scripted origin, all on loopback, on both event loops."""

from __future__ import annotations

import asyncio
import contextlib
import json
from typing import TYPE_CHECKING, Any

import pytest
import uvloop

from ci_core.deploy.local.door import Door, DoorLimits
from ci_core.deploy.local.upstream import Backend

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine

    Run = Callable[[Coroutine[Any, Any, None]], None]
    Script = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]

pytestmark = pytest.mark.e2e

OK = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok"


@pytest.fixture(params=["asyncio", "uvloop"])
def run(request: pytest.FixtureRequest) -> Run:
    factory = uvloop.new_event_loop if request.param == "uvloop" else asyncio.new_event_loop

    def run_with_timeout(work: Coroutine[Any, Any, None]) -> None:
        with asyncio.Runner(loop_factory=factory) as runner:
            runner.run(asyncio.wait_for(work, 10))

    return run_with_timeout


class Origin:
    """A server process as the door sees it; plays `script` once per connection and keeps what it was sent."""

    def __init__(self, script: Script) -> None:
        self.script = script
        self.heads: list[bytes] = []
        self.connections = 0


@contextlib.asynccontextmanager
async def origin_serving(script: Script) -> AsyncIterator[tuple[Origin, Backend]]:
    origin = Origin(script)

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        origin.connections += 1
        with contextlib.suppress(ConnectionError, asyncio.IncompleteReadError):
            await script(reader, writer)
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    backend = Backend("127.0.0.1", server.sockets[0].getsockname()[1])
    yield origin, backend
    backend.close()
    server.close()


@contextlib.asynccontextmanager
async def door_to(
    backend: Backend | None, **limits: float
) -> AsyncIterator[tuple[Door, Callable[[], Awaitable[tuple[asyncio.StreamReader, asyncio.StreamWriter]]]]]:
    door = Door(DoorLimits(**limits))  # type: ignore[arg-type]  # a test names only limits
    server = await door.listen("127.0.0.1", 0)
    door.backend = backend
    port = server.sockets[0].getsockname()[1]
    writers: list[asyncio.StreamWriter] = []

    async def connect() -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writers.append(writer)
        return reader, writer

    yield door, connect
    server.close()
    await door.close(0)
    for writer in writers:
        writer.close()


def answering(answer: bytes = OK, *, heads: list[bytes] | None = None) -> Script:
    """Answer every request; bodies with a content-length are read and added to the head."""

    async def script(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while True:
            message = await reader.readuntil(b"\r\n\r\n")
            for line in message.split(b"\r\n"):
                if line.lower().startswith(b"content-length:"):
                    message += await reader.readexactly(int(line.split(b":")[1]))
            if b"transfer-encoding: chunked" in message:
                message += await reader.readuntil(b"0\r\n\r\n")
            if heads is not None:
                heads.append(message)
            writer.write(answer)

    return script


async def until(is_so: Callable[[], bool]) -> None:
    while not is_so():  # noqa: ASYNC110 - the door has no event for what only tests wait for
        await asyncio.sleep(0.002)


async def read_answer(reader: asyncio.StreamReader) -> tuple[int, bytes, bytes]:
    head = await reader.readuntil(b"\r\n\r\n")
    length = next(
        (int(line.split(b":")[1]) for line in head.split(b"\r\n") if line.lower().startswith(b"content-length")), None
    )
    if b"transfer-encoding: chunked" in head:
        body = await reader.readuntil(b"0\r\n\r\n")
    elif length is not None:
        body = await reader.readexactly(length)
    else:
        body = b""
    return int(head.split(b" ")[1]), head, body


def test_a_request_and_its_answer_pass_with_the_clients_address(run: Run) -> None:
    async def work() -> None:
        heads: list[bytes] = []
        async with origin_serving(answering(heads=heads)) as (_, backend), door_to(backend) as (_door, connect):
            reader, writer = await connect()
            writer.write(
                b"POST /v2?x=1 HTTP/1.1\r\nHost: shop\r\nX-Forwarded-For: 10.0.0.9\r\nContent-Length: 4\r\n\r\nbody"
            )

            status, _, body = await read_answer(reader)

            assert (status, body) == (200, b"ok")
            assert heads == [
                (
                    b"POST /v2?x=1 HTTP/1.1\r\nHost: shop\r\nContent-Length: 4\r\n"
                    b"x-forwarded-for: 10.0.0.9, 127.0.0.1\r\n\r\nbody"
                )
            ]

    run(work())


def test_keep_alive_requests_share_one_connection_to_the_server(run: Run) -> None:
    async def work() -> None:
        async with origin_serving(answering()) as (origin, backend), door_to(backend) as (_door, connect):
            reader, writer = await connect()
            for _ in range(5):
                writer.write(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
                assert (await read_answer(reader))[0] == 200

            assert origin.connections == 1
            assert backend.in_flight == 0

    run(work())


def test_pipelined_requests_are_answered_in_order(run: Run) -> None:
    async def echo(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while True:
            target = (await reader.readuntil(b"\r\n\r\n")).split(b" ")[1]
            writer.write(b"HTTP/1.1 200 OK\r\ncontent-length: %d\r\n\r\n%s" % (len(target), target))

    async def work() -> None:
        async with origin_serving(echo) as (_, backend), door_to(backend) as (_door, connect):
            reader, writer = await connect()
            writer.write(b"".join(b"GET /%d HTTP/1.1\r\nHost: x\r\n\r\n" % n for n in range(20)))

            answers = [(await read_answer(reader))[2] for _ in range(20)]

            assert answers == [b"/%d" % n for n in range(20)]

    run(work())


def test_a_chunked_body_and_a_chunked_answer_pass(run: Run) -> None:
    async def work() -> None:
        heads: list[bytes] = []
        answer = b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n"
        async with origin_serving(answering(answer, heads=heads)) as (_, backend), door_to(backend) as (_d, connect):
            reader, writer = await connect()
            writer.write(b"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nhe\r\n")
            await asyncio.sleep(0.01)
            writer.write(b"3\r\nllo\r\n0\r\n\r\n")

            _, head, body = await read_answer(reader)

            assert b"transfer-encoding: chunked" in head
            assert body == b"3\r\nabc\r\n0\r\n\r\n"
            assert heads[0].endswith(b"transfer-encoding: chunked\r\n\r\n2\r\nhe\r\n3\r\nllo\r\n0\r\n\r\n")

    run(work())


def test_an_answer_that_ends_with_the_connection_becomes_chunked(run: Run) -> None:
    async def until_close(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 200 OK\r\n\r\nall of it")
        await writer.drain()

    async def work() -> None:
        async with origin_serving(until_close) as (_, backend), door_to(backend) as (_door, connect):
            reader, writer = await connect()
            for _ in range(2):
                writer.write(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")

                _, _, body = await read_answer(reader)

                assert body == b"9\r\nall of it\r\n0\r\n\r\n"

    run(work())


def test_head_requests_and_empty_answers_do_not_wait_for_a_body(run: Run) -> None:
    async def work() -> None:
        answer = b"HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\n"
        async with origin_serving(answering(answer)) as (_, backend), door_to(backend) as (_door, connect):
            reader, writer = await connect()
            for _ in range(2):
                writer.write(b"HEAD / HTTP/1.1\r\nHost: x\r\n\r\n")
                head = await reader.readuntil(b"\r\n\r\n")
                assert b"content-length: 5" in head
            assert backend.in_flight == 0

    run(work())


def test_a_switch_happens_between_two_requests_of_one_connection(run: Run) -> None:
    async def work() -> None:
        old_answer = b"HTTP/1.1 200 OK\r\ncontent-length: 3\r\n\r\nold"
        new_answer = b"HTTP/1.1 200 OK\r\ncontent-length: 3\r\n\r\nnew"
        release = asyncio.Event()

        async def slow(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            await reader.readuntil(b"\r\n\r\n")
            await release.wait()
            writer.write(old_answer)
            await reader.read()

        async with (
            origin_serving(slow) as (_, old),
            origin_serving(answering(new_answer)) as (_, new),
            door_to(old) as (door, connect),
        ):
            reader, writer = await connect()
            writer.write(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
            await until(lambda: old.in_flight > 0)
            door.backend = new
            drained = asyncio.ensure_future(old.drained())
            await asyncio.sleep(0.01)
            assert not drained.done()
            release.set()

            first = await read_answer(reader)
            await drained
            writer.write(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
            second = await read_answer(reader)

            assert (first[2], second[2]) == (b"old", b"new")

    run(work())


def test_without_a_server_the_answer_is_503_in_json(run: Run) -> None:
    async def work() -> None:
        async with door_to(None) as (_door, connect):
            reader, writer = await connect()
            writer.write(b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\n\r\nabc")

            status, head, body = await read_answer(reader)

            assert status == 503
            assert b"retry-after: 1" in head
            assert json.loads(body)["error"] == "no-server"

    run(work())


def test_a_server_that_breaks_the_connection_gives_502(run: Run) -> None:
    async def hang_up(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")

    async def work() -> None:
        async with origin_serving(hang_up) as (_, backend), door_to(backend) as (_door, connect):
            reader, writer = await connect()
            writer.write(b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\n\r\na")

            assert (await read_answer(reader))[0] == 502
            assert backend.in_flight == 0

    run(work())


def test_a_server_that_is_gone_gives_502(run: Run) -> None:
    async def work() -> None:
        async with origin_serving(answering()) as (_, backend):
            pass
        async with door_to(backend) as (_door, connect):
            reader, writer = await connect()
            writer.write(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")

            assert (await read_answer(reader))[0] == 502

    run(work())


def test_half_an_answer_breaks_the_clients_connection(run: Run) -> None:
    async def half(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\nhalf")
        await writer.drain()

    async def work() -> None:
        async with origin_serving(half) as (_, backend), door_to(backend) as (_door, connect):
            reader, writer = await connect()
            writer.write(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
            with pytest.raises((ConnectionResetError, asyncio.IncompleteReadError)):
                await read_answer(reader)

    run(work())


@pytest.mark.parametrize(
    ("request_bytes", "status"),
    [
        (b"NONSENSE\r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n", 400),
        (b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\nHost: x\r\nX: " + b"a" * 70_000 + b"\r\n\r\n", 431),
        (b"GET / HTTP/1.1\r\nHost: x\r\nX: " + b"a" * 600_000, 431),
        (b"CONNECT example.org:443 HTTP/1.1\r\nHost: x\r\n\r\n", 405),
    ],
)
def test_a_request_that_cannot_be_passed_on_is_refused(run: Run, request_bytes: bytes, status: int) -> None:
    async def work() -> None:
        async with origin_serving(answering()) as (origin, backend), door_to(backend) as (_door, connect):
            reader, writer = await connect()
            writer.write(request_bytes)

            assert (await read_answer(reader))[0] == status
            assert origin.connections == 0

    run(work())


def test_a_malformed_request_does_not_cost_the_answer_before_it(run: Run) -> None:
    async def work() -> None:
        async with origin_serving(answering()) as (_, backend), door_to(backend) as (_door, connect):
            reader, writer = await connect()
            writer.write(b"GET / HTTP/1.1\r\nHost: x\r\n\r\nNONSENSE\r\n\r\n")

            assert (await read_answer(reader))[0] == 200
            assert await reader.read() == b""

    run(work())


def test_headers_named_by_connection_and_upgrades_stay_at_the_door(run: Run) -> None:
    async def work() -> None:
        heads: list[bytes] = []
        async with origin_serving(answering(heads=heads)) as (_, backend), door_to(backend) as (_door, connect):
            reader, writer = await connect()
            writer.write(
                b"GET / HTTP/1.1\r\nHost: x\r\nConnection: Upgrade, X-Secret, Host\r\n"
                b"Upgrade: h2c\r\nX-Secret: 1\r\n\r\n"
            )

            status, head, _ = await read_answer(reader)

            assert status == 200
            assert b"connection: close" in head
            assert heads == [b"GET / HTTP/1.1\r\nHost: x\r\nx-forwarded-for: 127.0.0.1\r\n\r\n"]

    run(work())


def test_the_door_tells_a_waiting_client_to_continue(run: Run) -> None:
    async def work() -> None:
        async with origin_serving(answering()) as (_, backend), door_to(backend) as (_door, connect):
            reader, writer = await connect()
            writer.write(b"POST / HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\nContent-Length: 2\r\n\r\n")

            assert await reader.readuntil(b"\r\n\r\n") == b"HTTP/1.1 100 Continue\r\n\r\n"
            writer.write(b"ab")
            assert (await read_answer(reader))[0] == 200

    run(work())


def test_a_client_that_has_finished_sending_still_gets_its_answer(run: Run) -> None:
    async def work() -> None:
        async with origin_serving(answering()) as (_, backend), door_to(backend) as (_door, connect):
            reader, writer = await connect()
            writer.write(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
            writer.write_eof()

            assert (await read_answer(reader))[0] == 200
            assert await reader.read() == b""

    run(work())


def test_a_client_that_goes_away_frees_the_server(run: Run) -> None:
    arrived, gone = asyncio.Event(), asyncio.Event()

    async def never(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        arrived.set()
        await reader.read()
        gone.set()

    async def work() -> None:
        async with origin_serving(never) as (_, backend), door_to(backend) as (door, connect):
            _, writer = await connect()
            writer.write(b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\n\r\nhalf")
            await arrived.wait()
            writer.transport.abort()

            await gone.wait()
            await backend.drained()
            assert door.clients == set()

    run(work())


@pytest.mark.parametrize(
    ("limits", "sent", "status"),
    [
        ({"head_s": 0.1}, b"GET / HTTP/1.1\r\nHos", 408),
        ({"body_s": 0.1}, b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\n\r\nhalf", 408),
        ({"answer_s": 0.1}, b"GET / HTTP/1.1\r\nHost: x\r\n\r\n", 504),
    ],
)
def test_waiting_has_an_end(run: Run, limits: dict[str, float], sent: bytes, status: int) -> None:
    async def silent(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read()

    async def work() -> None:
        async with origin_serving(silent) as (_, backend), door_to(backend, **limits) as (_door, connect):
            reader, writer = await connect()
            writer.write(sent)

            assert (await read_answer(reader))[0] == status
            await backend.drained()

    run(work())


def test_idle_clients_and_clients_that_do_not_read_are_cut_off(run: Run) -> None:
    async def flood(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 200 OK\r\ncontent-length: 100000000\r\n\r\n")
        while True:
            writer.write(b"x" * 65536)
            await writer.drain()

    async def work() -> None:
        async with origin_serving(flood) as (_, backend), door_to(backend, idle_s=0.1, write_s=0.2) as (door, connect):
            await connect()
            _, greedy = await connect()
            greedy.write(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
            await until(lambda: backend.in_flight > 0)

            await backend.drained()
            await until(lambda: not door.clients)

    run(work())


def test_one_connection_too_many_is_told_so(run: Run) -> None:
    async def work() -> None:
        async with door_to(None, connections=1) as (_door, connect):
            await connect()
            reader, _ = await connect()

            status, _, body = await read_answer(reader)

            assert status == 503
            assert json.loads(body)["error"] == "too-many-connections"

    run(work())


def test_large_bodies_stream_through_in_both_directions(run: Run) -> None:
    size = 5_000_000

    async def echo(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while True:
            await reader.readuntil(b"\r\n\r\n")
            writer.write(b"HTTP/1.1 200 OK\r\ncontent-length: %d\r\n\r\n" % size)
            for _ in range(50):
                writer.write(await reader.readexactly(size // 50))
                await writer.drain()

    async def work() -> None:
        async with origin_serving(echo) as (origin, backend), door_to(backend) as (_door, connect):
            reader, writer = await connect()
            for fill in (b"a", b"b"):
                writer.write(b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n" % size + fill * size)
                assert (await read_answer(reader))[2] == fill * size
            assert origin.connections == 1

    run(work())


def test_an_early_answer_reaches_the_client_and_the_connection_lives_on(run: Run) -> None:
    async def refuse(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 413 Content Too Large\r\ncontent-length: 0\r\n\r\n")
        await reader.read()

    async def work() -> None:
        async with origin_serving(refuse) as (_, backend), door_to(backend) as (_door, connect):
            reader, writer = await connect()
            for _ in range(2):
                writer.write(b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\n\r\nhalf.")
                assert (await read_answer(reader))[0] == 413
                writer.write(b"more.")

    run(work())


def test_a_pooled_connection_that_broke_is_replaced_for_a_safe_request(run: Run) -> None:
    async def once(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(OK)
        await reader.readuntil(b"\r\n\r\n")  # takes the next request and hangs up

    async def work() -> None:
        async with origin_serving(once) as (origin, backend), door_to(backend) as (_door, connect):
            reader, writer = await connect()
            for _ in range(3):
                writer.write(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
                assert (await read_answer(reader))[0] == 200
            assert origin.connections == 3

    run(work())


def test_closing_lets_requests_in_flight_finish(run: Run) -> None:
    async def slow(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        await asyncio.sleep(0.1)
        writer.write(OK)
        await reader.read()

    async def work() -> None:
        async with origin_serving(slow) as (_, backend), door_to(backend) as (door, connect):
            reader, writer = await connect()
            writer.write(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
            await until(lambda: backend.in_flight > 0)

            closing = asyncio.ensure_future(door.close(5))
            status, head, _ = await read_answer(reader)
            await closing

            assert status == 200
            assert b"connection: close" in head

    run(work())
