"""Judge what no single value shows: empty keys, gates, targets, sections that need each other.

Each check takes the content of the file as plain dictionaries, so that it says its part even when the models refuse
another. Those that find a part unfit take it out, so that the models do not complain of it a second time.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from pydantic import ValidationError

from ci_core.config.problems import describe, problems_of
from ci_core.config.raw import RawPluginEnvironment
from ci_core.config.raw_gates import METRIC_PATTERN, RESERVED_GATES
from ci_core.config.raw_values import check_name
from ci_core.errors import Problem, nearest, quoted
from ci_core.printable import one_line

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from ci_core.config.overrides import Tree
    from ci_core.config.problems import Sources

_GATES_WITH_DEFAULTS = frozenset({"gates.data", "gates.pickle-scan", "gates.secrets"})
_PLANNED_TARGETS = frozenset({"kubernetes", "knative", "nuclio"})


def take_empty(tree: Tree, sources: Sources, prefix: str = "") -> Iterator[Problem]:
    """Take out keys without a value; a key is either given or absent."""
    for key in list(tree):
        path = f"{prefix}{key}"
        if tree[key] is None:
            del tree[key]
            has_defaults = prefix == "environments." or path in _GATES_WITH_DEFAULTS
            hint = "write `{}` for the defaults" if has_defaults else "give it one, or remove the line"
            yield Problem(fact=f"`{one_line(key)}` has no value", location=sources.locate(path), hint=hint)
        elif isinstance(tree[key], dict):
            yield from take_empty(tree[key], sources, f"{path}.")


def take_unfit_gates(tree: Tree, sources: Sources) -> Iterator[Problem]:
    """Take out keys of `gates` that are neither a metric nor the name of a gate, and rules that cannot be there."""
    gates = tree.get("gates")
    if not isinstance(gates, dict):
        return
    for name, body in list(gates.items()):
        if name in RESERVED_GATES:
            yield from _take_rules_of_metrics(name, body, sources)
        elif not re.match(METRIC_PATTERN, name):
            del gates[name]
            close = nearest(name, RESERVED_GATES)
            yield Problem(
                fact=f"there is no gate {describe(name).removeprefix('the text ')}",
                location=sources.locate(f"gates.{name}"),
                hint=f"did you mean `{close}`?"
                if close
                else "one on a metric is written `file:key`: `metrics.json:auc`",
            )
        elif isinstance(body, dict) and "sample-size" in body and "folds" not in body:
            yield from _sample_size_problems(name, sources)


_RULES_OF_METRICS = frozenset({"min", "max", "max-regression", "must-improve", "folds", "sample-size"})

# fmt: off
_NO_SHARES = frozenset({
    "ap", "auc", "auprc", "auroc", "balanced", "bleu", "brier", "cer", "deviance", "dice", "ece", "f1", "fbeta",
    "hinge", "iou", "kappa", "logloss", "loss", "mae", "mape", "mcc", "medae", "mrr", "mse", "ndcg", "perplexity",
    "r2", "rmse", "rmsle", "rouge", "smape", "wer",
})
# fmt: on
"""Words of a metric's name that say that it is no share of rows."""


def _take_rules_of_metrics(name: str, body: object, sources: Sources) -> Iterator[Problem]:
    if not isinstance(body, dict):
        return
    own = {"max"} if name == "model-size" else set()
    for rule in sorted(_RULES_OF_METRICS.intersection(body) - own):
        del body[rule]
        yield Problem(
            fact=f"`{rule}` is a rule on metrics, and `{name}` is a gate of its own",
            location=sources.locate(f"gates.{name}.{rule}"),
            hint=f"a metric of that name is written with its file: `metrics.json:{name}`",
        )


def _sample_size_problems(name: str, sources: Sources) -> Iterator[Problem]:
    words = set(re.split(r"[^a-z0-9]+", name.rpartition(":")[2].rpartition(".")[2].lower()))
    if words & _NO_SHARES:
        yield Problem(
            fact=f"`sample-size` gives an interval to shares of rows such as accuracy; `{one_line(name)}` is none",
            location=sources.locate(f"gates.{name}.sample-size"),
            hint="name a metric with the values of its folds: `folds: metrics.json:cv.auc`",
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
