"""What a change does to tables and to answers, as parts of a report."""

from __future__ import annotations

from typing import Literal

from ci_core.reports.part import Interval, Part


class ColumnRow(Part):
    """One column of a table, before and after."""

    name: str
    change: Literal["added", "removed", "changed", "same"]
    """``changed`` is about the type; values that moved are told by `distance`."""
    old_type: str | None = None
    new_type: str | None = None
    old_missing: float | None = None
    new_missing: float | None = None
    """Share of the rows, 0 to 1."""
    distance: float | None = None
    """Jensen-Shannon distance, 0 to 1."""
    shift: float | None = None
    """Wasserstein-1 distance in standard deviations of the base; numeric columns alone."""
    has_drifted: bool | None = None
    """None when it was not judged."""
    note: str = ""


class TableContent(Part):
    """The content of one table, before and after."""

    path: str
    old_rows: int | None = None
    new_rows: int | None = None
    columns: tuple[ColumnRow, ...] = ()
    """All columns."""
    problem: str | None = None
    """Why the content could not be compared."""


class AnswerChange(Part):
    """One recorded request that is answered otherwise."""

    request: str
    """As JSON, shortened."""
    old: str = ""
    new: str = ""
    """The answers as JSON, shortened."""
    size: float | None = None
    """The largest difference of a number; None when something else differs."""
    where: str = ""
    """Place of that difference in the answer."""


class BehaviourSide(Part):
    """How one of the two graphs did."""

    failed: int = 0
    median_ms: float | None = None
    p95_ms: float | None = None
    peak_mb: float | None = None
    """10^6 bytes."""


class Behaviour(Part):
    """What the serving graphs of base and head answer to the same requests."""

    source: str
    """Where the requests come from."""
    requests: int = 0
    """Requests that both were asked; when nothing can differ, those there are."""
    changed: int = 0
    unsteady: int = 0
    """Requests whose answer the base gives otherwise when it is asked again."""
    tolerance: float = 1e-6
    """Relative difference up to which numbers are equal."""
    largest: tuple[AnswerChange, ...] = ()
    base: BehaviourSide | None = None
    head: BehaviourSide | None = None
    latency_ratio: Interval | None = None
    """Median time of head over that of base."""
    memory_ratio: float | None = None
    is_identical: bool = False
    """Whether code, models and data files are those of the base: then nothing was replayed."""
    problem: str | None = None
    """Why there is no comparison, or why it is not whole."""
    notes: tuple[str, ...] = ()
    """What a reader should know and is no fault."""
