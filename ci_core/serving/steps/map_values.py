"""Replace values by others: levels by codes, numbers by the range they fall into."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from ci_core.errors import InvalidStepError
from ci_core.serving.names import branch_text
from ci_core.serving.problems import RequestError, shown
from ci_core.serving.steps.row_step import RowStep, check_columns

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ci_core.serving.base import Row
    from ci_core.types import JsonValue


class MapValues(RowStep):
    """Map values of columns.

    Args:
        values: column → value → new value. Numbers and booleans are written as JSON has them: ``{"1": "one"}``. A value
            that is not listed stays as it is.
        ranges: column → label → ``[low, high]``: a number from `low` on and below `high` becomes the label; None is no
            limit. A number in none of the ranges becomes None.
        suffix: put the result into a new column, ``<column>_<suffix>``, and leave the old one alone.

    Example:
        >>> step = MapValues(values={"sex": {"M": 0, "F": 1}}, ranges={"age": {"child": [0, 18], "adult": [18, None]}})
        >>> step.do({"sex": "F", "age": 18})
        {'sex': 1, 'age': 'adult'}
    """

    def __init__(
        self,
        values: Mapping[str, Mapping[str, JsonValue]] | None = None,
        ranges: Mapping[str, Mapping[str, Sequence[float | None]]] | None = None,
        suffix: str | None = None,
    ) -> None:
        check_columns("MapValues", "values", values or {}, Mapping, '{"sex": {"M": 0, "F": 1}}')
        check_columns("MapValues", "ranges", ranges or {}, Mapping, '{"age": {"child": [0, 18], "adult": [18, null]}}')
        super().__init__(values=values, ranges=ranges, suffix=suffix)
        self._values = {column: dict(mapping) for column, mapping in (values or {}).items()}
        self._ranges = {
            column: [(label, *_limits(column, label, limits)) for label, limits in labels.items()]
            for column, labels in (ranges or {}).items()
        }
        self._suffix = "" if suffix is None else f"_{suffix}"

    def change(self, row: Row, index: int) -> Row:
        """Return the row with its values mapped; columns that it lacks stay away."""
        mapped: Row = {}
        for column, mapping in self._values.items():
            if column in row:
                value = row[column]
                mapped[column] = mapping.get(branch_text(value), value)
        for column, labels in self._ranges.items():
            if column in row:
                mapped[column] = _label(row[column], labels, f"row {index}, column `{column}`")
        row.update({f"{column}{self._suffix}": value for column, value in mapped.items()})
        return row


def _limits(column: str, label: str, limits: Sequence[float | None]) -> tuple[float, float]:
    low, high = limits if len(limits) == 2 else (None, None)  # noqa: PLR2004 - a range has two ends
    numbers = float("-inf") if low is None else low, float("inf") if high is None else high
    if len(limits) != 2 or not numbers[0] < numbers[1]:  # noqa: PLR2004
        reason = f"has the range `{label}` of `{column}`, which is {list(limits)}"
        raise InvalidStepError(step="MapValues", reason=reason, hint="a range is [low, high], low below high")
    return numbers


def _label(value: Any, labels: Sequence[tuple[str, float, float]], where: str) -> str | None:
    if value is None:
        return None
    if not isinstance(value, int | float) or isinstance(value, bool):
        raise RequestError(f"{where}: expected a number, found {shown(value)}")
    return next((label for label, low, high in labels if low <= value < high), None)
