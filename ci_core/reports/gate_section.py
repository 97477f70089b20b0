"""The gates of a report: which hold, with the numbers, and the changed lines that explain them (pure)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ci_core.reports.document import BulletList, Column, Mark, Paragraph, Section, Strong, code
from ci_core.reports.prose import prose
from ci_core.reports.rows import RIGHT_PAIR, codes, table
from ci_core.reports.text import ABSENT, number, pair, plural, shorten, signed

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ci_core.reports.build import Extent
    from ci_core.reports.document import Block, Line, Tone
    from ci_core.reports.report import Annotation, Gate, GateState, Report

GATE_TONES: dict[GateState, Tone] = {"pass": "good", "warn": "warn", "fail": "bad"}
WORST_FIRST = ("fail", "warn", "pass")
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
    gates = sorted(report.gates, key=lambda gate: WORST_FIRST.index(gate.state))
    blocks: list[Block] = [table(_COLUMNS, [_row(gate) for gate in gates[: extent.rows]], len(gates))]
    blocks += _causes(report.annotations)
    counts = [(sum(gate.state == state for gate in gates), state) for state in WORST_FIRST]
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
    sentence = gate.sentence.removeprefix(f"`{gate.key}` ")  # which the row names already
    rule = sentence if sentence and (gate.state != "pass" or gate.is_within_noise) else gate.limit
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


def _causes(annotations: Sequence[Annotation]) -> list[Block]:
    """Return the lines that may be the cause, those of the same gates together."""
    by_gates: dict[tuple[str, ...], list[Line]] = {(): []}  # those of no gate first, as nothing stands above them
    places = _by_place(annotations)
    for ones in places[:_MOST_LINES]:
        by_gates.setdefault(tuple(dict.fromkeys(one.gate for one in ones if one.gate)), []).append(_place(ones))
    hidden = len(places) - _MOST_LINES
    blocks: list[Block] = []
    for gates, lines in by_gates.items():
        if gates:
            blocks.append(Paragraph(line=("What to look at in this change for ", *codes(gates, _MOST_GATES), ":")))
        if lines:
            blocks.append(BulletList(items=tuple(lines)))
    return [*blocks, Paragraph(line=(f"… and {plural(hidden, 'more line')}",))] if hidden > 0 else blocks


def _by_place(annotations: Sequence[Annotation]) -> list[list[Annotation]]:
    """Return the annotations of each place together, the worst first: one line may explain several gates."""
    places: dict[tuple[str, int | None, str], list[Annotation]] = {}
    for one in sorted(annotations, key=lambda one: _WORST_LEVEL_FIRST.index(one.level)):
        places.setdefault((one.where.file, one.where.line, one.where.key), []).append(one)
    return list(places.values())


def _place(annotations: Sequence[Annotation]) -> Line:
    where = annotations[0].where
    place = where.file if where.line is None else f"{where.file}:{where.line}"
    said = dict.fromkeys(map(_without_gate, annotations))
    return (code(place or ABSENT), ": ", *prose("; ".join(said), _LONGEST_SENTENCE))


def _without_gate(annotation: Annotation) -> str:
    """Return what stands at a line without naming the gate, which stands above it here."""
    text = annotation.text
    for came_to in ("failed", "warns"):
        told = f"the gate on `{annotation.gate}` {came_to}"
        if text.startswith(f"{told}: "):
            return "the gate is changed here"
        text = text.removesuffix(f"; {told}")
    return text
