"""Graphs drawn at random, whose answers tell what every step got: for tests of ways to run that must be equal."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from hypothesis import strategies as st

from ci_core.errors import GraphshipError
from ci_core.serving import Event, Graph, RequestError
from ci_core.serving.problems import DependencyError
from ci_core.serving.spec import REQUEST, GraphSpec, StepSpec
from ci_core.serving.topology import check

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

_ERRORS: tuple[Callable[[str], Exception], ...] = (
    lambda name: ValueError(f"{name} cannot"),
    KeyError,
    lambda name: RequestError(f"{name} refuses", status=422),
    lambda name: DependencyError(f"{name} cannot reach it", retry_after_s=3.0),
    lambda name: UnicodeDecodeError("utf-8", b"\xff", 0, 1, name),
)
_FUNCTIONS = (None, "f", "f", "g")


class DrawnGraph:
    """A random graph.

    Attributes:
        spec: of the graph.
        seen: bodies that arrived at steps behind a queue.
    """

    def __init__(self, steps: list[StepSpec], on_error: str | None, behaviour: Mapping[str, tuple[str, Any]]) -> None:
        self.spec = GraphSpec(name="g", steps=tuple(steps), on_error=on_error)
        self._behaviour = behaviour
        self.seen: list[Any] = []

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
                self.seen.append([name, body, _seen_of(given) if isinstance(given, Event) else None])
            if error is not None:
                raise error(name)
            result = {"at": name, "of": body, "kind": _kind(body)}
            if isinstance(given, Event):
                result["seen"] = _seen_of(given)
            return result

        async def work_async(given: Any) -> Any:
            await asyncio.sleep(0)
            return work(given)

        return work_async if way == "async" else work


def _seen_of(event: Event) -> list[Any]:
    failed = event.error.step if event.error is not None else None
    return [event.id, event.key, event.path, event.method, dict(event.headers), str(event.error), failed]


def _kind(body: Any) -> Any:
    return _kind(body[0]) if isinstance(body, list) else body.get("kind")


@st.composite
def drawn_graphs(draw: st.DrawFn, *, queue: bool | None = None) -> DrawnGraph:  # noqa: C901 - one choice after the other
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
    if draw(st.sampled_from((False, False, True))) if queue is None else queue:
        steps[next(at for at, step in enumerate(steps) if step.name == end)] = _responding(steps, end)
        before = chain(end, 2) if draw(st.booleans()) else end
        steps.append(StepSpec(name="queue", queue="stream", after=(before,)))
        before = "queue"
        for number in range(draw(st.integers(1, 3))):
            function = draw(st.sampled_from(_FUNCTIONS))
            full_event = draw(st.booleans())
            last = StepSpec(
                name=f"last{number}", step="local:x", after=(before,), function=function, full_event=full_event
            )
            steps.append(last)
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
    return DrawnGraph(steps, on_error, behaviour)


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
