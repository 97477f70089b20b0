"""The models of a function, as the server that calls it shows them: it reads requests to them, and never calls them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ci_core.serving.protocol.metadata import column_kinds

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ci_core.serving.spec import RouteSpec


@dataclass(frozen=True, slots=True)
class _Column:
    name: str
    kind: str


class RemoteModel:
    """A model in another process.

    Args:
        route: that names it.

    Attributes:
        state: ``loading`` until the function has told about it, then what it tells.
    """

    takes_tables = False

    def __init__(self, route: RouteSpec) -> None:
        self.name, self.version, self.key = route.name, route.version, route.key
        self.input_columns: tuple[str, ...] = route.columns
        self.columns: tuple[_Column, ...] = ()
        self.output_columns: dict[str, str] = {}
        self.operations: tuple[str, ...] = ()
        self.delays_readiness = route.load != "first-use"
        self.state, self.reason = "loading", "its function has not told about it yet"

    def describe(self, told: Mapping[str, Any]) -> None:
        """Take note of what :func:`about` told there."""
        self.input_columns = tuple(told["input_columns"])
        self.columns = tuple(_Column(name, kind) for name, kind in told["columns"].items())
        self.output_columns = dict(told["output_columns"])
        self.operations = tuple(told["operations"])
        self.state, self.reason = told["state"], told["reason"]


def about(model: Any) -> dict[str, Any]:
    """Return what the caller has to know of a model, as plain data."""
    return {
        "input_columns": list(model.input_columns),
        "columns": column_kinds(model) if getattr(model, "columns", ()) else {},
        "output_columns": dict(getattr(model, "output_columns", {})),
        "operations": list(model.operations),
        "state": getattr(model, "state", "ready"),
        "reason": getattr(model, "reason", "") or "",
    }
