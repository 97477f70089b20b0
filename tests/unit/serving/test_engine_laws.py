"""Whatever the graph: it answers as a simple interpreter of the rules does, sync or async, flat or nested.

Every step writes its name around what it got, so that an answer tells which steps ran, in which order, and with what.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from ci_core.serving.assemble import assemble
from ci_core.serving.spec import REQUEST, GraphSpec, StepSpec
from ci_core.serving.topology import check, followers, upstream

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping


class BoomError(Exception):
    """What a failing step raises; says which step."""


@dataclass(frozen=True)
class Behaviour:
    """What a step does when it is called."""

    fails: bool = False
    chooses: tuple[str, ...] = ()
    is_async: bool = False
    pauses: int = 0
    wants_event: bool = False

    def do(self, name: str, body: Any) -> Any:
        if self.fails:
            raise BoomError(name)
        if self.chooses:
            return list(self.chooses) if len(self.chooses) > 1 else self.chooses[0]
        return f"{name}({_shown(body)})"


def _shown(body: Any) -> str:
    return f"[{' '.join(map(_shown, body))}]" if isinstance(body, list) else str(body)


@dataclass(frozen=True)
class Case:
    """A graph, and what its steps do, those of nested graphs as ``outer/inner``."""

    spec: GraphSpec
    behaviours: Mapping[str, Behaviour] = field(default_factory=dict)


@st.composite
def cases(draw: st.DrawFn, prefix: str = "", depth: int = 0) -> Case:
    count = draw(st.integers(1, 6))
    behaviours: dict[str, Behaviour] = {}
    steps: list[StepSpec] = []
    for index in range(count):
        name = f"{'abc'[depth]}{index}"
        before = [REQUEST, *(step.name for step in steps)]
        after = draw(st.lists(st.sampled_from(before), min_size=1, max_size=3, unique=True))
        kind = draw(st.sampled_from(["step", "step", "step", "choice", "graph"] if depth < 2 else ["step", "choice"]))
        spec = StepSpec(name=name, after=tuple(after), join=_join(draw, after))
        if kind == "choice":
            spec = replace(spec, choice="local:choice", several=draw(st.booleans()))
        elif kind == "graph":
            inner = draw(cases(prefix=f"{prefix}{name}/", depth=depth + 1))
            behaviours.update(inner.behaviours)
            spec = replace(spec, graph=replace(inner.spec, name=name))
        else:
            spec = replace(spec, step="local:step")
        steps.append(spec)
    fed = {name for step in steps for name in step.after}
    ends = [step.name for step in steps if step.name not in fed]
    steps.append(StepSpec(name="end", step="local:step", after=tuple(ends), responds=True, join=_join(draw, ends)))
    graph = GraphSpec(name="g", steps=tuple(steps))
    next_steps = followers(graph)
    for step in steps:
        chosen: tuple[str, ...] = ()
        if step.choice is not None:
            names = st.sampled_from(next_steps[step.name])
            chosen = tuple(draw(st.lists(names, min_size=1, max_size=3 if step.several else 1, unique=True)))
        if step.graph is None:
            behaviours[f"{prefix}{step.name}"] = _behaviour(draw, chosen)
    return Case(_with_handlers(draw, graph, behaviours, prefix), behaviours)


def _join(draw: st.DrawFn, after: list[str]) -> Any:
    return draw(st.sampled_from([None, "all", "any"])) if len(after) > 1 else None


def _behaviour(draw: st.DrawFn, chosen: tuple[str, ...] = ()) -> Behaviour:
    return Behaviour(
        fails=draw(st.integers(0, 5)) == 0,
        chooses=chosen,
        is_async=draw(st.booleans()),
        pauses=draw(st.integers(0, 2)),
        wants_event=not chosen and draw(st.integers(0, 3)) == 0,
    )


def _with_handlers(draw: st.DrawFn, graph: GraphSpec, behaviours: dict[str, Behaviour], prefix: str) -> GraphSpec:
    steps: list[StepSpec] = []
    handlers: list[StepSpec] = []
    for step in graph.steps:
        if draw(st.integers(0, 2)):
            steps.append(step)
            continue
        name = f"on-{step.name}"
        targets = [one.name for one in graph.steps if len(one.after) == 1 and step.name in upstream(graph, one.name)]
        back_to = draw(st.none() | st.sampled_from(targets)) if targets else None
        handlers.append(StepSpec(name=name, step="local:step", back_to=back_to))
        behaviours[f"{prefix}{name}"] = _behaviour(draw)
        steps.append(replace(step, on_error=name))
    on_error = None
    if draw(st.integers(0, 3)) == 0:
        on_error = "on-any"
        handlers.append(StepSpec(name=on_error, step="local:step"))
        behaviours[f"{prefix}{on_error}"] = _behaviour(draw)
    return replace(graph, steps=(*steps, *handlers), on_error=on_error)


@dataclass(frozen=True)
class Outcome:
    """An answer, or the error that reaches the caller."""

    answer: Any = None
    error: str | None = None


def outcomes(case: Case, body: Any, *, in_order: bool, prefix: str = "") -> list[Outcome]:
    """Return how an event may end, by the rules: one way, or one for each branch that ends it, in topological order.

    Args:
        case: graph and behaviours.
        body: of the request.
        in_order: whether steps run one after the other, so that of several ways it is the first. Else an example is
            passed over in which a nested graph has several, because what follows is open.
        prefix: of the names of its steps.
    """
    spec, topology = case.spec, check(case.spec)
    steps, next_steps = {step.name: step for step in spec.steps}, followers(spec)
    on_edge: dict[tuple[str, str], Any] = {(REQUEST, step.name): body for step in spec.steps}
    results: dict[str, Any] = {}
    detours: dict[str, Any] = {}
    cut: set[str] = set()
    endings: list[Outcome] = []

    def below(name: str) -> set[str]:
        return {one for one in topology.order if name in upstream(spec, one)}

    for name in topology.order:
        step = steps[name]
        arrived = [on_edge[source, name] for source in step.after if (source, name) in on_edge]
        if name in detours:
            arrived = [detours[name]]
        if name in cut or not arrived:
            continue
        given = arrived if topology.joins.get(name) == "all" else arrived[0]
        end, *others = _called(case, step, given, in_order=in_order, prefix=prefix)
        assume(in_order or not others)
        handler = step.on_error or spec.on_error
        if end.error is None:
            results[name] = end.answer
            for follower in next_steps[name]:
                if step.choice is None or follower in case.behaviours[f"{prefix}{name}"].chooses:
                    on_edge[name, follower] = given if step.choice is not None else end.answer
            continue
        if handler is None:
            endings.append(end)
            cut |= below(name)
            continue
        (handled,) = _called(case, steps[handler], given, in_order=in_order, prefix=prefix)
        back_to = steps[handler].back_to
        if handled.error is not None or back_to is None:
            endings.append(handled)
            cut |= below(name)
        else:
            detours.setdefault(back_to, handled.answer)  # of several the first in order, whichever ended first
            cut |= below(name) - {back_to} - below(back_to)
    return endings or [Outcome(answer=next(results[name] for name in topology.answers if name in results))]


def _called(case: Case, step: StepSpec, body: Any, *, in_order: bool, prefix: str) -> list[Outcome]:
    full = f"{prefix}{step.name}"
    if step.graph is not None:
        return outcomes(Case(step.graph, case.behaviours), body, in_order=in_order, prefix=f"{full}/")
    try:
        return [Outcome(answer=case.behaviours[full].do(full, body))]
    except BoomError as error:
        return [Outcome(error=str(error))]


def function_of(name: str, behaviour: Behaviour, *, is_async: bool) -> Callable[[Any], Any]:
    def step(given: Any) -> Any:
        return behaviour.do(name, given.body if behaviour.wants_event else given)

    async def step_async(given: Any) -> Any:
        for _ in range(behaviour.pauses):
            await asyncio.sleep(0)
        return step(given)

    return step_async if is_async else step


def run(case: Case, *, with_async: bool, nested: bool = False, body: str = "x") -> Outcome:
    """Run the event through the real engine.

    Args:
        case: graph and behaviours.
        with_async: whether steps that can be async are.
        nested: whether the graph runs as the only step of another.
        body: of the request.
    """
    prefix = "outer/" if nested else ""
    targets = {
        f"{prefix}{name}": function_of(name, behaviour, is_async=with_async and behaviour.is_async)
        for name, behaviour in case.behaviours.items()
    }
    spec = _full_event(case.spec, case.behaviours)
    if nested:
        spec = GraphSpec(name="g", steps=(StepSpec(name="outer", graph=spec, after=(REQUEST,)),))
    plan = assemble(spec, targets=targets, home=None, root=None)
    try:
        answer = asyncio.run(plan(body)) if plan.is_async else plan(body)
    except BoomError as error:
        failure = error
    else:
        return Outcome(answer=answer)
    assert failure.__notes__ == [f"in step `{prefix}{failure}` of graph `g`"]
    return Outcome(error=str(failure))


def _full_event(spec: GraphSpec, behaviours: Mapping[str, Behaviour], prefix: str = "") -> GraphSpec:
    steps = []
    for step in spec.steps:
        full = f"{prefix}{step.name}"
        if step.graph is not None:
            steps.append(replace(step, graph=_full_event(step.graph, behaviours, f"{full}/")))
        else:
            steps.append(replace(step, full_event=behaviours[full].wants_event))
    return replace(spec, steps=tuple(steps))


quietly = settings(
    max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much]
)


@quietly
@given(cases())
def test_a_sync_graph_ends_as_the_rules_say_and_the_first_failure_in_order_decides(case: Case) -> None:
    expected = outcomes(case, "x", in_order=True)

    found = run(case, with_async=False)

    assert found == expected[0]


@quietly
@given(cases())
def test_an_async_graph_ends_as_the_sync_one_does_or_by_another_of_its_failing_branches(case: Case) -> None:
    expected = outcomes(case, "x", in_order=False)

    found = run(case, with_async=True)

    assert found in expected


@quietly
@given(cases())
def test_a_graph_ends_the_same_way_as_the_only_step_of_another(case: Case) -> None:
    assert run(case, with_async=False, nested=True) == run(case, with_async=False)
