"""The gate ``behaviour``: how many of the same requests are answered otherwise (pure)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from ci_core.gates.spec import GateResult
from ci_core.gates.wording import exceeds, percentage, shares_apart

if TYPE_CHECKING:
    from ci_core.behaviour.spec import Behaviour
    from ci_core.config.settings import Gates
    from ci_core.gates.evidence import Evidence


UNCHANGED: Final = "the serving graph, its code and its models are as at the base"
SWITCHED_OFF: Final = "a change may not switch off what it is judged by"
NO_GRAPH: Final = "no serving graph was compared; `graph` in `graphship.yaml` names the project's"
_NO_REQUESTS: Final = "no requests were sent; `smoke` in `graphship.yaml` names the recorded ones"


def judge(gates: Gates, evidence: Evidence) -> GateResult | None:
    """Return what the gate came to; None when it is not written. A comparison that is not whole cannot pass."""
    gate, behaviour = gates.behaviour, evidence.behaviour
    if gate is None:
        return None
    limit = f"at most {percentage(gate.max_changed)} changed"
    if behaviour is not None and behaviour.is_identical:
        return GateResult(key="behaviour", state="pass", new=0.0, limit=limit, sentence=UNCHANGED)
    share = behaviour.changed_share if behaviour is not None and behaviour.withheld is None else None
    if behaviour is None or share is None:
        return _unjudged(behaviour, limit)
    is_, allowed = shares_apart(share, gate.max_changed)
    told = _told(behaviour, is_)
    if exceeds(share, gate.max_changed):
        return GateResult(
            key="behaviour", state="fail", new=share, limit=limit, sentence=f"{told}; {allowed} are allowed"
        )
    if behaviour.problem is not None:
        sentence = f"{told}, but not all were compared: {behaviour.problem}"
        return GateResult(key="behaviour", state="warn", new=share, limit=limit, sentence=sentence)
    return GateResult(key="behaviour", state="pass", new=share, limit=limit, sentence=told)


def _unjudged(behaviour: Behaviour | None, limit: str) -> GateResult:
    """Return what the gate says when nothing was compared: it fails only when the change itself is to blame."""
    if behaviour is not None and behaviour.withheld is not None:
        sentence = f"none of the base's requests could be asked: {behaviour.withheld}; {SWITCHED_OFF}"
        return GateResult(key="behaviour", state="fail", limit=limit, sentence=sentence)
    why = (behaviour.problem or _NO_REQUESTS) if behaviour is not None else NO_GRAPH
    return GateResult(key="behaviour", state="warn", limit=limit, sentence=f"behaviour was not judged: {why}")


def _told(behaviour: Behaviour, share: str) -> str:
    noun = "request" if behaviour.judged == 1 else "requests"
    verb = "is" if behaviour.judged_changed == 1 else "are"
    told = f"{behaviour.judged_changed:,} of {behaviour.judged:,} {noun} ({share}) {verb} answered otherwise"
    if not behaviour.added:
        return told
    return f"{told}, beside {behaviour.added_changed:,} of {behaviour.added:,} that the change adds"
