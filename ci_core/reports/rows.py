"""Cells that several tables share: values before and after, kinds of change, sizes, counts of both (pure)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ci_core.reports.document import Code, Column, Mark, Table, code
from ci_core.reports.text import ABSENT, exact, number, shorten

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from ci_core.reports.document import Line, Tone
    from ci_core.reports.report import Change, Scalar

CHANGE_TONES: dict[Change, Tone] = {
    "added": "good",
    "removed": "bad",
    "changed": "warn",
    "renamed": "info",
    "same": "muted",
}
CHANGE_ORDER: tuple[Change, ...] = ("changed", "added", "removed", "renamed")
LONGEST_VALUE = 80
_DIGITS = 8
"""Of a digest: as many as ``graphship snapshot`` prints."""

CHANGE = Column(title="change")
PAIR = (Column(title="before"), Column(title="after"))
RIGHT_PAIR = (Column(title="before", align="right"), Column(title="after", align="right"))
DIFFERENCE = Column(title="difference", align="right")


def table(columns: Sequence[Column], rows: Sequence[tuple[Line, ...]], all_rows: int) -> Table:
    """Return a table that shows `rows` of `all_rows`; columns in which no row says anything are left out."""
    kept = [index for index in range(len(columns)) if any(row[index] for row in rows)]
    return Table(
        columns=tuple(columns[index] for index in kept),
        rows=tuple(tuple(row[index] for index in kept) for row in rows),
        hidden=max(0, all_rows - len(rows)),
    )


def value(shown: Scalar, *, is_there: bool) -> Line:
    """Return a value as the user would write it, or the sign for none."""
    return (code(shorten(exact(shown), LONGEST_VALUE)),) if is_there else (ABSENT,)


def change_mark(change: Change) -> Mark:
    """Return a change as a coloured word."""
    return Mark(tone=CHANGE_TONES[change], text=change, is_state=False)


def count_changes(changes: Iterable[Change]) -> str:
    """Return how many there are of each kind: ``3 changed, 1 added``; empty when nothing changed."""
    all_changes = list(changes)
    counts = ((all_changes.count(change), change) for change in CHANGE_ORDER)
    return ", ".join(f"{number(count)} {change}" for count, change in counts if count)


def short_digest(digest: str) -> str:
    """Return a digest's first digits behind its algorithm: the same content has other digits by another one."""
    algorithm, colon, digits = digest.rpartition(":")
    return f"{algorithm}{colon}{digits[:_DIGITS]}"


def name_cell(name: str, old_name: str | None = None) -> Line:
    """Return a file's name, after the one it had before when it was renamed."""
    return (code(name),) if old_name is None else (code(old_name), " → ", code(name))


def codes(names: Sequence[str], most: int) -> Line:
    """Return names side by side, ``a, b and 3 more``."""
    line: Line = ()
    for name in names[:most]:
        line += (*((", ",) if line else ()), Code(shorten(name, LONGEST_VALUE)))
    hidden = len(names) - most
    return (*line, f" and {number(hidden)} more") if hidden > 0 else line
