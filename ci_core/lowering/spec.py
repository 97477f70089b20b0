"""What lowering a graph's models comes to (pure data)."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

if TYPE_CHECKING:
    from ci_core.serving.spec import GraphSpec
    from ci_core.types import Digest, JsonValue

FOLDER = ".graphship/lowered"
"""Where a bundle has lowered models."""

NAME_DIGITS = 16
"""Of a digest, in the names of these files."""

Form = Literal["original", "numpy", "onnx"]


class NotLowerableError(Exception):
    """An estimator has no lower form; the message ends a sentence that begins with the model's name."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Decision:
    """What runs for one route of a release, and why."""

    route: str
    """Key of the route."""
    form: Form
    reason: str
    """The rest of a sentence that begins with the route."""
    file: str | None = None
    """The lowered file in the bundle; None for the original."""
    digest: Digest | None = None
    rows: int = 0
    """How many rows of the project were compared."""

    @property
    def sentence(self) -> str:
        """What the plan says of the route."""
        return f"`{self.route}` {self.reason}"

    def to_dict(self) -> dict[str, JsonValue]:
        """Return the decision as plain JSON data."""
        return {
            "route": self.route,
            "form": self.form,
            "reason": self.reason,
            "file": self.file,
            "digest": self.digest,
            "rows": self.rows,
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class ReplayRows:
    """Rows of the project that no model has to be asked about before."""

    source: str
    """Where they come from, for sentences."""
    rows: Sequence[Mapping[str, Any]] = ()
    problem: str | None = None
    """Why there are none."""


RowsOf: TypeAlias = Callable[[Sequence[str]], ReplayRows]
"""Given the columns that a model reads, returns rows that have them."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LoweredGraph:
    """A graph whose routes name the files that run."""

    graph: GraphSpec
    files: Mapping[str, bytes] = field(default_factory=lambda: MappingProxyType({}))
    """Path in the bundle → content."""
    decisions: tuple[Decision, ...] = ()
    """Of the routes with a skops model, in the order of the graph."""
