"""Which steps stand before and after a step? Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ci_core.serving.spec import REQUEST

if TYPE_CHECKING:
    from ci_core.serving.spec import GraphSpec


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


def followers(spec: GraphSpec) -> dict[str, tuple[str, ...]]:
    """Return step → the steps directly after it, in the order of the spec."""
    found: dict[str, list[str]] = {step.name: [] for step in spec.steps}
    for step in spec.steps:
        for before in dict.fromkeys(step.after):
            if before != REQUEST:
                found[before].append(step.name)
    return {name: tuple(after) for name, after in found.items()}
