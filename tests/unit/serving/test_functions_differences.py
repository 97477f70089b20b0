"""What is not the same when a graph is split into processes; the guide on functions lists it."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import pytest

from ci_core.serving import Event, Graph
from ci_core.serving.functions.failures import RemoteStepError
from ci_core.serving.problems import DeadlineError
from tests.unit.serving.apart import split_graph

if TYPE_CHECKING:
    from collections.abc import Callable

    AsStep = Callable[[Callable[..., Any]], Callable[..., Any]]


def both(graph: Graph, body: Any) -> list[Any]:
    """Return what the graph makes of equal bodies in one process and in several."""
    return [one.test(dict(body)) for one in (graph, split_graph(graph))]


def failures(graph: Graph) -> list[Exception]:
    """Return how the graph fails in one process and in several."""
    found = []
    for one in (graph, split_graph(graph)):
        with pytest.raises(Exception) as caught:  # noqa: PT011 - compared by the test
            one.test({})
        found.append(caught.value)
    return found


def test_a_change_in_place_is_seen_by_other_branches_in_one_process_only() -> None:
    def change(body: Any) -> Any:
        body["changed"] = True
        return body

    graph = Graph("g")
    left = graph.to(change, "change", function="f")
    right = graph.to(lambda body: "changed" in body, "look")
    graph.add_step(list, "join", after=[left, right]).respond()

    assert both(graph, {}) == [[{"changed": True}, True], [{"changed": True}, False]]


def test_an_object_is_the_same_one_in_one_process_and_an_equal_one_in_several() -> None:
    thing = {"a": [1]}
    graph = Graph("g")
    graph.to(lambda _body: thing, "give", function="f").to(lambda body: [body is thing, body == thing], "look")

    assert both(graph, {}) == [[True, True], [False, True]]


def test_a_tuple_arrives_as_a_list() -> None:
    graph = Graph("g")
    graph.to(lambda _body: (1, 2), "give", function="f").to(lambda body: type(body).__name__, "look")

    assert both(graph, {}) == ["tuple", "list"]


def test_what_cannot_travel_is_an_error_in_several_processes_only() -> None:
    graph = Graph("g")
    graph.to(lambda _body: {1}, "give", function="f").to(len, "count")

    assert graph.test({}) == 1
    with pytest.raises(RemoteStepError, match=r"the body is of type `set`.*the result of `give`"):
        split_graph(graph).test({})


class RefusedError(ValueError):
    pass


def test_an_exception_of_the_users_own_class_keeps_its_name_and_text_but_not_its_class() -> None:
    def refuse(_body: Any) -> Any:
        raise RefusedError("no")

    graph = Graph("g")
    graph.to(refuse, "refuse", function="f")

    here, there = failures(graph)

    assert [type(error).__name__ for error in (here, there)] == ["RefusedError", "RefusedError"]
    assert [str(error) for error in (here, there)] == ["no", "no"]
    assert [isinstance(error, ValueError) for error in (here, there)] == [True, False]


def test_an_exception_of_python_is_caught_as_what_it_was() -> None:
    graph = Graph("g")
    graph.to(lambda body: body["no"], "refuse", function="f")

    assert [isinstance(error, KeyError) for error in failures(graph)] == [True, True]


@pytest.mark.parametrize("options", [{}, {"blocking": True}, {"retries": 1, "retry_wait": 0}])
@pytest.mark.parametrize("beside", [False, True])
def test_stop_iteration_is_a_failure_like_any_other_wherever_a_step_runs(
    options: dict[str, Any], as_step: AsStep, *, beside: bool
) -> None:
    graph = Graph("g")
    node = graph.to(as_step(lambda _body: next(iter(()))), "empty", function="f", **options)
    if beside:
        graph.add_step(list, "join", after=[node, graph.to(as_step(dict), "other")]).respond()

    for error in failures(graph):
        assert "StopIteration" in str(error)
        assert type(error).__name__ in {"CrashError", "RuntimeError"}
        assert error.__notes__[-1] == "in step `empty` of graph `g`"


def test_of_two_branches_that_fail_the_first_in_order_is_told_in_one_process_and_the_first_in_time_in_several() -> None:
    graph = Graph("g")
    left = graph.to(lambda body: body["left"], "left", function="f")
    right = graph.to(lambda body: body["right"], "right")
    graph.add_step(list, "join", after=[left, right]).respond()

    assert [str(error) for error in failures(graph)] == ["'left'", "'right'"]


@pytest.mark.parametrize(("split", "named"), [(False, "slow"), (True, "first..slow")])
def test_a_deadline_that_passes_in_a_function_names_the_call(named: str, *, split: bool) -> None:
    async def slow(_body: Any) -> Any:
        await asyncio.Event().wait()

    graph = Graph("g")
    graph.to(dict, "first", function="f").to(slow, "slow", function="f")
    event = Event({})
    plan = (split_graph(graph) if split else graph).compile()

    async def ask() -> Any:
        assert event.deadline is None
        event.deadline = asyncio.get_running_loop().time() + 0.02
        return await plan({}, event)

    with pytest.raises(DeadlineError, match=f"in step `{named}`"):
        asyncio.run(ask())
