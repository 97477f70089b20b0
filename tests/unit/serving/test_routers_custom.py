from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import pytest

from ci_core.errors import GraphCodeError, InvalidStepError
from ci_core.serving import Context, Event, Graph, GraphSpec, RequestError, Router
from ci_core.serving.models.answers import ModelAnswerError
from tests.unit.serving.routed import Seen, ask, graph_of, telling

if TYPE_CHECKING:
    from collections.abc import Mapping


class BySize:
    """Chooses by the body; made with an argument and the context."""

    def __init__(self, context: Context, limit: int = 10) -> None:
        self.limit, self.graph = limit, context.graph

    def choose(self, body: Any, event: Event, models: Mapping[str, Any]) -> str:
        assert event.path == "/"
        assert list(models) == ["small", "large"]
        return "large" if body["n"] > self.limit else "small"


def test_a_users_router_chooses_a_model() -> None:
    graph = graph_of(Router.custom(BySize, telling("small", "large"), limit=5))

    assert graph.test({"n": 5}) == "small:5"
    assert graph.test({"n": 6}) == "large:6"
    assert graph.test({"n": 6}, "/v2/models/small/infer") == "small:6"


class Both:
    def choose(self, body: Any, event: Event, models: Mapping[str, Any]) -> list[str]:
        return ["b", "a"]


class Longest(Both):
    def merge(self, answers: Mapping[str, list[Any]], body: Any) -> list[Any]:
        return [max(pair, key=len) for pair in zip(*answers.values(), strict=True)]


class AsyncBoth:
    async def choose(self, body: Any, event: Event, models: Mapping[str, Any]) -> tuple[str, ...]:
        await asyncio.sleep(0)
        return ("a", "b", "a")

    async def merge(self, answers: Mapping[str, list[Any]], body: Any) -> list[Any]:
        await asyncio.sleep(0)
        return [{"first": first, "count": len(answers)} for first in answers["a"]]


class AsyncOne:
    async def choose(self, body: Any, event: Event, models: Mapping[str, Any]) -> str:
        return "b"


@pytest.mark.parametrize("batch", ["off", "on"])
@pytest.mark.parametrize(
    ("router", "expected"),
    [
        (Both, {"b": "b:1", "a": "a:1"}),
        (Longest, "b:1"),
        (AsyncBoth, {"first": "a:1", "count": 2}),
        (AsyncOne, "b:1"),
    ],
)
def test_a_users_router_may_choose_several_and_merge_them_sync_or_async(router: Any, expected: Any, batch: str) -> None:
    seen = Seen()
    plan = graph_of(Router.custom(router, telling("a", "b", "c", batch=batch))).compile(observe=seen, batching=True)

    one, several = ask(plan, {"n": 1}), ask(plan, [{"n": 1}, {"n": 1}])
    plan.close()

    assert one == expected
    assert several == [expected, expected]
    assert "c" not in seen.models


def test_a_users_router_is_named_in_yaml() -> None:
    routes = {
        name: {"model": "tests.unit.serving.routed:Telling", "with": {"name": name}} for name in ("small", "large")
    }
    step: Any = {"router": "tests.unit.serving.test_routers_custom:BySize", "routes": routes, "with": {"limit": 1}}
    graph = Graph.from_spec(GraphSpec.from_dict({"name": "g", "steps": [step]}))

    assert graph.test({"n": 2}) == "large:2"


class Wrong:
    def __init__(self, choice: Any = None, merged: Any = None) -> None:
        self.choice, self.merged = choice, merged

    def choose(self, body: Any, event: Event, models: Mapping[str, Any]) -> Any:
        return self.choice

    def merge(self, answers: Mapping[str, list[Any]], body: Any) -> Any:
        return self.merged


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"choice": "c"}, "the router `choose` chose 'c'; its models: `a`, `b`"),
        ({"choice": ["a", 3]}, "the router `choose` chose 3; its models: `a`, `b`"),
        ({"choice": []}, "the router `choose` chose [], not the name of a model or a list"),
        ({"choice": None}, "the router `choose` chose None, not the name of a model or a list"),
        ({"choice": ["a"]}, "`merge` of the router `choose` returned nothing, not a list"),
        ({"choice": ["a"], "merged": "x"}, "`merge` of the router `choose` returned a str, not a list"),
        ({"choice": ["a"], "merged": [1, 2]}, "`merge` of the router `choose` returned 2 answers for 1 rows"),
    ],
)
def test_what_a_users_router_does_wrong_is_our_fault_and_says_what(settings: dict[str, Any], message: str) -> None:
    with pytest.raises(ModelAnswerError) as caught:
        graph_of(Router.custom(Wrong, telling("a", "b"), **settings)).test({"n": 1})

    assert str(caught.value) == message


def test_a_users_router_may_refuse_the_request() -> None:
    class Refusing:
        def choose(self, body: Any, event: Event, models: Mapping[str, Any]) -> str:
            raise RequestError("no tier", status=422)

    with pytest.raises(RequestError, match="no tier"):
        graph_of(Router.custom(Refusing, telling("a"))).test({"n": 1})


class NoChoose:
    pass


class Broken:
    def __init__(self) -> None:
        raise ValueError("no")

    def choose(self) -> None: ...


@pytest.mark.parametrize(
    ("router", "settings", "error", "message"),
    [
        (NoChoose, {}, InvalidStepError, "is a router of the class `NoChoose`, which has no method `choose`"),
        (BySize, {"limits": 3}, InvalidStepError, "is of the class `BySize`, and takes no argument `limits`"),
        (Broken, {}, GraphCodeError, "the constructor of router `choose`"),
    ],
)
def test_a_class_that_cannot_be_a_router_is_refused_when_the_graph_is_compiled(
    router: type, settings: dict[str, Any], error: type[Exception], message: str
) -> None:
    with pytest.raises(error, match=message):
        graph_of(Router.custom(router, telling("small", "large"), **settings)).compile()


def test_a_function_is_no_router() -> None:
    step: Any = {"router": "tests.unit.serving.routed:ask", "routes": {"m": "tests.unit.serving.routed:Failing"}}
    graph = Graph.from_spec(GraphSpec.from_dict({"name": "g", "steps": [step]}))

    with pytest.raises(InvalidStepError, match=r"is a router, and `tests.unit.serving.routed:ask` is no class"):
        graph.compile()


def test_a_users_router_is_started_and_closed_with_the_plan() -> None:
    happened: list[str] = []

    class Living(Both):
        def start(self) -> None:
            happened.append("start")

        def close(self) -> None:
            happened.append("close")

    plan = graph_of(Router.custom(Living, telling("a", "b"))).compile()
    plan.close()

    assert happened == ["start", "close"]
