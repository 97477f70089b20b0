"""From the answers of two graphs to the same requests to what changed, the largest first (pure)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from ci_core.behaviour.answers import MOST_PLACES, differences, numbers, value_at
from ci_core.behaviour.fields import FieldTally
from ci_core.behaviour.shorten import is_short, shortened
from ci_core.behaviour.spec import TOLERANCE, ChangedAnswer
from ci_core.masking import SHAPES_ONLY

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from ci_core.behaviour.answers import Answer, Difference
    from ci_core.behaviour.spec import FieldChange, Kind
    from ci_core.masking import Masker
    from ci_core.types import JsonValue

SHOWN: Final = 10
"""Changed answers in a report."""
_TELLING: Final[Mapping[Kind, int]] = {"status": 0, "gone": 1, "other": 1, "number": 2, "new": 3}
"""What comes first of the changes of an answer, and of the changed answers."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparison:
    """What became of the requests that both graphs were asked."""

    requests: int
    changed: int
    added: int
    added_changed: int
    """Of both those that only the change records."""
    gained: int
    """Of them those that only have fields which are new."""
    unsteady: int
    """Requests that the base itself answers otherwise the second time."""
    unsteady_places: tuple[str, ...]
    """The kinds of places at which it does, sorted."""
    fields: tuple[FieldChange, ...]
    more_fields: int
    largest: tuple[ChangedAnswer, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Changed:
    number: int
    difference: Difference
    old: Answer
    new: Answer


def compare_answers(
    requests: Sequence[JsonValue],
    base: Sequence[Answer | None],
    again: Sequence[Answer | None],
    head: Sequence[Answer | None],
    *,
    added: int = 0,
    tolerance: float = TOLERANCE,
    masker: Masker = SHAPES_ONLY,
) -> Comparison:
    """Compare the answers of base and head, request by request.

    What differs by itself is not compared: `again` is what the base answered to the same requests a second time, after
    the head. So a clock that moved on between base and head has moved on between the base's own answers, too. All
    other places of such an answer are compared.

    The order of the largest: first the answers with another status, then those in which something else than a number
    differs that was there before (a text, a list of another length, a field that is gone), both in the order of the
    requests; then by the largest difference of a number, measured by how much the base's numbers at the same place vary
    over all requests. So a probability that moved by 0.2 comes before a price of 100,000 that moved by 10. Last come
    answers that are as before but for fields that are new.

    Args:
        requests: as they are shown.
        base: an answer for each request; None for one that was not sent.
        again: the base's second answers.
        head: the head's answers.
        added: so many of the last requests are the change's alone.
        tolerance: relative difference up to which numbers are equal.
        masker: takes secrets out of what is shown.
    """
    compared = changed = gained = unsteady = compared_added = changed_added = 0
    first_added = len(requests) - added
    places: set[str] = set()
    found: list[_Changed] = []
    tally = FieldTally(masker)
    spread = _spread(answer.body for answer in base if answer is not None and answer.is_whole)
    for number, (old, repeated, new) in enumerate(zip(base, again, head, strict=True)):
        if old is None or new is None:
            continue
        compared += 1
        compared_added += number >= first_added
        moved = () if repeated is None else differences(old, repeated, tolerance=tolerance)
        if moved:
            unsteady += 1
            places.update(difference.kind_of_place for difference in moved)
        left = _without(differences(old, new, tolerance=tolerance), moved)
        if left:
            changed += 1
            changed_added += number >= first_added
            gained += all(difference.kind == "new" for difference in left)
            tally.add(old, new, left)
            found.append(_Changed(number=number, difference=_main(left, spread), old=old, new=new))
    found.sort(key=lambda one: _rank(one.difference, spread))
    fields, more_fields = tally.changes(spread)
    return Comparison(
        requests=compared,
        changed=changed,
        added=compared_added,
        added_changed=changed_added,
        gained=gained,
        unsteady=unsteady,
        unsteady_places=tuple(sorted(places)),
        fields=fields,
        more_fields=more_fields,
        largest=tuple(
            _shown(requests[one.number], one, masker, is_added=one.number >= first_added) for one in found[:SHOWN]
        ),
    )


def _without(found: Sequence[Difference], moved: Sequence[Difference]) -> list[Difference]:
    """Return the differences that are at no place, nor inside of one, that differs by itself."""
    if len(moved) == MOST_PLACES:  # there may be more of them than were looked at
        return []
    paths = {difference.path for difference in moved}
    return [one for one in found if not any(one.path[:length] in paths for length in range(len(one.path) + 1))]


def _spread(bodies: Iterable[JsonValue]) -> Mapping[str, float]:
    """Return how far the numbers of each kind of place are apart: the largest less the smallest."""
    lowest: dict[str, float] = {}
    highest: dict[str, float] = {}
    for body in bodies:
        for where, number in numbers(body):
            lowest[where] = min(number, lowest.get(where, number))
            highest[where] = max(number, highest.get(where, number))
    return {where: highest[where] - low for where, low in lowest.items()}


def _rank(difference: Difference, spread: Mapping[str, float]) -> tuple[int, float]:
    """Return what sorts the most telling difference first."""
    # where the base always says the same, the difference itself is all there is to measure by
    size = 0.0 if difference.size is None else -difference.size / (spread.get(difference.kind_of_place) or 1.0)
    return _TELLING[difference.kind], size


def _main(found: Sequence[Difference], spread: Mapping[str, float]) -> Difference:
    return min(found, key=lambda difference: _rank(difference, spread))


def _shown(request: JsonValue, changed: _Changed, masker: Masker, *, is_added: bool) -> ChangedAnswer:
    difference = changed.difference
    old, new = changed.old.shown, changed.new.shown
    if not (is_short(old) and is_short(new)) and difference.path:
        old, new = value_at(changed.old.body, difference.path), value_at(changed.new.body, difference.path)
    return ChangedAnswer(
        request=shortened(request, masker),
        old=shortened(old, masker),
        new=shortened(new, masker),
        size=None if difference.size is None else float(f"{difference.size:.12g}"),
        where=difference.where,
        is_added=is_added,
    )
