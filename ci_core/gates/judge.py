"""Judge a change by all gates there are (pure): one file a rule, in the order of this table."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from ci_core.gates import behaviour, data, latency, model_size, pickle_scan, secrets
from ci_core.gates.metrics import judge_gates

if TYPE_CHECKING:
    from collections.abc import Callable

    from ci_core.config.settings import Gates
    from ci_core.gates.evidence import Evidence
    from ci_core.gates.spec import GateResult

_RULES: Final[tuple[Callable[[Gates, Evidence], GateResult | None], ...]] = (
    data.judge,
    behaviour.judge,
    latency.judge,
    model_size.judge,
    pickle_scan.judge,
    secrets.judge,
)


def judge(gates: Gates, evidence: Evidence) -> tuple[GateResult, ...]:
    """Return what each gate came to: those on metrics in their order, then the others.

    A gate that is not written has no result, but for the two scans when they found something.
    """
    results = (rule(gates, evidence) for rule in _RULES)
    return (
        *judge_gates(gates.metrics, evidence.diff, evidence.folds),
        *(result for result in results if result is not None),
    )
