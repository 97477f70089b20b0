"""Fill in missing values."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ci_core.serving.missing import is_missing
from ci_core.serving.steps.row_step import RowStep

if TYPE_CHECKING:
    from ci_core.serving.base import Row
    from ci_core.types import JsonValue


class Impute(RowStep):
    """Replace missing values of columns by constants.

    Missing is a column that a row lacks, None, or NaN.

    Args:
        values: column=value, such as ``Impute(age=33, city="unknown")``. The value of ``"*"`` is for every other column
            that a row has: ``Impute(age=33, **{"*": 0})``.

    Example:
        >>> Impute(age=33).do({"age": None, "city": "Oslo"})
        {'age': 33, 'city': 'Oslo'}
    """

    def __init__(self, **values: JsonValue) -> None:
        super().__init__(**values)
        self._values = tuple((column, value) for column, value in values.items() if column != "*")
        self._fills_others, self._other = "*" in values, values.get("*")

    def change(self, row: Row, index: int) -> Row:
        """Return the row with missing values filled in."""
        del index
        for column, value in self._values:
            if is_missing(row.get(column)):
                row[column] = value
        if self._fills_others:
            row.update({column: self._other for column, value in row.items() if is_missing(value)})
        return row
