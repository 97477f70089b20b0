"""A deadline that passes while steps run: nothing goes on, and the failure names the step that took so long."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import orjson
import pytest

from ci_core.serving import Event, Graph
from ci_core.serving.limits import Limits
from ci_core.serving.metrics import Metrics
from ci_core.serving.metrics.steps import StepCalls
from ci_core.serving.problems import DeadlineError, StepTimeoutError
from ci_core.serving.queues.testing import QueuedGraph
from ci_core.serving.server import Application

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    AsStep = Callable[[Callable[..., Any]], Callable[..., Any]]

LIMIT_S = 60.0
"""Of deadlines that pass by the clock of these tests; nothing waits for them."""


class Clock:
    """Stands still, unless a step takes its time."""

    now = 1000.0

    def __call__(self) -> float:
        return self.now


clock = Clock()


@pytest.fixture
def still(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let time pass in :func:`outlast` and :func:`endless` only, for event loops too."""
    monkeypatch.setattr(asyncio.BaseEventLoop, "time", lambda _loop: clock())
    for module in ("engine.compiled", "engine.deadline", "engine.drive", "engine.failures", "engine.nested"):
        monkeypatch.setattr(f"ci_core.serving.{module}.monotonic", clock)
    for module in ("engine.walk", "event", "server"):
        monkeypatch.setattr(f"ci_core.serving.{module}.monotonic", clock)


def outlast(event: Event) -> Any:
    """Return when the deadline has passed: what nobody can interrupt."""
    assert event.remaining_s is not None
    clock.now += max(event.remaining_s, 0.0)
    return event.body


def outlast_and_fail(event: Event) -> Any:
    outlast(event)
    raise ValueError("late, and wrong")


async def wait(_body: Any) -> None:
    await asyncio.Event().wait()


async def endless(event: Event) -> None:
    """Wait, and let the deadline pass when everything else is through."""
    await give_way(event.body)
    await give_way(event.body)
    outlast(event)
    await wait(event.body)


def keep(body: Any) -> Any:
    return body


async def give_way(body: Any) -> Any:
    for _ in range(3):
        await asyncio.sleep(0)
    return body


def graph_of(shape: str, late: Callable[..., Any], after: Callable[..., Any]) -> Graph:
    """Return a graph in which `late` is asked for the whole event, and `after` runs behind it."""
    graph = Graph("g", timeout=LIMIT_S)
    if shape == "only step":
        graph.to(late, "late", full_event=True)
    elif shape == "chain":
        graph.to(keep, "before").to(late, "late", full_event=True).to(after, "after")
    elif shape == "fan":
        start = graph.to(keep, "start")
        branches = [start.to(keep, "left"), start.to(late, "late", full_event=True), start.to(keep, "right")]
        graph.add_step(after, "join", after=branches)
    elif shape == "branches":
        branches = [graph.to(late, "late", full_event=True), graph.to(give_way, "other")]
        graph.add_step(after, "join", after=branches)
    elif shape == "choice":
        choice = graph.choose(lambda _body: "late", name="choice")
        graph.add_step(after, "join", after=[choice.to(late, "late", full_event=True), choice.to(keep, "other")])
    elif shape == "queue":
        graph.to(late, "late", full_event=True).respond().queue("q").to(after, "behind")
    elif shape == "handler":
        node = graph.to(lambda body: body["no"], "bad")
        node.to(keep, "between").to(after, "after")
        node.error_handler(late, "late", full_event=True, back_to="after")
    else:
        graph.to(lambda body: body["no"], "bad").error_handler(late, "late", full_event=True)
    return graph


SHAPES = ("only step", "chain", "fan", "branches", "choice", "queue", "handler", "handler that answers")


@pytest.mark.usefixtures("still")
@pytest.mark.parametrize("shape", SHAPES)
def test_an_answer_that_comes_after_the_deadline_is_none_and_the_failure_names_the_step_that_took_so_long(
    shape: str, as_step: AsStep
) -> None:
    ran: list[Any] = []
    graph = graph_of(shape, as_step(outlast), as_step(ran.append))

    with pytest.raises(DeadlineError, match="the deadline passed in step `late`"):
        graph.test({})
    assert ran == []


@pytest.mark.usefixtures("still")
@pytest.mark.parametrize("shape", SHAPES)
def test_a_step_that_waits_is_ended_at_the_deadline_and_named(shape: str, as_step: AsStep) -> None:
    ran: list[Any] = []
    graph = graph_of(shape, endless, as_step(ran.append))

    with pytest.raises(DeadlineError, match="the deadline passed in step `late`"):
        graph.test({})
    assert ran == []


@pytest.mark.usefixtures("still")
@pytest.mark.parametrize("shape", SHAPES)
def test_the_client_is_told_504_and_the_step(shape: str, as_step: AsStep) -> None:
    application = _application(graph_of(shape, as_step(outlast), as_step(keep)))

    assert _ask(application) == (504, "deadline-exceeded", "the deadline passed in step `late`", "late")


@pytest.mark.usefixtures("still")
def test_the_clients_own_limit_is_looked_at_in_a_graph_without_async_steps() -> None:
    graph = Graph("g")
    graph.to(outlast, "late", full_event=True).to(keep, "after")

    assert _ask(_application(graph), timeout_ms="60000") == (
        504,
        "deadline-exceeded",
        "the deadline passed in step `late`",
        "late",
    )


@pytest.mark.usefixtures("still")
def test_the_servers_limit_is_looked_at_in_a_graph_without_async_steps() -> None:
    graph = Graph("g")
    graph.to(outlast, "late", full_event=True).to(keep, "after")

    status, *_ = _ask(_application(graph, request_timeout_s=LIMIT_S))

    assert status == 504


@pytest.mark.usefixtures("still")
@pytest.mark.parametrize("depth", [1, 2])
def test_of_a_nested_graph_the_step_inside_is_named(depth: int, as_step: AsStep) -> None:
    graph = nested_in(depth, as_step(keep), as_step(outlast))

    with pytest.raises(DeadlineError) as caught:
        graph.test({})
    assert caught.value.message == f"the deadline passed in step `{'outer/' * depth}late`"


@pytest.mark.usefixtures("still")
@pytest.mark.parametrize("depth", [1, 2])
@pytest.mark.parametrize("beside", [False, True])
def test_of_a_nested_graph_the_step_inside_that_waits_is_named(depth: int, as_step: AsStep, *, beside: bool) -> None:
    graph = nested_in(depth, as_step(keep), endless, beside=beside)

    with pytest.raises(DeadlineError) as caught:
        graph.test({})
    assert caught.value.message == f"the deadline passed in step `{'outer/' * depth}late`"


def nested_in(depth: int, first: Callable[..., Any], late: Callable[..., Any], *, beside: bool = False) -> Graph:
    """Return a graph of two steps in `depth` others, each with the time limit, perhaps with a step beside it."""
    graph = Graph("inner")
    graph.to(first, "first").to(late, "late", full_event=True)
    for _ in range(depth):
        graph, inner = Graph("g", timeout=LIMIT_S), graph
        node = graph.to(inner, "outer")
        if beside:
            graph.add_step(keep, "join", after=[node, graph.to(give_way, "other")])
    return graph


@pytest.mark.usefixtures("still")
def test_a_step_that_held_the_interpreter_is_named_rather_than_one_that_waited_beside_it() -> None:
    graph = beside_one_that_waits()

    with pytest.raises(DeadlineError, match="in step `holds`"):
        graph.test({})


def beside_one_that_waits() -> Graph:
    async def hold(event: Event) -> Any:
        await asyncio.sleep(0)
        return outlast(event)

    graph = Graph("g", timeout=LIMIT_S)
    graph.add_step(keep, "join", after=[graph.to(wait, "waits"), graph.to(hold, "holds", full_event=True)])
    return graph


class Failures:
    """Told of failures."""

    def __init__(self) -> None:
        self.numbers: list[int] = []

    def calls_of(self, steps: Sequence[int]) -> StepCalls:
        return StepCalls([0] * len(steps))

    def wants_times(self) -> bool:
        return False

    def took(self, step: int, seconds: float) -> None:
        """Never called."""

    def failed(self, step: int) -> None:
        self.numbers.append(step)

    def of(self, graph: Graph) -> list[str]:
        """Return the steps of which a failure was told while `graph` ran for one event, in the order of their names."""
        plan = graph.compile(observe_steps=self)

        async def ask() -> Any:
            return await plan.run_in_time({}, Event({})) if plan.is_async else plan.run_in_time({}, Event({}))

        with pytest.raises(Exception):  # noqa: B017, PT011 - which one is what other tests tell
            asyncio.run(ask())
        return sorted(plan.steps[number] for number in self.numbers)


@pytest.mark.usefixtures("still")
@pytest.mark.parametrize("shape", SHAPES)
def test_a_step_that_the_deadline_ends_counts_as_failed_once_and_so_does_what_its_handler_was_asked_for(
    shape: str, as_step: AsStep
) -> None:
    asked_for = {"handler": ["bad"], "handler that answers": ["bad"]}.get(shape, [])

    assert Failures().of(graph_of(shape, endless, as_step(keep))) == [*asked_for, "late"]


@pytest.mark.usefixtures("still")
@pytest.mark.parametrize("beside", [False, True])
def test_of_nested_graphs_the_step_inside_that_the_deadline_ends_counts_as_failed_and_each_graph_around_it(
    as_step: AsStep, *, beside: bool
) -> None:
    names = ["outer", "outer/outer", "outer/outer/late"]

    assert Failures().of(nested_in(2, as_step(keep), endless, beside=beside)) == names


@pytest.mark.usefixtures("still")
def test_steps_that_nobody_can_interrupt_count_as_failed_alike(as_step: AsStep) -> None:
    names = ["outer", "outer/outer", "outer/outer/late"]

    assert Failures().of(nested_in(2, as_step(keep), as_step(outlast))) == names


@pytest.mark.usefixtures("still")
def test_all_steps_that_run_side_by_side_count_as_failed_when_the_deadline_ends_them() -> None:
    assert Failures().of(beside_one_that_waits()) == ["holds", "waits"]


def test_a_step_that_is_ended_since_another_failed_does_not_count_as_failed() -> None:
    inner = Graph("inner")
    inner.to(wait, "waits")
    graph = Graph("g")
    left, right = graph.to(inner, "outer"), graph.to(give_way, "before").to(lambda body: body["no"], "fails")
    graph.add_step(keep, "join", after=[left, right])

    assert Failures().of(graph) == ["fails"]


@pytest.mark.usefixtures("still")
def test_no_handler_is_asked_after_the_deadline_and_why_the_step_failed_is_kept(as_step: AsStep) -> None:
    ran: list[Any] = []
    graph = Graph("g", timeout=LIMIT_S)
    graph.to(as_step(outlast_and_fail), "late", full_event=True).error_handler(as_step(ran.append), "rescue")

    with pytest.raises(DeadlineError, match="the deadline passed in step `late`") as caught:
        graph.test({})
    assert ran == []
    assert isinstance(caught.value.__cause__, ValueError)


@pytest.mark.usefixtures("still")
def test_a_failure_that_nobody_handles_stays_what_it_is_after_the_deadline(as_step: AsStep) -> None:
    graph = Graph("g", timeout=LIMIT_S)
    graph.to(as_step(outlast_and_fail), "late", full_event=True)

    with pytest.raises(ValueError, match="late, and wrong"):
        graph.test({})


@pytest.mark.usefixtures("still")
def test_the_time_limit_of_a_nested_graph_of_sync_steps_is_a_failure_of_its_step_that_can_be_handled() -> None:
    inner = Graph("inner", timeout=LIMIT_S)
    inner.to(outlast, "late", full_event=True).to(keep, "after")
    graph = Graph("g")
    graph.to(inner, "outer").error_handler(lambda event: str(event.error), "tell", full_event=True)

    assert graph.test({}) == "StepTimeoutError: the graph `outer` took longer than 60 s"


@pytest.mark.usefixtures("still")
def test_the_time_limit_of_a_nested_graph_that_nobody_handles_is_a_504_of_its_step(as_step: AsStep) -> None:
    inner = Graph("inner", timeout=LIMIT_S)
    inner.to(as_step(outlast), "late", full_event=True)
    graph = Graph("g")
    graph.to(inner, "outer")

    with pytest.raises(StepTimeoutError) as caught:
        graph.test({})
    assert caught.value.__notes__[-1] == "in step `outer` of graph `g`"


def test_an_event_that_comes_after_its_deadline_runs_no_step_of_a_graph_without_async_ones() -> None:
    ran: list[Any] = []
    graph = Graph("g")
    graph.to(ran.append, "step")

    with pytest.raises(DeadlineError, match="before the first step"):
        graph.compile().run_in_time({}, Event({}, deadline=0.0))
    assert ran == []


def test_what_is_in_time_is_answered_as_without_a_deadline(as_step: AsStep) -> None:
    graph = Graph("g", timeout=60)
    graph.to(as_step(lambda body: body + 1), "one").to(as_step(lambda body: body + 2), "two")

    assert graph.test(4) == 7


@pytest.mark.parametrize("through_broker", [False, True])
def test_behind_a_queue_there_is_no_deadline_and_no_secret_in_a_test_as_when_served(
    as_step: AsStep, *, through_broker: bool
) -> None:
    def name(event: Event) -> Any:
        event.key = "k"
        return event.body

    seen: list[Any] = []

    def see(event: Event) -> None:
        seen.append((event.id, event.key, event.remaining_s, dict(event.headers), event.body))

    headers = {"x-event-id": "e1", "authorization": "Bearer secret", "traceparent": "of-the-client"}
    graph = Graph("g", timeout=60)
    graph.to(as_step(name), "name", full_event=True).respond().queue("q").to(see, "see", full_event=True)

    (QueuedGraph(graph) if through_broker else graph).test({"a": 1}, headers=headers)

    assert seen == [("e1", "k", None, {"traceparent": "of-the-client", "x-event-id": "e1"}, {"a": 1})]


def _application(graph: Graph, **limits: Any) -> Application:
    return Application(graph.spec, graph.compile(), metrics=Metrics(), limits=Limits(**limits))


def _ask(application: Application, timeout_ms: str | None = None) -> tuple[int, str, str, str | None]:
    headers = {} if timeout_ms is None else {"x-request-timeout-ms": timeout_ms}
    if application.is_async:
        status, _headers, body = asyncio.run(application.handle_async("POST", "/", headers, b"{}"))
    else:
        status, _headers, body = application.handle("POST", "/", headers, b"{}")
    error = orjson.loads(body)["error"]
    return status, error["slug"], error["message"], error.get("step")
