"""The typed columns of one call, as a model and a capture read them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from numpy.typing import NDArray

Values: TypeAlias = "NDArray[Any] | list[str | None]"
"""Numbers with NaN for missing, booleans, or a list of str and None."""


class Batch(Mapping[str, Values]):
    """Column → values, in the order of the model. Read only: captures keep it after the call.

    Args:
        names: of the columns.
        columns: the values; None when they are the columns of `matrix`.
        matrix: all columns as numbers, ``(n_rows, n_columns)``, when that is how they were read.
    """

    __slots__ = ("_columns", "_matrix", "names")

    def __init__(
        self,
        names: Sequence[str],
        columns: Mapping[str, Values] | None = None,
        *,
        matrix: NDArray[Any] | None = None,
    ) -> None:
        self.names = names
        self._columns = columns
        self._matrix = matrix

    def __getitem__(self, name: str) -> Values:
        if self._columns is not None:
            return self._columns[name]
        assert self._matrix is not None  # noqa: S101 - the constructor's contract
        try:
            return self._matrix[:, self.names.index(name)]
        except ValueError:
            raise KeyError(name) from None

    def __iter__(self) -> Iterator[str]:
        return iter(self.names)

    def __len__(self) -> int:
        return len(self.names)

    def part(self, rows: slice) -> Batch:
        """Return the columns of some rows; nothing is copied but lists of text."""
        if self._columns is None:
            assert self._matrix is not None  # noqa: S101 - the constructor's contract
            return Batch(self.names, matrix=self._matrix[rows])
        return Batch(self.names, {name: values[rows] for name, values in self._columns.items()})

    @property
    def as_read(self) -> NDArray[Any] | Mapping[str, Values]:
        """What was handed over: one matrix, or the columns; for those who join many batches."""
        return self._matrix if self._columns is None else self._columns  # type: ignore[return-value] # one of them is there

    @property
    def has_text(self) -> bool:
        """Whether a column is text, so that there is no matrix of numbers."""
        return self._columns is not None and any(type(values) is list for values in self._columns.values())

    @property
    def matrix(self) -> NDArray[Any]:
        """All columns as one array of numbers ``(n_rows, n_columns)``, float64 unless the request came as another type.

        Not to be changed in place. There is none when :attr:`has_text`.
        """
        if self._matrix is None:
            assert self._columns is not None  # noqa: S101 - the constructor's contract
            self._matrix = np.column_stack([np.asarray(values, dtype=np.float64) for values in self._columns.values()])
        return self._matrix
