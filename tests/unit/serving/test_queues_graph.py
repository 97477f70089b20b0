"""Queues as steps of a graph."""

import asyncio
import json
from time import monotonic
from typing import Any

import pytest

from ci_core.errors import InvalidCallError, InvalidStepError, SharedStreamError
from ci_core.serving import Event, Graph, Model, RequestError, Router
from ci_core.serving.functions.wire import WireError
from ci_core.serving.metrics import Metrics
from ci_core.serving.problems import DeadlineError, OverloadedError
from ci_core.serving.queues import Delivery, MemoryBroker, Queue
from ci_core.serving.queues.binding import Queues
from ci_core.serving.queues.testing import QueuedGraph
from ci_core.serving.server import Application
from ci_core.serving.unwritable import UnwritableAnswerError


def _same(body: Any) -> Any:
    return body


def test_the_answer_is_that_of_the_step_before_the_queue_and_the_steps_behind_it_get_its_body(as_step: Any) -> None:
    stored: list[Any] = []
    graph = Graph("g")
    graph.to(as_step(lambda body: body["n"] + 1), "add").respond().queue("s").to(as_step(stored.append), "store")

    assert QueuedGraph(graph).test({"n": 1}) == 2
    assert stored == [2]


def test_with_every_end_behind_a_queue_the_answer_is_the_events_id() -> None:
    graph = Graph("g")
    graph.queue("s").to(_same, "store")

    assert QueuedGraph(graph).test({}, headers={"X-Event-Id": "e-7"}) == {"id": "e-7"}


def test_the_event_behind_a_queue_is_that_of_the_request_without_its_secrets() -> None:
    seen: list[Event] = []
    graph = Graph("g")
    graph.queue("s").to(seen.append, "store", full_event=True)

    QueuedGraph(graph).test({"n": 1}, "/p", method="PUT", headers={"x-event-id": "e-7", "authorization": "secret"})

    [event] = seen
    assert (event.id, event.path, event.method, event.body) == ("e-7", "/p", "PUT", {"n": 1})
    assert event.headers == {"x-event-id": "e-7"}


def test_a_failure_behind_a_queue_changes_no_answer_and_ends_as_a_dead_letter(as_step: Any) -> None:
    calls: list[Any] = []

    def store(body: Any) -> None:
        calls.append(body)
        raise ValueError("no")

    graph = Graph("g")
    graph.to(as_step(_same), "score").respond().queue("s", max_deliveries=2).to(as_step(store), "store")
    queued = QueuedGraph(graph)

    assert queued.test({"n": 1}) == {"n": 1}
    [letter] = queued.dead_letters("s")
    assert (letter.error, letter.step, letter.attempts) == ("ValueError: no", "store", 2)
    assert len(calls) == 2


def test_an_error_handler_behind_a_queue_takes_the_failure_and_the_message_is_done() -> None:
    told: list[Any] = []

    def store(body: Any) -> None:
        raise ValueError("no")

    graph = Graph("g")
    graph.queue("s").to(store, "store").error_handler(
        lambda event: told.append(str(event.error)), "tell", full_event=True
    )
    queued = QueuedGraph(graph)
    queued.test({"n": 1})

    assert told == ["ValueError: no"]
    assert queued.dead_letters("s") == []


def test_a_queue_behind_a_queue_gets_what_the_steps_between_made() -> None:
    stored: list[Any] = []
    graph = Graph("g")
    graph.queue("one").to(lambda body: body + 1, "add").queue("two").to(stored.append, "store")

    QueuedGraph(graph).test(1)

    assert stored == [2]


def test_steps_behind_a_queue_know_what_the_body_of_the_request_was() -> None:
    seen: list[Event] = []
    graph = Graph("g")
    graph.queue("s").to(seen.append, "store", full_event=True)
    headers = {"Content-Type": "Application/JSON; charset=utf-8"}

    QueuedGraph(graph).test({}, headers=headers)
    graph.test({}, headers=headers)

    assert [event.content_type for event in seen] == ["application/json", "application/json"]
    assert [event.headers["content-type"] for event in seen] == ["Application/JSON; charset=utf-8"] * 2


def test_a_graph_with_queues_is_tested_as_any_other() -> None:
    """Inputs are checked, operations end at their router, and what no server could write is refused."""
    checked = Graph("checked", inputs={"n": "number"})
    checked.to(_same, "same").respond().queue("s").to(_same, "store")
    operated = Graph("operated")
    operated.to(Router.single({"m": _Shouting})).to(_same, "decide").respond().queue("s").to(_same, "store")
    unwritable = Graph("unwritable")
    unwritable.to(_same, "same").to(lambda _body: {"made": {1, 2}}, "set").respond()
    unwritable.add_step(_same, "end", after="same").queue("s").to(_same, "store")

    for graph in (checked, QueuedGraph(checked)):
        with pytest.raises(RequestError, match="row 0 lacks the column `n`"):
            graph.test({})
    for graph in (operated, QueuedGraph(operated)):
        assert graph.test({"word": "hi"}, "/v2/models/m/shout") == "HI"
    for graph in (unwritable, QueuedGraph(unwritable)):
        with pytest.raises(UnwritableAnswerError):
            graph.test({})


class _Shouting(Model):
    def predict(self, rows: list[dict[str, Any]]) -> list[Any]:
        return [row["word"] for row in rows]

    def op_shout(self, rows: list[dict[str, Any]]) -> list[Any]:
        return [row["word"].upper() for row in rows]


def test_a_graph_without_queues_can_be_tested_likewise() -> None:
    graph = Graph("g")
    graph.to(_same, "same")

    assert QueuedGraph(graph).test(1) == 1


def test_a_graph_with_queues_can_be_tested_where_a_loop_is_running_already() -> None:
    graph = Graph("g")
    graph.to(_same, "same").respond().queue("s", max_deliveries=1).to(lambda body: body["x"], "store")

    async def notebook_cell() -> tuple[Any, list[str]]:
        queued = QueuedGraph(graph)
        return queued.test({"n": 1}), [letter.error for letter in queued.dead_letters("s")]

    assert asyncio.run(notebook_cell()) == ({"n": 1}, ["KeyError: 'x'"])


def test_a_message_is_worked_off_though_its_request_failed_afterwards() -> None:
    stored: list[Any] = []

    async def fail(body: Any) -> Any:
        for _ in range(9):  # the message is put meanwhile
            await asyncio.sleep(0)
        return body["x"]

    graph = Graph("g")
    begin = graph.to(_same, "begin")
    begin.queue("s").to(stored.append, "store")
    graph.add_step(fail, "fail", after=begin).respond()

    with pytest.raises(KeyError):
        QueuedGraph(graph).test({"n": 1})

    assert stored == [{"n": 1}]


def test_a_body_that_no_queue_can_keep_fails_the_request_and_names_queue_and_place() -> None:
    graph = Graph("g")
    graph.to(lambda _body: {"model": object()}, "make").respond().queue("s").to(_same, "store")

    with pytest.raises(WireError) as caught:
        QueuedGraph(graph).test({})

    assert str(caught.value) == (
        "`model` of the body is of type `object`, which cannot travel to another process: give plain data (text, "
        "numbers, lists, dicts) or a numpy array (what arrives at the queue `s`)"
    )


def test_two_queues_of_one_stream_are_refused_when_the_graph_is_built() -> None:
    graph = Graph("g")
    begin = graph.to(_same, "begin")
    begin.queue("s", "left")
    begin.queue("s", "right")

    with pytest.raises(InvalidStepError, match="step `right` puts into the stream `s`, as `left` does"):
        _ = graph.spec


def test_a_setting_that_queues_do_not_have_is_refused_when_the_graph_is_built() -> None:
    with pytest.raises(InvalidCallError, match="`queue` takes no argument `maxlen`") as caught:
        Graph("g").queue("s", maxlen=3)

    assert caught.value.hint == "did you mean `max_length`?"


def _queues(max_length: int = 9) -> Queues:
    graph = Graph("g")
    graph.queue("s", max_length=max_length).to(_same, "store")
    return Queues(graph.spec, MemoryBroker())


def test_a_request_whose_time_is_over_puts_nothing() -> None:
    queues = _queues()

    with pytest.raises(DeadlineError):
        asyncio.run(queues.put("s", Event({}, deadline=monotonic() - 1), {}))


def test_a_full_queue_refuses_what_arrives() -> None:
    queues = _queues(max_length=1)

    async def put_twice() -> None:
        await queues.put("s", Event({}), 1)
        await queues.put("s", Event({}), 2)

    with pytest.raises(OverloadedError, match="the queue `s` is full: 1 messages wait"):
        asyncio.run(put_twice())


class _SomebodyElses(MemoryBroker):
    async def take(self, queue: Queue, *, count: int, wait_s: float) -> list[Delivery]:
        raise SharedStreamError(stream=queue.stream, reader=queue.reader, readers=["other.keep"])


def test_a_server_whose_queue_nobody_works_off_is_not_ready() -> None:
    graph = Graph("g")
    graph.queue("s", name="keep").to(_same, "store")
    queues = Queues(graph.spec, _SomebodyElses())

    async def body() -> tuple[int, Any]:
        plan = graph.compile(queues=queues)
        queues.start(plan)
        while not queues.unready():  # noqa: ASYNC110 - an attribute cannot be waited for
            await asyncio.sleep(0)
        application = Application(graph.spec, plan, metrics=Metrics())
        status, _headers, told = await application.handle_async("GET", "/readyz", {}, b"")
        await queues.close(drain_s=0)
        return status, json.loads(told)

    status, told = asyncio.run(body())
    assert status == 503
    assert told["models"] == {
        "queue s": "the stream `s` is read by `other.keep` already, so `g.keep` would miss messages"
    }
