"""Routers with `blocking` or `timeout`: their models are asked in threads, and say what they say in turn."""

from __future__ import annotations

import asyncio
import gc
import threading
from copy import deepcopy
from time import monotonic
from typing import TYPE_CHECKING, Any, ClassVar

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ci_core.serving import Event, Graph, Model, Route, Router
from ci_core.serving.metrics import Metrics
from ci_core.serving.problems import DeadlineError, StepTimeoutError
from tests.unit.serving.apart import split_graph
from tests.unit.serving.routed import Constant, Failing, Field, Refusing, Seen, ask, constants

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ci_core.serving.plan import Plan
    from ci_core.serving.routers import RouterDraft

LONG_S = 30.0
"""How long a test waits for a thread before it fails."""
SHORT_S = 0.1
"""For what never ends: the test takes this long, and on a slow machine nothing else changes."""


class Meeting(Model):
    """Answers when as many are asked at once as are to meet."""

    barrier: ClassVar[threading.Barrier]

    def predict(self, rows: list[dict[str, Any]]) -> list[Any]:
        self.barrier.wait(LONG_S)
        return [1 for _ in rows]


@pytest.fixture(autouse=True)
def barrier() -> threading.Barrier:
    Meeting.barrier = threading.Barrier(3)
    return Meeting.barrier


THREE: dict[str, Any] = {"a": Meeting, "b": Meeting, "c": Meeting}


class All:
    def choose(self, body: Any, event: Event, models: Any) -> list[str]:
        return list(models)


ALL_AT_ONCE: dict[str, tuple[RouterDraft, Any, Any]] = {
    "parallel": (Router.parallel(THREE), {"x": 1}, {"a": 1, "b": 1, "c": 1}),
    "vote": (Router.vote(THREE), {"x": 1}, {"prediction": 1}),
    "mean": (Router.mean(THREE, missing="ignore"), [{"x": 1}], [{"prediction": 1.0}]),
    "custom": (Router.custom(All, THREE), {"x": 1}, {"a": 1, "b": 1, "c": 1}),
    # these keys belong to three models
    "weighted": (
        Router.weighted(THREE, {"a": 1, "b": 1, "c": 1}, key="user"),
        [{"user": f"u{number}"} for number in range(24)],
        [1] * 24,
    ),
}


@pytest.mark.parametrize("options", [{"blocking": True}, {"timeout": LONG_S}], ids=["blocking", "timeout"])
@pytest.mark.parametrize("kind", ALL_AT_ONCE)
def test_the_models_of_a_router_that_may_wait_are_asked_side_by_side(kind: str, options: Any) -> None:
    draft, body, expected = ALL_AT_ONCE[kind]
    graph = Graph("g")
    graph.to(draft, "choose", **options).respond()

    assert graph.test(body) == expected


def test_they_are_in_a_graph_in_a_graph() -> None:
    inner, outer = Graph("inner"), Graph("outer")
    inner.to(Router.parallel(THREE), "choose", blocking=True).respond()
    outer.to(inner, "inner").to(lambda body: sum(body.values()), "add").respond()

    assert outer.test({"x": 1}) == 3


def test_they_are_in_another_function() -> None:
    graph = Graph("g")
    graph.to(Router.parallel(THREE), "choose", blocking=True, function="far").respond()

    assert split_graph(graph).test({"x": 1}) == {"a": 1, "b": 1, "c": 1}


def serve(plan: Plan, body: Any) -> Any:
    """Return the answer of a plan that a server would start."""

    async def scenario() -> Any:
        plan.start()
        try:
            return await plan(body, Event(body))
        finally:
            plan.close()

    return asyncio.run(scenario())


@pytest.mark.parametrize("batch", ["off", "on"])
@pytest.mark.parametrize("time_limit", [False, True])
def test_they_are_in_a_server_whether_or_not_requests_share_their_calls(batch: Any, time_limit: bool) -> None:
    routes = {"a": Route(Meeting, batch=batch), "b": Route(Meeting, batch=batch), "c": Route(Meeting, batch="off")}
    graph = Graph("g")
    graph.to(Router.parallel(routes), "choose", blocking=True).respond()
    plan = graph.compile(batching=True, time_limit=time_limit, start=False)

    assert serve(plan, {"x": 1}) == {"a": 1, "b": 1, "c": 1}


def test_a_model_that_another_router_calls_in_a_thread_of_its_own_is_one_of_them() -> None:
    graph = Graph("g", timeout=LONG_S)
    graph.to(Router.parallel(THREE), "side-by-side", blocking=True).to(
        Router.single({"a": Meeting, "other": Route(Constant, arguments={"answer": 2})}, field="which"), "one"
    )
    plan = graph.compile(start=False)

    async def scenario() -> Any:
        plan.start()
        try:
            return await plan({"x": 1}, Event({"x": 1}, path="/v2/models/other/infer"))
        finally:
            plan.close()

    assert asyncio.run(scenario()) == 2


@pytest.mark.parametrize("serving", [False, True])
def test_shadows_are_asked_side_by_side_too(serving: bool) -> None:
    seen = Seen()
    graph = Graph("g")
    graph.to(Router.shadow({"live": Route(Constant, arguments={"answer": 5}), **THREE}), "choose", blocking=True)
    plan = graph.compile(observe=seen, start=not serving)

    assert serve(plan, {"x": 1}) == 5
    assert sorted(seen.roles) == [("a", "shadow"), ("b", "shadow"), ("c", "shadow"), ("live", "answer")]


class Where(Model):
    """Answers with the thread that it is called in."""

    def predict(self, rows: list[dict[str, Any]]) -> list[Any]:
        return [threading.current_thread().name for _ in rows]

    def explain(self, rows: Any) -> list[Any]:
        return [threading.current_thread().name for _ in rows]


class InThread:
    """Its own code waits, too."""

    def choose(self, body: Any, event: Event, models: Any) -> list[str]:
        event.key = threading.current_thread().name
        return list(models)

    def merge(self, answers: dict[str, list[Any]], body: Any) -> list[Any]:
        return [{"a": one, "merged": threading.current_thread().name} for one in answers["a"]]


def test_nothing_that_users_write_runs_in_the_thread_of_the_loop() -> None:
    def tell(event: Event) -> Any:
        return {**event.body, "chosen": event.key}

    graph = Graph("g")
    graph.to(Router.custom(InThread, {"a": Where, "b": Where}), "choose", blocking=True).to(
        tell, "tell", full_event=True
    ).respond()

    assert graph.test({}) == {"a": "graphship-step", "merged": "graphship-step", "chosen": "graphship-step"}


@pytest.mark.parametrize("operation", ["infer", "explain"])
def test_a_model_that_is_asked_by_its_path_runs_in_a_thread(operation: str) -> None:
    graph = Graph("g")
    graph.to(Router.parallel({"a": Where, "b": Where}), "choose", blocking=True).respond()

    assert graph.test({}, f"/v2/models/b/{operation}") == "graphship-step"


class Changing(Model):
    """Changes its rows and keeps nothing of them."""

    def predict(self, rows: list[dict[str, Any]]) -> list[Any]:
        return [sum(row.popitem()[1] for _ in range(len(row))) for row in rows]


MEMBERS: dict[str, Route] = {
    "one": Route(Constant, arguments={"answer": 1}),
    "sure": Route(Constant, arguments={"answer": {"prediction": 1, "probability": 0.75}}),
    "field": Route(Field, arguments={"name": "x"}),
    "null": Route(Constant, arguments={"answer": None}),
    "changing": Route(Changing),
    "failing": Route(Failing),
    "refusing": Route(Refusing),
}
KINDS: dict[str, Any] = {
    "parallel": Router.parallel,
    "fields": lambda routes, **more: Router.parallel(routes, merge="fields", extend=True, **more),
    "vote": lambda routes, **more: Router.vote(routes, detail=True, **more),
    "mean": Router.mean,
    "shadow": lambda routes, missing: Router.shadow(routes),
    "weighted": lambda routes, missing: Router.weighted(routes, dict.fromkeys(routes, 1), key="x"),
    "custom": lambda routes, missing: Router.custom(All, routes),
}


def outcome_of(draft: RouterDraft, body: Any, path: str, **options: Any) -> tuple[Any, list[Any], list[Any]]:
    """Return what a router answers or raises, and what the observer was told, in an order of its own."""
    seen = Seen()
    graph = Graph("g")
    graph.to(draft, "choose", **options).respond()
    plan = graph.compile(observe=seen)
    try:
        answer = ask(plan, deepcopy(body), path, id="e1")
    except Exception as error:  # noqa: BLE001 - part of the outcome
        answer = (type(error), str(error))
    finally:
        plan.close()
    roles = dict(seen.roles)
    calls = [
        (name, roles[name], repr((call.answers, call.columns, list(call.outputs))), event.id)
        for (name, call), event in zip(seen.calls, seen.events, strict=True)
    ]
    return answer, sorted(calls), sorted((name, repr(error)) for name, error in seen.failures)


@given(
    st.sampled_from(sorted(KINDS)),
    st.lists(st.sampled_from(sorted(MEMBERS)), min_size=1, max_size=4),
    st.sampled_from(["refuse", "ignore"]),
    st.sampled_from([{"x": 2}, [{"x": 1, "y": 5}, {"x": 0, "y": 3}], [{"x": number} for number in range(9)], []]),
    st.sampled_from(["/", "/v2/models/m0/infer", "/v2/models/choose/infer"]),
)
def test_what_models_say_side_by_side_is_what_they_say_one_after_the_other(
    kind: str, members: list[str], missing: Any, body: Any, path: str
) -> None:
    routes = {f"m{number}": MEMBERS[name] for number, name in enumerate(members)}
    draft = KINDS[kind](routes, missing=missing)

    in_turn = outcome_of(draft, body, path)
    beside = outcome_of(draft, body, path, blocking=True)

    assert beside[0] == in_turn[0]
    if isinstance(in_turn[0], tuple):  # models after the one that failed were not asked in turn
        assert set(in_turn[1]) <= set(beside[1])
        assert set(in_turn[2]) <= set(beside[2])
    else:
        assert beside[1:] == in_turn[1:]


class Stuck(Model):
    """Hangs until the test is over."""

    released = threading.Event()
    came_back = False

    def predict(self, rows: list[dict[str, Any]]) -> list[Any]:
        self.released.wait(LONG_S)
        type(self).came_back = True
        return [0 for _ in rows]


@pytest.fixture
def stuck() -> Iterator[type[Model]]:
    Stuck.released, Stuck.came_back = threading.Event(), False
    yield Stuck
    Stuck.released.set()


def test_the_failure_of_a_model_does_not_wait_for_those_after_it(stuck: type[Model]) -> None:
    graph = Graph("g")
    graph.to(Router.mean({**constants(a=1), "b": Failing, "c": stuck}), "choose", blocking=True).respond()

    with pytest.raises(RuntimeError, match="broken"):
        graph.test({"x": 1})
    assert not Stuck.came_back


def test_an_ensemble_that_a_deadline_ended_has_failed(stuck: type[Model]) -> None:
    seen = Seen()
    graph = Graph("g")
    graph.to(Router.mean({"a": stuck, "b": stuck}), "choose", blocking=True).respond()

    with pytest.raises(DeadlineError, match="the deadline passed in step `choose`"):
        ask(graph.compile(observe=seen), {"x": 1}, deadline=monotonic() + SHORT_S)

    assert [(model, type(error)) for model, error in seen.failures] == [("choose", DeadlineError)]


def test_every_model_that_hangs_holds_one_thread_and_is_counted(stuck: type[Model]) -> None:
    metrics = Metrics()
    graph = Graph("g")
    graph.to(Router.mean({"a": stuck, **constants(b=1), "c": stuck}), "choose", timeout=SHORT_S).respond()
    plan = graph.compile()
    plan.follow(metrics)

    with pytest.raises(StepTimeoutError, match=r"the step `choose` took longer than 0\.1 s"):
        ask(plan, {"x": 1})

    assert "graphship_stuck_calls 2" in metrics.text()


class FailingLast(Model):
    """Breaks when it is told to."""

    go: ClassVar[threading.Event]

    def predict(self, rows: list[dict[str, Any]]) -> list[Any]:
        assert self.go.wait(LONG_S)
        raise RuntimeError("the first one")


def test_failures_that_nobody_waited_for_do_not_trouble_the_loop() -> None:
    FailingLast.go = threading.Event()
    complaints: list[Any] = []
    graph = Graph("g")
    graph.to(Router.parallel({"a": FailingLast, "b": Failing, "c": Failing}), "choose", blocking=True).respond()
    plan = graph.compile()

    async def scenario() -> None:
        asyncio.get_running_loop().set_exception_handler(lambda _loop, context: complaints.append(context))
        asked = asyncio.ensure_future(plan({"x": 1}, Event({"x": 1})))
        around = {asked, asyncio.current_task()}
        await asyncio.sleep(0)  # as far as the router's models
        pending = asyncio.all_tasks() - around
        assert len(pending) == 3
        while len(pending) > 1:  # `b` or `c` has not failed
            _done, pending = await asyncio.wait(pending, return_when=asyncio.FIRST_COMPLETED)
        FailingLast.go.set()
        with pytest.raises(RuntimeError, match="the first one"):
            await asked
        del asked, around, pending, _done
        await asyncio.sleep(0)  # what woke this task refers to `asked`
        gc.collect()  # a task complains when it goes

    asyncio.run(scenario())

    assert complaints == []
