"""A call of a user's model that nobody was to observe: what observers read of a call is not made for it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ci_core.serving.base import ModelCall

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import numpy as np
    from numpy.typing import NDArray

    from ci_core.serving.base import Row
    from ci_core.serving.models.base import Model
    from ci_core.types import JsonValue


class UnobservedCall(ModelCall):
    """A call whose columns and outputs are worked out when somebody asks for them after all.

    They are what :class:`ModelCall` would hold as long as the model did not change its rows or answers in place; if it
    did, to ask may fail. So whoever works on calls takes :meth:`part` of one, and leaves its columns alone.
    """

    __slots__ = ("_model", "_rows", "_said")

    def __init__(self, answers: list[JsonValue], model: Model, rows: list[Row], said: list[JsonValue]) -> None:
        self.answers = answers
        self._model, self._rows, self._said = model, rows, said

    def part(self, rows: slice) -> UnobservedCall:
        """Return the call of some of the rows."""
        answers, said = self.answers, self._said
        own = answers[rows]
        return UnobservedCall(own, self._model, self._rows[rows], own if said is answers else said[rows])

    @property
    def columns(self) -> Mapping[str, Sequence[Any]]:  # type: ignore[override]  # nobody sets it
        """The columns as the model received them."""
        return self._model._columns_of(self._rows)  # noqa: SLF001 - a part of the model

    @property
    def outputs(self) -> Sequence[float | None] | NDArray[np.float64]:  # type: ignore[override]
        """One number a row."""
        return self._model._outputs_of(self._said)  # noqa: SLF001
