"""The rows of a request as columns: how a matrix of tensors reaches a model without becoming Python objects.

The server makes a :class:`Table` of a V2 request when nothing but a router stands between the request and a model that
takes one (``takes_tables``); everybody else gets :meth:`Table.rows`, a list of dicts like any other. It is deliberately
no list: a step that expects rows must never meet it.

No numpy is imported here: the arrays are the ones that were put in.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeAlias

from ci_core.serving.row_maker import make_rows

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

    from ci_core.serving.base import Row

    Values: TypeAlias = "NDArray[Any] | list[Any]"
    """The values of one column: an array of numbers or booleans, or a list of JSON values."""


class Table:
    """Rows by column. All columns are equally long.

    Args:
        columns: name → values, each ``(n_rows,)``; ignored when there is a matrix.
        n_rows: how many rows there are.

    Attributes:
        names: of the columns, in order.
        matrix: all columns as one array ``(n_rows, n_columns)``, when the request had them so; else None.
    """

    __slots__ = ("_columns", "_n_rows", "_rows", "matrix", "names")

    def __init__(self, columns: Mapping[str, Values], n_rows: int) -> None:
        self.names: tuple[str, ...] = tuple(columns)
        self.matrix: NDArray[Any] | None = None
        self._columns = columns
        self._n_rows = n_rows
        self._rows: list[Row] | None = None

    @classmethod
    def of_matrix(cls, matrix: NDArray[Any], names: Sequence[str]) -> Table:
        """Return the table of an array ``(n_rows, n_columns)``, which is kept and not copied."""
        table = cls({}, len(matrix))
        table.names = tuple(names)
        table.matrix = matrix
        return table

    def __len__(self) -> int:
        return self._n_rows

    def column(self, name: str) -> Values:
        """Return the values of one column.

        Raises:
            KeyError: there is none of this name.
        """
        if self.matrix is None:
            return self._columns[name]
        try:
            return self.matrix[:, self.names.index(name)]
        except ValueError:
            raise KeyError(name) from None

    def rows(self) -> list[Row]:
        """Return the rows as dicts of plain Python values; made at the first call."""
        if self._rows is None:
            names = self.names
            if self.matrix is not None:
                self._rows = make_rows(names, self.matrix.tolist())
            else:
                values = [_plain(self._columns[name]) for name in names]
                self._rows = make_rows(names, zip(*values, strict=True))
        return self._rows

    def __repr__(self) -> str:
        return f"Table({self._n_rows} rows: {', '.join(self.names)})"


def _plain(values: Values) -> list[Any]:
    return values if isinstance(values, list) else values.tolist()
