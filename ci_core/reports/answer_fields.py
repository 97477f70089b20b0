"""What changed in the answers field by field: the end of the first screen's sentence, and a table (pure)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ci_core.reports.document import Column, Mark, code
from ci_core.reports.rows import table
from ci_core.reports.text import ABSENT, number, percent, plural, short

if TYPE_CHECKING:
    from ci_core.reports.document import Line, Table, Tone
    from ci_core.reports.report import Behaviour, FieldChange, ValueChange

_MOST_FIELDS = 20
_ROWS_PER_FIELD = 3
_COLUMNS = (
    Column(title="field"),
    Column(title="change"),
    Column(title="answers", align="right"),
    Column(title="median move", align="right"),
    Column(title="largest move", align="right"),
    Column(title="of base's range", align="right"),
    Column(title="values"),
)
_WORDS: dict[str, tuple[Tone, str]] = {
    "status": ("bad", "status"),
    "gone": ("bad", "gone"),
    "new": ("good", "new"),
    "other": ("warn", "changed"),
    "number": ("warn", "changed"),
}


def most_telling(behaviour: Behaviour) -> Line:
    """Return what changed most in a few words, after a colon: failures, the label and the number that moved most."""
    if behaviour.gained and behaviour.gained == behaviour.changed:
        return (f": {_count(behaviour, 'new')} and nothing else",)
    kinds = {kind: [one for one in behaviour.fields if one.kind == kind] for kind in _WORDS}
    statuses, others, numbers = kinds["status"][:1], kinds["other"][:1], kinds["number"][:1]
    parts: list[Line] = [(f"{number(one.answers)} with another status",) for one in statuses]
    parts += [(*field_name(one.place), f" in {number(one.answers)}") for one in others]
    parts += [(*field_name(one.place), f" by up to {short(one.largest)}") for one in numbers if one.largest is not None]
    parts += [(_count(behaviour, kind),) for kind in ("gone", "new") if kinds[kind]]
    hidden = len(kinds["other"][1:]) + len(kinds["number"][1:]) + behaviour.more_fields
    if hidden:
        parts.append((f"{plural(hidden, 'other field')}",))
    only = (f" ({plural(behaviour.gained, 'answer')} only gained fields)",) if behaviour.gained else ()
    return (*_listed(parts), *only)


def _count(behaviour: Behaviour, kind: str) -> str:
    count = sum(one.kind == kind for one in behaviour.fields)
    return plural(count, f"{kind} field") if kind == "new" else f"{plural(count, 'field')} gone"


def _listed(parts: list[Line]) -> Line:
    line: Line = ()
    for index, part in enumerate(parts):
        between = ": " if index == 0 else ", and " if index == len(parts) - 1 else ", "
        line += (between, *part)
    return line


def field_name(place: str) -> Line:
    """Return a place as code."""
    return (code(place),) if place else ("the whole answer",)


def fields_table(behaviour: Behaviour, rows: int) -> Table | None:
    """Return one line a field, in the room of `rows`; None when no answer changed."""
    if not behaviour.fields:
        return None
    shown = behaviour.fields[: max(1, min(_MOST_FIELDS, rows // _ROWS_PER_FIELD))]
    return table(_COLUMNS, [_row(one) for one in shown], len(behaviour.fields) + behaviour.more_fields)


def _row(change: FieldChange) -> tuple[Line, ...]:
    tone, word = _WORDS[change.kind]
    return (
        field_name(change.place),
        (Mark(tone=tone, text=word, is_state=False),),
        (number(change.answers),),
        (short(change.median),) if change.median is not None else (),
        (short(change.largest),) if change.largest is not None else (),
        (percent(change.share),) if change.share is not None else (),
        _values(change),
    )


def _values(change: FieldChange) -> Line:
    line: Line = ()
    for one in change.values:
        line += (*((", ",) if line else ()), f"{number(one.answers)}\N{NO-BREAK SPACE}× ", *_value(one))
    return (*line, ", …") if change.more_values else line


def _value(change: ValueChange) -> Line:
    old, new = ((code(text),) if text else () for text in (change.old, change.new))
    return (*old, " → ", *new) if old and new else (*old, *new) or (ABSENT,)
