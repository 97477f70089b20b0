"""A request to a model: the model answers it, or the client is told; an operation's answer is the router's."""

import asyncio
from typing import Any

import orjson
import pytest

from ci_core.serving import Event, Graph, Model, RequestError, Router
from ci_core.serving.metrics import Metrics
from ci_core.serving.model_request import ModelRequest
from ci_core.serving.problems import ModelNotReachedError
from ci_core.serving.server import Application
from tests.unit.serving.apart import split_graph

NOT_REACHED = (
    "this request did not reach the model `b`: a step before it sent it another way; "
    "ask the graph at `/` for whatever answers such a body"
)


class A(Model):
    def predict(self, rows: list[dict[str, Any]]) -> list[Any]:
        return [{"prediction": "A"} for _ in rows]


class B(Model):
    def predict(self, rows: list[dict[str, Any]]) -> list[Any]:
        return [{"prediction": "B"} for _ in rows]

    def op_special(self, rows: list[dict[str, Any]]) -> list[Any]:
        return [f"special {row['kind']}" for row in rows]


def kind(body: Any) -> Any:
    return (body if isinstance(body, dict) else body[0])["kind"]


def spoil(body: Any) -> Any:
    return "spoiled" if body is None else body["prediction"]


def lift(body: Any) -> Any:
    return [{"kind": row["kind"].upper()} for row in body] if isinstance(body, list) else {"kind": body["kind"].upper()}


async def alift(body: Any) -> Any:
    await asyncio.sleep(0)
    return lift(body)


async def wait_for_none(body: Any) -> Any:
    await asyncio.sleep(0)
    return body


def forked(before: Any = None) -> Graph:
    graph = Graph("forked")
    start = graph if before is None else graph.to(before, "before")
    fork = start.choose(kind, {"a": "ra", "b": "rb"}, name="fork")
    fork.to(Router.single({"a": A}), "ra")
    fork.to(Router.single({"b": B}), "rb")
    return graph


def post(graph: Graph, path: str, body: Any, headers: dict[str, str] | None = None) -> tuple[int, Any]:
    application = Application(graph.spec, graph.compile(), metrics=Metrics())
    arguments = ("POST", path, headers or {}, orjson.dumps(body))
    answer = (
        asyncio.run(application.handle_async(*arguments)) if application.is_async else application.handle(*arguments)
    )
    return answer[0], orjson.loads(answer[2])


# --- the model answers, or nobody does ----------------------------------------------------------------------------


@pytest.mark.parametrize("before", [None, wait_for_none], ids=["sync", "async"])
@pytest.mark.parametrize("operation", ["infer_dict", "special"])
def test_a_request_that_a_choice_leads_past_its_model_is_refused(before: Any, operation: str) -> None:
    path = f"/v2/models/b/{operation}"

    assert post(forked(before), path, {"inputs": [{"kind": "a"}]}) == (422, {"error": NOT_REACHED})
    with pytest.raises(ModelNotReachedError) as caught:
        forked(before).test([{"kind": "a"}], path)
    assert (caught.value.status, caught.value.slug, caught.value.message) == (422, "model-not-reached", NOT_REACHED)


@pytest.mark.parametrize("before", [None, wait_for_none], ids=["sync", "async"])
def test_a_request_that_a_choice_leads_to_its_model_is_answered(before: Any) -> None:
    told = {"model_name": "b", "outputs": [{"prediction": "B"}]}

    assert post(forked(before), "/v2/models/b/infer_dict", {"inputs": [{"kind": "b"}]}) == (200, told)
    assert forked(before).test({"kind": "b"}, "/v2/models/b/infer") == {"prediction": "B"}
    assert forked(before).test({"kind": "b"}, "/v2/models/b/special") == "special b"


def test_a_plain_request_is_answered_by_the_branch_it_takes() -> None:
    assert post(forked(), "/", {"kind": "a"}) == (200, {"prediction": "A"})
    assert forked().test({"kind": "a"}) == {"prediction": "A"}


def test_a_choice_inside_a_nested_graph_is_looked_after_too() -> None:
    outer = Graph("outer")
    outer.to(forked(), "inner")

    assert post(outer, "/v2/models/b/infer_dict", [{"kind": "a"}]) == (422, {"error": NOT_REACHED})
    assert post(outer, "/v2/models/b/infer_dict", [{"kind": "b"}])[0] == 200


def test_a_router_that_is_a_model_is_reached_by_its_own_name() -> None:
    graph = Graph("g")
    fork = graph.choose("kind", {"a": "plain", "b": "vote"}, name="fork")
    fork.to(lambda _body: {"prediction": "none"}, "plain")
    fork.to(Router.vote({"a": A, "b": A}), "vote")

    assert graph.test({"kind": "b"}, "/v2/models/vote/infer") == {"prediction": "A"}
    with pytest.raises(ModelNotReachedError, match="the model `vote`"):
        graph.test({"kind": "a"}, "/v2/models/vote/infer")


def test_a_request_without_rows_that_gets_to_the_model_is_answered() -> None:
    graph = Graph("g")
    fork = graph.choose(lambda _body: "rb", {"ra": "ra", "rb": "rb"}, name="fork")
    fork.to(Router.single({"a": A}), "ra")
    fork.to(Router.mean({"b": B}), "rb")

    assert graph.test([], "/v2/models/b/infer") == []


def test_what_a_handler_answers_for_a_step_before_the_model_stays_the_answer() -> None:
    def refuse(_body: Any) -> Any:
        raise ValueError

    graph = Graph("g")
    fork = graph.choose(kind, {"a": "broken", "b": "rb"}, name="fork")
    fork.to(refuse, "broken").to(Router.single({"a": A}), "ra")
    fork.to(Router.single({"b": B}), "rb")
    graph.error_handler(lambda _body: {"prediction": "instead"}, "instead")

    assert graph.test({"kind": "a"}, "/v2/models/a/infer") == {"prediction": "instead"}


def test_a_graph_that_answers_before_its_queue_takes_requests_to_the_model_behind_it() -> None:
    graph = Graph("g")
    fork = graph.choose(kind, {"a": "kept", "b": "echo"}, name="fork")
    fork.to(lambda body: body, "kept").respond().queue("q").to(Router.single({"a": A}), "ra")
    fork.to(lambda body: body, "echo").respond()

    assert graph.test({"kind": "a"}, "/v2/models/a/infer") == {"kind": "a"}
    assert graph.test({"kind": "b"}, "/v2/models/a/infer") == {"kind": "b"}


# --- operations end at the router ---------------------------------------------------------------------------------


def decided(before: Any = lift) -> Graph:
    graph = Graph("decided")
    graph.to(before, "lift").to(Router.single({"b": B})).to(spoil, "decide")
    return graph


@pytest.mark.parametrize("before", [lift, alift], ids=["sync", "async"])
@pytest.mark.parametrize("headers", [{}, {"x-request-timeout-ms": "60000"}], ids=["no deadline", "deadline"])
def test_an_operation_runs_the_steps_before_the_router_and_none_after(before: Any, headers: dict[str, str]) -> None:
    told = {"model_name": "b", "outputs": ["special X"]}

    assert post(decided(before), "/v2/models/b/special", [{"kind": "x"}], headers) == (200, told)
    assert decided(before).test({"kind": "x"}, "/v2/models/b/special") == "special X"
    assert decided(before).test({"kind": "x"}) == "B"


def test_an_operation_ends_the_graphs_around_its_router_too() -> None:
    inner = decided(alift)
    outer = Graph("outer")
    outer.to(inner, "inner", timeout=60, retries=2).to(spoil, "again")

    assert outer.test({"kind": "x"}, "/v2/models/b/special") == "special X"


def test_an_operation_leaves_what_runs_beside_its_router() -> None:
    graph = Graph("g")
    cancelled = []

    async def wait(_body: Any) -> Any:
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            cancelled.append("wait")
            raise

    graph.to(wait, "wait")
    graph.to(alift, "lift").to(Router.single({"b": B}), "rb")
    graph.add_step(spoil, "decide", after=["wait", "rb"], join="merge")

    assert graph.test({"kind": "x"}, "/v2/models/b/special") == "special X"
    assert cancelled == ["wait"]


def test_an_operation_that_answered_is_no_failure_and_asks_no_handler() -> None:
    graph = Graph("g")
    graph.to(Router.single({"b": B})).to(spoil, "decide")
    graph.error_handler(lambda _body: "instead", "instead")

    assert graph.test({"kind": "x"}, "/v2/models/b/special") == "special x"
    assert graph.test({"kind": "x"}) == "B"


def test_an_operation_of_a_router_that_is_a_model_ends_there() -> None:
    graph = Graph("g")
    graph.to(Router.parallel({"b": B, "c": B}), "both").to(spoil, "decide")

    assert graph.test({"kind": "x"}, "/v2/models/both/special") == {"b": "special x", "c": "special x"}


@pytest.mark.parametrize("rows", [[{"kind": "x"}], {"inputs": [{"kind": "x"}]}, {"id": "7", "inputs": [{"kind": "x"}]}])
def test_an_operation_takes_rows_by_name_as_infer_dict_does(rows: Any) -> None:
    status, told = post(decided(), "/v2/models/b/special", rows)

    assert (status, told["outputs"], told.get("id")) == (200, ["special X"], "7" if "id" in rows else None)


def test_an_operation_takes_tensors_too() -> None:
    tensor = {"name": "kind", "shape": [1], "datatype": "BYTES", "data": ["x"]}

    status, told = post(decided(), "/v2/models/b/special", {"inputs": [tensor]})

    assert (status, told["outputs"]) == (200, [tensor | {"name": "output", "data": ["special X"]}])


@pytest.mark.parametrize("body", [{}, {"inputs": []}, {"inputs": 1}, {"inputs": [1, {"kind": "x"}]}, 1, None])
def test_an_operation_refuses_what_is_no_request(body: Any) -> None:
    assert post(decided(), "/v2/models/b/special", body)[0] == 400


def test_a_step_before_the_model_still_refuses_an_operation() -> None:
    def check(_body: Any) -> Any:
        raise RequestError("no")

    assert post(decided(check), "/v2/models/b/special", [{"kind": "x"}]) == (400, {"error": "no"})


# --- in other processes -------------------------------------------------------------------------------------------


def apart(graph: Graph, body: Any, path: str) -> Any:
    event = Event(body, path=path)
    event.asked = ModelRequest("b", may_miss=True)
    return asyncio.run(event.asked.answer_async(split_graph(graph).compile(), event))


def test_a_model_in_another_process_is_known_to_be_reached_or_not() -> None:
    graph = Graph("g")
    fork = graph.choose("kind", {"a": "echo", "b": "rb"}, name="fork")
    fork.to(lambda body: body, "echo")
    fork.to(Router.single({"b": B}), "rb", function="f")

    assert apart(graph, {"kind": "b"}, "/v2/models/b/infer") == {"prediction": "B"}
    with pytest.raises(ModelNotReachedError):
        apart(graph, {"kind": "a"}, "/v2/models/b/infer")


def test_an_operation_ends_at_a_router_in_another_process() -> None:
    graph = Graph("g")
    graph.to(lift, "lift").to(Router.single({"b": B}), "rb", function="f").to(spoil, "decide", function="f").to(
        lambda body: body["no"], "after"
    )

    assert apart(graph, {"kind": "x"}, "/v2/models/b/special") == "special X"
