"""What a change does to answers: one sentence for the first screen, and the largest changes (pure)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ci_core.reports.answer_fields import field_name, fields_table, most_telling
from ci_core.reports.document import BulletList, Code, Column, Paragraph, Section, Strong, code
from ci_core.reports.prose import prose
from ci_core.reports.rows import LONGEST_VALUE, table
from ci_core.reports.text import ABSENT, number, percent, plural, ratio, short, shorten

if TYPE_CHECKING:
    from collections.abc import Callable

    from ci_core.reports.build import Extent
    from ci_core.reports.document import Block, Inline, Line
    from ci_core.reports.report import AnswerChange, Behaviour, BehaviourSide, Report

_MOST_CHANGES = 10
_MOST_NOTES = 10
_MOST_PLACES = 5
_ROWS_PER_CHANGE = 6
"""A request with two answers takes as much room as so many rows of other tables."""
_CHANGES = (
    Column(title="request"),
    Column(title="before"),
    Column(title="after"),
    Column(title="moved by", align="right"),
    Column(title="where"),
)
_SIDES = (Column(title="measured"), Column(title="base", align="right"), Column(title="head", align="right"))
_SAME_MEMORY = 0.05
"""Relative: a peak moves by as much from run to run."""


def behaviour_sentence(behaviour: Behaviour) -> Line:
    """Return how many answers changed, by how much, and what they cost; or why that is not known."""
    if behaviour.is_identical:
        requests = plural(behaviour.requests, "recorded request") if behaviour.requests else "recorded requests"
        nothing = "Nothing changed in what answers the "
        return (nothing, Strong(requests), ": neither code nor models nor data files, so none was sent.")
    if not behaviour.requests:
        why = prose(behaviour.problem or "no request was sent to both", 300)
        return ("The answers of base and head were not compared: ", *why)
    failed = behaviour.head.failed if behaviour.head else 0
    newly = failed - (behaviour.base.failed if behaviour.base else 0)
    return (
        *_changed(behaviour),
        *((f"; the head fails {plural(newly, 'request')} more than the base",) if newly > 0 else ()),
        *_cost(behaviour),
        ".",
    )


def _changed(behaviour: Behaviour) -> Line:
    """Return how many answers changed; those to requests that only the change records are counted by themselves."""
    if not behaviour.changed:
        all_requests, one = plural(behaviour.requests, "request"), behaviour.requests == 1
        return ("The " if one else "All ", Strong(all_requests), f" {'is' if one else 'are'} answered as before")
    requests, changed = behaviour.requests - behaviour.added, behaviour.changed - behaviour.added_changed
    return (*_counted(changed, requests), " answered otherwise", _beside(behaviour), *most_telling(behaviour))


def _counted(changed: int, requests: int) -> Line:
    if changed == requests and requests:
        return ("The " if requests == 1 else "All ", Strong(plural(requests, "request")), f" {_are(requests)}")
    share = f" ({percent(changed / requests)})" if requests else ""
    return (Strong(f"{number(changed)} of {plural(requests, 'request')}"), f"{share} {_are(changed)}")


def _beside(behaviour: Behaviour) -> str:
    count = behaviour.added_changed
    return f", as {_are(count)} {number(count)} of {number(behaviour.added)} that the change adds" if count else ""


def _are(count: int) -> str:
    return "is" if count == 1 else "are"


def _cost(behaviour: Behaviour) -> Line:
    parts: list[Inline] = []
    latency, memory = behaviour.latency_ratio, behaviour.memory_ratio
    if latency is not None:
        bounds = f"95\N{NO-BREAK SPACE}%: {short(latency.low)} to {short(latency.high)}"
        if latency.low <= 1 <= latency.high:
            parts.append(f"; answering takes as long as before ({ratio(latency.value)}, {bounds})")
        else:
            parts += ["; answering takes ", Strong(ratio(latency.value)), f" the time ({bounds})"]
    if memory is not None and abs(memory - 1) >= _SAME_MEMORY:
        parts.append(f"{', and' if parts else '; answering takes'} {ratio(memory)} the memory")
    return tuple(parts)


def behaviour_section(report: Report, extent: Extent) -> Section | None:
    """Return the largest changes of answers and how both graphs did."""
    behaviour = report.behaviour
    if behaviour is None:
        return None
    blocks: list[Block] = [Paragraph(line=behaviour_sentence(behaviour))]
    if behaviour.source and not behaviour.is_identical:
        tolerance = f"; numbers that differ by at most {short(behaviour.tolerance)} of the larger one count as equal"
        line: Line = ("The requests are from ", *prose(behaviour.source, 200), tolerance, ".")
        blocks.append(Paragraph(line=line))
    if behaviour.problem and behaviour.requests:
        blocks.append(Paragraph(line=prose(behaviour.problem, 400), tone="warn"))
    fields = fields_table(behaviour, extent.rows)
    if fields is not None:
        blocks.append(fields)
    if behaviour.largest:
        most = max(1, min(_MOST_CHANGES, extent.rows // _ROWS_PER_CHANGE))
        rows = [_answer(one) for one in behaviour.largest[:most]]
        blocks.append(table(_CHANGES, rows, max(behaviour.changed, len(behaviour.largest))))
    items = [*_unsteady(behaviour), *(prose(note, 400) for note in behaviour.notes[:_MOST_NOTES])]
    if items:
        blocks.append(BulletList(items=tuple(items)))
    sides = _sides(behaviour)
    if sides and extent.with_times:
        blocks.append(table(_SIDES, sides, len(sides)))
    return Section(slug="behaviour", title="Behaviour", hint=_hint(behaviour), blocks=tuple(blocks), folded=True)


def _unsteady(behaviour: Behaviour) -> list[Line]:
    if not behaviour.unsteady:
        return []
    verb = "is" if behaviour.unsteady == 1 else "are"
    again = (
        f"{plural(behaviour.unsteady, 'request')} {verb} answered otherwise by the base itself when it is asked again"
    )
    if not behaviour.unsteady_places:
        return [(f"{again}: what differs by itself is not compared",)]
    named: Line = ()
    for place in behaviour.unsteady_places[:_MOST_PLACES]:
        named += (*((", ",) if named else ()), *field_name(place))
    more = ", …" if len(behaviour.unsteady_places) > _MOST_PLACES else ""
    return [(f"{again}, and not compared there: ", *named, more)]


def _hint(behaviour: Behaviour) -> str:
    if behaviour.is_identical:
        return "nothing that answers changed"
    if not behaviour.requests:
        return "not compared"
    changed, answers = behaviour.changed - behaviour.added_changed, behaviour.requests - behaviour.added
    if not behaviour.added:
        return f"{number(changed)} of {plural(answers, 'answer')} changed"
    beside = f"{number(behaviour.added_changed)} of {number(behaviour.added)} added"
    return f"{number(changed)} of {plural(answers, 'answer')} changed, {beside}"


def _answer(change: AnswerChange) -> tuple[Line, ...]:
    return (
        (_json(change.request), *((" (added)",) if change.is_added else ())),
        (_json(change.old),),
        (_json(change.new),),
        (short(change.size),) if change.size is not None else (),
        (code(change.where),) if change.where else (),
    )


def _json(text: str) -> Inline:
    return Code(shorten(text, LONGEST_VALUE)) if text else ABSENT


def _sides(behaviour: Behaviour) -> list[tuple[Line, ...]]:
    measures: tuple[tuple[str, Callable[[BehaviourSide], str]], ...] = (
        ("not answered", lambda side: number(side.failed)),
        ("median time", lambda side: _unit(side.median_ms, "ms")),
        ("95\N{NO-BREAK SPACE}% of answers within", lambda side: _unit(side.p95_ms, "ms")),
        ("peak memory", lambda side: _unit(side.peak_mb, "MB")),
    )
    if behaviour.base is None and behaviour.head is None:
        return []
    return [
        ((name,), *((measure(side) if side else ABSENT,) for side in (behaviour.base, behaviour.head)))
        for name, measure in measures
    ]


def _unit(value: float | None, unit: str) -> str:
    return ABSENT if value is None else f"{short(value)} {unit}"
