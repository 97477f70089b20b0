"""Judge what no single value shows: planned features, empty keys, targets, sections that need each other.

Each check takes the content of the file as plain dictionaries, so that it says its part even when the models refuse
another. Those that find a part unfit take it out, so that the models do not complain of it a second time.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from pydantic import ValidationError

from ci_core.config.problems import describe, problems_of
from ci_core.config.raw import RESERVED_GATES, RawPluginEnvironment, check_name
from ci_core.errors import Problem, nearest, quoted
from ci_core.printable import one_line

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from ci_core.config.overrides import Tree
    from ci_core.config.problems import Sources

_PLANNED_TARGETS = frozenset({"kubernetes", "knative", "nuclio"})


def take_empty(tree: Tree, sources: Sources, prefix: str = "") -> Iterator[Problem]:
    """Take out keys without a value; a key is either given or absent."""
    for key in list(tree):
        path = f"{prefix}{key}"
        if tree[key] is None:
            del tree[key]
            hint = "write `{}` for the defaults" if prefix == "environments." else "give it one, or remove the line"
            yield Problem(fact=f"`{one_line(key)}` has no value", location=sources.locate(path), hint=hint)
        elif isinstance(tree[key], dict):
            yield from take_empty(tree[key], sources, f"{path}.")


def take_reserved_gates(tree: Tree, sources: Sources) -> Iterator[Problem]:
    """Take out gates whose names are reserved for checks that are not built yet."""
    gates = tree.get("gates")
    if not isinstance(gates, dict):
        return
    for name in [it for it in gates if it in RESERVED_GATES]:
        del gates[name]
        yield Problem(
            fact=f"the gate `{name}` is not supported yet",
            location=sources.locate(f"gates.{name}"),
            hint="remove it; gates on metrics are written `file:key`",
        )


def take_other_targets(
    tree: Tree, sources: Sources, target_names: Callable[[], Sequence[str]]
) -> tuple[dict[str, RawPluginEnvironment], list[Problem]]:
    """Take out the environments on a target that is not built in.

    Args:
        tree: content of the file; changed in place.
        sources: says where each key stands.
        target_names: returns the names of all targets; asked only for one that is not built in.

    Returns:
        The environments on another package's target, by name, and the mistakes.
    """
    environments = tree.get("environments")
    accepted: dict[str, RawPluginEnvironment] = {}
    problems: list[Problem] = []
    if not isinstance(environments, dict):
        return accepted, problems
    for name, body in list(environments.items()):
        target = body.get("target", "local") if isinstance(body, dict) else None
        if not isinstance(target, str) or target == "local":
            continue  # the model of the local target judges it
        del environments[name]
        try:
            check_name(name)
        except ValueError as error:
            fact = f"{error}, found {describe(name)}"
            problems.append(Problem(fact=fact, location=sources.locate(f"environments.{name}")))
        targets = target_names()
        if target not in targets:
            problems.append(_unknown_target(name, target, sources, targets))
            continue
        try:
            accepted[name] = RawPluginEnvironment.model_validate(body)
        except ValidationError as error:
            problems += problems_of(error, RawPluginEnvironment, sources, below=("environments", name))
    return accepted, problems


def _unknown_target(name: str, target: str, sources: Sources, targets: Sequence[str]) -> Problem:
    location = sources.locate(f"environments.{name}.target")
    known = f"known: {quoted(targets)}"
    if target in _PLANNED_TARGETS:
        return Problem(fact=f"the target `{target}` is not supported yet", location=location, hint=known)
    close = nearest(target, targets)
    hint = f"did you mean `{close}`? {known}" if close else known
    return Problem(
        fact=f"there is no target {describe(target).removeprefix('the text ')}", location=location, hint=hint
    )


def section_problems(tree: Tree, sources: Sources) -> Iterator[Problem]:
    """Yield mistakes between sections: retraining takes its windows from monitoring."""
    if "retrain" in tree and "monitor" not in tree:
        yield Problem(
            fact="`retrain` needs the section `monitor`, whose windows it adds to the data",
            location=sources.locate("retrain"),
        )
