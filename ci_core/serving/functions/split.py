"""Which steps of a graph run in which process? Pure: a spec in, the parts of it out.

The steps of one function that follow each other without anything in between become a *segment*, which is called with
one hop. In their place stands a remote step in the graph of the caller, the *root*: whatever decides where an event
goes (joins, choices, queues, error handlers, ways back) stays there, so it means what it meant before.

A segment ends

- where steps have several inputs or outputs, or the answer is taken,
- before and after a step with an error handler: the handler gets the body that the failed step got, and decides how the
  event goes on,
- before a step that a handler leads back to.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from ci_core.errors import InvalidStepError, StepNotImportableError
from ci_core.serving.neighbours import followers
from ci_core.serving.spec import REQUEST, GraphSpec, StepSpec
from ci_core.serving.topology import check

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    Run = tuple[StepSpec, ...]

REMOTE_STEP = "local:remote"
"""What stands for the call of a segment in the root's spec; the callable comes from ``caller.py``."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Segment:
    """Steps of one function that are called with one hop."""

    name: str
    """Of the remote step that calls it: the step's own, or ``first..last``."""
    function: str
    spec: GraphSpec
    """The steps; the first one gets the request."""

    @property
    def digest(self) -> str:
        """Tells segments apart that have one name in two releases; empty when a step lives in one process only."""
        try:
            stored = self.spec.to_dict()
        except StepNotImportableError:
            return ""
        canonical = json.dumps(stored, sort_keys=True, separators=(",", ":"))
        return hashlib.sha256(canonical.encode()).hexdigest()


@dataclass(frozen=True, slots=True, kw_only=True)
class FunctionPlan:
    """A graph in parts."""

    root: GraphSpec
    """What the process that takes the requests runs; its remote steps are named after their segments."""
    segments: tuple[Segment, ...]

    @property
    def functions(self) -> tuple[str, ...]:
        """Names of the child functions, each once."""
        return tuple(dict.fromkeys(segment.function for segment in self.segments))

    def of(self, function: str) -> tuple[Segment, ...]:
        """Return the segments of one function."""
        return tuple(segment for segment in self.segments if segment.function == function)


def split(spec: GraphSpec) -> FunctionPlan:
    """Return the parts of a graph whose steps name functions.

    Raises:
        InvalidStepError: the graph cannot be split there.
        GraphshipError: the graph makes no sense; see ``topology.check``.
    """
    topology = check(spec)
    runs = _runs(spec, (*topology.order, *topology.handlers))
    _refuse_taken_names(spec, runs)
    remote = {step.name: _name(run) for run in runs for step in run}
    segments = tuple(Segment(name=_name(run), function=run[0].function or "", spec=_segment(spec, run)) for run in runs)
    begun = {run[0].name: run for run in runs}
    inner = {step.name for run in runs for step in run[1:]}
    after = followers(spec)
    steps = tuple(
        _remote_step(begun[step.name], remote) if step.name in begun else _root_step(step, remote, after[step.name])
        for step in spec.steps
        if step.name not in inner
    )
    on_error = remote.get(spec.on_error, spec.on_error) if spec.on_error is not None else None
    return FunctionPlan(root=replace(spec, steps=steps, on_error=on_error), segments=segments)


def _runs(spec: GraphSpec, order: tuple[str, ...]) -> list[Run]:
    """Return the steps of functions, those of one segment together."""
    steps = {step.name: step for step in spec.steps}
    after = followers(spec)
    led_to = {step.back_to for step in spec.steps}
    runs: list[list[StepSpec]] = []
    run_of: dict[str, list[StepSpec]] = {}
    for step in (steps[name] for name in order):
        if step.function is None:
            continue
        before = run_of.get(step.after[0]) if len(step.after) == 1 else None
        if before is not None and _goes_on(spec, before[-1], step, after[before[-1].name]) and step.name not in led_to:
            before.append(step)
        else:
            before = [step]
            runs.append(before)
        run_of[step.name] = before
    return [tuple(run) for run in runs]


def _goes_on(spec: GraphSpec, last: StepSpec, step: StepSpec, after_last: tuple[str, ...]) -> bool:
    """Whether `step` may be called together with `last`, the one before it."""
    has_handler = spec.on_error is not None or last.on_error is not None or step.on_error is not None
    return last.function == step.function and after_last == (step.name,) and not last.responds and not has_handler


def _name(run: Run) -> str:
    return run[0].name if len(run) == 1 else f"{run[0].name}..{run[-1].name}"


def _refuse_taken_names(spec: GraphSpec, runs: Sequence[Run]) -> None:
    taken = {step.name for step in spec.steps}
    for run in runs:
        if len(run) > 1 and _name(run) in taken:
            raise InvalidStepError(
                step=_name(run),
                reason=f"has the name that the call of the steps from `{run[0].name}` to `{run[-1].name}` needs",
                hint="give it another name",
            )


def _segment(spec: GraphSpec, run: Run) -> GraphSpec:
    entered = replace(run[0], after=(REQUEST,), join=None, join_key=None)
    # what an error handler or the answer is to the graph, the root knows; here the last step's result is the answer
    steps = tuple(
        replace(step, function=None, on_error=None, back_to=None, responds=False) for step in (entered, *run[1:])
    )
    return GraphSpec(name=spec.name, steps=steps, files=spec.files)


def _remote_step(run: Run, remote: Mapping[str, str]) -> StepSpec:
    first, last = run[0], run[-1]
    return StepSpec(
        name=_name(run),
        step=REMOTE_STEP,
        after=_renamed(first.after, remote),
        join=first.join,
        join_key=first.join_key,
        on_error=_renamed_one(first.on_error, remote),
        back_to=_renamed_one(first.back_to, remote),
        function=first.function,
        responds=last.responds,
    )


def _root_step(step: StepSpec, remote: Mapping[str, str], after: tuple[str, ...]) -> StepSpec:
    branches = {value: remote.get(name, name) for value, name in step.branches.items()}
    if step.choice is not None and not branches and any(remote.get(name, name) != name for name in after):
        # the value is the name of a step, which is called otherwise here
        branches = {name: remote.get(name, name) for name in after}
    return replace(
        step,
        after=_renamed(step.after, remote),
        on_error=_renamed_one(step.on_error, remote),
        back_to=_renamed_one(step.back_to, remote),
        otherwise=_renamed_one(step.otherwise, remote),
        branches=branches,
    )


def _renamed(names: tuple[str, ...], remote: Mapping[str, str]) -> tuple[str, ...]:
    return tuple(remote.get(name, name) for name in names)


def _renamed_one(name: str | None, remote: Mapping[str, str]) -> str | None:
    return None if name is None else remote.get(name, name)
