"""The gate ``latency``: how much longer an answer takes (pure).

Times of a shared machine scatter, so the gate fails only when the whole interval of the ratio is above the limit.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ci_core.gates.behaviour import NO_GRAPH, SWITCHED_OFF, UNCHANGED
from ci_core.gates.spec import GateResult
from ci_core.gates.wording import between, exceeds

if TYPE_CHECKING:
    from ci_core.config.settings import Gates
    from ci_core.gates.evidence import Evidence


def judge(gates: Gates, evidence: Evidence) -> GateResult | None:
    """Return what the gate came to; None when it is not written."""
    gate, behaviour = gates.latency, evidence.behaviour
    if gate is None:
        return None
    limit = f"at most {gate.max_ratio:g} times the base's"
    if behaviour is not None and behaviour.is_identical:
        return GateResult(key="latency", state="pass", limit=limit, sentence=UNCHANGED)
    if behaviour is not None and behaviour.withheld is not None:
        sentence = f"nothing could be timed: {behaviour.withheld}; {SWITCHED_OFF}"
        return GateResult(key="latency", state="fail", limit=limit, sentence=sentence)
    ratio = behaviour.latency_ratio if behaviour is not None else None
    if ratio is None:
        why = (behaviour.problem or "no requests were timed") if behaviour is not None else NO_GRAPH
        return GateResult(key="latency", state="warn", limit=limit, sentence=f"latency was not judged: {why}")
    told = f"an answer takes {ratio.value:.3g} times as long as at the base (95 % interval {between(ratio)})"
    is_above = exceeds(ratio.value, gate.max_ratio)
    is_surely_above = exceeds(ratio.low, gate.max_ratio)
    if is_surely_above:
        told = f"{told}; {gate.max_ratio:g} is allowed"
    elif is_above:
        told = f"{told}: above the {gate.max_ratio:g} that is allowed, but within noise"
    return GateResult(
        key="latency",
        state="fail" if is_surely_above else "pass",
        new=ratio.value,
        limit=limit,
        sentence=told,
        is_within_noise=is_above and not is_surely_above,
    )
