"""Fill in missing values."""

from __future__ import annotations

from types import MappingProxyType
from typing import TYPE_CHECKING

from ci_core.serving.problems import RequestError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ci_core.serving.base import Row
    from ci_core.types import JsonValue


class Impute:
    """Replace missing values of columns by constants.

    Missing is a column that a row lacks, None, or NaN. Rows are copied, never changed in place.

    Args:
        values: column=value, such as ``Impute(age=33, city="unknown")``.

    Example:
        >>> Impute(age=33).do({"age": None, "city": "Oslo"})
        {'age': 33, 'city': 'Oslo'}
    """

    def __init__(self, **values: JsonValue) -> None:
        self.arguments: Mapping[str, JsonValue] = MappingProxyType(dict(values))
        self._values = tuple(values.items())

    def do(self, body: Row | list[Row]) -> Row | list[Row]:
        """Return the row, or the list of rows, with missing values filled in.

        Raises:
            RequestError: the body holds something else than objects.
        """
        if isinstance(body, list):
            return [self._fill(row) for row in body]
        return self._fill(body)

    def _fill(self, row: Row) -> Row:
        if not isinstance(row, dict):
            raise RequestError(f"expected an object of columns, found {type(row).__name__}")
        filled = dict(row)
        for column, value in self._values:
            current = filled.get(column)
            if current is None or current != current:  # noqa: PLR0124 - only NaN differs from itself
                filled[column] = value
        return filled
