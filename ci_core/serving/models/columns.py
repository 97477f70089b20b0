"""From rows of JSON values to typed columns: the checks and conversions that loaders of tabular models share."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import chain
from operator import itemgetter
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from ci_core.errors import ModelColumnError
from ci_core.serving.missing import is_missing
from ci_core.serving.models.batch import Batch
from ci_core.serving.problems import RequestError, shown

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from numpy.typing import NDArray

    from ci_core.serving.base import Row
    from ci_core.serving.models.batch import Values
    from ci_core.serving.table import Table

Kind = Literal["number", "string", "boolean", "any"]
"""``any`` is text when a value is text, else a number: of models whose files do not say what a column is."""

_NUMBERS = frozenset({float, int, bool})
_NUMBERS_OR_MISSING = _NUMBERS | {type(None)}
_TEXT_OR_MISSING = frozenset({str, type(None)})


@dataclass(frozen=True, slots=True, kw_only=True)
class Column:
    """One column a model reads."""

    name: str
    kind: Kind = "number"


class RowEncoder:
    """Turns rows into the columns of one model; made once, called for every request.

    Args:
        columns: what the model reads.

    Attributes:
        pick: returns the values of the columns of one row; KeyError when one is not there.
    """

    __slots__ = ("_columns", "_may_be_numbers", "_names", "pick")

    def __init__(self, columns: Sequence[Column]) -> None:
        self._columns = tuple(columns)
        self._names = tuple(column.name for column in columns)
        self._may_be_numbers = bool(columns) and all(column.kind in {"number", "any"} for column in columns)
        self.pick = _picker(self._names)

    def __call__(self, rows: list[Row]) -> Batch:
        """Return the columns of `rows`; see :func:`encode_rows`."""
        if self._may_be_numbers:
            matrix = self._numbers(rows)
            if matrix is not None:
                return Batch(self._names, matrix=matrix)
        return encode_rows(rows, self._columns)

    def _numbers(self, rows: list[Row]) -> NDArray[np.float64] | None:
        """Return plain numbers as one matrix, which costs less than an array a column; None for anything else."""
        try:
            values = list(chain.from_iterable(map(self.pick, rows)))
            if not _NUMBERS_OR_MISSING.issuperset(map(type, values)):
                return None
            return np.array(values, dtype=np.float64).reshape(len(rows), len(self._names))
        except (KeyError, OverflowError):
            return None


def _picker(names: Sequence[str]) -> Callable[[Row], tuple[Any, ...]]:
    if len(names) > 1:
        return itemgetter(*names)
    return lambda row: tuple(row[name] for name in names)


def encode_rows(rows: list[Row], columns: Sequence[Column]) -> Batch:
    """Return the columns of `rows`; other fields of the rows are ignored.

    Raises:
        RequestError: a row lacks a column, or a value has a wrong type; the message names row and column.
    """
    batch: dict[str, Values] = {}
    for column in columns:
        name = column.name
        try:
            values = [row[name] for row in rows]
        except KeyError:
            index = next(index for index, row in enumerate(rows) if name not in row)
            raise RequestError(f"row {index} lacks the column `{name}`") from None
        batch[name] = _ENCODERS[column.kind](name, values)
    return Batch(tuple(batch), batch)


def encode_request(table: Table, columns: Sequence[Column]) -> Batch:
    """Return the columns of a request that came by column.

    Raises:
        RequestError: it lacks a column, or one has a wrong type.
    """
    names = tuple(column.name for column in columns)
    if table.matrix is not None and table.names == names and _are_numbers(table.matrix, columns):
        return Batch(names, matrix=table.matrix)
    batch: dict[str, Values] = {}
    for column in columns:
        try:
            values = table.column(column.name)
        except KeyError:
            raise RequestError(f"the request lacks the column `{column.name}`") from None
        is_ready = isinstance(values, np.ndarray) and _are_numbers(values, [column])
        batch[column.name] = values if is_ready else _ENCODERS[column.kind](column.name, list(_plain(values)))
    return Batch(names, batch)


def _are_numbers(values: NDArray[Any], columns: Sequence[Column]) -> bool:
    return values.dtype.kind in "iuf" and all(column.kind in {"number", "any"} for column in columns)


def _plain(values: Any) -> Any:
    return values.tolist() if isinstance(values, np.ndarray) else values


def _numbers(name: str, values: list[Any]) -> NDArray[Any]:
    for index, value in enumerate(values):
        if type(value) not in _NUMBERS and value is not None and not isinstance(value, np.number):
            raise _wrong_type(index, name, "a number", value)
    try:
        return np.array(values, dtype=np.float64)
    except OverflowError:
        index = next(index for index, value in enumerate(values) if isinstance(value, int) and abs(value) > 2**1023)
        raise RequestError(f"row {index}, column `{name}`: the number is too large") from None


def _strings(name: str, values: list[Any]) -> list[str | None]:
    for index, value in enumerate(values):
        if type(value) is not str and value is not None:
            raise _wrong_type(index, name, "text", value)
    return values


def _booleans(name: str, values: list[Any]) -> NDArray[Any]:
    for index, value in enumerate(values):
        if type(value) is not bool:
            raise _wrong_type(index, name, "true or false", value)
    return np.array(values, dtype=np.bool_)


def _any(name: str, values: list[Any]) -> Values:
    kinds = set(map(type, values))
    if str not in kinds:
        return _numbers(name, values)
    if kinds <= _TEXT_OR_MISSING:
        return values
    is_text = type(next(value for value in values if value is not None)) is str
    index = next(index for index, value in enumerate(values) if value is not None and (type(value) is str) != is_text)
    raise _wrong_type(index, name, f"{'text' if is_text else 'a number'} as in the rows before it", values[index])


_ENCODERS: dict[Kind, Callable[[str, list[Any]], Values]] = {
    "number": _numbers,
    "string": _strings,
    "boolean": _booleans,
    "any": _any,
}


def _wrong_type(index: int, name: str, expected: str, value: object) -> RequestError:
    return RequestError(f"row {index}, column `{name}`: expected {expected}, found {shown(value)}")


def encode_table(model: str, table: Mapping[str, Any], columns: Sequence[Column]) -> Batch:
    """Return the columns a model reads out of a whole table.

    Args:
        model: for messages.
        table: column → sequence or array; missing values are None or NaN.
        columns: what the model reads.

    Raises:
        ModelColumnError: a column is missing, or cannot be read as what the model needs.
    """
    batch: dict[str, Values] = {}
    for column in columns:
        if column.name not in table:
            raise ModelColumnError(
                model=model, column=column.name, reason="the table lacks it", known_names=[str(name) for name in table]
            )
        values = table[column.name]
        if column.kind == "string" or (column.kind == "any" and _has_text(values)):
            batch[column.name] = [None if is_missing(value) else str(value) for value in values]
            continue
        dtype = np.bool_ if column.kind == "boolean" else np.float64
        try:
            batch[column.name] = np.asarray(values, dtype=dtype)
        except (TypeError, ValueError) as error:
            raise ModelColumnError(
                model=model, column=column.name, reason=f"it is not a {column.kind}", known_names=list(table)
            ) from error
    return Batch(tuple(batch), batch)


def _has_text(values: Any) -> bool:
    return any(isinstance(value, str) for value in values)
