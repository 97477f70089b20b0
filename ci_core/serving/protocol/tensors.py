"""Tensors of JSON values, checked against their shape and datatype."""

from __future__ import annotations

import math
from itertools import chain
from typing import TYPE_CHECKING, Any

import numpy as np

from ci_core.serving.problems import RequestError, shown

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

DTYPES: dict[str, np.dtype[Any]] = {
    "BOOL": np.dtype("?"),
    "UINT8": np.dtype("u1"),
    "UINT16": np.dtype("<u2"),
    "UINT32": np.dtype("<u4"),
    "UINT64": np.dtype("<u8"),
    "INT8": np.dtype("i1"),
    "INT16": np.dtype("<i2"),
    "INT32": np.dtype("<i4"),
    "INT64": np.dtype("<i8"),
    "FP16": np.dtype("<f2"),
    "FP32": np.dtype("<f4"),
    "FP64": np.dtype("<f8"),
}
"""Datatypes of the protocol whose values have a fixed size, as they travel: little-endian."""

TEXT = "BYTES"
"""The datatype of text; its elements carry their length in binary data."""

_MOST_DIMENSIONS = 32
_LARGEST_DIMENSION = 2**31
_SHOWN_DIMENSIONS = 8
_MATRIX = 2

_RANGES = {
    name: (int(np.iinfo(dtype).min), int(np.iinfo(dtype).max)) for name, dtype in DTYPES.items() if dtype.kind in "iu"
}
_FLOAT = {float}
_FLOATS = {float, int, type(None)}
_LARGEST = {name: float(np.finfo(dtype).max) for name, dtype in DTYPES.items() if dtype.kind == "f"}


class Tensor:
    """One tensor of a request.

    Attributes:
        name: as the client calls it.
        shape: at least one dimension; every one but the first is at least 1.
        values: all in row-major order: a list of JSON values, or an array of one dimension.
    """

    __slots__ = ("name", "shape", "values")

    def __init__(self, name: str, shape: Sequence[int], values: list[Any] | NDArray[Any]) -> None:
        self.name, self.shape, self.values = name, shape, values


def n_values(name: str, datatype: str, shape: Sequence[int]) -> int:
    """Return how many values a tensor has.

    Raises:
        RequestError: there is no such datatype or shape.
    """
    if datatype not in DTYPES and datatype != TEXT:
        known = ", ".join(f"`{one}`" for one in (*DTYPES, TEXT))
        raise RequestError(f"tensor `{name}`: there is no datatype `{datatype}`; datatypes: {known}")
    if len(shape) == 1 and 0 <= shape[0] <= _LARGEST_DIMENSION:
        return shape[0]
    if len(shape) == _MATRIX and 0 <= shape[0] <= _LARGEST_DIMENSION and 0 < shape[1] <= _LARGEST_DIMENSION:
        return shape[0] * shape[1]
    # before anything is multiplied or written out: both take long for long numbers
    if len(shape) > _MOST_DIMENSIONS:
        raise RequestError(f"tensor `{name}`: expected at most {_MOST_DIMENSIONS} dimensions, found {len(shape)}")
    if any(abs(size) > _LARGEST_DIMENSION for size in shape):
        raise RequestError(f"tensor `{name}`: expected dimensions of at most {_LARGEST_DIMENSION}, found a larger one")
    if not shape or shape[0] < 0 or min(shape[1:]) < 1:
        raise RequestError(f"tensor `{name}`: expected the shape [n] or [n, k], found {shown_shape(shape)}")
    return math.prod(shape)


def shown_shape(shape: Sequence[int]) -> str:
    """Return a shape as a message shows it: ``[2, 3]``, and of many dimensions the first ones."""
    first = ", ".join(map(str, shape[:_SHOWN_DIMENSIONS]))
    return f"[{first}, …]" if len(shape) > _SHOWN_DIMENSIONS else f"[{first}]"


def from_json(name: str, datatype: str, shape: list[int], data: list[Any]) -> Tensor:
    """Return the tensor of a list of JSON values, flat or nested like the shape.

    Numbers keep the precision they are written with, whatever the width of the datatype. null is a missing value of a
    floating-point or text tensor.

    Raises:
        RequestError: data, shape and datatype do not fit together; the message names tensor, row and place in it.
    """
    expected = n_values(name, datatype, shape)
    values = data if len(shape) == 1 else _flat(name, data, shape)
    if len(values) != expected:
        raise RequestError(
            f"tensor `{name}`: the shape {shown_shape(shape)} needs {expected} values, found {len(values)}"
        )
    return Tensor(name, shape, _CHECKS[datatype](name, datatype, shape, values))


def _flat(name: str, data: list[Any], shape: list[int]) -> list[Any]:
    """Return nested data as one list; every level must be as long as the shape says."""
    for level, size in enumerate(shape[1:], start=1):
        if not data or type(data[0]) is not list:
            return data
        if level == 1 and len(data) != shape[0]:
            raise RequestError(
                f"tensor `{name}`: the shape {shown_shape(shape)} needs {shape[0]} rows, found {len(data)}"
            )
        for index, part in enumerate(data):
            if type(part) is not list or len(part) != size:
                found = f"{len(part)} values" if type(part) is list else shown(part)
                raise RequestError(
                    f"tensor `{name}`, {_place(index, shape[:level])}: expected {size} values, found {found}"
                )
        data = list(chain.from_iterable(data))
    return data


def _floats(name: str, datatype: str, shape: list[int], values: list[Any]) -> list[Any]:
    kinds = set(map(type, values))
    if kinds == _FLOAT and datatype == "FP64":  # the usual case: JSON has no larger ones
        return values
    if not kinds <= _FLOATS:
        raise _wrong(name, datatype, shape, values, lambda value: type(value) in _FLOATS)
    largest = _LARGEST[datatype]
    present = [value for value in values if value is not None]
    if present and (max(present) > largest or min(present) < -largest):
        raise _wrong(name, datatype, shape, values, lambda value: value is None or -largest <= value <= largest)
    if int in kinds:
        return [None if value is None else float(value) for value in values]
    return values


def _integers(name: str, datatype: str, shape: list[int], values: list[Any]) -> list[Any]:
    low, high = _RANGES[datatype]
    if values and (set(map(type, values)) != {int} or min(values) < low or max(values) > high):
        raise _wrong(name, datatype, shape, values, lambda value: type(value) is int and low <= value <= high)
    return values


def _booleans(name: str, datatype: str, shape: list[int], values: list[Any]) -> list[Any]:
    if not set(map(type, values)) <= {bool}:
        raise _wrong(name, datatype, shape, values, lambda value: type(value) is bool)
    return values


def _texts(name: str, datatype: str, shape: list[int], values: list[Any]) -> list[Any]:
    if not set(map(type, values)) <= {str, type(None)}:
        raise _wrong(name, datatype, shape, values, lambda value: type(value) is str or value is None)
    return values


_CHECKS = {
    **dict.fromkeys(_LARGEST, _floats),
    **dict.fromkeys(_RANGES, _integers),
    "BOOL": _booleans,
    TEXT: _texts,
}
_EXPECTED = (
    {"BOOL": "true or false", TEXT: "text"}
    | dict.fromkeys(_LARGEST, "a number")
    | dict.fromkeys(_RANGES, "a whole number")
)


def _wrong(name: str, datatype: str, shape: list[int], values: list[Any], is_right: Any) -> RequestError:
    """Return the error of the first value that is not right."""
    index = next(index for index, value in enumerate(values) if not is_right(value))
    bounds = f" from {_RANGES[datatype][0]} to {_RANGES[datatype][1]}" if datatype in _RANGES else ""
    return RequestError(
        f"tensor `{name}`, {_place(index, shape)}: expected {_EXPECTED[datatype]}{bounds} ({datatype}), "
        f"found {shown(values[index])}"
    )


def _place(index: int, shape: Sequence[int]) -> str:
    """Return where the `index`-th value of a shape is: ``row 3``, ``row 3, value 7``, ``row 3, value 7, 1``."""
    inner: list[str] = []
    for size in reversed(shape[1:]):
        index, position = divmod(index, size)
        inner.insert(0, str(position))
    return f"row {index}, value {', '.join(inner)}" if inner else f"row {index}"
