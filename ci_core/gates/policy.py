"""Whose gates judge a change, and how those of base and head differ (pure).

A change must not be able to loosen the rule that it is judged by: where base and head have different gates, the base's
decide, and those of the change count from its merge on.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from ci_core.gates.spec import Remark
from ci_core.gates.wording import code, first, percentage, size

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from ci_core.config.settings import DataGate, Gates, MetricGate
    from ci_core.gates.spec import GateResult

_SHOWN: Final = 8


@dataclass(frozen=True, slots=True, kw_only=True)
class Policy:
    """The gates that decide."""

    gates: Gates
    own: Gates | None = None
    """The change's own gates where they differ and do not decide."""
    changed: frozenset[str] = frozenset()
    """Keys of the gates that the change adds, removes or alters."""
    notes: tuple[str, ...] = ()
    """What a reader must know of the choice."""


def choose(own: Gates, base: Gates | None, *, base_label: str, problem: str | None = None) -> Policy:
    """Return the gates that decide.

    Args:
        own: those of the change.
        base: those of the base; None when it has none that can be read.
        base_label: how the base is called: ``3f2a9c1``.
        problem: why `base` is None, one sentence; None when nothing is worth a word.
    """
    if base is None:
        return Policy(gates=own, notes=(f"judged by the gates of the change itself: {problem}",) if problem else ())
    differences = gate_differences(base, own)
    if not differences:
        return Policy(gates=base)
    note = (
        f"`gates` differ: judged by those of base {code(base_label)}; what the change makes of them counts after the "
        f"merge: {first(differences, _SHOWN, joint='; ')}"
    )
    return Policy(gates=base, own=own, changed=_changed_keys(base, own), notes=(note,))


def gate_differences(old: Gates, new: Gates) -> tuple[str, ...]:
    """Return how two sets of gates differ: ``min of `metrics.json:auc` 0.8 → 0.7``; nothing when they are the same."""
    before, after = dict(_rules(old)), dict(_rules(new))
    return tuple(
        sentence
        for key in dict.fromkeys((*before, *after))
        for sentence in _difference(key, before.get(key), after.get(key))
    )


def _changed_keys(old: Gates, new: Gates) -> frozenset[str]:
    before, after = dict(_rules(old)), dict(_rules(new))
    return frozenset(key for key in {*before, *after} if before.get(key) != after.get(key))


def own_verdicts(decided: tuple[GateResult, ...], own: tuple[GateResult, ...]) -> tuple[Remark, ...]:
    """Return what the change's own gates would have said where that is another colour; they decide nothing."""
    states = {result.key: result.state for result in decided}
    return tuple(
        Remark(
            text=f"by the change's own gates {code(result.key)} would {result.state}: {result.sentence}",
            gate=result.key,
        )
        for result in own
        if states.get(result.key) != result.state and (result.key in states or result.state != "pass")
    )[:_SHOWN]


def _difference(key: str, old: Mapping[str, str] | None, new: Mapping[str, str] | None) -> Iterator[str]:
    if old is None or new is None:
        rules = ", ".join(f"{name} {shown}".strip() for name, shown in (old or new or {}).items())
        yield f"{code(key)} is {'gone' if new is None else 'new'}" + (f" ({rules})" if rules else "")
        return
    for name in dict.fromkeys((*old, *new)):
        if name not in new:
            yield f"{name} {old[name]} of {code(key)} is gone"
        elif name not in old:
            yield f"{name} {new[name]} of {code(key)} is new"
        elif old[name] != new[name]:
            yield f"{name} of {code(key)} {old[name]} → {new[name]}"


def _rules(gates: Gates) -> Iterator[tuple[str, Mapping[str, str]]]:
    """Yield each written gate with its rules as the file spells them."""
    for gate in gates.metrics:
        yield gate.key, dict(_metric_rules(gate))
    if gates.data is not None:
        yield "data", _data_rules(gates.data)
    if gates.behaviour is not None:
        yield "behaviour", {"max-changed": percentage(gates.behaviour.max_changed)}
    if gates.latency is not None:
        yield "latency", {"max-ratio": f"{gates.latency.max_ratio:.12g}"}
    if gates.model_size is not None:
        largest, growth = gates.model_size.max_bytes, gates.model_size.max_growth
        sizes = {} if largest is None else {"max": size(largest)}
        yield "model-size", sizes | ({} if growth is None else {"max-growth": percentage(growth)})
    for key, scan in (("pickle-scan", gates.pickle_scan), ("secrets", gates.secrets)):
        if scan.is_written:
            yield key, {"allow": first([code(pattern) for pattern in scan.allow], _SHOWN)} if scan.allow else {}


def _metric_rules(gate: MetricGate) -> Iterator[tuple[str, str]]:
    for name, limit in (("min", gate.min), ("max", gate.max), ("max-regression", gate.max_regression)):
        if limit is not None:
            yield name, f"{limit:.12g}"
    if gate.max_regression_share is not None:
        yield "max-regression", percentage(gate.max_regression_share)
    if gate.must_improve:
        yield "must-improve", "true"
    if gate.folds is not None:
        yield "folds", code(gate.folds)
    if gate.sample_size is not None:
        yield "sample-size", str(gate.sample_size)


def _data_rules(gate: DataGate) -> Mapping[str, str]:
    rules = {
        "no-missing-objects": str(gate.no_missing_objects).lower(),
        "same-schema": str(gate.same_schema).lower(),
    }
    return rules if gate.max_drift is None else rules | {"max-drift": f"{gate.max_drift:.12g}"}
