"""The gate ``pickle-scan``: what pickled models would run when they are loaded (pure).

Not written in ``graphship.yaml`` it only warns, and says nothing when there is nothing to say.
"""

from __future__ import annotations

from fnmatch import fnmatchcase
from typing import TYPE_CHECKING, Final

from ci_core.gates.spec import GateResult
from ci_core.gates.wording import code, first, worst

if TYPE_CHECKING:
    from ci_core.config.settings import Gates, PickleScanGate
    from ci_core.gates.evidence import Evidence
    from ci_core.gates.spec import GateState
    from ci_core.gates.wording import Finding

_SHOWN: Final = 5


def judge(gates: Gates, evidence: Evidence) -> GateResult | None:
    """Return what the gate came to; None when it is not written and found nothing."""
    gate, scan = gates.pickle_scan, evidence.pickles
    severity: GateState = "fail" if gate.is_written else "warn"
    blamed = [sentence for _, sentence in faults(gates, evidence)]
    findings: list[Finding] = []
    if blamed:
        findings.append((severity, first(blamed, _SHOWN, joint="; ")))
    missing = [f"{code(path)} ({why})" for path, why in scan.missing if not _is_allowed(gate, path)]
    if missing and (gate.is_written or blamed):  # else each clone without the data would be warned
        findings.append(("warn", f"not looked through: {first(missing, _SHOWN)}"))
    if not findings and not gate.is_written:
        return None
    vouched = sum(_is_allowed(gate, found.path) for found in scan.findings)
    count = len(scan.scanned)
    told = f"nothing dangerous in {count} pickled file{'' if count == 1 else 's'}" if count else "no pickled files"
    if vouched:
        told += f", but for {vouched} that {'is' if vouched == 1 else 'are'} allowed"
    return GateResult(
        key="pickle-scan",
        state=worst(findings),
        limit=_limit(gate.allow),
        sentence="; ".join(sentence for _, sentence in findings) or told,
    )


def faults(gates: Gates, evidence: Evidence) -> list[tuple[str, str]]:
    """Return the files that the gate is about, and what is to be said of each."""
    scan = evidence.pickles
    found = [
        (one.path, f"{code(one.path)} would run {first([code(name) for name in one.names], _SHOWN)}")
        for one in scan.findings
    ]
    found += [(path, f"{code(path)} cannot be looked through: {why}") for path, why in scan.unreadable]
    return [(path, sentence) for path, sentence in found if not _is_allowed(gates.pickle_scan, path)]


def _is_allowed(gate: PickleScanGate, path: str) -> bool:
    return any(fnmatchcase(path, pattern) for pattern in gate.allow)


def _limit(allow: tuple[str, ...]) -> str:
    return "runs nothing dangerous" + (f", but for {first([code(one) for one in allow], _SHOWN)}" if allow else "")
