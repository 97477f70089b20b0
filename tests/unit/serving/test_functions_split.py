"""A graph whose steps are in several processes does what it does in one."""

import asyncio
from typing import Any

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from ci_core.errors import GraphshipError, InvalidStepError
from ci_core.serving import Event, Graph
from ci_core.serving.functions.application import FunctionApplication
from ci_core.serving.functions.client import DIGEST_HEADER
from ci_core.serving.functions.host import FunctionHost
from ci_core.serving.functions.split import FunctionPlan, Segment, split
from ci_core.serving.limits import Limits
from ci_core.serving.metrics import Metrics
from ci_core.serving.server import Application
from ci_core.serving.spec import REQUEST, GraphSpec, StepSpec
from ci_core.serving.topology import check
from tests.unit.serving.apart import split_graph
from tests.unit.serving.drawn_graphs import DrawnGraph, drawn_graphs


def _spec(*steps: StepSpec, on_error: str | None = None) -> GraphSpec:
    return GraphSpec(name="g", steps=steps, on_error=on_error)


def _step(name: str, *after: str, function: str | None = None, **rest: Any) -> StepSpec:
    return StepSpec(name=name, step=f"m:{name}", after=after, function=function, **rest)


def _shape(plan: FunctionPlan) -> tuple[dict[str, tuple[str, ...]], dict[str, tuple[str, ...]]]:
    """Return what the root's steps come after, and the steps of every segment."""
    return (
        {step.name: step.after for step in plan.root.steps},
        {segment.name: tuple(step.name for step in segment.spec.steps) for segment in plan.segments},
    )


# --- where a graph is cut -----------------------------------------------------------------------------------------


def test_steps_of_one_function_in_a_row_are_one_segment() -> None:
    spec = _spec(
        _step("a", REQUEST),
        _step("b", "a", function="heavy"),
        _step("c", "b", function="heavy"),
        _step("d", "c"),
    )

    root, segments = _shape(split(spec))

    assert root == {"a": (REQUEST,), "b..c": ("a",), "d": ("b..c",)}
    assert segments == {"b..c": ("b", "c")}


def test_a_segment_of_one_step_keeps_its_name() -> None:
    assert _shape(split(_spec(_step("a", REQUEST, function="heavy")))) == ({"a": (REQUEST,)}, {"a": ("a",)})


def test_two_functions_in_a_row_are_two_segments() -> None:
    plan = split(_spec(_step("a", REQUEST, function="f"), _step("b", "a", function="g")))

    assert _shape(plan)[1] == {"a": ("a",), "b": ("b",)}
    assert plan.functions == ("f", "g")
    assert [segment.name for segment in plan.of("g")] == ["b"]


def test_a_function_that_is_left_and_entered_again_has_two_segments() -> None:
    spec = _spec(_step("a", REQUEST, function="f"), _step("b", "a"), _step("c", "b", function="f"))

    assert _shape(split(spec))[1] == {"a": ("a",), "c": ("c",)}


def test_a_join_stays_with_the_caller() -> None:
    spec = _spec(
        _step("a", REQUEST, function="f"),
        _step("b", REQUEST, function="f"),
        _step("c", "a", "b", function="f", join="merge"),
        _step("d", "c", function="f"),
    )

    plan = split(spec)

    assert _shape(plan)[1] == {"a": ("a",), "b": ("b",), "c..d": ("c", "d")}
    assert plan.root.steps[2].join == "merge"
    assert plan.segments[2].spec.steps[0].join is None


def test_a_choice_by_the_names_of_steps_still_finds_them() -> None:
    spec = _spec(
        StepSpec(name="which", choice="kind", after=(REQUEST,)),
        _step("card", "which", function="f"),
        _step("book", "card", function="f"),
        _step("cash", "which"),
    )

    [which, *_] = split(spec).root.steps

    assert which.branches == {"card": "card..book", "cash": "cash"}


def test_a_step_with_an_error_handler_is_a_segment_of_its_own() -> None:
    spec = _spec(
        _step("a", REQUEST, function="f"),
        _step("b", "a", function="f", on_error="tell"),
        _step("c", "b", function="f"),
        _step("tell", function="f"),
    )

    plan = split(spec)

    assert _shape(plan)[1] == {"a": ("a",), "b": ("b",), "c": ("c",), "tell": ("tell",)}
    assert plan.root.steps[1].on_error == "tell"


def test_what_an_error_handler_leads_back_to_begins_a_segment() -> None:
    spec = _spec(
        _step("a", REQUEST, on_error="mend"),
        _step("b", "a", function="f"),
        _step("c", "b", function="f"),
        _step("d", "c", function="f"),
        _step("mend", back_to="c"),
    )

    plan = split(spec)

    assert _shape(plan)[1] == {"b": ("b",), "c..d": ("c", "d")}
    assert plan.root.steps[-1].back_to == "c..d"


def test_the_answer_is_taken_at_the_end_of_a_segment() -> None:
    spec = _spec(
        _step("a", REQUEST, function="f", responds=True),
        _step("b", "a", function="f"),
        StepSpec(name="q", queue="q", after=("b",)),
    )

    plan = split(spec)

    assert _shape(plan)[1] == {"a": ("a",), "b": ("b",)}
    assert [step.responds for step in plan.root.steps] == [True, False, False]


def test_steps_on_both_sides_of_a_queue_are_two_segments() -> None:
    spec = _spec(
        _step("a", REQUEST, function="f"),
        StepSpec(name="q", queue="q", after=("a",)),
        _step("b", "q", function="f"),
    )

    assert _shape(split(spec))[0] == {"a": (REQUEST,), "q": ("a",), "b": ("q",)}


def test_settings_of_a_step_go_with_it() -> None:
    step = _step("a", REQUEST, function="f", input_path="x", result_path="y", retries=3, timeout_s=0.5, full_event=True)

    plan = split(_spec(step))

    [inner] = plan.segments[0].spec.steps
    assert (inner.input_path, inner.result_path, inner.retries, inner.timeout_s) == ("x", "y", 3, 0.5)
    assert (inner.full_event, inner.function) == (True, None)
    [outer] = plan.root.steps
    assert (outer.input_path, outer.result_path, outer.retries, outer.timeout_s) == (None, None, 0, None)


def test_a_step_with_the_name_that_a_segment_needs_is_refused() -> None:
    spec = _spec(_step("a", REQUEST, function="f"), _step("b", "a", function="f"), _step("a..b", "b"))

    with pytest.raises(InvalidStepError, match="has the name that the call of the steps from `a` to `b` needs"):
        split(spec)


def test_a_graph_without_functions_is_all_root() -> None:
    spec = _spec(_step("a", REQUEST), _step("b", "a"))

    plan = split(spec)

    assert plan.root == spec
    assert plan.segments == ()


# --- the same answers ---------------------------------------------------------------------------------------------


def test_a_step_that_calls_exit_fails_its_request_and_not_its_process(caplog: pytest.LogCaptureFixture) -> None:
    def leave(_body: Any) -> Any:
        raise SystemExit(1)

    graph = Graph("g")
    graph.to(leave, name="leave", function="f")
    application = Application(split(graph.spec).root, split_graph(graph).compile(), metrics=Metrics())

    answer = asyncio.run(application.handle_async("POST", "/", {"x-event-id": "1\nERROR forged"}, b"{}"))

    assert answer[0] == 500
    assert caplog.messages[0] == r"step failed function=f step=leave event='1\nERROR forged'"


def test_the_path_of_a_call_forges_no_line_of_the_log(caplog: pytest.LogCaptureFixture) -> None:
    segment = Segment(name="a\nERROR forged", function="f", spec=_spec(_step("a", REQUEST)))
    host_of_nothing = FunctionHost([], {})
    application = FunctionApplication(host_of_nothing, [segment], {}, metrics=Metrics(), limits=Limits())

    call = application.handle_async("POST", f"/segments/{segment.name}", {DIGEST_HEADER: segment.digest}, b"")

    assert asyncio.run(call)[0] == 500
    assert caplog.messages == [r"call failed path='/segments/a\nERROR forged'"]


def _run(graph: Graph, drawn: DrawnGraph, body: Any) -> tuple[Any, ...]:
    """Return all that can be seen of one event."""
    drawn.seen.clear()
    plan = graph.compile()
    event = Event(body, id="e-1", path="/p", headers={"x-tenant": "t"})
    event.key = "k"

    async def run() -> Any:
        result = plan(body, event)
        return await result if plan.is_async else result

    try:
        outcome: tuple[Any, ...] = ("answer", asyncio.run(run()))
    except Exception as error:  # noqa: BLE001 - it is compared
        failed = event.error.step if event.error is not None else None
        details = [getattr(error, name, None) for name in ("status", "slug", "message", "retry_after_s")]
        notes = sorted(set(getattr(error, "__notes__", [])))
        outcome = ("error", type(error).__name__, str(error), details, failed, notes)
    return (*outcome, list(drawn.seen))


@settings(max_examples=500)
@given(drawn_graphs(), st.sampled_from(("x", "y", "z")))
def test_a_graph_answers_and_fails_split_as_it_does_in_one_process(drawn: DrawnGraph, kind: str) -> None:
    try:
        check(drawn.spec)
    except GraphshipError:
        assume(False)
    graph = drawn.graph()
    body = {"kind": kind, "n": 1}

    together = _run(graph, drawn, body)
    apart = _run(split_graph(graph), drawn, body)

    assert apart == together
