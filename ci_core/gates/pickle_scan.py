"""The gate ``pickle-scan``: what pickled models would run when they are loaded (pure).

Not written in ``graphship.yaml`` it only warns, and says nothing when there is nothing to say.
"""

from __future__ import annotations

from fnmatch import fnmatchcase
from typing import TYPE_CHECKING, Final

from ci_core.gates.spec import GateResult
from ci_core.gates.wording import code, first, worst

if TYPE_CHECKING:
    from ci_core.config.settings import Gates
    from ci_core.gates.evidence import Evidence
    from ci_core.gates.spec import GateState
    from ci_core.gates.wording import Finding

_SHOWN: Final = 5


def judge(gates: Gates, evidence: Evidence) -> GateResult | None:
    """Return what the gate came to; None when it is not written and found nothing."""
    gate, scan = gates.pickle_scan, evidence.pickles

    def is_allowed(path: str) -> bool:
        return any(fnmatchcase(path, pattern) for pattern in gate.allow)

    severity: GateState = "fail" if gate.is_written else "warn"
    blamed = [
        f"{code(found.path)} would run {first([code(name) for name in found.names], _SHOWN)}"
        for found in scan.findings
        if not is_allowed(found.path)
    ]
    blamed += [f"{code(path)} cannot be looked through: {why}" for path, why in scan.unreadable if not is_allowed(path)]
    findings: list[Finding] = []
    if blamed:
        findings.append((severity, first(blamed, _SHOWN, joint="; ")))
    missing = [f"{code(path)} ({why})" for path, why in scan.missing if not is_allowed(path)]
    if missing and (gate.is_written or blamed):  # else each clone without the data would be warned
        findings.append(("warn", f"not looked through: {first(missing, _SHOWN)}"))
    if not findings and not gate.is_written:
        return None
    vouched = sum(is_allowed(found.path) for found in scan.findings)
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


def _limit(allow: tuple[str, ...]) -> str:
    return "runs nothing dangerous" + (f", but for {first([code(one) for one in allow], _SHOWN)}" if allow else "")
