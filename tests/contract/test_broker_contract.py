"""What every broker promises, asked of the one in memory and of a real Redis."""

from __future__ import annotations

import asyncio
import itertools
from typing import TYPE_CHECKING, Any

import pytest

from ci_core.serving.problems import OverloadedError
from ci_core.serving.queues import Failure, MemoryBroker, Queue
from ci_core.serving.queues.redis_streams import RedisBroker

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from ci_core.testing.redis_server import RedisServer

_numbers = itertools.count()
AnyBroker = MemoryBroker | RedisBroker


@pytest.fixture(params=["memory", pytest.param("redis", marks=[pytest.mark.redis, pytest.mark.e2e])])
def make_broker(request: pytest.FixtureRequest) -> Callable[[], AnyBroker]:
    """Make brokers that deliver again at once."""
    if request.param == "memory":
        return lambda: MemoryBroker(retry_wait=lambda _attempt: 0.0)
    server: RedisServer = request.getfixturevalue("redis_server")
    return lambda: RedisBroker(server.url, retry_wait=lambda _attempt: 0.0)


@pytest.fixture
def run(make_broker: Callable[[], AnyBroker]) -> Callable[[Callable[[AnyBroker], Awaitable[None]]], None]:
    """Run a test body with a broker."""

    def run(body: Callable[[AnyBroker], Awaitable[None]]) -> None:
        async def with_broker() -> None:
            broker = make_broker()
            try:
                await body(broker)
            finally:
                await broker.close()

        asyncio.run(with_broker())

    return run


@pytest.fixture
def queue() -> Queue:
    return Queue(stream=f"stream-{next(_numbers)}", reader="graph.step", max_deliveries=2, max_length=3)


def test_a_message_is_taken_as_it_was_put(run: Any, queue: Queue) -> None:
    async def body(broker: AnyBroker) -> None:
        id_ = await broker.put(queue, b"\x00\xffone", timeout_s=5)

        [delivery] = await broker.take(queue, count=5, wait_s=0)

        assert (delivery.id, delivery.payload, delivery.attempt) == (id_, b"\x00\xffone", 1)

    run(body)


def test_messages_are_taken_in_the_order_of_their_puts(run: Any, queue: Queue) -> None:
    async def body(broker: AnyBroker) -> None:
        for payload in (b"1", b"2", b"3"):
            await broker.put(queue, payload, timeout_s=5)

        first = await broker.take(queue, count=2, wait_s=0)
        second = await broker.take(queue, count=2, wait_s=0)

        assert [one.payload for one in first] == [b"1", b"2"]
        assert [one.payload for one in second] == [b"3"]

    run(body)


def test_an_empty_queue_gives_nothing(run: Any, queue: Queue) -> None:
    async def body(broker: AnyBroker) -> None:
        assert await broker.take(queue, count=1, wait_s=0) == []
        assert await broker.take(queue, count=1, wait_s=0.01) == []

    run(body)


def test_who_waits_gets_a_message_that_is_put_meanwhile(run: Any, queue: Queue) -> None:
    async def body(broker: AnyBroker) -> None:
        async def take() -> bytes:
            while not (found := await broker.take(queue, count=1, wait_s=60)):
                pass
            return found[0].payload

        taking = asyncio.create_task(take())
        await asyncio.sleep(0)
        await broker.put(queue, b"late", timeout_s=5)

        assert await taking == b"late"

    run(body)


def test_two_takers_get_different_messages(run: Any, queue: Queue) -> None:
    async def body(broker: AnyBroker) -> None:
        await broker.put(queue, b"1", timeout_s=5)
        await broker.put(queue, b"2", timeout_s=5)

        taken = await asyncio.gather(*(broker.take(queue, count=1, wait_s=5) for _ in range(2)))

        assert sorted(one.payload for found in taken for one in found) == [b"1", b"2"]

    run(body)


def test_what_is_taken_still_counts_until_it_is_acknowledged(run: Any, queue: Queue) -> None:
    async def body(broker: AnyBroker) -> None:
        await broker.put(queue, b"1", timeout_s=5)
        await broker.put(queue, b"2", timeout_s=5)
        [delivery] = await broker.take(queue, count=1, wait_s=0)

        before = await broker.depth(queue)
        await broker.acknowledge(queue, delivery)

        assert (before, await broker.depth(queue)) == (2, 1)

    run(body)


def test_an_acknowledged_message_is_never_delivered_again(run: Any, queue: Queue) -> None:
    async def body(broker: AnyBroker) -> None:
        await broker.put(queue, b"1", timeout_s=5)
        [delivery] = await broker.take(queue, count=1, wait_s=0)
        await broker.acknowledge(queue, delivery)

        assert await broker.take(queue, count=1, wait_s=0) == []
        assert not await broker.fail(queue, delivery, Failure(error="too late", is_final=True))
        assert await broker.dead_letters(queue.stream) == []

    run(body)


def test_a_put_beyond_the_length_is_refused_and_keeps_what_is_there(run: Any, queue: Queue) -> None:
    async def body(broker: AnyBroker) -> None:
        for payload in (b"1", b"2", b"3"):
            await broker.put(queue, payload, timeout_s=5)

        with pytest.raises(OverloadedError) as caught:
            await broker.put(queue, b"4", timeout_s=5)

        assert caught.value.status == 503
        assert caught.value.retry_after_s == 1.0
        assert caught.value.message == f"the queue `{queue.stream}` is full: 3 messages wait"
        assert [one.payload for one in await broker.take(queue, count=9, wait_s=0)] == [b"1", b"2", b"3"]

    run(body)


def test_a_full_queue_takes_messages_again_once_one_is_acknowledged(run: Any, queue: Queue) -> None:
    async def body(broker: AnyBroker) -> None:
        for payload in (b"1", b"2", b"3"):
            await broker.put(queue, payload, timeout_s=5)
        [delivery] = await broker.take(queue, count=1, wait_s=0)
        await broker.acknowledge(queue, delivery)

        await broker.put(queue, b"4", timeout_s=5)

        assert await broker.depth(queue) == 3

    run(body)


def test_a_failed_message_comes_again_with_its_count(run: Any, queue: Queue) -> None:
    async def body(broker: AnyBroker) -> None:
        id_ = await broker.put(queue, b"1", timeout_s=5)
        [first] = await broker.take(queue, count=1, wait_s=0)

        is_dead = await broker.fail(queue, first, Failure(error="ValueError: no"))
        [second] = await broker.take(queue, count=1, wait_s=0)

        assert not is_dead
        assert (second.id, second.payload, second.attempt) == (id_, b"1", 2)

    run(body)


def test_a_message_that_fails_too_often_becomes_a_dead_letter_that_says_why(run: Any, queue: Queue) -> None:
    async def body(broker: AnyBroker) -> None:
        await broker.put(queue, b"poison", timeout_s=5)
        for _ in range(2):
            [delivery] = await broker.take(queue, count=1, wait_s=0)
            failure = Failure(error="ValueError: no", step="store", event_id="e-1")
            is_dead = await broker.fail(queue, delivery, failure)

        [letter] = await broker.dead_letters(queue.stream)

        assert is_dead
        assert (letter.payload, letter.error, letter.step) == (b"poison", "ValueError: no", "store")
        assert (letter.event_id, letter.attempts) == ("e-1", 2)
        assert letter.time.utcoffset() is not None
        assert await broker.take(queue, count=1, wait_s=0) == []
        assert await broker.depth(queue) == 0

    run(body)


def test_a_final_failure_is_not_tried_again(run: Any, queue: Queue) -> None:
    async def body(broker: AnyBroker) -> None:
        await broker.put(queue, b"1", timeout_s=5)
        [delivery] = await broker.take(queue, count=1, wait_s=0)

        assert await broker.fail(queue, delivery, Failure(error="RequestError: no", is_final=True))
        assert [one.attempts for one in await broker.dead_letters(queue.stream)] == [1]

    run(body)


def test_a_failed_message_does_not_hold_up_the_others(make_broker: Any, queue: Queue) -> None:
    async def body() -> None:
        broker = make_broker()
        broker._retry_wait = lambda _attempt: 3600.0
        await broker.put(queue, b"1", timeout_s=5)
        await broker.put(queue, b"2", timeout_s=5)
        [first] = await broker.take(queue, count=1, wait_s=0)
        await broker.fail(queue, first, Failure(error="ValueError: no"))

        assert [one.payload for one in await broker.take(queue, count=9, wait_s=0)] == [b"2"]
        assert await broker.depth(queue) == 2
        await broker.close()

    asyncio.run(body())


def test_a_dead_letter_can_be_replayed_once(run: Any, queue: Queue) -> None:
    async def body(broker: AnyBroker) -> None:
        await broker.put(queue, b"1", timeout_s=5)
        [delivery] = await broker.take(queue, count=1, wait_s=0)
        await broker.fail(queue, delivery, Failure(error="no", is_final=True))
        [letter] = await broker.dead_letters(queue.stream)

        was_there = await broker.replay(queue.stream, letter)
        is_there_still = await broker.replay(queue.stream, letter)
        [again] = await broker.take(queue, count=9, wait_s=0)

        assert (was_there, is_there_still) == (True, False)
        assert (again.payload, again.attempt) == (b"1", 1)
        assert await broker.dead_letters(queue.stream) == []

    run(body)


def test_streams_do_not_mix(run: Any, queue: Queue) -> None:
    async def body(broker: AnyBroker) -> None:
        other = Queue(stream=f"{queue.stream}-other", reader="graph.other")
        await broker.put(queue, b"1", timeout_s=5)
        await broker.put(other, b"2", timeout_s=5)

        assert [one.payload for one in await broker.take(other, count=9, wait_s=0)] == [b"2"]

    run(body)
