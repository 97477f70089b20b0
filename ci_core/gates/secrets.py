"""The gate ``secrets``: added lines that look like a token or a private key (pure). The secret itself is never told.

Not written in ``graphship.yaml`` it only warns, and says nothing when there is nothing to say.
"""

from __future__ import annotations

from fnmatch import fnmatchcase
from typing import TYPE_CHECKING, Final

from ci_core.gates.spec import GateResult
from ci_core.gates.wording import code, first, worst

if TYPE_CHECKING:
    from ci_core.config.settings import Gates, SecretsGate
    from ci_core.gates.evidence import Evidence, SecretFinding
    from ci_core.gates.wording import Finding

_SHOWN: Final = 5


def judge(gates: Gates, evidence: Evidence) -> GateResult | None:
    """Return what the gate came to; None when it is not written and found nothing."""
    gate, scan = gates.secrets, evidence.secrets
    blamed = [f"{code(f'{one.path}:{one.line}')} looks like {one.kind}" for one in not_allowed(gate, scan.findings)]
    findings: list[Finding] = []
    if blamed:
        findings.append(("fail" if gate.is_written else "warn", first(blamed, _SHOWN)))
    if scan.unread:
        names = first([code(path) for path in scan.unread], _SHOWN)
        findings.append(("warn", f"the change is too large to be looked through: not read were {names}"))
    if scan.problem is not None and gate.is_written:
        findings.append(("warn", f"added lines were not looked through: {scan.problem}"))
    if not findings and not gate.is_written:
        return None
    return GateResult(
        key="secrets",
        state=worst(findings),
        limit="adds no secret" + (f", but in {first([code(one) for one in gate.allow], _SHOWN)}" if gate.allow else ""),
        sentence="; ".join(sentence for _, sentence in findings) or "no added line looks like a secret",
    )


def not_allowed(gate: SecretsGate, findings: tuple[SecretFinding, ...]) -> tuple[SecretFinding, ...]:
    """Return the findings in files that the gate does not allow them in."""
    return tuple(one for one in findings if not any(fnmatchcase(one.path, pattern) for pattern in gate.allow))
