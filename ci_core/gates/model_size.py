"""The gate ``model-size``: how large the models are that the serving graph loads (pure)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from ci_core.gates.spec import GateResult
from ci_core.gates.wording import code, exceeds, first, percentage, shares_apart, sizes_apart, worst
from ci_core.reports.text import size

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ci_core.config.settings import Gates, ModelSizeGate
    from ci_core.gates.evidence import Evidence, ModelSize
    from ci_core.gates.wording import Finding

_SHOWN: Final = 5


def judge(gates: Gates, evidence: Evidence) -> GateResult | None:
    """Return what the gate came to; None when it is not written."""
    gate, models = gates.model_size, evidence.models
    if gate is None:
        return None
    limit = _limit(gate)
    if models is None:
        sentence = (
            "the size of the models was not judged: no serving graph was loaded, which would name them; `graph` in "
            "`graphship.yaml` names the project's"
        )
        return GateResult(key="model-size", state="warn", limit=limit, sentence=sentence)
    if not models:
        nothing = "looked at nothing: no serving graph names a model or data file"
        return GateResult(key="model-size", state="pass", limit=f"{limit}; {nothing}", sentence=nothing)
    findings = [finding for _, finding in _findings(gate, evidence)]
    told = [sentence for _, sentence in findings] or [_told(model) for model in models]
    only = models[0] if len(models) == 1 else None
    return GateResult(
        key="model-size",
        state=worst(findings),
        old=only.old_bytes if only else None,
        new=only.new_bytes if only else None,
        limit=limit,
        sentence=first(told, _SHOWN, joint="; "),
    )


def faults(gates: Gates, evidence: Evidence) -> list[tuple[str, str]]:
    """Return the files that the gate is about, and what is to be said of each; of some files several times."""
    gate = gates.model_size
    return [(path, sentence) for path, (_, sentence) in _findings(gate, evidence)] if gate else []


def _findings(gate: ModelSizeGate, evidence: Evidence) -> Iterator[tuple[str, Finding]]:
    for model in evidence.models or ():
        for finding in _judge(gate, model, evidence.diff.base_problem):
            yield model.path, finding


def _judge(gate: ModelSizeGate, model: ModelSize, base_problem: str | None) -> Iterator[Finding]:
    new, old = model.new_bytes, model.old_bytes
    if new is None:
        why = f": {model.new_problem}" if model.new_problem else ""
        yield "warn", f"the size of {code(model.path)} could not be had{why}"
        return
    if gate.max_bytes is not None and new > gate.max_bytes:
        is_, allowed = sizes_apart(new, gate.max_bytes)
        yield "fail", f"{code(model.path)} has {is_}, more than the {allowed} it may have"
    problem = base_problem or model.old_problem
    if gate.max_growth is None or (old is None and problem is None):  # a new model has not grown
        return
    if not old:
        why = problem or "it was empty at the base"
        yield "warn", f"the growth of {code(model.path)} was not judged: {why}"
    elif exceeds(new / old - 1, gate.max_growth):
        grown, allowed = shares_apart(new / old - 1, gate.max_growth)
        yield "fail", f"{code(model.path)} grew by {grown}, from {size(old)} to {size(new)}; {allowed} is allowed"


def _told(model: ModelSize) -> str:
    new = model.new_bytes or 0
    was = "" if model.old_bytes in {None, new} else f" (was {size(model.old_bytes or 0)})"
    return f"{code(model.path)} has {size(new)}{was}"


def _limit(gate: ModelSizeGate) -> str:
    parts = []
    if gate.max_bytes is not None:
        parts.append(f"at most {size(gate.max_bytes)}")
    if gate.max_growth is not None:
        parts.append(f"grows by at most {percentage(gate.max_growth)}")
    return ", ".join(parts)
