"""What a capture keeps of a call of a user's model: its columns as they came, and one number an answer.

It is taken while the request is answered, before the model may change its rows, or what is in them. Of many rows the
values are copied into one array at once: a hundred objects cost less now than a moment later, when others have taken
their place in the processor's cache, and an array holds none of them back.
"""

from __future__ import annotations

import struct
from itertools import chain
from operator import itemgetter
from typing import TYPE_CHECKING, Any

import numpy as np

from ci_core.serving.models.batch import Batch

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from numpy.typing import NDArray

    from ci_core.serving.base import Row

_MANY = 32
"""Rows from which on an array costs less than lists."""
_NUMBERS = {float, int}
_NUMBERS_OR_FLAGS = {float, int, bool}
_DICTS = {dict}


def columns_of(rows: list[Row], names: Sequence[str]) -> Mapping[str, Any]:
    """Return the columns `names` of `rows`, or all there are when it names none; None where a row lacks one."""
    columns = columns_of_like(rows, names)
    if columns is not None:
        return columns
    names = names or tuple(dict.fromkeys(name for row in rows for name in row))
    return {name: _own([row.get(name) for row in rows]) for name in names}


def columns_of_like(rows: list[Row], names: Sequence[str]) -> Mapping[str, Any] | None:
    """Return what :func:`columns_of` does; None when the rows are not all dicts that have the columns."""
    try:
        if len(rows) == 1:
            return _one(rows[0], names) if rows[0].__class__ is dict else None
        if set(map(type, rows)) != _DICTS or not (names or len(set(map(len, rows))) == 1):
            return None
        names = names or tuple(rows[0])
        if len(rows) < _MANY:
            return {name: _own([row[name] for row in rows]) for name in names}
        return _many(rows, names)
    except KeyError:
        return None


def _one(row: Row, names: Sequence[str]) -> Mapping[str, Any]:
    """Return the columns of one row.

    Raises:
        KeyError: it lacks one.
    """
    if _are_fixed(row.values()):
        return {name: [row[name]] for name in names or row}
    return {name: _own([row[name]]) for name in names or row}


def _many(rows: list[Row], names: Sequence[str]) -> Mapping[str, Any]:
    """Return the columns of many rows: as one matrix, where all are numbers.

    Raises:
        KeyError: a row lacks one.
    """
    first = rows[0]
    if len(names) > 1 and _NUMBERS.issuperset([type(first[name]) for name in names]):
        values = packed(chain.from_iterable(map(itemgetter(*names), rows)), len(rows) * len(names))
        if values is not None:
            return Batch(tuple(names), matrix=values.reshape(len(rows), len(names)))
    return {name: _own(as_array([row[name] for row in rows])) for name in names}


def outputs_of(
    answers: list[Any], output: Callable[[Any], float | None]
) -> Sequence[float | None] | NDArray[np.float64]:
    """Return the number of each answer.

    Args:
        answers: objects or numbers; of anything else the numbers are asked one by one.
        output: returns the number of one answer: its ``probability``, else its ``prediction``, else itself.
    """
    if len(answers) == 1:
        return [output(answers[0])]
    numbers = answers
    if type(answers[0]) is dict and set(map(type, answers)) == _DICTS:
        numbers = [answer.get("probability", answer.get("prediction")) for answer in answers]
    if len(numbers) < _MANY:
        if _NUMBERS_OR_FLAGS.issuperset(map(type, numbers)):
            return list(map(float, numbers))
    elif type(numbers[0]) in _NUMBERS_OR_FLAGS:
        values = packed(numbers, len(numbers))
        if values is not None:
            return values
    return [output(answer) for answer in answers]


def as_array(values: list[Any]) -> NDArray[np.float64] | list[Any]:
    """Return a column as an array, if it is one of numbers: its first value is one, and none is missing or a text."""
    if type(values[0]) not in _NUMBERS:
        return values
    array = packed(values, len(values))
    return values if array is None else array


def _are_fixed(values: Iterable[Any]) -> bool:
    """Return whether nobody can change one of `values` in place: all have a hash then, asked for at once."""
    try:
        hash(tuple(values))
    except TypeError:
        return False
    return True


def _own(values: NDArray[np.float64] | list[Any]) -> NDArray[np.float64] | list[Any]:
    """Return a column whose values nobody else can change."""
    if type(values) is not list or _are_fixed(values):
        return values
    try:
        return [_copied(value) for value in values]
    except RecursionError:  # it cannot be written down either, and the request is answered all the same
        return values


def _copied(value: Any) -> Any:
    if type(value) is dict:
        return {name: _copied(one) for name, one in value.items()}
    if type(value) is list:
        return value.copy() if _are_fixed(value) else [_copied(one) for one in value]
    return value.copy() if type(value) is np.ndarray else value


def packed(values: Iterable[Any], n_values: int) -> NDArray[np.float64] | None:
    """Return numbers as an array, three times as fast as numpy does; None when one of `values` is no number."""
    try:
        return np.frombuffer(struct.pack(f"{n_values}d", *values), dtype=np.float64)
    except (struct.error, OverflowError):  # None, or text; an integer beyond floats
        return None
