"""What the built-in steps about columns have in common: one row or a list of rows, copied, never changed in place."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from ci_core.errors import InvalidStepError
from ci_core.serving.problems import RequestError

if TYPE_CHECKING:
    from ci_core.serving.base import Row
    from ci_core.types import JsonValue


class RowStep:
    """A step that treats rows one by one. Sub-classes implement :meth:`change`.

    Args:
        arguments: what the step was constructed with, those left out excepted.

    Attributes:
        arguments: the same; what a graph's spec says after ``with``.
    """

    def __init__(self, **arguments: JsonValue) -> None:
        self.arguments: Mapping[str, JsonValue] = MappingProxyType(
            {name: value for name, value in arguments.items() if value is not None}
        )

    def do(self, body: Row | list[Row]) -> Row | list[Row]:
        """Return the row, or the list of rows, after the change.

        Raises:
            RequestError: the body holds something else than objects, or a value cannot be used.
        """
        if isinstance(body, list):
            return [self.change(_copy(row, index), index) for index, row in enumerate(body)]
        return self.change(_copy(body, 0), 0)

    def change(self, row: Row, index: int) -> Row:
        """Return what becomes of a row.

        Args:
            row: a copy; it may be changed.
            index: of the row in the body, for messages; 0 of a body that is one row.
        """
        raise NotImplementedError


def check_columns(step: str, word: str, columns: Any, kind: Any, example: str) -> None:
    """Refuse an argument of a step that is no mapping of columns to values of one kind.

    Args:
        step: the built-in's name.
        word: the argument's.
        columns: what was given.
        kind: type, or types, of what stands under each column.
        example: of a right one.

    Raises:
        InvalidStepError: it is none.
    """
    if isinstance(columns, Mapping) and all(isinstance(one, kind) for one in columns.values()):
        return
    reason = f"has `{word}` that are not under the names of columns"
    raise InvalidStepError(step=step, reason=reason, hint=f"such as `{word}={example}`")


def _copy(row: Any, index: int) -> Row:
    if not isinstance(row, dict):
        raise RequestError(f"row {index}: expected an object of columns, found {type(row).__name__}")
    return dict(row)
