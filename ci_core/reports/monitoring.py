"""The monitoring of one environment as data: what the monitoring issue and its page are rendered from.

Who judges windows converts its verdicts into these models; nothing here computes a statistic.
"""

from __future__ import annotations

from typing import Literal

from pydantic import model_validator

from ci_core.reports.report import Link, Part

State = Literal["no-drift", "potential", "drift", "broken-data", "insufficient-data"]


class Bins(Part):
    """How often a column's values fell where, in the reference and in the window."""

    edges: tuple[float, ...] = ()
    """Finite, increasing bounds of numeric bins, one more than counts; empty for levels."""
    levels: tuple[str, ...] = ()
    """Names of a category's levels, as many as counts; empty for numeric bins."""
    reference: tuple[float, ...]
    window: tuple[float, ...]

    @model_validator(mode="after")
    def _has_matching_lengths(self) -> Bins:
        bins = len(self.levels) or len(self.edges) - 1
        if not bins == len(self.reference) == len(self.window):
            message = f"{bins} bins, but {len(self.reference)} reference and {len(self.window)} window counts"
            raise ValueError(message)
        return self


class ColumnReport(Part):
    """What one column did in the newest window; the fields of a column's verdict, plus its picture."""

    name: str
    kind: Literal["numeric", "category", "boolean"] = "numeric"
    distance: float
    """Jensen-Shannon divergence, base 2, 0 to 1."""
    bound: float
    floor: float = 0.0
    shift: float | None = None
    """Wasserstein-1 distance in standard deviations of the reference."""
    shift_bound: float | None = None
    shift_floor: float | None = None
    drifted: bool = False
    importance: float | None = None
    """Share of the model's total importance, 0 to 1."""
    quality: tuple[str, ...] = ()
    """Findings about broken data."""
    reference_summary: str = ""
    window_summary: str = ""
    bins: Bins | None = None


class WindowReport(Part):
    """One judged window of the past."""

    start: str
    """ISO 8601, UTC."""
    end: str
    label: str
    """Short form: ``2013-06-15``."""
    state: State
    rows: int
    top_columns: tuple[str, ...] = ()
    """The columns that moved most."""


class MonitoringReport(Part):
    """What is known about the live traffic of one environment."""

    project: str
    environment: str
    release: str | None = None
    commit: str | None = None
    state: State
    reasons: tuple[str, ...] = ()
    """Sentences of the verdict; the first says what, the second why it matters. Names in backticks."""
    window: WindowReport | None = None
    """The newest judged window; None before there is one."""
    calibrated: bool = True
    """Whether the bounds come from blocks of the reference's own time."""
    columns: tuple[ColumnReport, ...] = ()
    """Drifted ones first."""
    history: tuple[WindowReport, ...] = ()
    """Oldest first, the newest window included."""
    next_steps: tuple[str, ...] = ()
    """What happens next, by us or by the reader. Names in backticks."""
    links: tuple[Link, ...] = ()

    def to_json(self) -> str:
        """Return the report as JSON: indented, one final newline."""
        return self.model_dump_json(indent=2) + "\n"
