"""Whose gates judge a change, and how those of base and head differ (pure).

A change must not be able to loosen the rule that it is judged by: where base and head have different gates, the base's
decide, and those of the change count from its merge on.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from ci_core.gates.spec import Remark
from ci_core.gates.wording import apart, code, first, percentage, shares_apart, sizes_apart
from ci_core.reports.text import size

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from ci_core.config.settings import DataGate, Gates, MetricGate, ModelSizeGate
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
    return frozenset(key for key in {*before, *after} if any(_difference(key, before.get(key), after.get(key))))


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


@dataclass(frozen=True, slots=True, kw_only=True)
class _Rule:
    """One rule of a gate: what is compared, and how it is shown."""

    value: object
    text: str
    tell: Callable[[float, float], tuple[str, str]] = apart
    """Shows two values whose texts are the same in as many digits as tell them apart."""

    def is_same(self, other: _Rule) -> bool:
        """Whether both mean the same; a share of 0.02 is no amount of 0.02."""
        return (self.value, self.tell) == (other.value, other.tell)


def _difference(key: str, old: Mapping[str, _Rule] | None, new: Mapping[str, _Rule] | None) -> Iterator[str]:
    if old is None or new is None:
        rules = ", ".join(f"{name} {rule.text}".strip() for name, rule in (old or new or {}).items())
        yield f"{code(key)} is {'gone' if new is None else 'new'}" + (f" ({rules})" if rules else "")
        return
    for name in dict.fromkeys((*old, *new)):
        if name not in new:
            yield f"{name} {old[name].text} of {code(key)} is gone"
        elif name not in old:
            yield f"{name} {new[name].text} of {code(key)} is new"
        elif not old[name].is_same(new[name]):
            yield f"{name} of {code(key)} {_moved(old[name], new[name])}"


def _moved(old: _Rule, new: _Rule) -> str:
    if isinstance(old.value, frozenset) and isinstance(new.value, frozenset):
        parts = (("gains", new.value - old.value), ("loses", old.value - new.value))
        return ", ".join(f"{verb} {_patterns(found)}" for verb, found in parts if found)
    texts = old.text, new.text
    if old.text == new.text and isinstance(old.value, int | float) and isinstance(new.value, int | float):
        texts = old.tell(old.value, new.value)
    return " → ".join(texts)


def _rules(gates: Gates) -> Iterator[tuple[str, Mapping[str, _Rule]]]:
    """Yield each written gate with its rules as the file spells them."""
    for gate in gates.metrics:
        yield gate.key, dict(_metric_rules(gate))
    if gates.data is not None:
        yield "data", dict(_data_rules(gates.data))
    if gates.behaviour is not None:
        yield "behaviour", {"max-changed": _share(gates.behaviour.max_changed)}
    if gates.latency is not None:
        yield "latency", {"max-ratio": _number(gates.latency.max_ratio)}
    if gates.model_size is not None:
        yield "model-size", dict(_size_rules(gates.model_size))
    for key, scan in (("pickle-scan", gates.pickle_scan), ("secrets", gates.secrets)):
        if scan.is_written:
            allowed = frozenset(scan.allow)
            yield key, {"allow": _Rule(value=allowed, text=_patterns(allowed))} if allowed else {}


def _metric_rules(gate: MetricGate) -> Iterator[tuple[str, _Rule]]:
    for name, limit in (("min", gate.min), ("max", gate.max), ("max-regression", gate.max_regression)):
        if limit is not None:
            yield name, _number(limit)
    if gate.max_regression_share is not None:
        yield "max-regression", _share(gate.max_regression_share)
    if gate.must_improve:
        yield "must-improve", _flag(is_set=True)
    if gate.folds is not None:
        yield "folds", _Rule(value=gate.folds, text=code(gate.folds))
    if gate.sample_size is not None:
        yield "sample-size", _Rule(value=gate.sample_size, text=str(gate.sample_size))


def _data_rules(gate: DataGate) -> Iterator[tuple[str, _Rule]]:
    yield "no-missing-objects", _flag(is_set=gate.no_missing_objects)
    yield "same-schema", _flag(is_set=gate.same_schema)
    if gate.max_drift is not None:
        yield "max-drift", _number(gate.max_drift)


def _size_rules(gate: ModelSizeGate) -> Iterator[tuple[str, _Rule]]:
    if gate.max_bytes is not None:
        yield "max", _Rule(value=gate.max_bytes, text=size(gate.max_bytes), tell=sizes_apart)
    if gate.max_growth is not None:
        yield "max-growth", _share(gate.max_growth)


def _number(value: float) -> _Rule:
    return _Rule(value=value, text=f"{value:.12g}")


def _share(value: float) -> _Rule:
    return _Rule(value=value, text=percentage(value), tell=shares_apart)


def _flag(*, is_set: bool) -> _Rule:
    return _Rule(value=is_set, text=str(is_set).lower())


def _patterns(allowed: frozenset[str]) -> str:
    return first([code(pattern) for pattern in sorted(allowed)], _SHOWN)
