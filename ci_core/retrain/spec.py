"""What leads to a new model, and what comes of it, as data (pure)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, Protocol

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from ci_core.hosts.marker import Run
    from ci_core.monitoring.spec import ColumnVerdict, State, Window
    from ci_core.types import CommitId

Trigger = Literal["schedule", "command"]
"""Who asks: the scheduled run, which follows ``retrain.on``, or a person, who has decided already."""

DecisionSlug = Literal[
    "drift",
    "asked-for",
    "manual-only",
    "nothing-judged",
    "no-drift",
    "broken-data",
    "too-few-windows",
    "request-open",
    "request-merged",
    "cool-down",
    "newer-run",
]


class JudgedWindow(Protocol):
    """What a decision needs to know of one judged window; the ledger's records and verdicts both fit."""

    @property
    def state(self) -> State:
        """The verdict."""
        ...

    @property
    def window(self) -> Window | None:
        """When; None for a verdict on two tables without time."""
        ...

    @property
    def columns(self) -> Sequence[ColumnVerdict]:
        """The columns that were compared."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class RetrainRequest:
    """A retrain change request that was opened earlier."""

    number: int
    url: str
    state: Literal["open", "merged", "closed"]
    evidence: str
    """Evidence key; empty when its text does not tell one."""
    closed_at: datetime | None = None
    settled: frozenset[CommitId] = frozenset()
    """Commits of its branch that may be replaced with all before them: the one that we pushed, by the marker in its
    text, and the one that was merged, however that was done."""
    run: Run | None = None
    """Which run wrote its text, by its marker."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RetrainDecision:
    """Whether to train a challenger now, and why or why not."""

    should: bool
    slug: DecisionSlug
    reason: str
    """One sentence for people; names in backticks."""
    evidence_key: str = ""
    """What the drift is about, for comparing with earlier requests: see ``retrain/evidence.py``."""
    windows: tuple[Window, ...] = ()
    """The windows that go into the new data version, oldest first; empty unless `should`."""
    held_back: tuple[Window, ...] = ()
    """The newest of `windows`: champion and challenger are judged on them before the challenger sees them."""

    @property
    def training(self) -> tuple[Window, ...]:
        """The windows that the challenger is trained on before it is judged."""
        return self.windows[: len(self.windows) - len(self.held_back)]
