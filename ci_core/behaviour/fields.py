"""From the differences of many answers to one line a field: what changed there, how often and by how much (pure).

An answer is often a list of rows, so places are told apart without positions: ``outputs[].probability``. What is kept
is bounded whatever the answers hold: :data:`TRACKED` places of each kind, of each one number an answer and
:data:`DISTINCT` pairs of values. Secrets are masked before a value is cut.
"""

from __future__ import annotations

import json
import math
from array import array
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from statistics import median
from typing import TYPE_CHECKING, Final, TypeAlias

from ci_core.behaviour.answers import is_list, place, value_at
from ci_core.behaviour.spec import FieldChange, ValueChange
from ci_core.masking import CUT

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from ci_core.behaviour.answers import Answer, Difference
    from ci_core.behaviour.spec import Kind
    from ci_core.masking import Masker
    from ci_core.types import JsonValue

SHOWN: Final = 20
"""Places in a report."""
SHOWN_OF_EACH_KIND: Final = 4
"""Places of one kind that are shown whatever there is of the others: many new fields hide no number that moved."""
SHOWN_VALUES: Final = 3
TRACKED: Final = 1_000
DISTINCT: Final = 50
LABELS: Final = 10
"""Whole numbers that change in no more ways than this are told like labels: classes are often numbers."""

_TEXT: Final = 40
_ORDER: Final[tuple[Kind, ...]] = ("status", "gone", "new", "other", "number")

_Folded: TypeAlias = "tuple[str | int, ...]"
"""A path with 0 for every position."""


@dataclass(slots=True, kw_only=True)
class _Field:
    """What was seen at one place."""

    answers: int = 0
    sizes: array[float] = field(default_factory=lambda: array("d"))
    values: Counter[tuple[str, str]] = field(default_factory=Counter)
    has_values: bool = True
    """False once they tell nothing: measurements."""

    def add(self, old: Answer, new: Answer, found: Sequence[Difference], masker: Masker) -> None:
        self.answers += 1
        self.sizes.extend(sorted(one.size for one in found if one.size is not None)[-1:])
        if not self.has_values:
            return
        pairs = {_values(old, new, one, masker) for one in found}
        for pair in sorted(pair for pair in pairs if pair is not None):
            if pair in self.values or len(self.values) < DISTINCT:
                self.values[pair] += 1
        self.has_values = None not in pairs and (not self.sizes or len(self.values) <= LABELS)
        if not self.has_values:
            self.values.clear()


class FieldTally:
    """Takes changed answers one by one and tells what changed, place by place.

    Args:
        masker: takes secrets out of values.
    """

    def __init__(self, masker: Masker) -> None:
        self._masker = masker
        self._fields: dict[tuple[Kind, _Folded], _Field] = {}
        self._tracked: Counter[Kind] = Counter()

    def add(self, old: Answer, new: Answer, found: Iterable[Difference]) -> None:
        """Count the differences of one answer."""
        mine: dict[tuple[Kind, _Folded], list[Difference]] = {}
        for difference in found:
            folded = tuple(0 if isinstance(part, int) else part for part in difference.path)
            mine.setdefault((difference.kind, folded), []).append(difference)
        for (kind, folded), differences in mine.items():
            seen = self._fields.get((kind, folded))
            if seen is None:
                if self._tracked[kind] == TRACKED:
                    continue
                self._tracked[kind] += 1
                seen = self._fields[kind, folded] = _Field()
            seen.add(old, new, differences, self._masker)

    def changes(self, spread: Mapping[str, float]) -> tuple[tuple[FieldChange, ...], int]:
        """Return the most telling places, at most :data:`SHOWN`, and how many more there are.

        They come by kind: another status, fields that are gone, new ones, other values, numbers. Of one kind first
        those in which most answers changed, and of numbers those that moved most, measured by `spread`.

        Args:
            spread: how far the base's numbers of each place are apart.
        """
        all_ = [_change(kind, folded, seen, spread) for (kind, folded), seen in self._fields.items()]
        all_.sort(key=lambda one: (_ORDER.index(one.kind), -_measure(one), one.place))
        by_kind = {kind: [one for one in all_ if one.kind == kind] for kind in _ORDER}
        sure = {(one.kind, one.place) for ones in by_kind.values() for one in ones[:SHOWN_OF_EACH_KIND]}
        others = [(one.kind, one.place) for one in all_ if (one.kind, one.place) not in sure]
        kept = {*sure, *others[: SHOWN - len(sure)]}
        return tuple(one for one in all_ if (one.kind, one.place) in kept), len(all_) - len(kept)


def _change(kind: Kind, folded: _Folded, seen: _Field, spread: Mapping[str, float]) -> FieldChange:
    where = place(folded, with_positions=False)
    largest = max(seen.sizes, default=None)
    range_ = spread.get(where)
    ordered = sorted(seen.values.items(), key=lambda item: (-item[1], item[0]))
    return FieldChange(
        place=where,
        kind=kind,
        answers=seen.answers,
        median=_tidy(median(seen.sizes)) if seen.sizes else None,
        largest=None if largest is None else _tidy(largest),
        share=_tidy(largest / range_) if largest is not None and range_ else None,
        values=tuple(ValueChange(old=old, new=new, answers=count) for (old, new), count in ordered[:SHOWN_VALUES]),
        more_values=max(0, len(ordered) - SHOWN_VALUES),
    )


def _measure(change: FieldChange) -> float:
    if change.largest is None:
        return change.answers
    # where the base always says the same, the difference itself is all there is to measure by
    return change.largest if change.share is None else change.share


def _tidy(number: float) -> float:
    """Return a number without what binary fractions leave at its end; infinity, which no report holds, as 1e300."""
    return float(f"{min(number, 1e300):.12g}")


# --- values as text ---


def _values(old: Answer, new: Answer, found: Difference, masker: Masker) -> tuple[str, str] | None:
    """Return what became what; None when that tells nothing."""
    if found.kind == "status":
        return _status(old), _status(new)
    if not (old.is_whole and new.is_whole):
        return None
    one, other = value_at(old.body, found.path), value_at(new.body, found.path)
    if _is_whole(one) and _is_whole(other):
        return _exact(one, masker), _exact(other, masker)
    if found.kind == "number":
        return None
    return "" if found.kind == "new" else _said(one, masker), "" if found.kind == "gone" else _said(other, masker)


def _status(answer: Answer) -> str:
    return "no answer" if answer.status is None else str(answer.status)


def _said(value: JsonValue, masker: Masker) -> str:
    if isinstance(value, Mapping):
        return f"{len(value)} field{'' if len(value) == 1 else 's'}"
    if is_list(value):
        return f"{len(value)} item{'' if len(value) == 1 else 's'}"
    is_measured = type(value) is int or (isinstance(value, float) and math.isfinite(value))
    return "number" if is_measured else _exact(value, masker)


def _exact(value: JsonValue, masker: Masker) -> str:
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    if isinstance(value, str):
        value = masker.text(value)
        text = json.dumps(value[:_TEXT], ensure_ascii=False).encode(errors="backslashreplace").decode()
        return f'{text[:-1]}{CUT}"' if len(value) > _TEXT else text
    text = masker.text(json.dumps(value))
    return text if len(text) <= _TEXT else text[:_TEXT] + CUT


def _is_whole(value: object) -> bool:
    return type(value) is int or (isinstance(value, float) and value.is_integer())
