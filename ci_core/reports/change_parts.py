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
    note: str = ""
    """What holds for all of its columns."""
    problem: str | None = None
    """Why the content could not be compared."""


class ValueChange(Part):
    """One value that became another one."""

    old: str
    """As JSON, shortened; ``5 items`` of a list, ``number`` where one of both is none. Empty when there was none."""
    new: str
    answers: int


class FieldChange(Part):
    """What changed at one place of all answers."""

    place: str
    """Without positions: ``outputs[].probability``; empty for the whole answer."""
    kind: Literal["status", "gone", "new", "other", "number"]
    answers: int
    """Answers in which it changed."""
    median: float | None = None
    largest: float | None = None
    """How far a number moved, in its own unit: in half of these answers by at most `median`."""
    share: float | None = None
    """`largest` over the range of the base's numbers at this place."""
    values: tuple[ValueChange, ...] = ()
    """The most frequent ones."""
    more_values: int = 0


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
    is_added: bool = False
    """Whether only the change records the request."""


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
    added: int = 0
    added_changed: int = 0
    """Of both those that only the change records: no gate counts them."""
    gained: int = 0
    """Of `changed` those that are as before but for fields that are new."""
    unsteady: int = 0
    """Requests whose answer the base gives otherwise when it is asked again."""
    unsteady_places: tuple[str, ...] = ()
    """The first places that differ by themselves, which are not compared; empty for the whole answer."""
    tolerance: float = 1e-6
    """Relative difference up to which numbers are equal."""
    fields: tuple[FieldChange, ...] = ()
    """What changed, place by place, the most telling first."""
    more_fields: int = 0
    """Places that changed, too."""
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
    head_failure: str | None = None
    """Why the head's graph cannot be loaded, when that is its own fault: then the verdict is ``fail``."""
    head_exit_code: int | None = None
    """What commands end with because of that: 2 when graph or configuration make no sense, 3 when its code failed."""
    notes: tuple[str, ...] = ()
    """What a reader should know and is no fault."""
