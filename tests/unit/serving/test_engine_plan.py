"""What a plan offers beside running: names of steps, begin and end, observation, queues, the context."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import pytest

from ci_core.errors import InvalidStepError
from ci_core.serving import Context, Event, Graph, load_graph
from ci_core.serving.metrics.steps import StepCalls

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from ci_core.serving.plan import Plan

    AsStep = Callable[[Callable[..., Any]], Callable[..., Any]]


def call(plan: Plan, body: Any, event: Event | None = None) -> Any:
    """Run one event, in a loop when that is needed."""

    async def ask() -> Any:
        return await plan(body, event)

    return asyncio.run(ask()) if plan.is_async else plan(body, event)


class Owner:
    """Notes when it is begun and ended."""

    def __init__(self, log: list[str], name: str, *, fails: bool = False, starts: bool = True) -> None:
        self.log, self.name, self.fails, self.starts = log, name, fails, starts

    def start(self) -> None:
        if not self.starts:
            raise OSError(f"no {self.name}")
        self.log.append(f"start {self.name}")

    def close(self) -> None:
        self.log.append(f"close {self.name}")
        if self.fails:
            raise OSError(self.name)

    def do(self, body: Any) -> Any:
        return body


def test_a_plan_names_its_steps_in_order_with_those_of_nested_graphs_and_handlers_last() -> None:
    inner = Graph("inner")
    inner.to(abs, "x").to(str, "y").error_handler(str, "tell")
    graph = Graph("g")
    graph.to(abs, "a").to(inner, "outer").to(str, "b").error_handler(str, "rescue")

    assert graph.compile().steps == ("a", "outer", "outer/x", "outer/y", "outer/tell", "b", "rescue")


def test_a_plan_starts_what_its_steps_own_once_and_closes_it_in_reverse() -> None:
    log: list[str] = []
    inner = Graph("inner")
    inner.to(Owner(log, "inner"), "x")
    graph = Graph("g")
    graph.to(Owner(log, "a"), "a").to(inner).error_handler(Owner(log, "handler"), "h")

    plan = graph.compile(start=False)
    assert log == []
    plan.start()
    plan.start()
    plan.close()
    plan.close()

    assert log == ["start a", "start inner", "start handler", "close handler", "close inner", "close a"]


def test_a_step_that_cannot_be_closed_does_not_keep_the_others_open() -> None:
    log: list[str] = []
    graph = Graph("g")
    graph.to(Owner(log, "a"), "a").to(Owner(log, "b", fails=True), "b")
    plan = graph.compile()

    with pytest.raises(OSError, match="b"):
        plan.close()
    assert log == ["start a", "start b", "close b", "close a"]


@pytest.mark.parametrize("is_served", [False, True])
def test_what_had_started_is_closed_where_a_later_step_cannot_start(*, is_served: bool) -> None:
    log: list[str] = []
    graph = Graph("g")
    absent = Owner(log, "c", starts=False)
    graph.to(Owner(log, "a"), "a").to(Owner(log, "b"), "b").to(absent, "c").to(Owner(log, "d"), "d")

    plan = graph.compile(start=False) if is_served else None
    with pytest.raises(OSError, match="no c"):
        graph.compile() if plan is None else plan.start()

    assert log == ["start a", "start b", "close c", "close b", "close a"]


def test_a_plan_that_could_not_start_may_be_started_again() -> None:
    log: list[str] = []
    graph = Graph("g")
    absent = Owner(log, "b", starts=False)
    graph.to(Owner(log, "a"), "a").to(absent, "b")
    plan = graph.compile(start=False)
    with pytest.raises(OSError, match="no b"):
        plan.start()

    absent.starts = True
    plan.start()
    plan.close()

    assert log == ["start a", "close b", "close a", "start a", "start b", "close b", "close a"]


def test_an_object_that_is_two_steps_is_started_once() -> None:
    log: list[str] = []
    owner = Owner(log, "a")
    graph = Graph("g")
    graph.to(owner, "a").to(owner, "b")

    graph.compile()

    assert log == ["start a"]


def test_run_is_the_plan_itself_and_plans_do_not_share_anything() -> None:
    plans = []
    for number in (1, 2):
        graph = Graph(f"g{number}")
        graph.to(lambda body, number=number: body + number, "add")
        plans.append(graph.compile())

    assert [plan.run(1) for plan in plans] == [2, 3]
    assert [plan.name for plan in plans] == ["g1", "g2"]
    assert plans[0].run is plans[0]
    assert plans[0].unready() == {}


class Watcher:
    """Wants the times of every other event."""

    def __init__(self) -> None:
        self.events = 0
        self.timed: list[int] = []
        self.failures: list[int] = []

    def calls_of(self, steps: Sequence[int]) -> StepCalls:
        return StepCalls([0] * len(steps))

    def wants_times(self) -> bool:
        self.events += 1
        return self.events % 2 == 0

    def took(self, step: int, seconds: float) -> None:
        assert seconds >= 0
        self.timed.append(step)

    def failed(self, step: int) -> None:
        self.failures.append(step)


def watched(as_step: AsStep) -> tuple[Plan, Watcher]:
    """Return the plan of ``a, outer(x, y), divide`` with a handler, and who watches it."""
    watcher = Watcher()
    inner = Graph("inner")
    inner.to(as_step(abs), "x").to(as_step(abs), "y")
    graph = Graph("g")
    graph.to(as_step(abs), "a").to(inner, "outer").to(as_step(lambda body: 6 // body), "divide").error_handler(
        as_step(lambda _body: "no"), "rescue"
    )
    return graph.compile(observe_steps=watcher), watcher


def test_an_observer_is_asked_once_an_event_and_told_the_time_of_every_step_when_it_wants(as_step: AsStep) -> None:
    plan, watcher = watched(as_step)

    answers = [call(plan, 3) for _ in range(3)]

    assert answers == [2, 2, 2]
    assert watcher.events == 3
    assert sorted(plan.steps[number] for number in watcher.timed) == ["a", "divide", "outer", "outer/x", "outer/y"]


def test_an_observer_is_told_of_failures_whether_or_not_the_event_is_timed(as_step: AsStep) -> None:
    plan, watcher = watched(as_step)

    answers = [call(plan, 0) for _ in range(2)]

    assert answers == ["no", "no"]
    assert [plan.steps[number] for number in watcher.failures] == ["divide", "divide"]


def test_an_observer_is_told_of_a_handler_that_fails_and_of_a_step_in_a_nested_graph(as_step: AsStep) -> None:
    watcher = Watcher()
    inner = Graph("inner")
    inner.to(as_step(lambda body: 1 // body), "x")
    graph = Graph("g")
    graph.to(inner, "outer").error_handler(as_step(lambda body: body.no), "rescue")
    plan = graph.compile(observe_steps=watcher)

    with pytest.raises(AttributeError):
        call(plan, 0)
    assert [plan.steps[number] for number in watcher.failures] == ["outer/x", "outer", "rescue"]


class Streams:
    """A broker that keeps what it is given."""

    def __init__(self, *, is_async: bool) -> None:
        self.is_async = is_async
        self.kept: list[tuple[str, str, Any]] = []

    def put(self, stream: str, event: Event, body: Any) -> Any:
        self.kept.append((stream, event.id, body))

        async def done() -> None:
            await asyncio.sleep(0)

        return done() if self.is_async else None


def queued(as_step: AsStep, log: list[Any]) -> Graph:
    """Return a graph that answers, puts the answer into a queue, and works it off in two stages."""

    def note(name: str) -> Callable[[Any], Any]:
        def step(body: Any) -> Any:
            log.append((name, body))
            return [name, body]

        return as_step(step)

    graph = Graph("g")
    answer = graph.to(note("answer"), "answer").respond()
    stored = answer.queue("scored", "q1").to(note("store"), "store")
    stored.queue("stored", "q2").to(note("mail"), "mail")
    return graph


def test_without_a_broker_the_steps_behind_a_queue_run_after_the_answer_and_do_not_change_it(as_step: AsStep) -> None:
    log: list[Any] = []
    graph = queued(as_step, log)

    assert graph.test(1) == ["answer", 1]
    assert log == [("answer", 1), ("store", ["answer", 1]), ("mail", ["store", ["answer", 1]])]


@pytest.mark.parametrize("broker_is_async", [False, True])
def test_a_broker_gets_what_arrives_and_the_plan_works_off_a_message_up_to_the_next_queue(
    *, broker_is_async: bool, as_step: AsStep
) -> None:
    log: list[Any] = []
    streams = Streams(is_async=broker_is_async)
    plan = queued(as_step, log).compile(queues=streams)

    async def consume(queue: str, body: Any) -> None:
        result = plan.consume(queue, body, Event(body, id="e"))
        if plan.is_async:
            await result

    answer = call(plan, 1, Event(1, id="e"))
    assert (answer, log) == (["answer", 1], [("answer", 1)])
    asyncio.run(consume("q1", ["answer", 1]))
    assert log[1:] == [("store", ["answer", 1])]
    asyncio.run(consume("q2", "m"))

    assert log[2:] == [("mail", "m")]
    assert streams.kept == [("scored", "e", ["answer", 1]), ("stored", "e", ["store", ["answer", 1]])]


def test_a_graph_whose_only_end_lies_behind_a_queue_answers_with_the_events_id(as_step: AsStep) -> None:
    log: list[Any] = []
    graph = Graph("g")
    graph.to(as_step(abs), "a").queue("s").to(as_step(log.append), "store")

    assert graph.test(-1, headers={"x-event-id": "e7"}) == {"id": "e7"}
    assert log == [1]
    assert set(call(graph.compile(), -1)) == {"id"}


def test_a_failure_behind_a_queue_has_its_own_handler_and_does_not_change_the_answer(as_step: AsStep) -> None:
    log: list[Any] = []
    graph = Graph("g")
    answer = graph.to(as_step(abs), "a").respond()
    answer.queue("s").to(as_step(lambda body: body.no), "bad").error_handler(as_step(log.append), "note")

    assert graph.test(-1) == 1
    assert log == [1]


@pytest.mark.parametrize("full_event", [False, True])
@pytest.mark.parametrize("is_async", [False, True])
def test_any_function_or_method_may_ask_for_the_context(*, full_event: bool, is_async: bool) -> None:
    def named(_given: Any, context: Context) -> str:
        return context.step

    async def named_async(_given: Any, context: Context) -> str:
        return context.step

    class Named:
        def tell(self, _given: Any, context: Context) -> str:
            return context.graph

        async def tell_async(self, _given: Any, context: Context) -> str:
            return context.graph

    graph = Graph("g")
    graph.add_step(
        list,
        "join",
        after=[
            graph.to(named_async if is_async else named, "who", full_event=full_event),
            graph.to(Named, "method", handler="tell_async" if is_async else "tell", full_event=full_event),
        ],
    )

    assert graph.test({}) == ["who", "g"]


def test_a_handler_method_that_is_not_there_is_told_with_those_that_are() -> None:
    class Scorer:
        def score(self, body: Any) -> Any:
            return body

        def explain(self, body: Any) -> Any:
            return body

    graph = Graph("g")
    graph.to(Scorer(), "scorer", handler="scores")

    with pytest.raises(InvalidStepError, match="has the handler `scores`, and its class has no such method") as caught:
        graph.compile()
    assert caught.value.hint == "did you mean `score`?"


def test_the_context_has_the_environment_that_the_plan_was_compiled_with() -> None:
    graph = Graph("g")
    graph.to(lambda _body, context: context.secret("TOKEN"), "ask")

    assert graph.compile(environment={"TOKEN": "t"})({}) == "t"


def test_no_event_object_leaves_a_graph_as_its_answer(as_step: AsStep) -> None:
    graph = Graph("g")
    node = graph.to(as_step(lambda event: event), "same", full_event=True)
    node.to(as_step(lambda body: [1 // body]), "bad").error_handler(
        as_step(lambda event: event), "same-2", full_event=True
    )

    assert [graph.test(1), graph.test(0)] == [[1], 0]


def test_one_loop_serves_all_tests_of_a_graph() -> None:
    loops: list[asyncio.AbstractEventLoop] = []

    async def note(_body: Any) -> None:
        loops.append(asyncio.get_running_loop())

    graph = Graph("g")
    graph.to(note)

    async def cell() -> None:
        graph.test({})

    graph.test({})
    asyncio.run(cell())
    graph.test({})

    assert len(set(loops)) == 1


def test_a_loaded_graph_keeps_its_plans_attributes(tmp_path: Path) -> None:
    (tmp_path / "mine.py").write_text("def double(body):\n    from helper import two\n    return two * body\n")
    (tmp_path / "helper.py").write_text("two = 2\n")
    (tmp_path / "graph.yaml").write_text(
        "name: g\nsteps: [{step: 'mine:double'}, {step: 'mine:double', name: again}]\n"
    )

    plan = load_graph("graph.yaml", tmp_path).compile()

    assert (plan(3), plan.run(3), plan.run is plan) == (12, 12, True)
    assert (plan.name, plan.steps, plan.is_async) == ("g", ("double", "again"), False)
