"""Take columns out of rows."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ci_core.errors import InvalidStepError
from ci_core.serving.problems import shown
from ci_core.serving.steps.row_step import RowStep

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ci_core.serving.base import Row


class Drop(RowStep):
    """Take columns out, those that a row has.

    Args:
        columns: their names.

    Example:
        >>> Drop(["name"]).do([{"name": "Ada", "age": 36}])
        [{'age': 36}]
    """

    def __init__(self, columns: Sequence[str]) -> None:
        if isinstance(columns, str):
            raise InvalidStepError(
                step="Drop", reason=f"has the columns {shown(columns)}: expected a list", hint=f'write `["{columns}"]`'
            )
        super().__init__(columns=list(columns))
        self._columns = tuple(columns)

    def change(self, row: Row, index: int) -> Row:
        """Return the row without them."""
        del index
        for column in self._columns:
            row.pop(column, None)
        return row
