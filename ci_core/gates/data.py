"""The gate ``data``: no object is missing, tables keep their schema, columns do not drift (pure).

A distance is never quite zero, and large by chance where rows are few. Beyond the limit it fails only when monitoring's
rule calls it more than chance; else it is within noise, which warns.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from ci_core.config.settings import DataGate
from ci_core.gates.spec import GateResult
from ci_core.gates.wording import apart, code, exceeds, first, worst
from ci_core.monitoring.table_diff import table_format
from ci_core.reports.text import size

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ci_core.config.settings import Gates
    from ci_core.gates.evidence import Evidence, LostObject, MissingObjects
    from ci_core.gates.wording import Finding
    from ci_core.monitoring.table_diff import ColumnDiff, TableDiff

_SHOWN: Final = 3
_NOISE: Final = "within noise"


def judge(gates: Gates, evidence: Evidence) -> GateResult | None:
    """Return what the gate came to; None when it is not written."""
    gate = gates.data
    if gate is None:
        return None
    findings: list[Finding] = []
    if gate.no_missing_objects:
        findings.append(_missing(evidence.missing))
    if gate.same_schema or gate.max_drift is not None:
        findings += _unjudged(evidence)
        readable = [table for table in _tables(evidence) if table.problem is None]
        if gate.same_schema:
            findings.append(_schema(readable))
        if gate.max_drift is not None:
            findings += _drift(readable, gate.max_drift)
    state = worst(findings)
    told = [sentence for found, sentence in findings if found != "pass" or state == "pass"]
    return GateResult(
        key="data",
        state=state,
        limit=_limit(gate),
        sentence="; ".join(told),
        is_within_noise=state == "warn" and any(sentence.startswith(_NOISE) for _, sentence in findings),
    )


def _missing(missing: MissingObjects) -> Finding:
    if missing.problem is not None:
        return "warn", f"the DVC remote was not asked for missing objects: {missing.problem}"
    if not missing.lost:
        return "pass", "the DVC remote has every object"
    lost = first(list(map(_lost, missing.lost)), _SHOWN)
    return "fail", f"the DVC remote lacks {lost}; `graphship run --push` sends what is here"


def _lost(lost: LostObject) -> str:
    return f"{code(lost.path)} ({'size unknown' if lost.size_bytes is None else size(lost.size_bytes)})"


def _unjudged(evidence: Evidence) -> Iterator[Finding]:
    """Name the tables that nobody could compare."""
    if evidence.diff.base_problem is not None:
        yield "warn", f"the tables were not compared: {evidence.diff.base_problem}"
        return
    reasons = [f"{code(table.path)} ({table.problem})" for table in _tables(evidence) if table.problem is not None]
    seen = {table.path for table in evidence.tables} | evidence.results
    changed = [file.path for file in (*evidence.diff.data, *evidence.diff.outputs) if file.change == "changed"]
    reasons += [code(path) for path in changed if table_format(path) is not None and path not in seen]
    if reasons:
        yield "warn", f"not compared: {first(reasons, _SHOWN)}"


def _tables(evidence: Evidence) -> list[TableDiff]:
    return [table for table in evidence.tables if table.path not in evidence.results]


def _schema(tables: list[TableDiff]) -> Finding:
    broken = [f"{code(table.path)}: {what}" for table in tables if (what := _broken_columns(table))]
    if broken:
        return "fail", f"the schema changed of {first(broken, _SHOWN, joint='; ')}"
    return "pass", "every compared table keeps its schema" if tables else "no table changed its schema"


def _broken_columns(table: TableDiff) -> str:
    columns = [column for column in table.columns if column.change in {"removed", "changed"}]
    is_gone = all(column.change == "removed" for column in table.columns)  # and has no schema to keep
    return "" if is_gone else first(list(map(_broken, columns)), _SHOWN)


def _broken(column: ColumnDiff) -> str:
    if column.change == "removed":
        return f"{code(column.name)} is gone"
    return f"{code(column.name)} is {column.new_type}, was {column.old_type}"


def faults(gates: Gates, evidence: Evidence) -> Iterator[tuple[str, str]]:
    """Yield each file that the gate is about, with what is to be said of it alone; of some files several times."""
    gate = gates.data or DataGate(no_missing_objects=False)
    if gate.no_missing_objects:
        yield from ((lost.path, f"{_lost(lost)} is not in the DVC remote") for lost in evidence.missing.lost)
    for table in _tables(evidence):
        if table.problem is not None and (gate.same_schema or gate.max_drift is not None):
            yield table.path, f"{code(table.path)} was not compared: {table.problem}"
        if gate.same_schema and (broken := _broken_columns(table)):
            yield table.path, f"the schema changed: {broken}"
        limit = 1.0 if gate.max_drift is None else gate.max_drift
        moved = [move.told(limit) for move in _moves([table]) if exceeds(move.distance, limit)]
        if moved:
            yield table.path, f"drifted: {first(moved, _SHOWN)}; {limit:g} is allowed"


def _moves(tables: list[TableDiff]) -> list[_Move]:
    """Return how far the columns moved, the farthest first."""
    moves = [
        _Move(distance=column.distance, path=table.path, column=column, note=table.note)
        for table in tables
        for column in table.columns
        if column.distance is not None
    ]
    return sorted(moves, key=lambda move: (-move.distance, move.path, move.column.name))


def _drift(tables: list[TableDiff], limit: float) -> Iterator[Finding]:
    moves = _moves(tables)
    beyond = [move for move in moves if exceeds(move.distance, limit)]
    sure = [move.told(limit) for move in beyond if move.column.has_drifted]
    if sure:
        yield "fail", f"drifted: {first(sure, _SHOWN)}; {limit:g} is allowed"
    unsure = [move.told(limit) for move in beyond if not move.column.has_drifted]
    if unsure:
        yield "warn", f"{_NOISE}: {first(unsure, _SHOWN)}; {limit:g} is allowed"
    if not beyond:
        yield "pass", f"the largest drift is {moves[0].far(limit)}, {moves[0].place}" if moves else "no column drifted"
    mute = [table.path for table in tables if (kept := _kept(table)) and all(one.distance is None for one in kept)]
    if mute:
        yield "warn", f"no drift could be had of {first([code(path) for path in mute], _SHOWN)}"


@dataclass(frozen=True, slots=True, kw_only=True)
class _Move:
    """How far one column moved."""

    distance: float
    path: str
    column: ColumnDiff
    note: str
    """What holds for the whole table."""

    @property
    def place(self) -> str:
        return f"{code(self.column.name)} of {code(self.path)}"

    def far(self, limit: float) -> str:
        """Return the distance in three digits, or in as many as tell it apart from the limit."""
        short = round(self.distance, 3)
        return (
            f"{short:g}" if exceeds(short, limit) == exceeds(self.distance, limit) else apart(self.distance, limit)[0]
        )

    def told(self, limit: float) -> str:
        why = f" ({self.note})" if self.column.has_drifted is None and self.note else ""
        return f"{self.place} by {self.far(limit)}{why}"


def _kept(table: TableDiff) -> list[ColumnDiff]:
    """Return the columns that both versions have; a new table has none of them."""
    return [column for column in table.columns if column.change in {"same", "changed"}]


def _limit(gate: DataGate) -> str:
    parts = []
    if gate.no_missing_objects:
        parts.append("no missing objects")
    if gate.same_schema:
        parts.append("same schema")
    if gate.max_drift is not None:
        parts.append(f"drift at most {gate.max_drift:g}")
    return ", ".join(parts)
