"""A graph whose steps are in several processes does what it does in one."""

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from ci_core.errors import GraphshipError, InvalidStepError
from ci_core.serving import Event, Graph, RequestError
from ci_core.serving.functions.split import FunctionPlan, split
from ci_core.serving.metrics import Metrics
from ci_core.serving.problems import DependencyError
from ci_core.serving.server import Application
from ci_core.serving.spec import REQUEST, GraphSpec, StepSpec
from ci_core.serving.topology import check
from tests.unit.serving.apart import split_graph


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


_ERRORS: tuple[Callable[[str], Exception], ...] = (
    lambda name: ValueError(f"{name} cannot"),
    KeyError,
    lambda name: RequestError(f"{name} refuses", status=422),
    lambda name: DependencyError(f"{name} cannot reach it", retry_after_s=3.0),
    lambda name: UnicodeDecodeError("utf-8", b"\xff", 0, 1, name),
)
_FUNCTIONS = (None, "f", "f", "g")


class _Blueprint:
    """A random graph: its spec, and what its steps do."""

    def __init__(self, steps: list[StepSpec], on_error: str | None, behaviour: Mapping[str, tuple[str, Any]]) -> None:
        self.spec = GraphSpec(name="g", steps=tuple(steps), on_error=on_error)
        self._behaviour = behaviour
        self.seen: list[Any] = []
        """Bodies that arrived at steps behind a queue."""

    def graph(self) -> Graph:
        graph = Graph.from_spec(self.spec)
        graph._blueprint.targets = {step.name: self._target(step) for step in self.spec.steps if step.step}
        return graph

    def _target(self, step: StepSpec) -> Callable[[Any], Any]:
        way, error = self._behaviour[step.name]
        name = step.name

        def work(given: Any) -> Any:
            body = given
            if isinstance(given, Event):
                body = given.body
                given.key = f"{given.key}>{name}"
            if name.startswith("last"):
                self.seen.append(body)
            if error is not None:
                raise error(name)
            result = {"at": name, "of": body, "kind": _kind(body)}
            if isinstance(given, Event):
                result["seen"] = [given.id, given.key, given.path, dict(given.headers), str(given.error)]
                result["failed"] = given.error.step if given.error is not None else None
            return result

        async def work_async(given: Any) -> Any:
            await asyncio.sleep(0)
            return work(given)

        return work_async if way == "async" else work


def _kind(body: Any) -> Any:
    return _kind(body[0]) if isinstance(body, list) else body.get("kind")


@st.composite
def _blueprints(draw: st.DrawFn) -> _Blueprint:  # noqa: C901 - one choice after the other
    """Chains of blocks: steps, fans that join, and choices that meet again; handlers; at its end perhaps a queue."""
    steps: list[StepSpec] = []
    names = iter(f"s{number}" for number in range(100))

    def add(*after: str, **rest: Any) -> str:
        name = next(names)
        # mostly as the step before, so that there are segments of several steps
        before = steps[-1].function if steps else None
        function = draw(st.sampled_from((*_FUNCTIONS, before, before)))
        full_event = draw(st.sampled_from((False, False, True)))
        steps.append(StepSpec(name=name, step="local:x", after=after, function=function, full_event=full_event, **rest))
        return name

    def chain(start: str, longest: int) -> str:
        for _ in range(draw(st.integers(1, longest))):
            start = add(start)
        return start

    end = chain(REQUEST, 3)
    for block in draw(st.lists(st.sampled_from(("chain", "fan", "choice")), max_size=2)):
        if block == "chain":
            end = chain(end, 3)
        elif block == "fan":
            ends = [chain(end, 2) for _ in range(draw(st.integers(2, 3)))]
            end = add(*ends, join=draw(st.sampled_from(("all", "any", "merge", None))))
        else:
            choice = f"choice-{next(names)}"
            steps.append(StepSpec(name=choice, choice="kind", after=(end,)))
            firsts, ends = [], []
            for _ in range(2):
                firsts.append(add(choice))
                ends.append(draw(st.sampled_from((firsts[-1], None))) or chain(firsts[-1], 2))
            index = next(at for at, step in enumerate(steps) if step.name == choice)
            steps[index] = StepSpec(
                name=choice, choice="kind", after=steps[index].after, branches={"x": firsts[0], "y": firsts[1]}
            )
            end = add(*ends)
    _add_handlers(draw, steps)
    on_error = None
    if draw(st.sampled_from((False, False, True))):
        on_error = "tell"
        function = draw(st.sampled_from(_FUNCTIONS))
        steps.append(StepSpec(name="tell", step="local:x", full_event=draw(st.booleans()), function=function))
    if draw(st.sampled_from((False, False, True))):
        steps[next(at for at, step in enumerate(steps) if step.name == end)] = _responding(steps, end)
        before = chain(end, 2) if draw(st.booleans()) else end
        steps.append(StepSpec(name="queue", queue="stream", after=(before,)))
        before = "queue"
        for number in range(draw(st.integers(1, 3))):
            function = draw(st.sampled_from(_FUNCTIONS))
            steps.append(StepSpec(name=f"last{number}", step="local:x", after=(before,), function=function))
            before = f"last{number}"
    handled = [step.name for step in steps if step.on_error]
    failing = draw(st.sampled_from((None, *(step.name for step in steps if step.step), *(handled * 3))))
    handler_fails = draw(st.sampled_from((False, False, True)))
    behaviour = {
        step.name: (
            draw(st.sampled_from(("sync", "sync", "async"))),
            draw(st.sampled_from(_ERRORS))
            if step.name == failing or (handler_fails and step.name == "tell" and failing is not None)
            else None,
        )
        for step in steps
    }
    return _Blueprint(steps, on_error, behaviour)


def _responding(steps: list[StepSpec], name: str) -> StepSpec:
    return replace(next(step for step in steps if step.name == name), responds=True)


def _add_handlers(draw: st.DrawFn, steps: list[StepSpec]) -> None:
    for at in draw(st.lists(st.integers(0, len(steps) - 1), max_size=2, unique=True)):
        if not steps[at].step:
            continue
        handler = f"mend-{steps[at].name}"
        later = [step.name for step in steps[at + 1 :] if len(step.after) == 1 and step.step]
        back_to = draw(st.sampled_from((*later, None)))
        function = draw(st.sampled_from(_FUNCTIONS))
        mended = [*steps, StepSpec(name=handler, step="local:x", back_to=back_to, function=function, full_event=True)]
        mended[at] = replace(steps[at], on_error=handler)
        try:
            check(GraphSpec(name="g", steps=tuple(mended)))
        except GraphshipError:  # it leads back to where no handler may
            continue
        steps[:] = mended


def _run(graph: Graph, blueprint: _Blueprint, body: Any) -> tuple[Any, ...]:
    """Return all that can be seen of one event."""
    blueprint.seen.clear()
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
    return (*outcome, list(blueprint.seen))


@settings(max_examples=500)
@given(_blueprints(), st.sampled_from(("x", "y", "z")))
def test_a_graph_answers_and_fails_split_as_it_does_in_one_process(blueprint: _Blueprint, kind: str) -> None:
    try:
        check(blueprint.spec)
    except GraphshipError:
        assume(False)
    graph = blueprint.graph()
    body = {"kind": kind, "n": 1}

    together = _run(graph, blueprint, body)
    apart = _run(split_graph(graph), blueprint, body)

    assert apart == together
