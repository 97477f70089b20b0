"""The gates of a report: which hold, with the numbers, and the changed lines that explain them (pure)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ci_core.reports.document import BulletList, Column, Mark, Section, Strong, code
from ci_core.reports.prose import prose
from ci_core.reports.rows import RIGHT_PAIR, codes, table
from ci_core.reports.text import ABSENT, number, pair, shorten, signed

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ci_core.reports.build import Extent
    from ci_core.reports.document import Block, Line, Tone
    from ci_core.reports.report import Annotation, Gate, GateState, Report

GATE_TONES: dict[GateState, Tone] = {"pass": "good", "warn": "warn", "fail": "bad"}
_LEVEL_TONES: dict[str, Tone] = {"notice": "muted", "warning": "warn", "error": "bad"}
_WORST_FIRST = ("fail", "warn", "pass")
_WORST_LEVEL_FIRST = ("error", "warning", "notice")
_MOST_LINES = 20
_MOST_GATES = 5
_LONGEST_SENTENCE = 600
"""Characters of what a gate says: several reasons, each with names and numbers."""
_COLUMNS = (
    Column(title="state"),
    Column(title="gate"),
    *RIGHT_PAIR,
    Column(title="difference (95 %)", align="right"),
    Column(title="rule"),
)


def gates_section(report: Report, extent: Extent) -> Section | None:
    """Return the gates, worst first, and the lines to look at; folded when there is nothing to look at."""
    if not report.gates:
        return None
    gates = sorted(report.gates, key=lambda gate: _WORST_FIRST.index(gate.state))
    blocks: list[Block] = [table(_COLUMNS, [_row(gate) for gate in gates[: extent.rows]], len(gates))]
    places = _by_place(report.annotations)
    lines = [_place(annotations) for annotations in places[:_MOST_LINES]]
    hidden = len(places) - _MOST_LINES
    if hidden > 0:
        lines.append((f"… and {number(hidden)} more lines",))
    if lines:
        blocks.append(BulletList(items=tuple(lines)))
    counts = [(sum(gate.state == state for gate in gates), state) for state in _WORST_FIRST]
    return Section(
        slug="gates",
        title="Gates",
        hint=", ".join(f"{number(count)} {state}" for count, state in counts if count),
        blocks=tuple(blocks),
        folded=all(gate.state == "pass" for gate in gates) and not report.annotations,
    )


def _row(gate: Gate) -> tuple[Line, ...]:
    old, new = pair(gate.old, gate.new)
    word = f"{gate.state}, within noise" if gate.is_within_noise else gate.state
    state = Mark(tone=GATE_TONES[gate.state], text=word)
    rule = gate.sentence if gate.sentence and (gate.state != "pass" or gate.is_within_noise) else gate.limit
    return (
        (state,),
        (code(gate.key),),
        (shorten(old, 40),) if gate.old is not None else (),
        (Strong(shorten(new, 40)),) if gate.new is not None else (),
        _difference(gate),
        prose(rule, _LONGEST_SENTENCE),
    )


def _difference(gate: Gate) -> Line:
    if gate.interval is None:
        return ()
    low, high = signed(gate.interval.low), signed(gate.interval.high)
    return (f"{signed(gate.interval.value)} ({low} to {high})",)


def _by_place(annotations: Sequence[Annotation]) -> list[list[Annotation]]:
    """Return the annotations of each place together: one line may explain several gates."""
    places: dict[tuple[str, int | None, str], list[Annotation]] = {}
    for one in annotations:
        places.setdefault((one.where.file, one.where.line, one.where.key), []).append(one)
    return list(places.values())


def _place(annotations: Sequence[Annotation]) -> Line:
    first, *others = sorted(annotations, key=lambda one: _WORST_LEVEL_FIRST.index(one.level))
    where = first.where
    place = where.file if where.line is None else f"{where.file}:{where.line}"
    mark = Mark(tone=_LEVEL_TONES[first.level], text=first.level)
    also = codes([one.gate for one in others if one.gate and one.gate != first.gate], _MOST_GATES)
    said = prose(first.text, _LONGEST_SENTENCE)
    return (mark, " ", code(place or ABSENT), ": ", *said, *((" (also ", *also, ")") if also else ()))
