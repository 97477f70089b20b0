"""From rows of JSON values to typed columns: the checks and conversions that loaders of tabular models share."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

import numpy as np

from ci_core.errors import ModelColumnError
from ci_core.serving.problems import RequestError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from numpy.typing import NDArray

    from ci_core.serving.base import Row

Kind = Literal["number", "string", "boolean", "any"]
"""``any`` is text when a value is text, else a number: of models whose files do not say what a column is."""
Batch: TypeAlias = "dict[str, NDArray[Any] | list[str | None]]"
"""Column → values: float64 with NaN for missing, a list of str and None, or bool."""

_NUMBERS = frozenset({float, int, bool})


@dataclass(frozen=True, slots=True, kw_only=True)
class Column:
    """One column a model reads."""

    name: str
    kind: Kind = "number"


def encode_rows(rows: list[Row], columns: Sequence[Column]) -> Batch:
    """Return the columns of `rows`; other fields of the rows are ignored.

    Raises:
        RequestError: a row lacks a column, or a value has a wrong type; the message names row and column.
    """
    batch: Batch = {}
    for column in columns:
        name = column.name
        try:
            values = [row[name] for row in rows]
        except KeyError:
            index = next(index for index, row in enumerate(rows) if name not in row)
            raise RequestError(f"row {index} lacks the column `{name}`") from None
        batch[name] = _ENCODERS[column.kind](name, values)
    return batch


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


def _any(name: str, values: list[Any]) -> NDArray[Any] | list[str | None]:
    return _strings(name, values) if any(type(value) is str for value in values) else _numbers(name, values)


_ENCODERS: dict[Kind, Callable[[str, list[Any]], NDArray[Any] | list[str | None]]] = {
    "number": _numbers,
    "string": _strings,
    "boolean": _booleans,
    "any": _any,
}


def _wrong_type(index: int, name: str, expected: str, value: object) -> RequestError:
    shown = repr(value)
    shown = shown if len(shown) <= 40 else f"{shown[:37]}…"  # noqa: PLR2004 - a value, not a document
    return RequestError(f"row {index}, column `{name}`: expected {expected}, found {shown}")


def encode_table(model: str, table: Mapping[str, Any], columns: Sequence[Column]) -> Batch:
    """Return the columns a model reads out of a whole table.

    Args:
        model: for messages.
        table: column → sequence or array; missing values are None or NaN.
        columns: what the model reads.

    Raises:
        ModelColumnError: a column is missing, or cannot be read as what the model needs.
    """
    batch: Batch = {}
    for column in columns:
        if column.name not in table:
            raise ModelColumnError(
                model=model, column=column.name, reason="the table lacks it", known_names=[str(name) for name in table]
            )
        values = table[column.name]
        if column.kind == "string" or (column.kind == "any" and _has_text(values)):
            batch[column.name] = [None if _is_missing(value) else str(value) for value in values]
            continue
        dtype = np.bool_ if column.kind == "boolean" else np.float64
        try:
            batch[column.name] = np.asarray(values, dtype=dtype)
        except (TypeError, ValueError) as error:
            raise ModelColumnError(
                model=model, column=column.name, reason=f"it is not a {column.kind}", known_names=list(table)
            ) from error
    return batch


def _has_text(values: Any) -> bool:
    return any(isinstance(value, str) for value in values)


def _is_missing(value: object) -> bool:
    return value is None or value != value  # noqa: PLR0124 - only NaN differs from itself
