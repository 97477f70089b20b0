from __future__ import annotations

import asyncio
import gc
import threading
from typing import TYPE_CHECKING, Any

import pytest

from ci_core.errors import DuplicateStepError, InvalidCallError, InvalidStepError, StepNotImportableError
from ci_core.serving import Context, Event, Graph, RequestError, Router, steps

if TYPE_CHECKING:
    from collections.abc import Callable

    AsStep = Callable[[Callable[..., Any]], Callable[..., Any]]


def test_a_chain_gives_each_step_the_result_of_the_one_before(as_step: AsStep) -> None:
    graph = Graph("g")
    graph.to(as_step(lambda x: x + 1), "one").to(as_step(lambda x: x * 10), "ten").to(str, "text").respond()

    assert graph.test(4) == "50"


def test_a_chain_may_have_any_number_of_steps() -> None:
    graph = Graph("g")
    end = graph.to(lambda body: body + 1, "first")
    for number in range(7_999):
        end = end.to(lambda body: body + 1, f"s{number}")

    assert graph.test(0) == 8_000


def test_a_join_gets_the_results_of_its_branches_in_the_order_it_names_them(as_step: AsStep) -> None:
    graph = Graph("g")
    start = graph.to(as_step(lambda x: x + 1), "start")
    double, triple = start.to(as_step(lambda x: 2 * x), "double"), start.to(as_step(lambda x: 3 * x), "triple")
    graph.add_step(as_step(lambda parts: parts), "join", after=[triple, "double", "start"]).respond()

    assert graph.test(1) == [6, 4, 2]
    assert double.name == "double"


def test_two_branches_may_start_at_the_request(as_step: AsStep) -> None:
    graph = Graph("g")
    left, right = graph.to(as_step(lambda x: x + 1), "left"), graph.to(as_step(lambda x: x + 2), "right")
    graph.add_step(sum, "sum", after=[left, right])

    assert graph.test(10) == 23


def test_an_error_reaches_the_caller_as_it_was_raised_with_a_note_of_the_step(as_step: AsStep) -> None:
    graph = Graph("g")
    graph.to(as_step(lambda x: x), "fine").to(as_step(lambda x: x["missing"]), "broken").to(str, "after")

    with pytest.raises(KeyError) as caught:
        graph.test({})

    assert caught.value.__notes__ == ["in step `broken` of graph `g`"]


@pytest.mark.parametrize("position", [0, 1, 2])
def test_the_note_names_the_failing_step_though_all_steps_are_one_function(position: int, as_step: AsStep) -> None:
    def fail_at_zero(x: int) -> int:
        return x - 1 if x else 1 // x

    graph = Graph("g")
    function = as_step(fail_at_zero)
    graph.to(function, "s0").to(function, "s1").to(function, "s2")

    with pytest.raises(ZeroDivisionError) as caught:
        graph.test(position)

    assert caught.value.__notes__ == [f"in step `s{position}` of graph `g`"]


def test_the_error_handler_of_a_step_answers_with_the_body_that_the_step_got(as_step: AsStep) -> None:
    graph = Graph("g")
    node = graph.to(as_step(lambda x: x + 1), "plus")
    node.to(as_step(lambda x: x["no"]), "broken").error_handler(as_step(lambda body: {"got": body}), "rescue").to(
        str, "skipped"
    )

    assert graph.test(1) == {"got": 2}


def test_the_graphs_error_handler_takes_the_failures_of_steps_without_one_and_is_told_which(as_step: AsStep) -> None:
    def tell(event: Event) -> str:
        assert event.error is not None
        return f"{event.error.step}: {event.error}"

    graph = Graph("g")
    graph.to(as_step(lambda x: x), "fine").to(as_step(lambda x: 1 // x), "divide").respond()
    graph.error_handler(tell, full_event=True)

    assert graph.test(1) == 1
    assert graph.test(0) == "divide: ZeroDivisionError: integer division or modulo by zero"


def test_what_an_async_step_raises_is_told_without_the_frames_of_the_engine() -> None:
    async def fails(body: Any) -> Any:
        return body["x"]

    graph = Graph("g")
    graph.to(fails)

    with pytest.raises(KeyError) as caught:
        graph.test({})
    assert [entry.name for entry in caught.traceback][1:] == ["test", "answer", "run", "fails"]


def test_a_failure_in_one_branch_is_handled_and_the_other_branches_do_not_matter(as_step: AsStep) -> None:
    graph = Graph("g")
    good = graph.to(as_step(lambda x: x), "good")
    bad = graph.to(as_step(lambda x: x.nothing), "bad")
    graph.add_step(list, "join", after=[good, bad]).respond()
    graph.error_handler(lambda body: f"rescued {body}", "rescue")

    assert graph.test(7) == "rescued 7"


def test_input_path_and_result_path_pick_from_and_add_to_a_copy_of_the_body(as_step: AsStep) -> None:
    graph = Graph("g")
    graph.to(as_step(len), "count", input_path="data.items", result_path="stats.n").respond()
    body = {"data": {"items": [1, 2, 3]}, "stats": {"kept": True}}

    assert graph.test(body) == {"data": {"items": [1, 2, 3]}, "stats": {"kept": True, "n": 3}}
    assert body["stats"] == {"kept": True}


def test_of_a_list_each_row_gives_its_own_part_and_gets_its_own_result(as_step: AsStep) -> None:
    graph = Graph("g")
    graph.to(as_step(lambda ages: [age + 1 for age in ages]), "older", input_path="user.age", result_path="next")
    rows = [{"user": {"age": 1}}, {"user": {"age": 5}}]

    assert graph.test(rows) == [{"user": {"age": 1}, "next": 2}, {"user": {"age": 5}, "next": 6}]
    assert rows == [{"user": {"age": 1}}, {"user": {"age": 5}}]
    assert graph.test([]) == []


@pytest.mark.parametrize(
    ("rows", "result", "message"),
    [
        ([{"a": 1}, {}], [1, 2], "row 1: the body has no `a`"),
        ([{"a": 1}], 7, "the body is a list of 1, and what is to be put into its `y.z` is a int"),
        ([{"a": 1}], [1, 2], "the body is a list of 1, and what is to be put into its `y.z` is a list of 2"),
        ([{"a": 1, "y": 0}], [1], "row 0: the body is no object, so it cannot hold `z`"),
    ],
)
def test_rows_that_have_no_such_part_or_results_that_are_not_theirs_are_refused(
    rows: list[Any], result: Any, message: str
) -> None:
    graph = Graph("g")
    graph.to(lambda _parts: result, "answer", input_path="a", result_path="y.z")

    with pytest.raises(RequestError) as caught:
        graph.test(rows)
    assert caught.value.message == message


def test_a_body_without_the_input_path_is_the_clients_fault() -> None:
    graph = Graph("g")
    graph.to(len, "count", input_path="data.items")

    with pytest.raises(RequestError, match=r"the body has no `data\.items`"):
        graph.test({"data": {}})


def test_a_full_event_step_sees_the_request_and_may_return_the_event_or_a_body() -> None:
    def shout(event: Event) -> Event:
        event.body = event.body.upper()
        return event

    graph = Graph("g")
    graph.to(shout, full_event=True).to(
        lambda event: [event.body, event.method, event.path, event.headers["x-who"], event.id],
        "describe",
        full_event=True,
    )

    answer = graph.test("hi", "/p", method="PUT", headers={"X-Who": "me", "X-Event-Id": "e7"})

    assert answer == ["HI", "PUT", "/p", "me", "e7"]


def test_branches_do_not_share_the_body_of_their_events(as_step: AsStep) -> None:
    def keep(event: Event) -> str:
        return f"{event.body}!"

    graph = Graph("g")
    left = graph.to(as_step(lambda x: x + "l"), "left").to(keep, "keep-left", full_event=True)
    right = graph.to(as_step(lambda x: x + "r"), "right").to(keep, "keep-right", full_event=True)
    graph.add_step(list, "join", after=[left, right]).respond()

    assert graph.test("x") == ["xl!", "xr!"]


class Counter:
    """Constructed once; counts its calls."""

    made = 0

    def __init__(self, start: int, context: Context) -> None:
        type(self).made += 1
        self.count = start
        self.graph = context.graph

    def do(self, body: Any) -> Any:
        self.count += 1
        return [self.graph, self.count, body]


def test_a_class_is_constructed_once_with_its_arguments_and_the_context_it_asks_for() -> None:
    graph = Graph("g")
    graph.to(Counter, start=5)
    Counter.made = 0

    assert [graph.test("a"), graph.test("b")] == [["g", 6, "a"], ["g", 7, "b"]]
    assert Counter.made == 1


def test_an_argument_is_the_text_that_it_is_whatever_its_name_begins_with() -> None:
    class Keep:
        def __init__(self, _function: str, expression: str) -> None:
            self.kept = [_function, expression]

        def do(self, _body: Any) -> Any:
            return self.kept

    graph = Graph("g")
    graph.to(Keep, _function="os.getcwd", expression="1 + 1")

    assert graph.test({}) == ["os.getcwd", "1 + 1"]


def test_a_function_may_ask_for_the_context() -> None:
    def name(body: Any, context: Context) -> str:
        return f"{context.graph} {body}"

    graph = Graph("flights")
    graph.to(name)

    assert graph.test(1) == "flights 1"


def test_the_context_names_the_step_its_graph_and_release_and_has_a_logger_and_secrets(
    as_step: AsStep, caplog: pytest.LogCaptureFixture
) -> None:
    class Tell:
        def __init__(self, context: Context) -> None:
            self.context = context
            self.told = [context.graph, context.step, context.release, context.secret("TOKEN")]

        def do(self, body: Any) -> Any:
            self.context.logger.warning("seen %s", body)
            return self.told

    graph = Graph("flights")
    graph.to(Tell, "tell").to(as_step(lambda body: body), "keep")
    plan = graph.compile(environment={"TOKEN": "t"}, release="r1")

    answer = asyncio.run(_awaited(plan(7))) if plan.is_async else plan(7)

    assert answer == ["flights", "tell", "r1", "t"]
    assert [(record.name, record.getMessage()) for record in caplog.records] == [
        ("ci_core.serving.graph.flights", "seen 7")
    ]


async def _awaited(answer: Any) -> Any:
    return await answer


def test_an_object_with_do_event_gets_the_event() -> None:
    class Who:
        def do_event(self, event: Event) -> str:
            return event.id

    graph = Graph("g")
    graph.to(Who(), "who")

    assert graph.test({}, headers={"x-event-id": "42"}) == "42"


def test_a_graph_without_async_steps_never_touches_an_event_loop(monkeypatch: pytest.MonkeyPatch) -> None:
    graph = Graph("g")
    left, right = graph.to(abs, "left"), graph.to(abs, "right")
    graph.add_step(sum, "sum", after=[left, right]).to(str, "text").respond()

    def refuse(*_args: object, **_kwargs: object) -> None:
        pytest.fail("an event loop was asked for")

    for name in ("run", "get_running_loop", "new_event_loop", "create_task"):
        monkeypatch.setattr(asyncio, name, refuse)

    assert graph.compile()(-2) == "4"


def test_async_branches_run_side_by_side() -> None:
    graph = Graph("g")
    right_was_here = asyncio.Event()

    async def wait_for_right(_body: Any) -> str:
        await right_was_here.wait()
        return "left"

    async def arrive(_body: Any) -> str:
        right_was_here.set()
        return "right"

    left, right = graph.to(wait_for_right), graph.to(arrive)
    graph.add_step(list, "join", after=[left, right]).respond()

    assert graph.test(None) == ["left", "right"]


def test_a_failing_branch_cancels_those_still_running() -> None:
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
    left, right = graph.to(endless), graph.to(fail)
    graph.add_step(list, "join", after=[right, left]).respond()

    with pytest.raises(ValueError, match="no"):
        graph.test(None)
    assert ended == ["endless"]


def test_an_async_graph_can_be_tested_where_a_loop_is_running_already() -> None:
    async def step(body: int) -> int:
        await asyncio.sleep(0)
        return body + 1

    graph = Graph("g")
    graph.to(step)

    async def notebook_cell() -> Any:
        return graph.test(1)

    assert asyncio.run(notebook_cell()) == 2


def test_a_loop_whose_graph_is_collected_inside_another_loop_is_closed_and_nobody_waits_for_that() -> None:
    """The collector may run while this thread holds a lock that the end of the loop needs."""
    collected, is_closed = threading.Event(), threading.Event()
    told: list[bool] = []

    async def hang() -> None:
        try:
            await asyncio.Event().wait()
        finally:
            told.append(collected.wait(5))
            is_closed.set()

    tasks = []

    async def begin(body: Any) -> Any:
        tasks.append(asyncio.create_task(hang()))
        await asyncio.sleep(0)
        return body

    async def notebook_cell() -> None:
        graph = Graph("g")
        graph.to(begin)
        graph.test({})
        del graph
        gc.collect()
        collected.set()

    asyncio.run(notebook_cell())

    assert is_closed.wait(30)
    assert told == [True]


def test_impute_fills_missing_none_and_nan_and_leaves_the_request_alone() -> None:
    graph = Graph("g")
    graph.to(steps.Impute(age=33, city="?"))
    body = [{"age": None}, {"age": float("nan"), "city": "Oslo"}, {"age": 0}]

    assert graph.test(body) == [{"age": 33, "city": "?"}, {"age": 33, "city": "Oslo"}, {"age": 0, "city": "?"}]
    assert body[0] == {"age": None}


def test_per_row_makes_a_step_of_one_row_serve_a_list(as_step: AsStep) -> None:
    graph = Graph("g")
    graph.to(steps.per_row(as_step(lambda row: row + 1)), "plus")

    assert graph.test(1) == 2
    assert graph.test([1, 2]) == [2, 3]


def test_steps_without_a_name_get_the_last_word_of_their_reference_and_a_number_when_it_is_taken() -> None:
    graph = Graph("g")
    graph.to("serving.features:Table.clean").to(steps.Impute(a=1)).to(steps.Impute(b=1)).to("m:clean")

    assert [step.name for step in graph.spec.steps] == ["clean", "Impute", "Impute-2", "clean-2"]


def test_a_name_given_twice_is_refused() -> None:
    graph = Graph("g")
    graph.to("m:a", "a")

    with pytest.raises(DuplicateStepError):
        graph.to("m:b", "a")


def test_an_argument_that_is_no_json_is_refused_where_it_is_given() -> None:
    with pytest.raises(InvalidStepError, match=r"step `B` has an argument that is no JSON value"):
        Graph("g").to("m:B", table=object())
    with pytest.raises(InvalidStepError, match="no JSON value"):
        Graph("g").to(steps.Impute(age=float("nan")))


def test_a_lambda_works_here_and_cannot_be_written_down() -> None:
    graph = Graph("g")
    graph.to(lambda x: x, "same")

    assert graph.test(1) == 1
    with pytest.raises(StepNotImportableError, match="step `same` of graph `g` is"):
        graph.spec.to_dict()


def test_arguments_that_do_not_fit_the_constructor_are_a_clear_error() -> None:
    graph = Graph("g")
    graph.to(Counter)

    with pytest.raises(InvalidStepError, match="cannot be constructed: missing a required argument: 'start'"):
        graph.compile()


def test_a_notebook_shows_a_picture_that_needs_no_network() -> None:
    graph = Graph("g")
    graph.to(steps.Impute(age=33)).to("m:<b>", "</svg><script>")

    picture = graph._repr_html_()

    assert picture.startswith("<div")
    assert "&lt;/svg&gt;&lt;script&gt;" in picture
    assert "<script>" not in picture
    assert "href" not in picture


def test_the_plan_of_one_graph_can_be_called_again_and_again() -> None:
    graph = Graph("g")
    graph.to(str.strip, "strip").to(str.upper, "upper")
    plan = graph.compile()

    assert [plan(" a "), plan(" b")] == ["A", "B"]


def test_a_route_that_is_no_model_is_refused_with_the_way_to_write_it() -> None:
    as_in_yaml: dict[str, Any] = {"m1": {"model": "m1.onnx", "columns": ["age"]}}

    with pytest.raises(InvalidCallError, match="`Route` has an object for a model") as caught:
        Router.single(as_in_yaml)

    assert caught.value.hint == "a route with more than a model is written `Route(model, columns=[…])`"
