from __future__ import annotations

import threading
from typing import Any

import pytest

from ci_core.serving import Event, Model, RequestError, Route, Router
from ci_core.serving.models.served import ServedModel
from ci_core.serving.problems import OverloadedError
from ci_core.serving.routers.members import Members
from ci_core.serving.routers.shadow import ShadowRouter
from ci_core.serving.spec import RouteSpec
from tests.unit.serving.routed import Constant, Failing, Seen, ask, constants, graph_of, telling

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


def test_starting_and_closing_twice_is_once() -> None:
    router = in_a_server(Constant(2), Seen(), waiting=1)

    router.start()
    router.close()
    router.close()


def test_shadows_can_be_started_again_after_they_were_closed() -> None:
    seen = Seen()
    router = in_a_server(Constant(2), seen, waiting=8)
    router.close()

    router.start()
    router.call({"x": 1}, Event({}))
    router.close()

    assert seen.models == ["live", "shadow"]
