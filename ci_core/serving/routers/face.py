"""A router as a model: what makes ``/v2/models/<router>/infer``, its metadata and its readiness work."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

from ci_core.serving.event import Event
from ci_core.serving.model_path import INFER

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import numpy as np
    from numpy.typing import NDArray

    from ci_core.serving.base import ModelCall, Row
    from ci_core.serving.models.served import ServedModel
    from ci_core.serving.routers.base import WorkingRouter
    from ci_core.types import JsonValue


class RouterAsModel:
    """Looks like a ``ServedModel``; requests for it are answered by the router in its graph, not here.

    Args:
        router: that it stands for.
    """

    version: ClassVar[str | None] = None
    loads_after_fork: ClassVar[bool] = False
    gains_from_batches: ClassVar[bool] = False
    takes_tables: ClassVar[bool] = False
    delays_readiness: ClassVar[bool] = False
    """Its models do."""

    def __init__(self, router: WorkingRouter) -> None:
        self.name = self.key = router.name
        self.model = router

    @property
    def is_async(self) -> bool:
        """Whether the router awaits something."""
        return self.model.is_async

    @property
    def members(self) -> Mapping[str, ServedModel]:
        """The models behind it."""
        return self.model.members.models

    @property
    def state(self) -> str:
        """The state of the first model that is not ready, else ``ready``."""
        return next((model.state for model in self.members.values() if model.state != "ready"), "ready")

    @property
    def reason(self) -> str:
        """Why it is not ready; empty when it is."""
        return "; ".join(f"`{key}`: {model.reason}" for key, model in self.members.items() if model.state != "ready")

    @property
    def columns(self) -> tuple[Any, ...]:
        """The columns that its models read, each once, with their kinds."""
        return tuple({column.name: column for model in self.members.values() for column in model.columns}.values())

    @property
    def input_columns(self) -> tuple[str, ...]:
        """The names of the columns that its models read, each once."""
        return tuple(dict.fromkeys(name for model in self.members.values() for name in model.input_columns))

    @property
    def output_columns(self) -> Mapping[str, str]:
        """Field of its answers → kind; empty when nobody knows."""
        return self.model.output_columns

    @property
    def reads_nothing_else(self) -> bool:
        """Whether a column that none of its models names is of no use: not to code of the author's, at least."""
        return self.model.reads_columns_only and all(
            model.reads_nothing_else and model.input_columns for model in self.members.values()
        )

    @property
    def operations(self) -> tuple[str, ...]:
        """What it can be asked beside ``infer``."""
        return self.model.operations

    def load(self) -> None:
        """Do nothing: its models are loaded by themselves."""

    def call(self, rows: list[Row]) -> ModelCall:
        """Return what the router's models say of `rows`, outside of any graph, by a router without async code."""
        return self.model.route(rows, rows, Event(rows), INFER)

    def operate(self, operation: str, rows: list[Row]) -> list[JsonValue]:
        """Return one answer a row of one of :attr:`operations`; see :meth:`call`."""
        return self.model.route(rows, rows, Event(rows), operation).answers

    def score(self, columns: Mapping[str, Sequence[Any] | NDArray[Any]]) -> NDArray[np.float64]:
        """Return one output a row of a table: an ensemble's own, else that of the router's main model."""
        return self.model.score(columns)

    def start(self) -> None:
        """Do nothing: its models are started by the plan."""

    def close(self) -> None:
        """Do nothing."""
