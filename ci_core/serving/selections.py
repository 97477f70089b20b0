"""Which steps run, whatever the choices of a graph choose? Pure.

A choice lets some of the steps after it run and skips the others; a step none of whose inputs arrived is skipped too.
All that depends on "can both of these run?" or "does the answer always come?" is found by trying every combination of
branches, each choice taking one (and, when it may take several, all of them: the two extremes decide, because more
inputs never make fewer steps run).
"""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING

from ci_core.serving.spec import REQUEST

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from ci_core.serving.spec import StepSpec

MAX_SELECTIONS = 4096
"""Combinations that are tried: twelve choices of two branches. Beyond, the rest is left to the first event."""

Selection = dict[str, frozenset[str]]
"""Choice → the steps after it that it lets run."""


def branches_of(choice: StepSpec, followers: Sequence[str]) -> tuple[str, ...]:
    """Return the steps that a choice chooses among: those its branches name, else all `followers`."""
    named = (*choice.branches.values(), *([choice.otherwise] if choice.otherwise is not None else []))
    return tuple(dict.fromkeys(named if choice.branches else followers))


def selections(choices: Sequence[StepSpec], followers: Mapping[str, Sequence[str]]) -> Iterator[Selection]:
    """Yield combinations of branches, at most `MAX_SELECTIONS`.

    Args:
        choices: the choices of a graph.
        followers: step → the steps directly after it.
    """
    picks: list[list[tuple[str, frozenset[str]]]] = []
    for choice in choices:
        names = branches_of(choice, followers[choice.name])
        sets = [frozenset({name}) for name in names]
        if choice.several and len(names) > 1:
            sets.append(frozenset(names))
        picks.append([(choice.name, one) for one in sets])
    for combination in itertools.islice(itertools.product(*picks), MAX_SELECTIONS):
        yield dict(combination)


def arrivals(order: Sequence[StepSpec], selection: Selection) -> dict[str, tuple[str, ...]]:
    """Return step → those of its inputs that arrive under `selection`, for the steps that run.

    Args:
        order: steps in topological order.
        selection: what every choice takes.
    """
    ran: dict[str, tuple[str, ...]] = {}
    for step in order:
        arrived = tuple(
            one
            for one in step.after
            if one == REQUEST or (one in ran and (one not in selection or step.name in selection[one]))
        )
        if arrived:
            ran[step.name] = arrived
    return ran
