"""A window's verdict and what it rests on, as data (pure)."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from datetime import datetime

State = Literal["no-drift", "potential", "drift", "broken-data", "insufficient-data"]
ColumnKind = Literal["numeric", "category", "boolean"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Window:
    """A half-open interval of the events' own time, ``start <= t < end``, UTC."""

    start: datetime
    end: datetime

    @property
    def label(self) -> str:
        """``2013-06-15`` for a whole UTC day, else ``2013-06-15T06:00/PT6H``-like start and end."""
        if self.end.hour == self.start.hour == 0 and (self.end - self.start).days == 1:
            return self.start.date().isoformat()
        return f"{self.start:%Y-%m-%dT%H:%M}/{self.end:%Y-%m-%dT%H:%M}"


@dataclass(frozen=True, slots=True, kw_only=True)
class ColumnVerdict:
    """What one column did in one window."""

    name: str
    kind: ColumnKind
    distance: float
    """Jensen-Shannon distance of window and reference (the root of the divergence in base 2), 0 to 1."""
    bound: float
    """The most that the reference's own blocks lead us to expect, on the scale of `distance`."""
    floor: float
    """Smallest effect that counts, whatever its significance."""
    shift: float | None = None
    """Wasserstein-1 distance in standard deviations of the reference; None for categories."""
    shift_bound: float | None = None
    """The most that the reference's own blocks lead us to expect, on the scale of `shift`."""
    shift_floor: float | None = None
    """Smallest shift that counts, on the scale of `shift`."""
    drifted: bool
    quality: tuple[str, ...] = ()
    """Broken-data findings: ``missing 2.0 % → 10.3 %``, ``new level `ZZ` 1.2 %``, …; empty when sound."""
    importance: float | None = None
    """Share of the model's total importance, 0 to 1; None when not known."""
    reference_summary: str = ""
    """How the reference looks, short: ``mean 38.1 (sd 9.7)`` or ``UA 18 %, B6 16 %, EV 16 %``."""
    window_summary: str = ""
    smallest_visible: float | None = None
    """The shift in reference standard deviations that the bound would just have let through; None when it cannot be
    said. Infinite when the column cannot be judged by shape at this window length."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """The decision on one window, with reasons."""

    state: State
    window: Window | None
    rows: int
    reasons: tuple[str, ...]
    """At most a few sentences; the first says what, the second why it matters or not."""
    calibrated: bool
    """Whether the bounds come from blocks of the reference's own time."""
    columns: tuple[ColumnVerdict, ...] = field(default=())
    """Drifted ones first, by importance × shift."""

    @property
    def drifted(self) -> tuple[ColumnVerdict, ...]:
        """The columns beyond their bound."""
        return tuple(column for column in self.columns if column.drifted)
