from __future__ import annotations

import logging
import threading
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
import pytest

from ci_core.serving import Event, Graph, Model, RequestError, Route, Router
from ci_core.serving.base import ANSWER
from ci_core.serving.models.served import ServedModel
from ci_core.serving.problems import OverloadedError
from ci_core.serving.routers.members import Members
from ci_core.serving.routers.shadow import Background, ShadowRouter
from ci_core.serving.routers.size import size_of
from ci_core.serving.spec import RouteSpec
from tests.unit.serving.routed import Constant, Failing, Seen, ask, constants, graph_of, telling

if TYPE_CHECKING:
    from ci_core.serving.base import ModelCall, Role

LONG_S = 30.0
"""How long a test waits for a thread before it fails."""


def test_the_live_model_answers_and_the_others_are_observed_with_the_same_rows() -> None:
    seen = Seen()
    plan = graph_of(Router.shadow(telling("a", "b", "c"), live="b")).compile(observe=seen)

    assert ask(plan, [{"n": 1}, {"n": 2}]) == ["b:1", "b:2"]
    assert seen.models == ["b", "a", "c"]
    assert seen.calls[1][1].answers == ["a:1", "a:2"]


def test_a_shadow_that_fails_or_refuses_is_told_to_the_observer_only() -> None:
    seen = Seen()
    plan = graph_of(
        Router.shadow({**constants(live=1), "bad": Failing, "good": Route(Constant, arguments={"answer": 2})})
    )

    compiled = plan.compile(observe=seen)

    assert ask(compiled, {"x": 1}) == 1
    assert [(model, str(error)) for model, error in seen.failures] == [("bad", "broken")]
    assert seen.models == ["live", "good"]


def test_when_the_live_model_fails_the_shadows_are_not_asked() -> None:
    seen = Seen()
    plan = graph_of(Router.shadow({"live": Failing, **constants(other=1)})).compile(observe=seen)

    with pytest.raises(RuntimeError, match="broken"):
        ask(plan, {"x": 1})
    assert seen.models == []


def test_a_path_that_names_a_model_asks_no_shadow() -> None:
    seen = Seen()
    plan = graph_of(Router.shadow(telling("a", "b"))).compile(observe=seen)

    assert ask(plan, {"n": 1}, "/v2/models/b/infer") == "b:1"
    assert ask(plan, {"n": 1}, "/v2/models/choose/explain") == "a because of 1"
    assert seen.models == ["b"]


class Waiting(Model):
    """Answers when it is told to."""

    def __init__(self) -> None:
        self.asked = threading.Semaphore(0)
        self.go = threading.Semaphore(0)

    def predict(self, rows: list[dict[str, Any]]) -> list[Any]:
        self.asked.release()
        assert self.go.acquire(timeout=LONG_S)
        return [2 for _ in rows]


def served(name: str, model: Model) -> ServedModel:
    made = ServedModel(RouteSpec(name=name, model="m:M"), model)
    made.start()
    return made


def in_a_server(shadow: Model, seen: Seen, waiting: int) -> ShadowRouter:
    models = {"live": served("live", Constant(1)), "shadow": served("shadow", shadow)}
    router = ShadowRouter("choose", Members(models, seen), live="live", waiting=waiting, serving=True)
    router.start()
    return router


def test_in_a_server_the_answer_does_not_wait_for_the_shadows() -> None:
    shadow, seen = Waiting(), Seen()
    router = in_a_server(shadow, seen, waiting=8)

    assert router.call({"x": 1}, Event({})) == 1
    assert shadow.asked.acquire(timeout=LONG_S)
    assert seen.models == ["live"]
    shadow.go.release()
    router.close()

    assert seen.models == ["live", "shadow"]
    assert router.dropped == 0


def test_what_the_shadows_are_too_slow_for_is_dropped_counted_and_told() -> None:
    shadow, seen = Waiting(), Seen()
    router = in_a_server(shadow, seen, waiting=2)
    router.call({"x": 0}, Event({}))
    assert shadow.asked.acquire(timeout=LONG_S)  # one is at work, two may wait

    for number in range(1, 6):
        assert router.call({"x": number}, Event({})) == 1
    dropped = router.dropped
    for _ in range(3):
        shadow.go.release()
    router.close()

    assert dropped == 3
    assert [model for model, _ in seen.failures] == ["shadow"] * 3
    assert all(isinstance(error, OverloadedError) for _, error in seen.failures)
    assert [call.columns for model, call in seen.calls if model == "shadow"] == [{"x": [0]}, {"x": [1]}, {"x": [2]}]


def test_few_requests_wait_for_the_shadows_when_they_are_large() -> None:
    asked, go, worked = threading.Semaphore(0), threading.Semaphore(0), []

    def work(rows: list[dict[str, Any]], event: Event) -> None:
        asked.release()
        assert go.acquire(timeout=LONG_S)
        worked.append(event.id)

    background = Background(work, limit=100, most_bytes=25_000)
    background.start()
    large = [{"x": "x" * 10_000}]
    background.put(large, Event({}, id="at work"))
    assert asked.acquire(timeout=LONG_S)

    took = [background.put(large, Event({}, id=name)) for name in ("first", "second", "third", "fourth")]
    took += [background.put([{"x": 1}], Event({}, id="small"))]
    for _ in range(5):
        go.release()
    background.close()

    assert took == [True, True, True, False, True]  # one of any size, and 25 KB beside it
    assert worked == ["at work", "first", "second", "third", "small"]
    assert background.dropped == 1


@pytest.mark.parametrize(
    ("value", "least", "most"),
    [
        ("x" * 1000, 1000, 1100),
        ([{"a": "x" * 1000}] * 3, 3000, 4500),  # as often as it is named: who knows what is shared?
        ({"k" * 1000: 1}, 1000, 1500),
        ({"a": [[["x" * 1000]]]}, 1000, 2000),
        ([1.5, None, True, 7], 100, 300),
        (np.zeros(1000), 8000, 8200),
    ],
)
def test_the_size_of_a_value_is_what_it_takes_in_memory(value: Any, least: int, most: int) -> None:
    assert least <= size_of(value, 10**9) <= most


def test_counting_a_size_ends_where_it_is_too_much_already() -> None:
    endless: list[Any] = []
    endless.append(endless)

    assert 1000 < size_of(endless, 1000) < 1200


class Relabelling:
    """Gives the event another id, after the router."""

    def do_event(self, event: Event) -> Event:
        event.id = "another"
        return event


class SeenIds(Seen):
    """Keeps the ids as they are when it is told, as captures do."""

    def __init__(self) -> None:
        super().__init__()
        self.ids: list[tuple[str, str]] = []

    def answered(self, event: Event, model: str, call: ModelCall, seconds: float, role: Role = ANSWER) -> None:
        self.ids.append((model, event.id))


@pytest.mark.parametrize("options", [{}, {"blocking": True}], ids=["in turn", "in threads"])
@pytest.mark.parametrize("serving", [False, True])
def test_a_shadow_is_observed_with_the_events_id_at_the_router(serving: bool, options: Any) -> None:
    shadow, seen = Waiting(), SeenIds()
    graph = Graph("g")
    routes: Any = {"live": Route(Constant, arguments={"answer": 1}), "shadow": Route(Lent)}
    graph.to(Router.shadow(routes), "choose", **options).to(Relabelling, "relabel").respond()
    Lent.model = shadow
    plan = graph.compile(observe=seen, start=not serving)
    plan.start()
    if not serving:
        shadow.go.release()

    ask(plan, {"x": 1}, id="mine")
    shadow.go.release()
    plan.close()

    assert seen.ids == [("live", "mine"), ("shadow", "mine")]


class Lent(Model):
    """Lets another model answer, that the test has at hand."""

    model: ClassVar[Model]

    def predict(self, rows: list[dict[str, Any]]) -> Any:
        return self.model.predict(rows)


def test_models_that_change_their_rows_leave_those_of_the_shadows_whole() -> None:
    class Emptying(Model):
        def predict(self, rows: list[dict[str, Any]]) -> list[Any]:
            return [row.pop("x") for row in rows]

    seen = Seen()
    plan = graph_of(Router.shadow({"live": Emptying, "a": Emptying, "b": Emptying})).compile(observe=seen)

    assert ask(plan, {"x": 3}) == 3
    assert [(model, call.answers) for model, call in seen.calls] == [("live", [3]), ("a", [3]), ("b", [3])]


def test_an_id_cannot_forge_a_line_of_the_log(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG, "ci_core.serving.routers.shadow")
    plan = graph_of(Router.shadow({**constants(live=1), "bad": Failing})).compile()

    ask(plan, {"x": 1}, id="e1\nERROR all is lost")

    assert [record.getMessage() for record in caplog.records] == [
        r"shadow failed model=bad event='e1\nERROR all is lost'"
    ]


def test_closing_finishes_what_waits() -> None:
    shadow, seen = Waiting(), Seen()
    router = in_a_server(shadow, seen, waiting=8)
    for _ in range(4):
        router.call({"x": 1}, Event({}))
        shadow.go.release()

    router.close()

    assert seen.models.count("shadow") == 4


def test_a_shadow_that_raises_does_not_end_its_thread() -> None:
    class Once(Waiting):
        failed = False

        def predict(self, rows: list[dict[str, Any]]) -> list[Any]:
            if not self.failed:
                self.failed = True
                raise RequestError("not now")
            return super().predict(rows)

    shadow, seen = Once(), Seen()
    router = in_a_server(shadow, seen, waiting=8)
    router.call({"x": 1}, Event({}))
    router.call({"x": 2}, Event({}))
    shadow.go.release()
    router.close()

    assert [str(error) for _, error in seen.failures] == ["not now"]
    assert seen.models.count("shadow") == 1


def threads_of_shadows() -> set[threading.Thread]:
    return {thread for thread in threading.enumerate() if thread.name == "graphship-shadow"}


def test_starting_and_closing_twice_is_once() -> None:
    before, seen = threads_of_shadows(), Seen()
    router = in_a_server(Constant(2), seen, waiting=1)

    router.start()
    started = threads_of_shadows() - before
    router.call({"x": 1}, Event({}))
    router.close()
    router.close()

    assert len(started) == 1
    assert threads_of_shadows() == before
    assert seen.models == ["live", "shadow"]
    assert router.dropped == 0


def test_shadows_can_be_started_again_after_they_were_closed() -> None:
    seen = Seen()
    router = in_a_server(Constant(2), seen, waiting=8)
    router.close()

    router.start()
    router.call({"x": 1}, Event({}))
    router.close()

    assert seen.models == ["live", "shadow"]
