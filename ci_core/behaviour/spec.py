"""How the answers of two serving graphs differ, as data (pure)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from ci_core.serving.spec import GraphSpec
    from ci_core.types import Interval, JsonValue

TOLERANCE: Final = 1e-6
"""Numbers that differ by no more than this, relative to the larger one, are equal: float32 models keep seven digits."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ChangedAnswer:
    """One request that is answered otherwise."""

    request: JsonValue
    """Its body; of one that is not a ``POST`` to ``/``, an object with ``method``, ``path`` and ``body``. A large
    one is shortened."""
    old: JsonValue = None
    new: JsonValue = None
    """The body of the answer, of a large one the part at `where`; status and text when the request failed."""
    size: float | None = None
    """The largest difference of numbers at the same place of both answers, in their own unit; None when something else
    than a number differs, which is more than any number."""
    where: str = ""
    """Place of that difference in the answer: ``outputs[0].probability``; empty for the answer itself."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SideOfBehaviour:
    """How one of the two graphs did."""

    failed: int
    """Requests that were answered neither with 2xx nor with the status that was recorded with them."""
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
    """Requests that both were asked. When nothing was replayed because nothing can differ: those there are."""
    changed: int = 0
    """Requests whose answers differ by more than `tolerance`, without what differs by itself."""
    unsteady: int = 0
    """Requests whose answer the base gives otherwise when it is asked again: a time, a random number. Their places that
    differ by themselves are not compared; the others are."""
    tolerance: float = TOLERANCE
    """Numbers that differ by no more than this, relative to the larger one, are equal."""
    largest: tuple[ChangedAnswer, ...] = ()
    """The largest changes first, at most ten."""
    base: SideOfBehaviour | None = None
    head: SideOfBehaviour | None = None
    latency_ratio: Interval | None = None
    """Median time of head over that of base, 95 % interval."""
    memory_ratio: float | None = None
    """Peak memory of head over that of base."""
    is_identical: bool = False
    """Whether code, models and data files of the graph are byte for byte those of the base. Then nothing was replayed:
    no answer can have changed, and `base`, `head` and the ratios are None."""
    problem: str | None = None
    """Why there is no comparison, or why it is not whole: ``the base's graph cannot be loaded: …``."""
    notes: tuple[str, ...] = ()
    """What a reader should know and is no fault: ``12 of 200 answers differ by themselves, at `time```."""
    base_graph: GraphSpec | None = None
    head_graph: GraphSpec | None = None
    """The serving graphs, as far as they could be loaded; there with nothing to send, too."""

    @property
    def changed_share(self) -> float | None:
        """Share of the requests whose answer changed, 0 to 1; None when nothing was compared."""
        return self.changed / self.requests if self.requests else None
