"""How the answers of two serving graphs differ, as data (pure)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Literal, TypeAlias

if TYPE_CHECKING:
    from ci_core.errors import ExitCode
    from ci_core.serving.spec import GraphSpec
    from ci_core.types import Interval, JsonValue

TOLERANCE: Final = 1e-6
"""Numbers that differ by no more than this, relative to the larger one, are equal: float32 models keep seven digits."""

Kind: TypeAlias = Literal["status", "gone", "new", "other", "number"]
"""What happened at one place of an answer: another status, a field that is gone or new, another value, or another
number."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ValueChange:
    """One value that became another one, and in how many answers it did."""

    old: str
    """As JSON, shortened; ``5 items`` of a list, ``3 fields`` of an object, ``number`` where the other one is none.
    Empty when there was no value."""
    new: str
    answers: int


@dataclass(frozen=True, slots=True, kw_only=True)
class FieldChange:
    """What changed at one place of all answers."""

    place: str
    """Without positions, as all rows of an answer are alike: ``outputs[].probability``; empty for the whole answer."""
    kind: Kind
    answers: int
    """Answers in which it changed, at one position at least."""
    median: float | None = None
    largest: float | None = None
    """How far the number moved, in its own unit: half of these answers by at most `median`, all of them by at most
    `largest`. Of an answer that has it at several positions, by the most. None when it is no number."""
    share: float | None = None
    """`largest` over the range of the base's numbers at this place; None when they are all the same."""
    values: tuple[ValueChange, ...] = ()
    """The most frequent ones, at most three. Of numbers only where they look like labels: whole, and few of them."""
    more_values: int = 0
    """Other changes of values that were seen, of which the first fifty are told apart."""


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
    is_added: bool = False
    """Whether the change records the request and the base does not."""


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
    added: int = 0
    """Of `requests` those that only the change records: shown, and no part of what it is judged by."""
    added_changed: int = 0
    """Of `added` those whose answers differ."""
    gained: int = 0
    """Of `changed` those that are as before but for fields that are new: they matter to clients that take no others."""
    unsteady: int = 0
    """Requests whose answer the base gives otherwise when it is asked again: a time, a random number. Their places that
    differ by themselves are not compared; the others are."""
    unsteady_places: tuple[str, ...] = ()
    """The first of those places, without positions; empty for the whole answer."""
    tolerance: float = TOLERANCE
    """Numbers that differ by no more than this, relative to the larger one, are equal."""
    fields: tuple[FieldChange, ...] = ()
    """What changed, place by place, the most telling first, at most twenty."""
    more_fields: int = 0
    """Places that changed, too; of answers with very many an estimate from below."""
    largest: tuple[ChangedAnswer, ...] = ()
    """The most telling changes first, at most ten."""
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
    """What a reader should know and is no fault: why nothing was timed."""
    withheld: str | None = None
    """Why the base's requests were not asked where that is the change's own doing: it removes the serving graph, or
    what it makes of it cannot be loaded. A gate of the base then fails: a change may not switch it off."""
    head_failure: str | None = None
    """Why the head's graph cannot be loaded, when that is the fault of its code or configuration: neither of models
    that were not fetched, nor of secrets that are kept from it here, nor of what keeps the base's from it as well."""
    head_exit_code: ExitCode | None = None
    """What a command ends with because of `head_failure`: 2 when graph or configuration make no sense, 3 when the
    graph's code failed."""
    base_graph: GraphSpec | None = None
    head_graph: GraphSpec | None = None
    """The serving graphs, as far as they could be loaded; there with nothing to send, too. One without steps stands
    for a side that serves nothing."""

    @property
    def judged(self) -> int:
        """Requests that count: those of the base, or, where the base has none, those of the change."""
        return self.requests - self.added

    @property
    def judged_changed(self) -> int:
        """Of `judged` those whose answers differ."""
        return self.changed - self.added_changed

    @property
    def changed_share(self) -> float | None:
        """Share of the requests that count whose answer changed, 0 to 1; None when none was compared."""
        return self.judged_changed / self.judged if self.judged else None
