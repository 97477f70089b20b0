"""What happens when a step raises: handlers, ways back, notes, and what an event tells of it afterwards."""

from __future__ import annotations

import asyncio
from itertools import product
from typing import TYPE_CHECKING, Any

import pytest

from ci_core.errors import TwoRespondersError
from ci_core.serving import Event, Graph, RequestError
from ci_core.serving.problems import DeadlineError, DependencyError

if TYPE_CHECKING:
    from collections.abc import Callable

    AsStep = Callable[[Callable[..., Any]], Callable[..., Any]]

SHAPES = ("chain", "fan", "choice", "nested")
HANDLERS = ("none", "answers", "leads back", "raises", "of the graph")


def failing(shape: str, handled: str, as_step: AsStep, as_handler: AsStep) -> Graph:
    """Return a graph whose step ``bad`` fails on 0, handled as the word says."""
    graph = Graph("g")
    bad = as_step(lambda body: [1 // body])
    start = graph.to(as_step(lambda body: body), "start")
    if shape == "chain":
        node = start.to(bad, "bad")
    elif shape == "fan":
        node = start.to(bad, "bad")
        graph.add_step(as_step(lambda parts: parts[0]), "join", after=[start.to(abs, "good"), node], join="all")
    elif shape == "choice":
        choice = start.choose(lambda _body: "bad", name="which")
        node = choice.to(bad, "bad")
        graph.add_step(as_step(lambda body: body), "join", after=[node, choice.to(abs, "good")])
    else:
        inner = Graph("inner")
        inner.to(bad, "deep")
        node = start.to(inner, "bad")
    graph.add_step(as_step(lambda body: body), "between")
    graph.add_step(as_step(lambda body: f"end {body}"), "end").respond()
    if handled == "answers":
        node.error_handler(as_handler(lambda body: f"instead of {body}"), "rescue")
    elif handled == "leads back":
        node.error_handler(as_handler(lambda body: f"instead of {body}"), "rescue", back_to="end")
    elif handled == "raises":
        node.error_handler(as_handler(lambda body: body["no"]), "rescue")
    elif handled == "of the graph":
        graph.error_handler(as_handler(lambda body: f"graph instead of {body}"), "rescue")
    return graph


@pytest.mark.parametrize(("shape", "handled", "handler_is_async"), [*product(SHAPES, HANDLERS, (False, True))])
def test_every_kind_of_handler_in_every_shape_of_graph(
    shape: str, handled: str, *, handler_is_async: bool, as_step: AsStep
) -> None:
    def as_handler(function: Callable[[Any], Any]) -> Callable[[Any], Any]:
        async def handler(body: Any) -> Any:
            await asyncio.sleep(0)
            return function(body)

        return handler if handler_is_async else function

    graph = failing(shape, handled, as_step, as_handler)
    expected = {
        "answers": "instead of 0",
        "leads back": "end instead of 0",
        "of the graph": "graph instead of 0",
    }

    if handled in expected:
        assert graph.test(0) == expected[handled]
    else:
        with pytest.raises(TypeError if handled == "raises" else ZeroDivisionError) as caught:
            graph.test(0)
        step = "rescue" if handled == "raises" else "bad/deep" if shape == "nested" else "bad"
        assert caught.value.__notes__[-1] == f"in step `{step}` of graph `g`"
        assert len(caught.value.__notes__) == 1
        if handled == "raises":
            assert isinstance(caught.value.__context__, ZeroDivisionError)


@pytest.mark.parametrize("shape", SHAPES)
def test_where_nothing_fails_handlers_do_not_matter(shape: str, as_step: AsStep) -> None:
    answers = {
        handled: failing(shape, handled, as_step, lambda function: function).test(1)
        for handled in ("none", "leads back", "answers")
    }

    assert len(set(answers.values())) == 1
    assert str(answers["none"]).startswith("end ")


@pytest.mark.parametrize("marked", ["end", "bad"])
def test_a_handlers_result_is_the_answer_whichever_step_responds(marked: str, as_step: AsStep) -> None:
    graph = Graph("g")
    bad = graph.to(as_step(lambda body: 1 // body), "bad").error_handler(as_step(lambda _body: "rescued"), "rescue")
    end = bad.to(as_step(lambda body: body), "end")
    (bad if marked == "bad" else end).respond()

    if marked == "end":
        assert graph.test(0) == "rescued"
    else:
        end.queue("later")
        assert graph.test(0) == "rescued"


def test_two_responders_are_refused_when_the_graph_is_checked(as_step: AsStep) -> None:
    graph = Graph("g")
    graph.to(as_step(abs), "a").respond().to(as_step(abs), "b").respond()

    with pytest.raises(TwoRespondersError):
        graph.compile()


@pytest.mark.parametrize("back_to", [None, "end"])
@pytest.mark.parametrize("beside", [False, True])
def test_a_handler_that_fails_is_not_asked_about_its_own_failure(
    back_to: str | None, as_step: AsStep, *, beside: bool
) -> None:
    asked: list[Any] = []

    def rescue(event: Event) -> Any:
        asked.append(str(event.error))
        raise ValueError("cannot either")

    graph = Graph("g")
    node = graph.to(as_step(lambda body: body["x"]), "bad")
    node.error_handler(as_step(rescue), "rescue", full_event=True, back_to=back_to)
    node.to(as_step(lambda body: body), "between").to(as_step(lambda body: body), "end")
    if beside:
        graph.add_step(list, "join", after=["end", graph.to(as_step(dict), "other")]).respond()

    with pytest.raises(ValueError, match="cannot either") as caught:
        graph.test({})
    assert asked == ["KeyError: 'x'"]
    assert caught.value.__notes__ == ["in step `rescue` of graph `g`"]


def test_the_failure_that_ended_an_event_is_told_and_not_a_handler_that_was_cancelled_by_it() -> None:
    async def wait(_body: Any) -> None:
        await asyncio.Event().wait()

    async def fail(_body: Any) -> None:
        await asyncio.sleep(0)
        raise ValueError("cannot either")

    graph = Graph("g")
    left = graph.to(lambda body: body["x"], "left").error_handler(wait, "on-left", back_to="end")
    right = graph.to(lambda body: body["x"], "right").error_handler(fail, "on-right", back_to="end")
    graph.add_step(list, "join", after=[left, right]).to(list, "end").respond()
    plan, event = graph.compile(), Event({})

    with pytest.raises(ValueError, match="cannot either"):
        asyncio.run(plan({}, event))
    assert event.error is not None
    assert event.error.step == "on-right"


def test_a_failure_stays_in_the_event_after_a_way_back(as_step: AsStep) -> None:
    def tell(event: Event) -> Any:
        assert event.error is not None
        return [event.body, event.error.step, str(event.error)]

    graph = Graph("g")
    node = graph.to(as_step(lambda body: body["x"]), "bad")
    node.to(as_step(lambda body: body), "skipped").to(tell, "end", full_event=True)
    node.error_handler(as_step(lambda _body: "rescued"), "rescue", back_to="end")

    assert graph.test({}) == ["rescued", "bad", "KeyError: 'x'"]


def test_a_failure_that_a_handler_led_back_from_is_told_to_its_own_branch_and_afterwards_to_the_request(
    as_step: AsStep,
) -> None:
    def told(event: Event) -> Any:
        return event.error.step if event.error is not None else None

    graph = Graph("g")
    start = graph.to(as_step(dict), "start")
    bad = start.to(lambda body: body["x"], "bad").error_handler(as_step(dict), "rescue", back_to="rescued")
    rescued = bad.to(as_step(told), "rescued", full_event=True)
    beside = start.to(as_step(told), "beside", full_event=True)
    graph.add_step(list, "join", after=[rescued, beside]).respond()
    plan, event = graph.compile(), Event({})

    async def ask() -> Any:
        return await plan({}, event) if plan.is_async else plan({}, event)

    assert asyncio.run(ask()) == ["bad", None]
    assert told(event) == "bad"


def test_of_failures_that_handlers_led_back_from_the_event_tells_the_last_in_order_whichever_was_there_last() -> None:
    has_ended = asyncio.Event()

    async def late(body: Any) -> Any:
        await has_ended.wait()
        return body["x"]

    async def early(body: Any) -> Any:
        has_ended.set()
        return body["x"]

    graph = Graph("g")
    left = graph.to(late, "left").error_handler(dict, "on-left", back_to="left end").to(dict, "left end")
    right = graph.to(early, "right").error_handler(dict, "on-right", back_to="right end").to(dict, "right end")
    graph.add_step(list, "join", after=[left, right]).respond()
    plan, event = graph.compile(), Event({})

    assert asyncio.run(plan({}, event)) == [{}, {}]
    assert event.error is not None
    assert event.error.step == "right"


@pytest.mark.parametrize("needs_event", [False, True])
def test_what_a_handler_changes_in_the_event_is_not_seen_by_the_handler_of_another_branch(*, needs_event: bool) -> None:
    def rescue(event: Event) -> Any:
        event.key = f"{event.key} rescued"
        return event.key

    graph = Graph("g")
    start = graph.to(dict, "start")
    left = start.to(lambda body: body["x"], "left").error_handler(rescue, "on-left", full_event=True, back_to="end")
    right = start.to(lambda body: body["x"], "right").error_handler(rescue, "on-right", full_event=True)
    join = graph.add_step(list, "join", after=[left, right])
    join.to((lambda event: event.body) if needs_event else list, "end", full_event=needs_event).respond()
    event = Event({})
    event.key = "k"

    assert graph.compile()({}, event) == "k rescued"


def test_a_failure_in_a_nested_graph_is_told_with_the_full_name_of_the_step(as_step: AsStep) -> None:
    inner = Graph("inner")
    inner.to(as_step(lambda body: 1 // body), "divide")
    graph = Graph("g")
    graph.to(inner, "outer").error_handler(lambda event: event.error.step, "tell", full_event=True)

    assert graph.test(0) == "outer/divide"


def test_the_event_of_the_request_tells_which_step_of_a_branch_failed(as_step: AsStep) -> None:
    graph = Graph("g")
    left, right = graph.to(as_step(abs), "left"), graph.to(as_step(lambda body: body.no), "right")
    graph.add_step(list, "join", after=[left, right])
    plan, event = graph.compile(), Event(1)

    async def ask() -> Any:
        return await plan(1, event) if plan.is_async else plan(1, event)

    with pytest.raises(AttributeError):
        asyncio.run(ask())
    assert event.error is not None
    assert event.error.step == "right"


def test_one_exception_object_raised_for_every_event_keeps_one_note(as_step: AsStep) -> None:
    error = ValueError("always this one")

    def refuse(_body: Any) -> Any:
        raise error

    graph = Graph("g")
    graph.to(as_step(refuse), "bad")

    for _ in range(3):
        with pytest.raises(ValueError, match="always this one"):
            graph.test({})
    assert error.__notes__ == ["in step `bad` of graph `g`"]


@pytest.mark.parametrize("error", [RequestError("no", status=422), DependencyError("down"), DeadlineError("late")])
def test_a_failure_that_says_what_the_client_is_told_reaches_the_caller_as_it_was_raised(
    error: Exception, as_step: AsStep
) -> None:
    def refuse(_body: Any) -> Any:
        raise error

    graph = Graph("g")
    graph.to(as_step(refuse), "bad")

    with pytest.raises(type(error)) as caught:
        graph.test({})
    assert caught.value is error


def test_no_handler_answers_an_event_whose_deadline_passed(as_step: AsStep) -> None:
    def late(_body: Any) -> Any:
        raise DeadlineError("late")

    graph = Graph("g")
    graph.to(as_step(late), "bad").error_handler(as_step(lambda _body: "rescued"), "rescue")

    with pytest.raises(DeadlineError):
        graph.test({})


def test_a_failing_branch_is_noticed_though_an_earlier_one_never_ends() -> None:
    ended: list[str] = []

    async def endless(_body: Any) -> None:
        try:
            await asyncio.Event().wait()
        finally:
            ended.append("endless")

    async def fail(_body: Any) -> None:
        await asyncio.sleep(0)
        raise ValueError("no")

    graph = Graph("g")
    graph.add_step(list, "join", after=[graph.to(endless), graph.to(fail)]).respond()
    graph.error_handler(lambda _body: list(ended), "tell")

    assert graph.test(None) == ["endless"]


def test_steps_of_one_branch_do_not_wait_for_the_other_branch() -> None:
    second_was_here = asyncio.Event()

    async def wait(_body: Any) -> str:
        await second_was_here.wait()
        return "left"

    async def pause(body: Any) -> Any:
        await asyncio.sleep(0)
        return body

    async def arrive(_body: Any) -> str:
        second_was_here.set()
        return "right"

    graph = Graph("g")
    left = graph.to(wait).to(pause, "left-2")
    right = graph.to(pause, "right-1").to(pause, "right-2").to(arrive)
    graph.add_step(list, "join", after=[left, right]).respond()

    assert graph.test(None) == ["left", "right"]


def test_long_chains_fail_at_the_right_step_and_go_on_behind_it() -> None:
    graph = Graph("g")
    node = graph.to(lambda body: [*body, 0], "s0")
    for index in range(1, 30):
        fails = index in {8, 17}
        node = node.to(lambda body, index=index, fails=fails: body.no if fails else [*body, index], f"s{index}")
        if fails:
            node.error_handler(lambda body: [*body, "x"], f"on-{index}", back_to=f"s{index + 3}")

    numbers = graph.test([])

    assert numbers == [*range(8), "x", *range(11, 17), "x", *range(20, 30)]


def test_fans_of_two_to_four_branches_fail_at_the_right_step() -> None:
    for width in (2, 3, 4, 5):
        for bad in range(width + 2):
            graph = Graph("g")

            def step(body: Any, *, fails: bool) -> Any:
                return body["no"] if fails else body

            start = graph.to(lambda body, fails=bad == 0: step(body, fails=fails), "s0")
            branches = [
                start.to(lambda body, fails=bad == index: step(body, fails=fails), f"s{index}")
                for index in range(1, width + 1)
            ]
            graph.add_step(
                lambda body, fails=bad == width + 1: step(body, fails=fails), f"s{width + 1}", after=branches
            )
            graph.add_step(len, "end").respond()
            graph.error_handler(lambda event: [event.error.step, event.body], "tell", full_event=True)

            assert graph.test(7) == [f"s{bad}", [7] * width if bad == width + 1 else 7]


def test_where_two_failures_lead_back_to_one_step_the_first_in_order_counts(as_step: AsStep) -> None:
    graph = Graph("g")
    left = graph.to(as_step(lambda body: body["x"]), "left")
    left.error_handler(as_step(lambda _body: "for left"), "on-left", back_to="end")
    right = graph.to(lambda body: body["x"], "right")
    right.error_handler(lambda _body: "for right", "on-right", back_to="end")
    graph.add_step(list, "join", after=[right, left]).to(str, "end").respond()

    assert graph.test({}) == "for left"
