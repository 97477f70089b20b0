"""Does a graph make sense, and in what order do its steps run? Pure: a spec in, an order or an error out."""

from __future__ import annotations

import graphlib
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import TYPE_CHECKING

from ci_core.errors import (
    EmptyGraphError,
    GraphCycleError,
    InvalidStepError,
    TwoRespondersError,
    UnansweredBranchError,
    UnansweredChoiceError,
    UnreachableStepError,
)
from ci_core.serving.handler_rules import check_ways_back, error_handlers
from ci_core.serving.name_rules import check_names
from ci_core.serving.neighbours import followers
from ci_core.serving.selections import arrivals, branches_of, selections
from ci_core.serving.spec import REQUEST
from ci_core.serving.step_rules import check_step

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from ci_core.serving.selections import Selection
    from ci_core.serving.spec import GraphSpec, Join, StepSpec


@dataclass(frozen=True, slots=True, kw_only=True)
class Topology:
    """What the check found."""

    order: tuple[str, ...]
    """Names of the steps of the flow, each after all it depends on; ties in the order of the spec."""
    answers: tuple[str, ...]
    """Steps whose result is the answer: one, or the ends of branches of which only one runs. Empty when every end lies
    behind a queue: the answer is then the event's id."""
    handlers: tuple[str, ...]
    """Steps that run only when another fails."""
    joins: Mapping[str, Join] = field(default_factory=lambda: MappingProxyType({}))
    """Step with several inputs → how they become one."""
    behind_queue: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))
    """Step that does not run in the request → the queue it gets its messages from."""

    @property
    def responder(self) -> str | None:
        """The one step whose result is the answer; None when there is none, or several of which only one runs."""
        return self.answers[0] if len(self.answers) == 1 else None


def check(spec: GraphSpec) -> Topology:
    """Return the order of the steps of `spec`.

    Raises:
        EmptyGraphError: there are no steps.
        DuplicateStepError: two steps, or two different models, share a name.
        InvalidStepError: a step's settings contradict each other or its place in the graph.
        UnknownStepError: a step refers to one that does not exist.
        GraphCycleError: steps lead back to themselves; the error names every step on the cycle.
        UnreachableStepError: nothing leads to a step.
        TwoRespondersError: more than one step responds.
        UnansweredBranchError: a branch does not lead to the answer.
        UnansweredChoiceError: a choice can take a branch that does not lead to the answer.
    """
    if not spec.steps:
        raise EmptyGraphError(graph=spec.name)
    check_names(spec)
    for step in spec.steps:
        check_step(step)
        if step.graph is not None:
            check(step.graph)
    handlers = error_handlers(spec)
    order = _order(spec)
    _check_reachable(spec, handlers, order)
    steps = {step.name: step for step in spec.steps}
    flow = tuple(steps[name] for name in order if name not in handlers)
    _check_choices(spec, flow)
    behind = _behind_queues(flow)
    check_ways_back(spec, behind)
    choices = [step for step in flow if step.choice is not None]
    runs = [arrivals(flow, selection) for selection in selections(choices, followers(spec))]
    answers = _answers(spec, flow, behind, runs)
    _check_always_answered(spec, flow, answers)
    return Topology(
        order=tuple(step.name for step in flow),
        answers=answers,
        handlers=handlers,
        joins=MappingProxyType({step.name: _join(step, runs) for step in flow if len(step.after) > 1}),
        behind_queue=MappingProxyType(behind),
    )


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


def _check_reachable(spec: GraphSpec, handlers: tuple[str, ...], order: Sequence[str]) -> None:
    after = {step.name: step.after for step in spec.steps}
    lost: set[str] = set()
    for name in order:
        if not after[name] or not lost.isdisjoint(after[name]):
            lost.add(name)
    stray = [name for name in after if name in lost and name not in handlers]
    if stray:
        raise UnreachableStepError(graph=spec.name, steps=stray)


def _check_choices(spec: GraphSpec, flow: Sequence[StepSpec]) -> None:
    next_steps = followers(spec)
    for step in flow:
        if step.choice is None:
            continue
        after = next_steps[step.name]
        if not after:
            raise InvalidStepError(step=step.name, reason="is a choice and no step comes after it")
        names = branches_of(step, after)
        strange = [name for name in (*names, *filter(None, [step.otherwise])) if name not in after]
        if strange:
            raise InvalidStepError(
                step=step.name,
                reason=f"chooses `{strange[0]}`, which does not come directly after it",
                hint=f"give `{strange[0]}` the input `{step.name}`",
            )
        never = [name for name in after if name not in names]
        if never:
            raise InvalidStepError(
                step=step.name,
                reason=f"never chooses `{never[0]}`, which comes after it",
                hint=f"name `{never[0]}` in its `branches` or as `otherwise`",
            )


def _behind_queues(flow: Sequence[StepSpec]) -> dict[str, str]:
    """Return step → the queue it gets its messages from, for all that does not run in the request."""
    queues = {step.name for step in flow if step.queue is not None}
    behind: dict[str, str] = {}
    for step in flow:
        sources = {one if one in queues else behind.get(one) for one in step.after}
        if len(sources) > 1:
            raise InvalidStepError(
                step=step.name,
                reason="joins what arrives at different times: in the request and out of a queue, or out of two queues",
                hint="join before the queue",
            )
        source = sources.pop()
        if source is not None:
            behind[step.name] = source
        if source is not None and step.responds:
            raise InvalidStepError(
                step=step.name,
                reason=f"responds and lies behind the queue `{source}`",
                hint="the answer is given before a message is taken out of the queue",
            )
    return behind


def _answers(
    spec: GraphSpec, flow: Sequence[StepSpec], behind: Mapping[str, str], runs: Sequence[Mapping[str, object]]
) -> tuple[str, ...]:
    fed = {name for step in spec.steps for name in step.after}
    in_request = [step for step in flow if step.name not in behind]
    ends = [step.name for step in in_request if step.name not in fed and step.queue is None]
    responders = [step.name for step in in_request if step.responds]
    if len(responders) > 1 and not _are_exclusive(responders, runs):
        raise TwoRespondersError(graph=spec.name, steps=responders)
    if not responders:
        if len(ends) > 1 and not _are_exclusive(ends, runs):
            raise UnansweredBranchError(graph=spec.name, ends=ends, responder=None)
        return tuple(ends)
    stray = [name for name in ends if name not in responders]
    if stray:
        raise UnansweredBranchError(graph=spec.name, ends=stray, responder=responders[0])
    return tuple(responders)


def _are_exclusive(names: Sequence[str], runs: Sequence[Mapping[str, object]]) -> bool:
    """Whether at most one of the steps runs, whatever the choices choose."""
    return all(sum(name in ran for name in names) <= 1 for ran in runs)


def _check_always_answered(spec: GraphSpec, flow: Sequence[StepSpec], answers: Sequence[str]) -> None:
    if not answers:
        return
    choices = [step for step in flow if step.choice is not None]
    for selection in selections(choices, followers(spec)):
        ran = arrivals(flow, selection)
        if not any(name in ran for name in answers):
            choice = _last_choice(choices, selection, ran)
            raise UnansweredChoiceError(
                graph=spec.name, choice=choice, branches=sorted(selection[choice]), responders=answers
            )


def _last_choice(choices: Sequence[StepSpec], selection: Selection, ran: Mapping[str, object]) -> str:
    """Return the last choice that was made on the way to nowhere."""
    return [choice.name for choice in choices if choice.name in ran and choice.name in selection][-1]


def _join(step: StepSpec, runs: Sequence[Mapping[str, tuple[str, ...]]]) -> Join:
    if step.join is not None:
        return step.join
    return "any" if all(len(ran.get(step.name, ())) <= 1 for ran in runs) else "all"
