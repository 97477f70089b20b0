"""The rule: counts of a window and of the reference in, a verdict with its reasons out (pure).

1. A column has *drifted* in a window when its Jensen-Shannon distance, or for numbers its Wasserstein-1 distance in
   standard deviations of the reference, is above both the bound of ``null.py`` and an effect floor.
2. One drifted column makes the window ``potential``.
3. It is ``drift`` when a column drifted in the window before as well, the two windows pooled exceed the bound of
   pooled neighbours too, and the column matters: it is the model's output, or among the columns that hold 80 % of the
   importance (all columns, when the importance is not known).
4. A quality finding makes it ``broken-data``, whatever else is true: retraining on broken data is harm.
5. A window with fewer than 500 rows is ``insufficient-data``, never fine.

Why two tests, why blocks, why two in a row, with measurements: docs/drift.md. First version: late labels and seasonal
strata have no say yet.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Literal

from ci_core.monitoring.binning import ordered_codes, positions_of, vector
from ci_core.monitoring.null import ColumnNull, Null, reference_null
from ci_core.monitoring.profile import NumericGrid, merge
from ci_core.monitoring.quality import findings, summary
from ci_core.monitoring.reasons import reasons
from ci_core.monitoring.reference import LEAST_WINDOW_ROWS
from ci_core.monitoring.spec import ColumnVerdict, Verdict
from ci_core.monitoring.statistics import equivalent_shift, jensen_shannon_distance, wasserstein

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from ci_core.monitoring.null import Bound
    from ci_core.monitoring.profile import ColumnCounts, Profile
    from ci_core.monitoring.reference import ReferenceProfile
    from ci_core.monitoring.spec import State, Window

OUTPUT = "_output"
"""Column of the model's output, in captures and in the reference's scores."""
IMPORTANT_SHARE = 0.8
"""Columns that hold this share of the importance, the weightiest first, are those that matter."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Preceding:
    """The window directly before, as the rule needs it."""

    profile: Profile
    drifted: frozenset[str]
    """Columns that had drifted in it."""


def judge(
    reference: ReferenceProfile,
    profile: Profile,
    *,
    window: Window | None = None,
    importance: Mapping[str, float] | None = None,
    preceding: Preceding | None = None,
    null: Null | None = None,
) -> Verdict:
    """Judge one window.

    Args:
        reference: what the window is compared with.
        profile: the window's counts, on the reference's layout.
        window: its time; None for a table without one.
        importance: column → share of the model's importance, 0 to 1; None when not known.
        preceding: the window before, when it was judged against the same reference and had enough rows.
        null: ``reference_null`` of the reference, when several windows are judged by it; computed here else.

    Returns:
        The verdict; its columns are sorted with drifted ones first, by importance × shift.

    Raises:
        ValueError: `profile` is on another layout.
    """
    if profile.layout != reference.layout.digest:
        msg = "the window was not counted on the reference's layout"
        raise ValueError(msg)
    null = (null or reference_null(reference)).for_window(profile.rows)
    columns = _columns(null, reference, profile, importance)
    again = frozenset[str]()
    if preceding is not None:
        both = merge([preceding.profile, profile])
        candidates = [column.name for column in columns if column.drifted and column.name in preceding.drifted]
        pairs = {name: _distances(null.columns[name], both.columns[name]) for name in candidates}
        again = frozenset(
            name for name, pair in pairs.items() if _exceeds(null, null.columns[name], *pair, scale="pair")
        )
    mattering = frozenset(name for name in again if _matters(name, importance))
    state = _state(profile, columns, mattering)
    verdict = Verdict(
        state=state,
        window=window,
        rows=profile.rows,
        reasons=(),
        calibrated=null.is_calibrated,
        columns=tuple(sorted(columns, key=_rank)),
    )
    return replace(verdict, reasons=reasons(verdict, null=null, again=again, mattering=mattering))


@dataclass(frozen=True, slots=True, kw_only=True)
class ColumnChange:
    """What :class:`ColumnVerdict` says of one column's values, and nothing that has to be put into words."""

    distance: float
    shift: float | None
    has_drifted: bool


def changes(reference: ReferenceProfile, profile: Profile) -> dict[str, ColumnChange]:
    """Return for each column that was counted what :func:`judge` would say; for wide tables, at half its price.

    Args:
        reference: what the table is compared with.
        profile: the table's counts, on the reference's layout.
    """
    null = reference_null(reference).for_window(profile.rows)
    return {name: _change(null, null.columns[name], counts, profile.rows) for name, counts in profile.columns.items()}


def _state(profile: Profile, columns: Sequence[ColumnVerdict], mattering: frozenset[str]) -> State:
    enough = profile.rows >= LEAST_WINDOW_ROWS
    # What is absent or of another type is broken in a window of any size; shares need enough rows to mean something.
    if profile.rows and (profile.faults or (enough and any(column.quality for column in columns))):
        return "broken-data"
    if not enough:
        return "insufficient-data"
    if mattering:
        return "drift"
    return "potential" if any(column.drifted for column in columns) else "no-drift"


def _columns(
    null: Null, reference: ReferenceProfile, profile: Profile, importance: Mapping[str, float] | None
) -> list[ColumnVerdict]:
    judged = []
    for name, column in null.columns.items():
        weight = None if importance is None else importance.get(name)
        if name in profile.faults or name not in profile.columns or not profile.rows:
            fault = profile.faults.get(name)
            verdict = ColumnVerdict(
                name=name,
                kind=reference.layout.kind(name),
                distance=0.0 if fault is None else 1.0,
                bound=column.distance.window,
                floor=null.distance_floor,
                drifted=False,
                quality=() if fault is None else (fault,),
                importance=weight,
                reference_summary=summary(column, column.reference),
            )
        else:
            verdict = _column(null, name, reference, profile, weight)
        judged.append(verdict)
    return judged


def _column(
    null: Null, name: str, reference: ReferenceProfile, profile: Profile, weight: float | None
) -> ColumnVerdict:
    column, counts = null.columns[name], profile.columns[name]
    change = _change(null, column, counts, profile.rows)
    return ColumnVerdict(
        name=name,
        kind=reference.layout.kind(name),
        distance=change.distance,
        bound=column.distance.window,
        floor=null.distance_floor,
        shift=change.shift,
        shift_bound=None if column.shift is None else column.shift.window,
        shift_floor=None if column.shift is None else null.shift_floor,
        drifted=change.has_drifted,
        quality=findings(column, counts),
        importance=weight,
        reference_summary=summary(column, column.reference),
        window_summary=summary(column, counts),
        smallest_visible=_smallest_visible(null, column),
    )


def _distances(column: ColumnNull, counts: ColumnCounts) -> tuple[float, float | None]:
    """Return the Jensen-Shannon distance to the reference, and the shift in its standard deviations."""
    gather = column.gathering.gather
    distance = float(jensen_shannon_distance(gather(column.reference), gather(counts)))
    if column.sd is None or not isinstance(column.bins, NumericGrid):
        return distance, None
    codes = ordered_codes(column.bins, [column.reference, counts])
    places = positions_of(column.bins, codes)
    shift = float(wasserstein(places, vector(codes, column.reference), vector(codes, counts))) / column.sd
    return distance, shift if math.isfinite(shift) else None


def _change(null: Null, column: ColumnNull, counts: ColumnCounts, rows: int) -> ColumnChange:
    distance, shift = _distances(column, counts)
    beyond = rows >= LEAST_WINDOW_ROWS and _exceeds(null, column, distance, shift, scale="window")
    return ColumnChange(distance=distance, shift=shift, has_drifted=beyond)


def _exceeds(
    null: Null, column: ColumnNull, distance: float, shift: float | None, *, scale: Literal["window", "pair"]
) -> bool:
    """Tell whether a column is beyond its bounds and floors, in a window or in a pair of windows."""

    def at(bound: Bound) -> float:
        return bound.pair if scale == "pair" else bound.window

    if distance > max(at(column.distance), null.distance_floor):
        return True
    return shift is not None and column.shift is not None and shift > max(at(column.shift), null.shift_floor)


def _smallest_visible(null: Null, column: ColumnNull) -> float | None:
    """Return the shift of the mean, in reference standard deviations, above which one of both tests would fire."""
    by_shape = equivalent_shift(max(column.distance.window, null.distance_floor))
    if column.shift is None:
        return None if column.distance.window < 1 else math.inf
    return min(by_shape, max(column.shift.window, null.shift_floor))


def _matters(name: str, importance: Mapping[str, float] | None) -> bool:
    return name == OUTPUT or importance is None or name in important(importance)


def important(importance: Mapping[str, float]) -> frozenset[str]:
    """Return the columns that together hold 80 % of the importance, the weightiest first."""
    total = sum(importance.values())
    held, chosen = 0.0, set[str]()
    for name, weight in sorted(importance.items(), key=lambda item: (-item[1], item[0])):
        if held >= IMPORTANT_SHARE * total or weight <= 0:
            break
        held += weight
        chosen.add(name)
    return frozenset(chosen)


def excess(column: ColumnVerdict) -> float:
    """Return how many times a column is beyond its bound or floor, by the test that shows more of it."""
    by_shape = column.distance / max(column.bound, column.floor)
    if column.shift is None or column.shift_bound is None:
        return by_shape
    return max(by_shape, column.shift / max(column.shift_bound, column.shift_floor or 0.0))


def _rank(column: ColumnVerdict) -> tuple[bool, bool, float, str]:
    weight = 1.0 if column.importance is None else column.importance
    return (not column.quality, not column.drifted, -weight * excess(column), column.name)
