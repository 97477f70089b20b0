"""Whatever the graph: it answers as a simple interpreter of the rules does, sync or async, flat or nested.

Bodies tell which steps ran, in which order, and with what: every step puts its name around what it got. A step that
wants the event puts its name behind the event's key, too, so that answers tell which changes of the event it saw.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field, replace
from time import monotonic
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from ci_core.serving import Event, RequestError
from ci_core.serving.assemble import Surroundings, assemble
from ci_core.serving.engine.joins import JoinError
from ci_core.serving.metrics.steps import StepCalls
from ci_core.serving.neighbours import followers, upstream
from ci_core.serving.spec import REQUEST, GraphSpec, StepSpec
from ci_core.serving.topology import check

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

KINDS = ("x", "y", "z")
"""Values of the field that choices and joins by key go by."""


class BoomError(Exception):
    """What a failing step raises."""


@dataclass(frozen=True)
class Behaviour:
    """What a step does when it is called."""

    failures: int = 0
    """How often it fails before it answers."""
    chooses: tuple[str, ...] = ()
    kind: str | None = "x"
    """What it puts into the field that choices go by; None: it leaves the field out."""
    is_async: bool = False
    pauses: int = 0
    wants_event: bool = False

    def answer(self, name: str, body: Any, key: str) -> Any:
        if self.chooses:
            return list(self.chooses) if len(self.chooses) > 1 else self.chooses[0]
        told = f"{name}<{key}>" if self.wants_event else name
        return {"at": f"{told}({_shown(body)})", name: True} | ({"kind": self.kind} if self.kind is not None else {})


ALWAYS = 99
"""Failures that no number of repetitions outlasts."""


def _shown(body: Any) -> str:
    if isinstance(body, list):
        return f"[{' '.join(map(_shown, body))}]"
    marks = " ".join(sorted(name for name, value in body.items() if value is True))
    return f"{body['at']}{{{marks}}}"


@dataclass(frozen=True)
class Case:
    """A graph, and what its steps do, those of nested graphs as ``outer/inner``."""

    spec: GraphSpec
    behaviours: Mapping[str, Behaviour] = field(default_factory=dict)


@st.composite
def cases(draw: st.DrawFn, prefix: str = "", depth: int = 0, *, guards: bool = False) -> Case:
    count = draw(st.integers(1, 6))
    behaviours: dict[str, Behaviour] = {}
    steps: list[StepSpec] = []
    for index in range(count):
        name = f"{'abc'[depth]}{index}"
        before = [REQUEST, *(step.name for step in steps)]
        after = draw(st.lists(st.sampled_from(before), min_size=1, max_size=3, unique=True))
        kinds = ["step", "step", "step", "choice", "field", *(["graph"] if depth < 2 else [])]
        kind = draw(st.sampled_from(kinds))
        spec = StepSpec(name=name, after=tuple(after), **_join(draw, after))
        if kind == "choice":
            spec = replace(spec, choice="local:choice", several=draw(st.booleans()))
        elif kind == "field":
            spec = replace(spec, choice="kind")
        elif kind == "graph":
            inner = draw(cases(prefix=f"{prefix}{name}/", depth=depth + 1, guards=guards))
            behaviours.update(inner.behaviours)
            spec = replace(spec, graph=replace(inner.spec, name=name))
        else:
            spec = replace(spec, step="local:step", **_guards(draw, are_drawn=guards))
        steps.append(spec)
    fed = {name for step in steps for name in step.after}
    ends = [step.name for step in steps if step.name not in fed]
    steps.append(StepSpec(name="end", step="local:step", after=tuple(ends), responds=True, **_join(draw, ends)))
    next_steps = followers(GraphSpec(name="g", steps=tuple(steps)))
    steps = [_with_branches(draw, step, next_steps[step.name]) if step.choice == "kind" else step for step in steps]
    for step in steps:
        chosen: tuple[str, ...] = ()
        if step.choice == "local:choice":
            names = st.sampled_from(next_steps[step.name])
            chosen = tuple(draw(st.lists(names, min_size=1, max_size=3 if step.several else 1, unique=True)))
        if step.graph is None and step.choice != "kind":
            behaviours[f"{prefix}{step.name}"] = _behaviour(draw, chosen)
    graph = GraphSpec(name="g", steps=tuple(steps))
    return Case(_with_handlers(draw, graph, behaviours, prefix, guards=guards), behaviours)


def _join(draw: st.DrawFn, after: list[str]) -> dict[str, Any]:
    if len(after) == 1:
        return {}
    join = draw(st.sampled_from([None, "all", "any", "merge", "key"]))
    return {"join": join, "join_key": "kind" if join == "key" else None}


def _guards(draw: st.DrawFn, *, are_drawn: bool) -> dict[str, Any]:
    """Return settings that must not change what a step does, but for how often it is called."""
    if not are_drawn:
        return {}
    return {
        "retries": draw(st.integers(0, 2)),
        "retry_wait_s": 0.0,
        "blocking": draw(st.integers(0, 4)) == 0,
        "timeout_s": draw(st.sampled_from([None, None, None, 600.0])),
    }


def _with_branches(draw: st.DrawFn, choice: StepSpec, after: tuple[str, ...]) -> StepSpec:
    """Return a choice by a field: some values chosen by name, the last of the steps perhaps by ``otherwise``."""
    otherwise = after[-1] if draw(st.booleans()) else None
    named = after[:-1] if otherwise is not None and len(after) > 1 else after
    values = [*KINDS, *(f"v{number}" for number in range(len(named)))]
    return replace(choice, branches=dict(zip(values, named, strict=False)), otherwise=otherwise)


def _behaviour(draw: st.DrawFn, chosen: tuple[str, ...] = ()) -> Behaviour:
    return Behaviour(
        failures=draw(st.sampled_from([0, 0, 0, 0, 1, 2, ALWAYS])),
        chooses=chosen,
        kind=draw(st.sampled_from([*KINDS, None])),
        is_async=draw(st.booleans()),
        pauses=draw(st.integers(0, 2)),
        wants_event=not chosen and draw(st.integers(0, 3)) == 0,
    )


def _with_handlers(
    draw: st.DrawFn, graph: GraphSpec, behaviours: dict[str, Behaviour], prefix: str, *, guards: bool
) -> GraphSpec:
    steps: list[StepSpec] = []
    handlers: list[StepSpec] = []
    for step in graph.steps:
        if draw(st.integers(0, 2)):
            steps.append(step)
            continue
        name = f"on-{step.name}"
        targets = [one.name for one in graph.steps if len(one.after) == 1 and step.name in upstream(graph, one.name)]
        back_to = draw(st.none() | st.sampled_from(targets)) if targets else None
        settings_of = _guards(draw, are_drawn=guards)
        handlers.append(StepSpec(name=name, step="local:step", back_to=back_to, **settings_of))
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
    """An answer, or the step whose error reaches the caller, and the key of the event afterwards."""

    answer: Any = None
    failed: str | None = None
    key: str = ""
    """After the step, where one comes after it."""


class Interpreter:
    """The rules, written for reading: values lie on the edges of the graph, each with the key of its event."""

    def __init__(self, case: Case, *, in_order: bool, prefix: str = "") -> None:
        self.case, self.spec, self.in_order, self.prefix = case, case.spec, in_order, prefix
        self.topology, self.next_steps = check(case.spec), followers(case.spec)
        self.steps = {step.name: step for step in case.spec.steps}
        self.on_edge: dict[tuple[str, str], tuple[Any, str]] = {}
        self.results: dict[str, Any] = {}
        self.detours: dict[str, tuple[Any, str]] = {}
        self.cut: set[str] = set()
        self.endings: list[Outcome] = []

    def outcomes(self, body: Any, key: str) -> list[Outcome]:
        """Return how an event may end: one way, or one for each branch that ends it, in topological order.

        Where steps run one after the other (`in_order`) it is the first of several. Elsewhere an example is passed over
        in which a nested graph has several, because what follows is open.
        """
        self.on_edge = {(REQUEST, step.name): (body, key) for step in self.spec.steps}
        for name in self.topology.order:
            self._step(self.steps[name])
        return self.endings or [
            Outcome(next(self.results[one] for one in self.topology.answers if one in self.results))
        ]

    def _step(self, step: StepSpec) -> None:
        name = step.name
        arrived = [self.on_edge[source, name] for source in step.after if (source, name) in self.on_edge]
        if name in self.detours:
            arrived = [self.detours[name]]
        if name in self.cut or not arrived:
            return
        values, key = [value for value, _ in arrived], arrived[0][1]
        try:
            given = joined(step, self.topology.joins.get(name), values)
        except BoomError:
            given, ends = values, [Outcome(failed=f"{self.prefix}{name}", key=key)]
        else:
            ends = self._called(step, given, key)
        end, *others = ends
        assume(self.in_order or not others)
        if end.failed is not None:
            self._failed(step, end, given)
            return
        self.results[name] = end.answer
        for follower in self.next_steps[name]:
            if step.choice is None:
                self.on_edge[name, follower] = end.answer, end.key
            elif follower in end.answer:
                self.on_edge[name, follower] = given, end.key

    def _failed(self, step: StepSpec, end: Outcome, given: Any) -> None:
        handler = step.on_error or self.spec.on_error
        if handler is None:
            self._end(step, end)
            return
        (handled,) = self._called(self.steps[handler], given, end.key)
        back_to = self.steps[handler].back_to
        if handled.failed is not None or back_to is None:
            self._end(step, handled)
            return
        # of several the first in order, whichever ended first
        self.detours.setdefault(back_to, (handled.answer, handled.key))
        self.cut |= self._below(step.name) - {back_to} - self._below(back_to)

    def _end(self, step: StepSpec, end: Outcome) -> None:
        self.endings.append(replace(end, key=""))
        self.cut |= self._below(step.name)

    def _below(self, name: str) -> set[str]:
        return {one for one in self.topology.order if name in upstream(self.spec, one)}

    def _called(self, step: StepSpec, body: Any, key: str) -> list[Outcome]:
        full = f"{self.prefix}{step.name}"
        if step.graph is not None:
            inner = Interpreter(Case(step.graph, self.case.behaviours), in_order=self.in_order, prefix=f"{full}/")
            return [replace(one, key=key) for one in inner.outcomes(body, key)]  # it has a copy of the event
        if step.choice == "kind":
            chosen = chosen_by(step, body)
            return [Outcome(chosen, key=key) if chosen is not None else Outcome(failed=full, key=key)]
        behaviour = self.case.behaviours[full]
        calls = min(behaviour.failures, step.retries) + 1
        if behaviour.wants_event:
            key += f"{step.name}," * calls
        if behaviour.failures > step.retries:
            return [Outcome(failed=full, key=key)]
        return [Outcome(behaviour.answer(full, body, key), key=key)]


def chosen_by(step: StepSpec, body: Any) -> tuple[str, ...] | None:
    """Return what a choice by a field chooses; None when it refuses the body."""
    if isinstance(body, list):
        ways = {chosen_by(step, row) if isinstance(row, dict) else None for row in body} or {chosen_by(step, {})}
        return ways.pop() if len(ways) == 1 else None
    if not isinstance(body, dict):
        return None
    chosen = step.branches.get(str(body.get("kind"))) or step.otherwise
    return None if chosen is None else (chosen,)


def joined(step: StepSpec, join: str | None, values: list[Any]) -> Any:
    """Return what a step with several inputs gets."""
    if join in {None, "any"}:
        return values[0]
    if join == "all":
        return values
    rows = [row for value in values for row in (value if isinstance(value, list) else [value])]
    if join == "merge":
        if not all(isinstance(value, dict) for value in values):
            raise BoomError(step.name)
        return {name: part for row in rows for name, part in row.items()}
    if not all(isinstance(row, dict) and "kind" in row for row in rows):
        raise BoomError(step.name)
    kinds = dict.fromkeys(row["kind"] for row in rows)
    return [{name: part for row in rows if row["kind"] == kind for name, part in row.items()} for kind in kinds]


class Step:
    """What stands in the graph: a step that behaves as it should, once for one event."""

    def __init__(self, full: str, behaviour: Behaviour) -> None:
        self._full, self._name, self._behaviour = full, full.rpartition("/")[2], behaviour
        self._failures = behaviour.failures

    def do(self, given: Any) -> Any:
        body, key = given, ""
        if self._behaviour.wants_event:
            given.key = key = f"{given.key or ''}{self._name},"
            body = given.body
        if self._failures:
            self._failures -= 1
            raise BoomError(self._full)
        return self._behaviour.answer(self._full, body, key)

    async def do_async(self, given: Any) -> Any:
        for _ in range(self._behaviour.pauses):
            await asyncio.sleep(0)
        return self.do(given)


class Timer:
    """A ``StepObserver`` that has every event timed, so that no short cut is taken."""

    def calls_of(self, steps: Sequence[int]) -> StepCalls:
        return StepCalls([0] * len(steps))

    def wants_times(self) -> bool:
        return True

    def took(self, step: int, seconds: float) -> None:
        assert seconds >= 0

    def failed(self, step: int) -> None:
        pass


BODY = {"at": "x", "kind": "x"}
WAYS = ("short cut", "with an event", "in time", "timed")


def run(case: Case, way: str = "short cut", *, with_async: bool = False, nested: bool = False) -> Outcome:
    """Run one event through the real engine.

    Args:
        case: graph and behaviours.
        way: of those that the engine has for one graph.
        with_async: whether steps that can be async are.
        nested: whether the graph runs as the only step of another.
    """
    prefix = "outer/" if nested else ""
    targets: dict[str, Any] = {}
    for name, behaviour in case.behaviours.items():
        step = Step(name, behaviour)
        targets[f"{prefix}{name}"] = step.do_async if with_async and behaviour.is_async else step.do
    spec = _full_event(case.spec, case.behaviours)
    if nested:
        spec = GraphSpec(name="g", steps=(StepSpec(name="outer", graph=spec, after=(REQUEST,)),))
    around = Surroundings(observe_steps=Timer() if way == "timed" else None)
    plan = assemble(spec, targets=targets, home=None, root=None, surroundings=around)
    event = None if way == "short cut" else Event(dict(BODY), deadline=monotonic() + 600 if way == "in time" else None)
    call = plan.run_in_time if way == "in time" else plan.run
    try:
        answer = asyncio.run(call(dict(BODY), event)) if plan.is_async else call(dict(BODY), event)
    except (BoomError, RequestError, JoinError) as error:
        (note,) = error.__notes__
    else:
        return Outcome(answer=answer)
    finally:
        plan.close()
    failed = note.removeprefix(f"in step `{prefix}").removesuffix("` of graph `g`")
    if event is not None:
        assert event.error is not None
        assert event.error.step == f"{prefix}{failed}"
    return Outcome(failed=failed)


def _full_event(spec: GraphSpec, behaviours: Mapping[str, Behaviour], prefix: str = "") -> GraphSpec:
    steps = []
    for step in spec.steps:
        full = f"{prefix}{step.name}"
        if step.graph is not None:
            steps.append(replace(step, graph=_full_event(step.graph, behaviours, f"{full}/")))
        elif step.choice is None:
            steps.append(replace(step, full_event=behaviours[full].wants_event))
        else:
            steps.append(step)
    return replace(spec, steps=tuple(steps))


def expected(case: Case, *, in_order: bool) -> list[Outcome]:
    return Interpreter(case, in_order=in_order).outcomes(dict(BODY), "")


quietly = settings(
    max_examples=50, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much]
)


@pytest.mark.parametrize("way", WAYS)
@quietly
@given(case=cases())
def test_a_sync_graph_ends_as_the_rules_say_and_the_first_failure_in_order_decides(way: str, case: Case) -> None:
    first, *_ = expected(case, in_order=True)

    assert run(case, way) == first


@pytest.mark.parametrize("way", WAYS)
@quietly
@given(case=cases(guards=True))
def test_an_async_graph_ends_as_the_sync_one_does_or_by_another_of_its_failing_branches(way: str, case: Case) -> None:
    endings = expected(case, in_order=False)

    assert run(case, way, with_async=True) in endings


@quietly
@given(cases())
def test_a_graph_ends_the_same_way_as_the_only_step_of_another(case: Case) -> None:
    assert run(case, nested=True) == run(case)
