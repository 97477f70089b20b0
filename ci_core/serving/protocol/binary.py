"""Tensors as bytes: the binary tensor data extension.

https://github.com/triton-inference-server/server/blob/main/docs/protocol/extension_binary_data.md: numbers are
little-endian and lie back to back; each element of BYTES is four bytes of length and then its bytes. Numbers are not
copied: the array lies in the request's body.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from ci_core.serving.problems import RequestError
from ci_core.serving.protocol.tensors import DTYPES, TEXT, Tensor, n_values, shown_shape

if TYPE_CHECKING:
    from collections.abc import Sequence

_LENGTH_BYTES = 4


def from_bytes(name: str, datatype: str, shape: Sequence[int], body: bytes, *, offset: int, size: int) -> Tensor:
    """Return the tensor whose values are `size` bytes at `offset` of `body`; both lie inside it.

    NaN and infinity are taken as they are; a text that is not UTF-8 is refused.

    Raises:
        RequestError: the bytes do not fit the shape and datatype.
    """
    expected = n_values(name, datatype, shape)
    if datatype == TEXT:
        return Tensor(name, shape, _texts(name, body, offset, offset + size, expected))
    dtype = DTYPES[datatype]
    needed = expected * dtype.itemsize
    if size != needed:
        raise RequestError(
            f"tensor `{name}`: the shape {shown_shape(shape)} of {datatype} needs {needed} bytes, found {size}"
        )
    if not expected:
        return Tensor(name, shape, np.empty(0, dtype))
    values = np.frombuffer(body, dtype, expected, offset)
    if datatype == "BOOL" and values.view(np.uint8).max() > 1:
        raise RequestError(f"tensor `{name}`: a BOOL is a byte 0 or 1")
    return Tensor(name, shape, values)


def _texts(name: str, body: bytes, start: int, end: int, expected: int) -> list[str]:
    values: list[str] = []
    while start < end and len(values) < expected:
        stop = start + _LENGTH_BYTES
        stop += int.from_bytes(body[start:stop], "little")
        if stop > end:
            raise RequestError(f"tensor `{name}`, element {len(values)}: it is longer than the tensor")
        try:
            values.append(body[start + _LENGTH_BYTES : stop].decode())
        except UnicodeDecodeError:
            raise RequestError(f"tensor `{name}`, element {len(values)}: it is not UTF-8 text") from None
        start = stop
    if start != end:
        raise RequestError(f"tensor `{name}`: {end - start} bytes are left behind its {expected} elements")
    if len(values) != expected:
        raise RequestError(f"tensor `{name}`: the shape needs {expected} elements, found {len(values)} in its bytes")
    return values


def to_bytes(datatype: str, values: list[Any]) -> bytes:
    """Return the bytes of one output; None is NaN of a number, and an empty text."""
    if datatype == TEXT:
        parts = [b"" if value is None else value.encode(errors="replace") for value in values]
        return b"".join([len(part).to_bytes(_LENGTH_BYTES, "little") + part for part in parts])
    return np.array(values, DTYPES[datatype]).tobytes()
