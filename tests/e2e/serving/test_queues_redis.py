"""What only a real Redis can show: processes that die, a server that restarts, readers that get in each other's way."""

import asyncio
import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from ci_core.errors import SharedStreamError
from ci_core.serving.event import Event
from ci_core.serving.problems import DependencyError
from ci_core.serving.queues import Queue
from ci_core.serving.queues.consumer import Consumer
from ci_core.serving.queues.message import read_message, write_message
from ci_core.serving.queues.redis_streams import RedisBroker
from ci_core.testing.redis_server import RedisServer

pytestmark = [pytest.mark.e2e, pytest.mark.redis]

_PROCESS = """
import asyncio, sys
from ci_core.serving.queues import Queue
from ci_core.serving.queues.consumer import Consumer
from ci_core.serving.queues.redis_streams import RedisBroker

async def hang(event):
    print(event.id, event.body, flush=True)
    await asyncio.Event().wait()

async def main():
    queue = Queue(stream=sys.argv[2], reader="graph.step", max_deliveries=int(sys.argv[3]))
    consumer = Consumer(RedisBroker(sys.argv[1], claim_after_s=float(sys.argv[4])), queue, hang)
    consumer.start()
    await asyncio.Event().wait()

asyncio.run(main())
"""


@pytest.fixture
def own_server() -> Iterator[RedisServer]:
    """A server that the test may end."""
    with tempfile.TemporaryDirectory() as folder:
        server = RedisServer(Path(folder))
        yield server
        server.stop()


@pytest.fixture
def stream(request: pytest.FixtureRequest) -> str:
    return str(request.node.name)


def _queue(stream: str, **settings: Any) -> Queue:
    return Queue(stream=stream, reader="graph.step", **settings)


def _hang_on_one(url: str, stream: str, *, max_deliveries: int = 5, claim_after_s: float = 0.3) -> tuple[int, str]:
    """Start a process that takes a message and never ends it; kill it; return what it printed."""
    arguments = [url, stream, str(max_deliveries), str(claim_after_s)]
    process = subprocess.Popen([sys.executable, "-c", _PROCESS, *arguments], stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    line = process.stdout.readline()
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    process.stdout.close()
    return process.returncode, line.strip()


async def _until_taken(broker: RedisBroker, queue: Queue) -> Any:
    while not (found := await broker.take(queue, count=9, wait_s=0.1)):
        pass
    return found


async def _until_delivered(consumer: Consumer, count: int) -> None:
    while consumer.delivered < count:  # noqa: ASYNC110 - a counter cannot be waited for
        await asyncio.sleep(0.01)


def test_a_message_whose_process_was_killed_is_delivered_to_another_with_the_same_event(
    redis_server: RedisServer, stream: str
) -> None:
    async def put() -> None:
        broker = RedisBroker(redis_server.url)
        await broker.put(_queue(stream), write_message(Event(None, id="e-1"), "x"), timeout_s=5)
        await broker.close()

    async def take() -> tuple[str, int, int]:
        broker = RedisBroker(redis_server.url, claim_after_s=0.3)
        [delivery] = await _until_taken(broker, _queue(stream))
        await broker.acknowledge(_queue(stream), delivery)
        depth = await broker.depth(_queue(stream))
        await broker.close()
        return read_message(delivery.payload).id, delivery.attempt, depth

    asyncio.run(put())
    code, said = _hang_on_one(redis_server.url, stream)

    assert (code, said) == (-signal.SIGKILL, "e-1 x")
    assert asyncio.run(take()) == ("e-1", 2, 0)


def test_a_failure_whose_text_is_no_unicode_becomes_a_dead_letter(redis_server: RedisServer, stream: str) -> None:
    async def fail(_event: Event) -> None:
        raise ValueError("no \udc80 name")

    async def body() -> tuple[list[str], int]:
        broker, queue = RedisBroker(redis_server.url), _queue(stream, max_deliveries=1)
        consumer = Consumer(broker, queue, fail)
        await broker.put(queue, write_message(Event(None, id="e-1"), "x"), timeout_s=5)
        while not await consumer.run_once():
            pass
        letters = await broker.dead_letters(stream)
        depth = await broker.depth(queue)
        await broker.close()
        return [letter.error for letter in letters], depth

    assert asyncio.run(body()) == ([r"ValueError: no \udc80 name"], 0)


def test_a_message_that_kills_its_processes_becomes_a_dead_letter(redis_server: RedisServer, stream: str) -> None:
    queue = _queue(stream, max_deliveries=2)
    steps_ran: list[Any] = []

    async def put() -> None:
        broker = RedisBroker(redis_server.url)
        await broker.put(queue, write_message(Event(None, id="e-1"), "deadly"), timeout_s=5)
        await broker.close()

    async def give_up() -> list[Any]:
        broker = RedisBroker(redis_server.url, claim_after_s=0.3)

        async def note(event: Event) -> None:
            steps_ran.append(event.body)

        consumer = Consumer(broker, queue, note)
        while not consumer.dead:
            await consumer.run_once()
        letters = await broker.dead_letters(stream)
        await broker.close()
        return letters

    asyncio.run(put())
    for _ in range(2):
        assert _hang_on_one(redis_server.url, stream, max_deliveries=2)[1] == "e-1 deadly"

    [letter] = asyncio.run(give_up())
    assert steps_ran == []
    assert (letter.event_id, letter.error) == ("e-1", "the process that worked on it ended, 2 times")


def test_a_message_that_takes_long_is_not_delivered_to_another_process_meanwhile(
    redis_server: RedisServer, stream: str
) -> None:
    async def body() -> tuple[list[Any], int]:
        slow = RedisBroker(redis_server.url, claim_after_s=0.3)
        other = RedisBroker(redis_server.url, claim_after_s=0.3)
        await slow.put(_queue(stream), b"x", timeout_s=5)
        [delivery] = await slow.take(_queue(stream), count=1, wait_s=5)
        stolen = []
        for _ in range(10):  # three times as long as others wait for the dead
            stolen += await other.take(_queue(stream), count=1, wait_s=0.1)
        await slow.acknowledge(_queue(stream), delivery)
        depth = await other.depth(_queue(stream))
        await slow.close()
        await other.close()
        return stolen, depth

    assert asyncio.run(body()) == ([], 0)


def test_a_process_that_ends_in_order_hands_over_at_once(redis_server: RedisServer, stream: str) -> None:
    async def body() -> list[int]:
        leaving, other = (
            RedisBroker(redis_server.url, claim_after_s=60),
            RedisBroker(redis_server.url, claim_after_s=60),
        )
        await leaving.put(_queue(stream), b"x", timeout_s=5)
        await leaving.take(_queue(stream), count=1, wait_s=5)
        await leaving.close()
        found = await _until_taken(other, _queue(stream))
        await other.close()
        return [one.attempt for one in found]

    assert asyncio.run(body()) == [2]


def test_a_consumer_goes_on_when_redis_comes_back(own_server: RedisServer, stream: str) -> None:
    queue = _queue(stream)
    bodies: list[Any] = []

    async def body() -> None:
        broker = RedisBroker(own_server.url, claim_after_s=0.3)

        async def note(event: Event) -> None:
            bodies.append(event.body)

        consumer = Consumer(broker, queue, note)
        await broker.put(queue, write_message(Event(None), "before"), timeout_s=5)
        consumer.start()
        await _until_delivered(consumer, 1)
        own_server.stop()
        await asyncio.sleep(0.3)  # long enough for a read to fail
        own_server.start()
        await broker.put(queue, write_message(Event(None), "after"), timeout_s=30)
        await _until_delivered(consumer, 2)
        await consumer.close(drain_s=30)
        await broker.close()

    asyncio.run(body())
    assert bodies == ["before", "after"]


def test_a_message_that_is_worked_on_while_redis_restarts_is_acknowledged_in_the_end(
    own_server: RedisServer, stream: str
) -> None:
    queue = _queue(stream)

    async def body() -> tuple[int, int]:
        broker = RedisBroker(own_server.url)
        started, go_on = asyncio.Event(), asyncio.Event()

        async def work(_event: Event) -> None:
            started.set()
            await go_on.wait()

        consumer = Consumer(broker, queue, work)
        await broker.put(queue, write_message(Event(None), "x"), timeout_s=5)
        consumer.start()
        await started.wait()
        own_server.stop()
        go_on.set()
        await asyncio.sleep(0.3)  # the acknowledgement fails meanwhile
        own_server.start()
        await _until_delivered(consumer, 1)
        depth = await broker.depth(queue)
        await consumer.close(drain_s=30)
        await broker.close()
        return depth, consumer.failed

    assert asyncio.run(body()) == (0, 0)


def test_a_consumer_goes_on_when_redis_lost_everything(redis_server: RedisServer, stream: str) -> None:
    queue = _queue(stream)
    bodies: list[Any] = []

    async def body() -> None:
        broker = RedisBroker(redis_server.url)

        async def note(event: Event) -> None:
            bodies.append(event.body)

        consumer = Consumer(broker, queue, note)
        await broker.put(queue, write_message(Event(None), "before"), timeout_s=5)
        consumer.start()
        await _until_delivered(consumer, 1)
        await broker._client.delete(stream)
        await broker.put(queue, write_message(Event(None), "after"), timeout_s=5)
        await _until_delivered(consumer, 2)
        await consumer.close(drain_s=30)
        await broker.close()

    asyncio.run(body())
    assert bodies == ["before", "after"]


def test_a_put_that_cannot_be_kept_is_a_dependency_that_failed_and_tells_no_address(own_server: RedisServer) -> None:
    own_server.stop()

    async def body() -> None:
        broker = RedisBroker(own_server.url.replace("unix://", "unix://:secret@"))
        await broker.put(_queue("scored"), b"x", timeout_s=0.2)

    with pytest.raises(DependencyError) as caught:
        asyncio.run(body())

    assert (caught.value.status, caught.value.message) == (502, "the queue `scored` cannot be reached")


def test_a_put_waits_for_a_server_that_is_silent_no_longer_than_it_may(own_server: RedisServer) -> None:
    assert own_server._process is not None
    process_id = own_server._process.pid

    async def body() -> None:
        broker = RedisBroker(own_server.url)
        await broker.put(_queue("scored"), b"x", timeout_s=5)
        os.kill(process_id, signal.SIGSTOP)
        try:
            await broker.put(_queue("scored"), b"x", timeout_s=0.2)
        finally:
            os.kill(process_id, signal.SIGCONT)
            await broker.close()

    with pytest.raises(DependencyError):
        asyncio.run(body())


def test_what_was_put_before_there_was_a_reader_is_delivered(redis_server: RedisServer, stream: str) -> None:
    async def body() -> list[bytes]:
        writer, reader = RedisBroker(redis_server.url), RedisBroker(redis_server.url)
        await writer.put(_queue(stream), b"x", timeout_s=5)
        await writer.close()
        found = await reader.take(_queue(stream), count=9, wait_s=5)
        await reader.close()
        return [one.payload for one in found]

    assert asyncio.run(body()) == [b"x"]


def test_a_second_reader_of_a_stream_is_refused_and_takes_nothing_from_the_first(
    redis_server: RedisServer, stream: str
) -> None:
    async def body() -> list[bytes]:
        first, second = RedisBroker(redis_server.url), RedisBroker(redis_server.url)
        await first.take(_queue(stream), count=1, wait_s=0)
        await first.put(_queue(stream), b"x", timeout_s=5)
        try:
            await second.take(Queue(stream=stream, reader="other.step"), count=1, wait_s=0)
        finally:
            found = await first.take(_queue(stream), count=1, wait_s=0)
            payloads.extend(one.payload for one in found)
            await first.close()
            await second.close()
        return payloads

    payloads: list[bytes] = []
    with pytest.raises(SharedStreamError) as caught:
        asyncio.run(body())

    assert (caught.value.reader, caught.value.readers) == ("other.step", ("graph.step",))
    assert payloads == [b"x"]


def test_processes_of_one_reader_share_the_messages_and_leave_no_name_behind(
    redis_server: RedisServer, stream: str
) -> None:
    async def body() -> tuple[list[bytes], int]:
        one, two = RedisBroker(redis_server.url), RedisBroker(redis_server.url)
        for number in range(10):
            await one.put(_queue(stream), b"%d" % number, timeout_s=5)
        taken = []
        for broker in (one, two) * 5:
            [delivery] = await broker.take(_queue(stream), count=1, wait_s=5)
            taken.append(delivery.payload)
            await broker.acknowledge(_queue(stream), delivery)
        await one.close()
        await two.close()
        looking = RedisBroker(redis_server.url)
        names = await looking._client.xinfo_consumers(stream, "graph.step")
        await looking.close()
        return sorted(taken), len(names)

    assert asyncio.run(body()) == ([b"0", b"1", b"2", b"3", b"4", b"5", b"6", b"7", b"8", b"9"], 0)
