"""One column of 0 and 1 a level."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ci_core.serving.names import branch_text
from ci_core.serving.steps.row_step import RowStep, check_columns

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from ci_core.serving.base import Row
    from ci_core.types import JsonValue


class OneHotEncode(RowStep):
    """Replace a column by one a level: ``<column>_<level>`` is 1 where the value is that level, else 0.

    A value that is none of the levels, or missing, gives zeros only.

    Args:
        levels: column → its levels.
        keep: whether the column itself stays.

    Example:
        >>> OneHotEncode(levels={"city": ["Oslo", "Rome"]}).do({"city": "Rome", "age": 3})
        {'age': 3, 'city_Oslo': 0, 'city_Rome': 1}
    """

    def __init__(self, levels: Mapping[str, Sequence[JsonValue]], *, keep: bool = False) -> None:
        check_columns("OneHotEncode", "levels", levels, list | tuple, '{"city": ["Oslo", "Rome"]}')
        super().__init__(levels=levels, keep=keep or None)
        self._levels = {column: [branch_text(level) for level in known] for column, known in levels.items()}
        self._keep = keep

    def change(self, row: Row, index: int) -> Row:
        """Return the row with its columns of levels."""
        del index
        for column, levels in self._levels.items():
            value = row.get(column)
            text = None if value is None else branch_text(value)
            if not self._keep:
                row.pop(column, None)
            row.update({f"{column}_{level}": int(level == text) for level in levels})
        return row
