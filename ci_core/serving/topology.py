"""Does a graph make sense, and in what order do its steps run? Pure: a spec in, an order or an error out."""

from __future__ import annotations

import graphlib
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ci_core.errors import (
    DuplicateStepError,
    EmptyGraphError,
    GraphCycleError,
    InvalidStepError,
    TwoRespondersError,
    UnansweredBranchError,
    UnknownStepError,
    UnreachableStepError,
)
from ci_core.serving.spec import ANSWER, REQUEST

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from ci_core.serving.spec import GraphSpec


@dataclass(frozen=True, slots=True, kw_only=True)
class Topology:
    """What the check found."""

    order: tuple[str, ...]
    """Names of the steps that run for every request, each after all it depends on; ties in the order of the spec."""
    responder: str
    """The step whose result is the answer."""
    handlers: tuple[str, ...]
    """Steps that run only when another fails."""


def check(spec: GraphSpec) -> Topology:
    """Return the order of the steps of `spec`.

    Raises:
        EmptyGraphError: there are no steps.
        DuplicateStepError: two steps, or two models, share a name.
        InvalidStepError: a step is called ``request``, or a handler has a handler or a place in the flow.
        UnknownStepError: a step refers to one that does not exist.
        GraphCycleError: steps lead back to themselves; the error names every step on the cycle.
        UnreachableStepError: nothing leads to a step.
        TwoRespondersError: more than one step responds.
        UnansweredBranchError: a branch does not lead to the answer.
    """
    if not spec.steps:
        raise EmptyGraphError(graph=spec.name)
    _check_names(spec)
    handlers = _handlers(spec)
    order = _order(spec)
    _check_reachable(spec, handlers)
    flow = tuple(name for name in order if name not in handlers)
    return Topology(order=flow, responder=_responder(spec, flow), handlers=handlers)


def upstream(spec: GraphSpec, name: str) -> frozenset[str]:
    """Return all steps whose results `name` depends on, directly or not; `name` itself is not among them."""
    after = {step.name: step.after for step in spec.steps}
    found: set[str] = set()
    waiting = list(after[name])
    while waiting:
        one = waiting.pop()
        if one != REQUEST and one not in found:
            found.add(one)
            waiting.extend(after[one])
    return frozenset(found)


def _check_names(spec: GraphSpec) -> None:
    names = [step.name for step in spec.steps]
    _refuse_duplicates(spec.name, names)
    for reserved in (REQUEST, ANSWER):
        if reserved in names:
            reason = f"has the name that stands for the {reserved.strip('()')} itself"
            raise InvalidStepError(step=reserved, reason=reason, hint="give it another name")
    # all models of a graph share the one name space of `/v2/models/<name>`
    _refuse_duplicates(spec.name, [route.name for step in spec.steps for route in step.routes], kind="model")
    for step in spec.steps:
        known = [*names, REQUEST]
        for name in step.after:
            if name not in known:
                raise UnknownStepError(
                    graph=spec.name, step=step.name, relation="comes after", name=name, known_names=names
                )
        if step.on_error is not None and step.on_error not in names:
            raise UnknownStepError(
                graph=spec.name, step=step.name, relation="is handled by", name=step.on_error, known_names=names
            )
    if spec.on_error is not None and spec.on_error not in names:
        raise UnknownStepError(
            graph=spec.name, step="(any)", relation="is handled by", name=spec.on_error, known_names=names
        )


def _refuse_duplicates(graph: str, names: Iterable[str], *, kind: str = "step") -> None:
    seen: set[str] = set()
    for name in names:
        if name in seen:
            raise DuplicateStepError(graph=graph, name=name, kind=kind)
        seen.add(name)


def _handlers(spec: GraphSpec) -> tuple[str, ...]:
    """Return the steps that serve as error handlers; such a step has no other place in the graph."""
    named = {step.on_error for step in spec.steps} | {spec.on_error}
    for step in spec.steps:
        if step.name not in named:
            continue
        if step.after or step.responds or any(step.name in other.after for other in spec.steps):
            raise InvalidStepError(
                step=step.name,
                reason="handles errors and has a place in the flow as well",
                hint="its result is the answer of a failed event; use a step of its own for the flow",
            )
        if step.on_error is not None:
            raise InvalidStepError(step=step.name, reason="handles errors and has an error handler of its own")
    return tuple(step.name for step in spec.steps if step.name in named)


def _order(spec: GraphSpec) -> tuple[str, ...]:
    after: Mapping[str, list[str]] = {
        step.name: [name for name in step.after if name != REQUEST] for step in spec.steps
    }
    sorter = graphlib.TopologicalSorter(after)
    try:
        sorter.prepare()
    except graphlib.CycleError as error:
        # graphlib gives the cycle as "each is before the next", first and last the same
        cycle: list[str] = error.args[1]
        raise GraphCycleError(graph=spec.name, cycle=cycle) from error
    position = {step.name: index for index, step in enumerate(spec.steps)}
    order: list[str] = []
    while sorter.is_active():
        ready = sorted(sorter.get_ready(), key=position.__getitem__)
        order.extend(ready)
        sorter.done(*ready)
    return tuple(order)


def _check_reachable(spec: GraphSpec, handlers: tuple[str, ...]) -> None:
    after = {step.name: step.after for step in spec.steps}
    lost = [
        name for name in after if name not in handlers and any(not after[one] for one in {name, *upstream(spec, name)})
    ]
    if lost:
        raise UnreachableStepError(graph=spec.name, steps=lost)


def _responder(spec: GraphSpec, flow: tuple[str, ...]) -> str:
    responders = [step.name for step in spec.steps if step.responds]
    if len(responders) > 1:
        raise TwoRespondersError(graph=spec.name, steps=responders)
    fed = {name for step in spec.steps for name in step.after}
    ends = [step.name for step in spec.steps if step.name in flow and step.name not in fed]
    if not responders:
        if len(ends) > 1:
            raise UnansweredBranchError(graph=spec.name, ends=ends, responder=None)
        return ends[0]
    responder = responders[0]
    stray = [name for name in ends if name != responder]
    if stray:
        raise UnansweredBranchError(graph=spec.name, ends=stray, responder=responder)
    return responder
