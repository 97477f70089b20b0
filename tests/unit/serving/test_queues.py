"""Messages, the broker in memory and the consumer; nothing outside this process."""

import asyncio
import builtins
import contextlib
import logging
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest

from ci_core.errors import InvalidStepError, MissingExtraError, QueueUrlError, SharedStreamError
from ci_core.serving.event import Event, StepFailure
from ci_core.serving.functions.wire import decode, encode
from ci_core.serving.problems import DependencyError, OverloadedError, RequestError
from ci_core.serving.queues import Delivery, Failure, MemoryBroker, Queue, broker_of
from ci_core.serving.queues.base import DEAD_LETTERS_KEPT, retry_wait_s
from ci_core.serving.queues.consumer import Consumer, work_off
from ci_core.serving.queues.message import read_message, write_message
from ci_core.serving.spec import StepSpec

QUEUE = Queue(stream="scored", reader="graph.scored", max_deliveries=3)


def _at_once() -> MemoryBroker:
    return MemoryBroker(retry_wait=lambda _attempt: 0.0)


# --- the queue of a step -----------------------------------------------------------------------------------------


def test_a_queue_step_without_settings_has_the_documented_ones() -> None:
    queue = Queue.of("churn", StepSpec(name="keep", queue="scored", after=("score",)))

    assert (queue.stream, queue.reader) == ("scored", "churn.keep")
    assert (queue.max_deliveries, queue.max_length, queue.concurrency) == (5, 100_000, 1)


def test_a_queue_step_takes_its_settings_from_with() -> None:
    step = StepSpec(name="keep", queue="scored", arguments={"max-deliveries": 2, "max-length": 7, "concurrency": 3})

    queue = Queue.of("churn", step)

    assert (queue.max_deliveries, queue.max_length, queue.concurrency) == (2, 7, 3)


@pytest.mark.parametrize("value", [0, -1, 1.5, True, "5", None])
def test_a_setting_of_a_queue_is_a_whole_number_above_0(value: Any) -> None:
    with pytest.raises(InvalidStepError, match=r"has the `max-length` .*: expected a whole number from 1"):
        Queue.of("churn", StepSpec(name="keep", queue="scored", arguments={"max-length": value}))


def test_an_unknown_setting_of_a_queue_is_refused_with_those_that_exist() -> None:
    with pytest.raises(InvalidStepError) as caught:
        Queue.of("churn", StepSpec(name="keep", queue="scored", arguments={"maxlen": 1}))

    assert caught.value.fact == "step `keep` is a queue, which has no setting `maxlen`"
    assert caught.value.hint == "did you mean `max-length`?"


def test_a_message_waits_twice_as_long_after_every_failure_and_a_minute_at_most() -> None:
    assert [retry_wait_s(attempt) for attempt in (1, 2, 3, 7, 8, 10_000)] == [0.5, 1.0, 2.0, 32.0, 60.0, 60.0]


# --- messages -----------------------------------------------------------------------------------------------------


def test_a_message_carries_the_event_and_none_of_its_secrets() -> None:
    traceparent = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
    event = Event(
        {"x": 1},
        id="e-1",
        path="/v2/models/m/infer",
        method="PUT",
        headers={"traceparent": traceparent, "authorization": "Bearer secret", "cookie": "session=secret"},
        time=datetime(2026, 1, 2, 3, 4, tzinfo=timezone(timedelta(hours=2))),
        deadline=12.0,
    )
    event.key = "customer-7"

    payload = write_message(event, {"score": 0.5})
    read = read_message(payload)

    assert (read.body, read.id, read.key) == ({"score": 0.5}, "e-1", "customer-7")
    assert (read.path, read.method) == ("/v2/models/m/infer", "PUT")
    assert read.time == datetime(2026, 1, 2, 1, 4, tzinfo=UTC)
    assert read.headers == {"traceparent": traceparent, "x-event-id": "e-1"}
    assert read.trace_id == "0af7651916cd43dd8448eb211c80319c"
    assert read.content_type is None
    assert read.deadline is None
    assert b"secret" not in payload


def test_a_message_carries_what_the_body_of_the_request_was() -> None:
    event = Event({}, headers={"content-type": "application/json; charset=utf-8"}, content_type="application/json")

    read = read_message(write_message(event, {}))

    assert (read.content_type, read.headers["content-type"]) == ("application/json", "application/json; charset=utf-8")


def test_a_message_that_says_nothing_of_the_content_type_can_be_read() -> None:
    stored = decode(write_message(Event({}, content_type="application/json"), {}))
    del stored["content_type"]

    assert read_message(encode(stored)).content_type is None


@pytest.mark.parametrize("payload", [b"", b"{}", b"\xc1", b"\x80", b"\x81\xa1v\x01", b"\x81\xa1v\x02", b"\x01"])
def test_what_is_no_message_is_said_to_be_none(payload: bytes) -> None:
    with pytest.raises(ValueError, match="the message cannot be read"):
        read_message(payload)


# --- the broker in memory -----------------------------------------------------------------------------------------


def test_a_failed_message_comes_again_when_its_wait_is_over() -> None:
    now = 100.0
    broker = MemoryBroker(clock=lambda: now)

    async def body() -> tuple[int, list[int]]:
        nonlocal now
        await broker.put(QUEUE, b"1")
        [delivery] = await broker.take(QUEUE, count=1, wait_s=0)
        await broker.fail(QUEUE, delivery, Failure(error="no"))
        now = 100.49
        too_early = await broker.take(QUEUE, count=1, wait_s=0)
        now = 100.51
        return len(too_early), [one.attempt for one in await broker.take(QUEUE, count=1, wait_s=0)]

    assert asyncio.run(body()) == (0, [2])


def test_who_waits_for_a_message_sees_one_that_becomes_due_meanwhile() -> None:
    broker = MemoryBroker(retry_wait=lambda _attempt: 0.01)

    async def body() -> int:
        await broker.put(QUEUE, b"1")
        [delivery] = await broker.take(QUEUE, count=1, wait_s=0)
        taking = asyncio.create_task(broker.take(QUEUE, count=1, wait_s=60))
        await asyncio.sleep(0)
        await broker.fail(QUEUE, delivery, Failure(error="no"))
        [again] = await taking
        return again.attempt

    assert asyncio.run(body()) == 2


def test_a_taker_that_gave_up_waiting_swallows_no_message() -> None:
    broker = MemoryBroker()

    async def body() -> bytes:
        impatient = asyncio.create_task(broker.take(QUEUE, count=1, wait_s=60))
        patient = asyncio.create_task(broker.take(QUEUE, count=1, wait_s=60))
        await asyncio.sleep(0)
        await broker.put(QUEUE, b"1")  # wakes the impatient one, which is cancelled before it runs
        impatient.cancel()
        await asyncio.gather(impatient, return_exceptions=True)
        [delivery] = await patient
        return delivery.payload

    assert asyncio.run(body()) == b"1"


def test_closing_counts_what_is_lost_and_leaves_dead_letters_out() -> None:
    broker = _at_once()

    async def body() -> int:
        for payload in (b"dead", b"taken", b"waiting"):
            await broker.put(QUEUE, payload)
        [dead, _taken] = await broker.take(QUEUE, count=2, wait_s=0)
        await broker.fail(QUEUE, dead, Failure(error="no", is_final=True))
        return await broker.close()

    assert asyncio.run(body()) == 2


def test_of_too_many_dead_letters_the_oldest_is_thrown_away_and_logged(caplog: pytest.LogCaptureFixture) -> None:
    broker = _at_once()

    async def body() -> list[str]:
        for number in range(DEAD_LETTERS_KEPT + 1):
            await broker.put(QUEUE, b"1")
            [delivery] = await broker.take(QUEUE, count=1, wait_s=0)
            await broker.fail(QUEUE, delivery, Failure(error="no", event_id=f"e-{number}", is_final=True))
        return [one.event_id for one in await broker.dead_letters(QUEUE.stream, count=DEAD_LETTERS_KEPT + 9)]

    kept = asyncio.run(body())

    assert (len(kept), kept[0], kept[-1]) == (10_000, "e-1", "e-10000")
    assert caplog.messages == ["dead letter thrown away stream=scored event=e-0"]


def test_a_dead_letter_that_is_thrown_away_forges_no_line_of_the_log(caplog: pytest.LogCaptureFixture) -> None:
    broker = MemoryBroker(dead_bytes=30)

    async def body() -> None:
        for _ in range(2):
            await broker.put(QUEUE, b"20 bytes of a payload")
            [delivery] = await broker.take(QUEUE, count=1, wait_s=0)
            failure = Failure(error="no", event_id="1\nERROR forged", is_final=True)
            await broker.fail(QUEUE, delivery, failure)

    asyncio.run(body())
    assert caplog.messages == [r"dead letter thrown away stream=scored event='1\nERROR forged'"]


def test_messages_that_are_not_acknowledged_are_bounded_by_their_bytes_too() -> None:
    broker = MemoryBroker(waiting_bytes=100)

    async def body() -> int:
        await broker.put(QUEUE, b"x" * 60)
        with pytest.raises(OverloadedError, match="the queue `scored` is full: its messages have 60 bytes of 100"):
            await broker.put(QUEUE, b"x" * 41)
        await broker.put(QUEUE, b"x" * 40)
        for _ in range(2):  # room again, whether steps ended or the message was given up
            [first, second] = await broker.take(QUEUE, count=2, wait_s=0)
            await broker.acknowledge(QUEUE, first)
            await broker.acknowledge(QUEUE, first)  # twice is once
            await broker.fail(QUEUE, second, Failure(error="no", is_final=True))
            await broker.put(QUEUE, b"x" * 50)
            await broker.put(QUEUE, b"x" * 50)
        return await broker.depth(QUEUE)

    assert asyncio.run(body()) == 2


def test_a_message_that_comes_again_keeps_its_room() -> None:
    broker = MemoryBroker(waiting_bytes=100, retry_wait=lambda _attempt: 0.0)

    async def body() -> None:
        await broker.put(QUEUE, b"x" * 60)
        [delivery] = await broker.take(QUEUE, count=1, wait_s=0)
        await broker.fail(QUEUE, delivery, Failure(error="no"))
        with pytest.raises(OverloadedError):
            await broker.put(QUEUE, b"x" * 60)

    asyncio.run(body())


def test_dead_letters_are_bounded_by_their_bytes_too(caplog: pytest.LogCaptureFixture) -> None:
    broker = MemoryBroker(dead_bytes=100)

    async def body() -> list[tuple[str, int]]:
        for number, (size, text) in enumerate([(50, "no"), (20, "n" * 20), (50, "no"), (500, "no")]):
            await broker.put(QUEUE, b"x" * size)
            [delivery] = await broker.take(QUEUE, count=1, wait_s=0)
            await broker.fail(QUEUE, delivery, Failure(error=text, event_id=f"e-{number}", is_final=True))
        return [(one.event_id, len(one.payload)) for one in await broker.dead_letters(QUEUE.stream)]

    assert asyncio.run(body()) == [("e-3", 500)]  # the last one is always kept
    assert caplog.messages == [f"dead letter thrown away stream=scored event=e-{number}" for number in range(3)]


def test_a_dead_letter_that_is_replayed_takes_its_room_along() -> None:
    broker = MemoryBroker(waiting_bytes=100, dead_bytes=100)

    async def body() -> int:
        await broker.put(QUEUE, b"x" * 90)
        [delivery] = await broker.take(QUEUE, count=1, wait_s=0)
        await broker.fail(QUEUE, delivery, Failure(error="no", is_final=True))
        [letter] = await broker.dead_letters(QUEUE.stream)
        await broker.replay(QUEUE.stream, letter)
        with pytest.raises(OverloadedError):
            await broker.put(QUEUE, b"x" * 90)
        [delivery] = await broker.take(QUEUE, count=1, wait_s=0)
        await broker.fail(QUEUE, delivery, Failure(error="no", is_final=True))  # it would be thrown away otherwise
        await broker.put(QUEUE, b"x" * 90)
        return len(await broker.dead_letters(QUEUE.stream))

    assert asyncio.run(body()) == 1


# --- which broker --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("url", [None, ""])
def test_without_an_address_queues_live_in_the_process(url: str | None) -> None:
    assert isinstance(broker_of(url), MemoryBroker)


def test_an_address_of_no_broker_is_refused_without_telling_its_password() -> None:
    with pytest.raises(QueueUrlError) as caught:
        broker_of("amqp://user:secret@host")

    assert "secret" not in str([caught.value, *caught.value.known, caught.value.where, caught.value.hint])
    assert caught.value.known == ("it begins with `redis://` or `rediss://` or `unix://`",)


def test_an_address_of_redis_without_its_client_names_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    importer = builtins.__import__

    def refuse(name: str, *args: Any, **kwargs: Any) -> Any:
        if name.startswith("redis"):
            raise ImportError(name)
        return importer(name, *args, **kwargs)

    monkeypatch.setattr(builtins, "__import__", refuse)

    with pytest.raises(MissingExtraError) as caught:
        broker_of("redis://localhost")

    assert (caught.value.extra, caught.value.module) == ("redis", "redis")


# --- the consumer -------------------------------------------------------------------------------------------------


class _Steps:
    """The steps behind a queue: notes the bodies, and does to each what `behave` says."""

    def __init__(self, behave: Callable[[Event], Awaitable[None] | None] = lambda _event: None) -> None:
        self.bodies: list[Any] = []
        self._behave = behave

    async def __call__(self, event: Event) -> None:
        self.bodies.append(event.body)
        work = self._behave(event)
        if work is not None:
            await work


async def _put(broker: MemoryBroker, *bodies: Any) -> None:
    for number, body in enumerate(bodies):
        await broker.put(QUEUE, write_message(Event(None, id=f"e-{number}"), body))


def test_messages_are_worked_off_in_order_and_acknowledged() -> None:
    broker, steps = MemoryBroker(), _Steps()
    consumer = Consumer(broker, QUEUE, steps)

    async def body() -> int:
        await _put(broker, 1, 2, 3)
        await work_off([consumer])
        return await broker.depth(QUEUE)

    assert asyncio.run(body()) == 0
    assert steps.bodies == [1, 2, 3]
    assert (consumer.delivered, consumer.failed, consumer.dead) == (3, 0, 0)


def test_a_message_that_fails_for_a_while_is_delivered_again_until_it_does_not() -> None:
    broker = _at_once()
    events: list[str] = []

    def behave(event: Event) -> None:
        events.append(event.id)
        if len(events) < 3:
            raise ValueError("the store is away")

    consumer = Consumer(broker, QUEUE, _Steps(behave))

    async def body() -> list[Any]:
        await _put(broker, "x")
        await work_off([consumer])
        return await broker.dead_letters(QUEUE.stream)

    assert asyncio.run(body()) == []
    assert events == ["e-0", "e-0", "e-0"]
    assert (consumer.delivered, consumer.failed, consumer.dead) == (1, 2, 0)


def test_a_poison_message_becomes_a_dead_letter_and_the_next_is_worked_off(caplog: pytest.LogCaptureFixture) -> None:
    broker = _at_once()

    def behave(event: Event) -> None:
        if event.body == "poison":
            error = ValueError("cannot store this")
            event.error = StepFailure(step="store", exception=error)
            raise error

    consumer = Consumer(broker, QUEUE, _Steps(behave))

    async def body() -> list[Any]:
        await _put(broker, "poison", "good")
        await work_off([consumer])
        return await broker.dead_letters(QUEUE.stream)

    [letter] = asyncio.run(body())
    assert (letter.error, letter.step, letter.event_id) == ("ValueError: cannot store this", "store", "e-0")
    assert letter.attempts == 3
    assert read_message(letter.payload).body == "poison"
    assert (consumer.delivered, consumer.failed, consumer.dead) == (1, 3, 1)
    assert caplog.messages[-1] == (
        "message failed stream=scored event=e-0 step=store attempt=3 dead=True error=ValueError: cannot store this"
    )


def test_what_a_step_refuses_is_not_tried_again() -> None:
    broker = _at_once()

    def behave(_event: Event) -> None:
        raise RequestError("no amount")

    consumer = Consumer(broker, QUEUE, _Steps(behave))

    async def body() -> list[Any]:
        await _put(broker, "x")
        await work_off([consumer])
        return await broker.dead_letters(QUEUE.stream)

    [letter] = asyncio.run(body())
    assert (letter.error, letter.attempts) == ("RequestError: no amount", 1)


def test_what_is_no_message_becomes_a_dead_letter_and_runs_no_step() -> None:
    broker, steps = _at_once(), _Steps()
    consumer = Consumer(broker, QUEUE, steps)

    async def body() -> list[Any]:
        await broker.put(QUEUE, b"\xc1 of somebody else")
        await work_off([consumer])
        return await broker.dead_letters(QUEUE.stream)

    [letter] = asyncio.run(body())
    assert letter.payload == b"\xc1 of somebody else"
    assert letter.error.startswith("the message cannot be read")
    assert steps.bodies == []


async def _exit() -> None:
    raise SystemExit(3)


async def _wait_for_a_task_that_is_cancelled() -> None:
    task = asyncio.ensure_future(asyncio.Event().wait())
    task.cancel()
    await task


@pytest.mark.parametrize(
    ("work", "told"),
    [(_exit, "SystemExit: 3"), (_wait_for_a_task_that_is_cancelled, "CancelledError: ")],
    ids=["exit", "cancelled"],
)
def test_a_step_that_ends_in_no_ordinary_exception_fails_its_message(
    work: Callable[[], Awaitable[None]], told: str
) -> None:
    broker = _at_once()
    consumer = Consumer(broker, QUEUE, _Steps(lambda _event: work()))

    async def body() -> list[Any]:
        await _put(broker, "x")
        await work_off([consumer])
        return await broker.dead_letters(QUEUE.stream)

    [letter] = asyncio.run(body())
    assert (letter.error, letter.attempts) == (told, 3)
    assert (consumer.delivered, consumer.failed, consumer.dead) == (0, 3, 1)


def test_a_message_forges_no_line_of_the_log(caplog: pytest.LogCaptureFixture) -> None:
    broker = _at_once()

    def behave(_event: Event) -> None:
        raise RequestError("no name\nERROR forged")

    consumer = Consumer(broker, QUEUE, _Steps(behave))

    async def body() -> None:
        await broker.put(QUEUE, write_message(Event(None, id="1\nERROR forged"), "x"))
        await work_off([consumer])

    asyncio.run(body())
    assert caplog.messages[-1] == (
        r"message failed stream=scored event='1\nERROR forged' step= attempt=1 dead=True "
        r"error='RequestError: no name\nERROR forged'"
    )


class _MuteError(Exception):
    """Has no text."""

    def __str__(self) -> str:
        raise AttributeError("no text")


@pytest.mark.parametrize(
    ("error", "told"),
    [
        (ValueError("no \udc80 name"), r"ValueError: no \udc80 name"),
        (_MuteError(), "_MuteError: its text raised AttributeError"),
        (ValueError("x" * 5000), f"ValueError: {'x' * 4083}…"),
    ],
    ids=["half a surrogate pair", "no text", "long"],
)
def test_a_failure_is_told_as_text_that_any_broker_can_keep(error: Exception, told: str) -> None:
    broker = _at_once()

    def behave(event: Event) -> None:
        event.id = "e-\udc80"
        raise error

    consumer = Consumer(broker, QUEUE, _Steps(behave))

    async def body() -> list[Any]:
        await _put(broker, "x")
        await work_off([consumer])
        return await broker.dead_letters(QUEUE.stream)

    [letter] = asyncio.run(body())
    assert (letter.error, letter.event_id, letter.attempts) == (told, r"e-\udc80", 3)


def test_a_message_that_stays_undecided_makes_the_consumer_say_so(caplog: pytest.LogCaptureFixture) -> None:
    class Faulty(MemoryBroker):
        async def acknowledge(self, queue: Queue, delivery: Delivery) -> None:
            raise ZeroDivisionError("of the broker")

    broker, steps = Faulty(), _Steps()
    consumer = Consumer(broker, QUEUE, steps)

    async def body() -> None:
        await _put(broker, 1, 2)
        consumer.start()
        while len(steps.bodies) < 2 or consumer.problem is None:  # noqa: ASYNC110 - attributes cannot be waited for
            await asyncio.sleep(0)
        await consumer.close(drain_s=0)

    asyncio.run(body())
    assert consumer.problem == "a message stays undecided: its broker raised a ZeroDivisionError"
    assert "message stays undecided stream=scored" in caplog.messages


def test_a_message_that_its_takers_never_finished_is_given_up() -> None:
    """The fourth delivery of three: what worked on it died each time, perhaps because of it."""
    broker, steps = _Handing([Delivery(id="1", payload=write_message(Event(None, id="e-9"), "x"), attempt=4)]), _Steps()
    consumer = Consumer(broker, QUEUE, steps)

    asyncio.run(work_off([consumer]))

    assert steps.bodies == []
    assert broker.failures == [
        Failure(error="the process that worked on it ended, 3 times", event_id="e-9", is_final=True)
    ]


class _Handing(MemoryBroker):
    """Hands out what it is told to, or raises it."""

    def __init__(self, script: list[Delivery | Exception]) -> None:
        super().__init__()
        self._script = script
        self.failures: list[Failure] = []

    async def take(self, queue: Queue, *, count: int, wait_s: float) -> list[Delivery]:
        if not self._script:
            return await super().take(queue, count=count, wait_s=wait_s)
        one = self._script.pop(0)
        if isinstance(one, Exception):
            raise one
        return [one]

    async def fail(self, queue: Queue, delivery: Delivery, failure: Failure) -> bool:
        self.failures.append(failure)
        return failure.is_final


def test_steps_behind_one_queue_may_put_into_another() -> None:
    broker, last = MemoryBroker(), _Steps()
    other = Queue(stream="stored", reader="graph.stored")

    async def pass_on(event: Event) -> None:
        await broker.put(other, write_message(event, event.body + 1))

    consumers = [Consumer(broker, other, last), Consumer(broker, QUEUE, pass_on)]

    async def body() -> None:
        await _put(broker, 1, 2)
        await work_off(consumers)

    asyncio.run(body())
    assert last.bodies == [2, 3]


def test_closing_works_off_what_a_broker_in_memory_would_lose() -> None:
    broker, steps = MemoryBroker(), _Steps(lambda _event: asyncio.sleep(0))
    consumer = Consumer(broker, QUEUE, steps)

    async def body() -> int:
        await _put(broker, *range(20))
        consumer.start()
        await asyncio.sleep(0)
        await consumer.close(drain_s=60)
        return await broker.close()

    assert asyncio.run(body()) == 0
    assert steps.bodies == list(range(20))


def test_closing_stops_a_message_that_takes_too_long_and_does_not_acknowledge_it() -> None:
    broker = MemoryBroker()
    started = asyncio.Event()

    async def hang() -> None:
        started.set()
        await asyncio.Event().wait()

    consumer = Consumer(broker, QUEUE, _Steps(lambda _event: hang()))

    async def body() -> int:
        await _put(broker, "x")
        consumer.start()
        await started.wait()
        await consumer.close(drain_s=0)
        return await broker.close()

    assert asyncio.run(body()) == 1
    assert (consumer.delivered, consumer.failed) == (0, 0)


def test_one_message_is_worked_on_at_a_time_unless_more_are_wanted() -> None:
    assert _most_at_work(concurrency=1) == 1
    assert _most_at_work(concurrency=3) == 3


def _most_at_work(*, concurrency: int) -> int:
    broker = MemoryBroker()
    at_work = most = 0

    async def work() -> None:
        nonlocal at_work, most
        at_work += 1
        most = max(most, at_work)
        for _ in range(5):
            await asyncio.sleep(0)
        at_work -= 1

    queue = Queue(stream="scored", reader="graph.scored", concurrency=concurrency)
    consumer = Consumer(broker, queue, _Steps(lambda _event: work()))

    async def body() -> None:
        await _put(broker, *range(9))
        consumer.start()
        await consumer.close(drain_s=60)

    asyncio.run(body())
    return most


def test_requests_get_their_turn_while_a_long_queue_of_sync_steps_is_worked_off() -> None:
    broker, steps = MemoryBroker(), _Steps()
    consumer = Consumer(broker, QUEUE, steps)

    async def body() -> int:
        await _put(broker, *range(100))
        consumer.start()
        for _ in range(20):  # turns of the loop that somebody else gets
            await asyncio.sleep(0)
        worked_off = len(steps.bodies)
        await consumer.close(drain_s=60)
        return worked_off

    assert asyncio.run(body()) < 20


def test_a_broker_that_is_away_is_asked_again(caplog: pytest.LogCaptureFixture) -> None:
    message = Delivery(id="1", payload=write_message(Event(None, id="e"), "x"), attempt=1)
    broker, done = _Handing([DependencyError("gone"), message]), asyncio.Event()

    consumer = Consumer(broker, QUEUE, _Steps(lambda _event: done.set()))

    async def body() -> None:
        consumer.start()
        await done.wait()
        await consumer.close(drain_s=60)

    asyncio.run(body())
    assert consumer.delivered == 1
    assert "queue cannot be reached stream=scored reason=gone" in caplog.messages


def test_a_stream_of_somebody_else_is_left_alone_and_the_consumer_says_so(caplog: pytest.LogCaptureFixture) -> None:
    broker = _Handing([SharedStreamError(stream="scored", reader="graph.scored", readers=["other.keep"])])
    consumer = Consumer(broker, QUEUE, _Steps())

    async def body() -> None:
        consumer.start()
        while consumer.problem is None:  # noqa: ASYNC110 - an attribute cannot be waited for
            await asyncio.sleep(0)
        await consumer.close(drain_s=0)

    asyncio.run(body())
    assert consumer.problem == (
        "the stream `scored` is read by `other.keep` already, so `graph.scored` would miss messages"
    )
    assert caplog.records[0].levelno == logging.ERROR


def test_a_consumer_that_dies_says_so(caplog: pytest.LogCaptureFixture) -> None:
    consumer = Consumer(_Handing([ZeroDivisionError("of the broker")]), QUEUE, _Steps())

    async def body() -> None:
        consumer.start()
        while consumer.problem is None:  # noqa: ASYNC110 - an attribute cannot be waited for
            await asyncio.sleep(0)
        await consumer.close(drain_s=0)

    asyncio.run(body())
    assert consumer.problem == "its consumer ended with a ZeroDivisionError"
    assert caplog.messages == ["queue is not worked off any more stream=scored"]


def test_an_acknowledgement_that_cannot_be_told_is_told_later() -> None:
    class Away(MemoryBroker):
        refusals = 2

        async def acknowledge(self, queue: Queue, delivery: Delivery) -> None:
            if self.refusals:
                self.refusals -= 1
                raise DependencyError("gone")
            await super().acknowledge(queue, delivery)

    broker, steps = Away(), _Steps()
    consumer = Consumer(broker, QUEUE, steps)

    async def body() -> int:
        await _put(broker, "x")
        await work_off([consumer])
        return await broker.depth(QUEUE)

    assert asyncio.run(body()) == 0
    assert steps.bodies == ["x"]


def test_the_depth_is_known_while_a_consumer_runs() -> None:
    broker = MemoryBroker()
    blocked = asyncio.Event()

    async def wait() -> None:
        await blocked.wait()

    consumer = Consumer(broker, QUEUE, _Steps(lambda _event: wait()))

    async def body() -> int:
        await _put(broker, 1, 2, 3)
        consumer.start()
        while consumer.depth == 0:  # noqa: ASYNC110 - an attribute cannot be waited for
            await asyncio.sleep(0)
        depth = consumer.depth
        blocked.set()
        with contextlib.suppress(TimeoutError):
            await consumer.close(drain_s=60)
        return depth

    assert asyncio.run(body()) == 3
