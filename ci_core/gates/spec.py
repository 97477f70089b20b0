"""What a gate came to, as data (pure)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from ci_core.errors import Location
    from ci_core.types import Interval, JsonValue

GateState = Literal["pass", "warn", "fail"]


@dataclass(frozen=True, slots=True, kw_only=True)
class GateResult:
    """One gate and what came of it."""

    key: str
    """As in ``graphship.yaml``: ``metrics.json:auc``, ``data``, ``pickle-scan``."""
    state: GateState
    old: JsonValue = None
    new: JsonValue = None
    limit: str = ""
    """The rule, short: ``at least 0.8, falls by at most 0.01``."""
    sentence: str = ""
    """What happened, with numbers; names in backticks."""
    interval: Interval | None = None
    """Of ``new - old``, 95 %, when sample size or folds are declared."""
    is_within_noise: bool = False
    """Whether the difference cannot be told from none: then a regression is not failed, and the sentence says so."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Remark:
    """What a reader must know of the judging."""

    text: str
    """One sentence, names in backticks."""
    gate: str | None = None
    """Key of the gate that it is about; None when it is about all of them."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Annotation:
    """One line of a changed file that explains what a gate came to."""

    where: Location
    """File, line and key."""
    level: Literal["notice", "warning", "error"]
    text: str
    """One sentence: ``train.trees` fell from 200 to 20 here; the gate on `metrics.json:auc` failed``."""
    gate: str | None = None
    """Key of the gate."""
