"""How far a column moved, with how far it may behind it: the same two cells wherever columns are listed (pure)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from ci_core.reports.document import Column, Strong
from ci_core.reports.text import ABSENT

if TYPE_CHECKING:
    from ci_core.reports.document import Line


class Measured(Protocol):
    """What is asked of a column; see :class:`~ci_core.monitoring.spec.ColumnVerdict` for the meanings."""

    @property
    def distance(self) -> float: ...  # noqa: D102 - as in ColumnVerdict
    @property
    def bound(self) -> float: ...  # noqa: D102
    @property
    def floor(self) -> float: ...  # noqa: D102
    @property
    def shift(self) -> float | None: ...  # noqa: D102
    @property
    def shift_bound(self) -> float | None: ...  # noqa: D102
    @property
    def shift_floor(self) -> float | None: ...  # noqa: D102


HEADS = (Column(title="shift in sd (bound)", align="right"), Column(title="distance (bound)", align="right"))


def cells(column: Measured) -> tuple[Line, Line]:
    """Return the cells below :data:`HEADS`; a measure beyond its bound is strong."""
    shift_bound = None if column.shift_bound is None else max(column.shift_bound, column.shift_floor or 0.0)
    # A distance ends at 1: with a bound above that, only the shift can tell.
    distance_bound = max(column.bound, column.floor) if column.bound < 1 else None
    return (
        (ABSENT,) if column.shift is None else _against(column.shift, shift_bound, digits=2),
        _against(column.distance, distance_bound, digits=3),
    )


def _against(value: float, bound: float | None, *, digits: int) -> Line:
    shown = f"{value:.{digits}f}"
    if bound is None:
        return (f"{shown} ({ABSENT})",)
    return (Strong(shown) if value > bound else shown, f" ({bound:.{digits}f})")
