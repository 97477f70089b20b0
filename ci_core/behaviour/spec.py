"""How the answers of two serving graphs differ, as data (pure)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ci_core.types import Interval, JsonValue


@dataclass(frozen=True, slots=True, kw_only=True)
class ChangedAnswer:
    """One request that is answered otherwise."""

    request: JsonValue
    old: JsonValue = None
    new: JsonValue = None
    """The body of the answer; an error's text when the request failed."""
    size: float | None = None
    """The largest difference of numbers at the same place of both answers, in their own unit; None when something else
    than a number differs, which is more than any number."""
    where: str = ""
    """Place of that difference in the answer: ``outputs[0].probability``; empty for the answer itself."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SideOfBehaviour:
    """How one of the two graphs did."""

    failed: int
    """Requests that were not answered with 2xx."""
    median_ms: float | None = None
    p95_ms: float | None = None
    """Of one request at a time, inside the process, after a warm-up; milliseconds."""
    peak_mb: float | None = None
    """Largest resident memory of the process, 10^6 bytes."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Behaviour:
    """What the graphs of base and head answer to the same requests."""

    source: str
    """Where the requests come from: ``serving/requests.jsonl``, or ``200 rows of data/train.parquet``."""
    requests: int = 0
    """Requests that were sent to both."""
    changed: int = 0
    """Requests whose answers differ by more than `tolerance`."""
    tolerance: float = 1e-6
    """Numbers that differ by no more than this, relative to the larger one, are equal."""
    largest: tuple[ChangedAnswer, ...] = ()
    """The largest changes first, at most ten."""
    base: SideOfBehaviour | None = None
    head: SideOfBehaviour | None = None
    latency_ratio: Interval | None = None
    """Median time of head over that of base, 95 % interval."""
    memory_ratio: float | None = None
    """Peak memory of head over that of base."""
    problem: str | None = None
    """Why there is no comparison, or why it is not whole: ``the base's graph cannot be loaded: …``."""

    @property
    def changed_share(self) -> float | None:
        """Share of the requests whose answer changed, 0 to 1; None when nothing was compared."""
        return self.changed / self.requests if self.requests else None
