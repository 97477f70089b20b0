"""Every call of a step is counted once, in every shape of graph, though most events are counted by one addition."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from time import monotonic
from typing import TYPE_CHECKING, Any

import pytest

from ci_core.serving import Event, Graph
from ci_core.serving.metrics import Metrics
from ci_core.serving.metrics.steps import StepMetrics
from ci_core.testing.prometheus_text import value

if TYPE_CHECKING:
    from collections.abc import Callable

    from ci_core.serving.plan import Plan

    AsStep = Callable[[Callable[..., Any]], Callable[..., Any]]

BODIES = tuple(range(17))
"""Of which the steps that are refused below fail for 0, 3, 6, 9, 12 and 15; 0, 8 and 16 have their steps timed."""


class RefusedError(Exception):
    """What a step raises for every third body."""


def keep(body: Any) -> Any:
    return body


def refuse(body: int) -> int:
    if body % 3 == 0:
        raise RefusedError
    return body


def first(bodies: list[Any]) -> Any:
    return bodies[0]


def counted(graph: Graph, *, in_time: bool = False) -> dict[str, float | None]:
    """Return what `/metrics` tells of the calls of each step after one event for each body."""
    metrics = Metrics()
    plan = graph.compile(observe_steps=metrics.steps, start=False)
    metrics.steps.describe(plan.steps)
    metrics.steps.follow(metrics)
    for body in BODIES:
        with suppress(RefusedError):
            _run(plan, body, in_time=in_time)
    text = metrics.text()
    return {step: value(text, "graphship_step_calls_total", step=step) for step in plan.steps}


def _run(plan: Plan, body: int, *, in_time: bool) -> None:
    event = Event(body, deadline=monotonic() + 600 if in_time else None)
    call = plan.run_in_time if in_time else plan.run

    async def ask() -> None:
        await call(body, event)

    if plan.is_async:
        asyncio.run(ask())
    else:
        call(body, event)


def chain(graph: Graph, *steps: tuple[Callable[..., Any], str], **options: Any) -> Any:
    end: Any = graph
    for step, name in steps:
        end = end.to(step, name, **options)
    return end


@pytest.mark.parametrize("in_time", [False, True])
def test_steps_after_one_that_raised_are_not_counted_and_the_one_that_raised_is(as_step: AsStep, in_time: bool) -> None:
    graph = Graph("g")
    chain(graph, (as_step(keep), "a"), (as_step(refuse), "b"), (as_step(keep), "c"))

    assert counted(graph, in_time=in_time) == {"a": 17, "b": 17, "c": 11}


def test_steps_of_a_chain_of_more_than_eight_are_counted(as_step: AsStep) -> None:
    graph = Graph("g")
    before = [(as_step(keep), f"s{number}") for number in range(9)]
    chain(graph, *before, (as_step(refuse), "late"), (as_step(keep), "last"))

    assert counted(graph) == {f"s{number}": 17 for number in range(9)} | {"late": 17, "last": 11}


@pytest.mark.parametrize("in_time", [False, True])
def test_steps_that_want_the_event_are_counted(as_step: AsStep, in_time: bool) -> None:
    graph = Graph("g")
    chain(graph, (as_step(lambda event: event.body), "a"), full_event=True).to(as_step(refuse), "b").to(
        as_step(keep), "c"
    )

    assert counted(graph, in_time=in_time) == {"a": 17, "b": 17, "c": 11}


@pytest.mark.parametrize("in_time", [False, True])
def test_a_handler_is_counted_for_what_it_answers(as_step: AsStep, in_time: bool) -> None:
    graph = Graph("g")
    chain(graph, (as_step(refuse), "a"), (as_step(keep), "b"))
    graph.error_handler(as_step(keep), "rescue")

    assert counted(graph, in_time=in_time) == {"a": 17, "b": 11, "rescue": 6}


@pytest.mark.parametrize("in_time", [False, True])
def test_a_step_that_a_handler_leads_back_to_is_counted_and_those_between_are_not(
    as_step: AsStep, in_time: bool
) -> None:
    graph = Graph("g")
    graph.to(as_step(keep), "a").to(as_step(refuse), "b").error_handler(as_step(keep), "rescue", back_to="d").to(
        as_step(keep), "c"
    ).to(as_step(keep), "d")

    assert counted(graph, in_time=in_time) == {"a": 17, "b": 17, "c": 11, "d": 17, "rescue": 6}


@pytest.mark.parametrize("n_branches", [2, 3, 4])
@pytest.mark.parametrize("goes_on", [False, True])
def test_steps_of_a_fan_are_counted(as_step: AsStep, n_branches: int, goes_on: bool) -> None:
    graph = Graph("g")
    head = graph.to(as_step(keep), "head")
    branches = [head.to(as_step(keep), f"branch{number}") for number in range(n_branches)]
    end = graph.add_step(as_step(first), "join", after=branches)
    if goes_on:
        end.to(as_step(refuse), "b").to(as_step(keep), "c")

    rest = {"b": 17, "c": 11} if goes_on else {}
    assert counted(graph) == {"head": 17, "join": 17} | {f"branch{n}": 17 for n in range(n_branches)} | rest


def test_steps_of_other_branches_are_counted(as_step: AsStep) -> None:
    graph = Graph("g")
    left = graph.to(as_step(keep), "a").to(as_step(keep), "b")
    right = graph.to(as_step(keep), "c")
    graph.add_step(as_step(first), "join", after=[left, right]).to(as_step(refuse), "d").to(as_step(keep), "e")

    assert counted(graph) == {"a": 17, "b": 17, "c": 17, "join": 17, "d": 17, "e": 11}


@pytest.mark.parametrize("in_time", [False, True])
def test_only_the_branch_that_was_chosen_is_counted(as_step: AsStep, in_time: bool) -> None:
    graph = Graph("g")
    fork = graph.choose(as_step(lambda body: body % 2), {0: "even", 1: "odd"}, name="fork")
    even, odd = fork.to(as_step(keep), "even"), fork.to(as_step(refuse), "odd")
    graph.add_step(as_step(keep), "both", after=[even, odd])

    assert counted(graph, in_time=in_time) == {"fork": 17, "even": 9, "odd": 8, "both": 14}


@pytest.mark.parametrize("in_time", [False, True])
def test_steps_of_a_nested_graph_are_counted_under_their_full_names(as_step: AsStep, in_time: bool) -> None:
    inner = Graph("inner")
    chain(inner, (as_step(refuse), "x"), (as_step(keep), "y"))
    graph = Graph("g")
    graph.to(inner, "outer").to(as_step(keep), "last")

    assert counted(graph, in_time=in_time) == {"outer": 17, "outer/x": 17, "outer/y": 11, "last": 11}


def test_steps_behind_a_queue_are_counted_where_they_run(as_step: AsStep) -> None:
    graph = Graph("g")
    graph.to(as_step(keep), "a").respond().queue("q").to(as_step(refuse), "b").to(as_step(keep), "c")

    assert counted(graph) == {"a": 17, "q": 17, "b": 17, "c": 11}


def test_repetitions_of_a_step_are_one_call_to_the_graph(as_step: AsStep) -> None:
    graph = Graph("g")
    graph.to(as_step(refuse), "a", retries=2, retry_wait=0.0)

    assert counted(graph) == {"a": 17}


def test_a_worker_that_replaces_another_goes_on_with_what_it_told() -> None:
    graph = Graph("g")
    graph.to(keep, "a")
    metrics = Metrics(n_workers=1)
    for _ in range(2):  # what a worker counts begins at nothing when it was forked
        plan = graph.compile(observe_steps=metrics.steps, start=False)
        metrics.steps.describe(plan.steps)
        metrics.bind(1)
        metrics.steps.follow(metrics)
        plan(1)
        metrics.publish()
        metrics.steps = StepMetrics(metrics._registry)

    assert value(metrics.text(), "graphship_step_calls_total", step="a") == 2
