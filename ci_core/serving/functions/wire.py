"""How the body of an event travels between processes: as MessagePack, and never as pickle.

What arrives is equal to what was sent and of the same type, with one exception: a tuple arrives as a list. Everything
else that would change on the way (an object of one's own, a set, a subclass of dict) is refused, and the message says
where in the body it stands: a graph must not answer differently because its steps were put into two processes.

Beyond MessagePack's own types these travel: numpy arrays and scalars (no objects, no structured types), ``datetime``
with or without time zone (its offset; not its name), ``date``, ``time``, ``timedelta``, ``Decimal``, ``UUID``, and
integers of any size.
"""

from __future__ import annotations

import struct
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from typing import TYPE_CHECKING, Any, Final
from uuid import UUID

import msgspec
import numpy as np

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

_LEAVES: Final = frozenset({str, int, float, bool, type(None), bytes})
_KEYS: Final = frozenset({str, int, float, bool, type(None), bytes})
_SMALLEST_INT, _LARGEST_INT = -(2**63), 2**64 - 1
_ARRAY, _SCALAR, _INT = 1, 2, 3
_KINDS_OF_ARRAYS: Final = frozenset("?biufcmMSU")
"""Kinds of numpy types that are nothing but their bytes."""


def _timedelta(text: str) -> timedelta:
    days, seconds, microseconds = map(int, text.split())
    return timedelta(days=days, seconds=seconds, microseconds=microseconds)


_TEXTS: Final[dict[type, tuple[int, Callable[[Any], str], Callable[[str], Any]]]] = {
    datetime: (4, datetime.isoformat, datetime.fromisoformat),
    date: (5, date.isoformat, date.fromisoformat),
    time: (6, time.isoformat, time.fromisoformat),
    Decimal: (7, str, Decimal),
    UUID: (8, str, UUID),
    timedelta: (9, lambda value: f"{value.days} {value.seconds} {value.microseconds}", _timedelta),
}
"""Type → code, to text, from text."""

_FROM_TEXT: Final = {code: read for code, _write, read in _TEXTS.values()}


class WireError(TypeError):
    """A value cannot travel to another process.

    Attributes:
        kind: type of the value.
        keys: where in the body it stands.
        path: the same as text, such as ``rows[0].model``; empty for the body itself.
        reason: why.
    """

    def __init__(self, kind: str, reason: str, keys: tuple[str | int, ...] = ()) -> None:
        self.kind, self.reason, self.keys = kind, reason, keys
        self.path = "".join(f"[{key}]" if isinstance(key, int) else f".{key}" for key in keys).removeprefix(".")
        place = f"`{self.path}` of the body" if self.path else "the body"
        super().__init__(f"{place} is of type `{kind}`, which cannot travel to another process: {reason}")

    def below(self, key: str | int) -> WireError:
        """Return the same error as seen from one container further out."""
        return WireError(self.kind, self.reason, (key, *self.keys))


def encode(value: Any) -> bytes:
    """Return `value` as bytes.

    Raises:
        WireError: something in it cannot travel.
    """
    try:
        return msgspec.msgpack.encode(prepared(value))
    except RecursionError as error:
        raise WireError(type(value).__name__, "it is nested too deeply, or contains itself") from error
    except OverflowError:
        return msgspec.msgpack.encode(_with_large_ints(prepared(value)))
    except UnicodeEncodeError as error:
        raise WireError("str", f"it holds text that is no Unicode: {error.reason}") from error


def decode(data: bytes) -> Any:
    """Return what :func:`encode` got.

    Raises:
        ValueError: the bytes are none of ours.
    """
    try:
        return _DECODER.decode(data)
    except (msgspec.DecodeError, RecursionError, struct.error, TypeError, ArithmeticError) as error:
        raise ValueError(f"the message cannot be read: {error}") from error


def prepared(value: Any) -> Any:
    """Return `value` with all that MessagePack lacks replaced by extensions; the value itself when there is none.

    Raises:
        WireError: something in it cannot travel.
    """
    kind = type(value)
    if kind in _LEAVES:
        return value
    if kind is dict:
        if not _KEYS.issuperset(map(type, value)):
            odd = next(key for key in value if type(key) not in _KEYS)
            raise WireError("dict", f"a key is {odd!r:.40}, a {type(odd).__name__}; keys are text or numbers")
        if _LEAVES.issuperset(map(type, value.values())):
            return value
        return dict(zip(value, _each(value.items()), strict=True))
    if kind is list or kind is tuple:
        return value if _LEAVES.issuperset(map(type, value)) else list(_each(enumerate(value)))
    return _extension(value, kind)


def _each(items: Iterable[tuple[Any, Any]]) -> Iterable[Any]:
    for key, item in items:
        try:
            yield prepared(item)
        except WireError as error:
            raise error.below(key) from None


def _extension(value: Any, kind: type) -> msgspec.msgpack.Ext:
    if kind in _TEXTS:
        code, write, _read = _TEXTS[kind]
        return msgspec.msgpack.Ext(code, write(value).encode())
    if kind is np.ndarray:
        _check_dtype(value.dtype, "ndarray")
        parts = (value.dtype.str, value.shape, np.ascontiguousarray(value).tobytes())
        return msgspec.msgpack.Ext(_ARRAY, msgspec.msgpack.encode(parts))
    if isinstance(value, np.generic):
        _check_dtype(value.dtype, kind.__name__)
        array = np.asarray(value)  # which has room for empty text
        return msgspec.msgpack.Ext(_SCALAR, msgspec.msgpack.encode((array.dtype.str, array.tobytes())))
    raise WireError(f"{kind.__module__}.{kind.__qualname__}".removeprefix("builtins."), _advice(value))


def _check_dtype(dtype: np.dtype[Any], kind: str) -> None:
    if dtype.kind not in _KINDS_OF_ARRAYS:
        raise WireError(kind, f"its type is `{dtype}`; numbers, text and dates travel")


def _advice(value: Any) -> str:
    for base, word in ((dict, "dict"), (list | tuple | set | frozenset, "list"), (str, "str"), (int, "int")):
        if isinstance(value, base):
            return f"give `{word}(…)` of it"
    return "give plain data (text, numbers, lists, dicts) or a numpy array"


def _with_large_ints(value: Any) -> Any:
    """Return prepared data with the integers that MessagePack has no room for as extensions."""
    if type(value) is int and not _SMALLEST_INT <= value <= _LARGEST_INT:
        return msgspec.msgpack.Ext(_INT, f"{value:x}".encode())
    if type(value) is dict:
        if any(type(key) is int and not _SMALLEST_INT <= key <= _LARGEST_INT for key in value):
            raise WireError("dict", "a key is an integer of more than 64 bits")
        return {key: _with_large_ints(item) for key, item in value.items()}
    if type(value) in {list, tuple}:
        return [_with_large_ints(item) for item in value]
    return value


def _read_extension(code: int, data: memoryview) -> Any:
    raw = bytes(data)
    if code in _FROM_TEXT:
        return _FROM_TEXT[code](raw.decode())
    if code == _INT:
        return int(raw, 16)
    if code == _ARRAY:
        dtype, shape, content = msgspec.msgpack.decode(raw)
        # a copy: an array on foreign bytes could not be written to
        return np.frombuffer(content, dtype=_dtype(dtype)).reshape(shape).copy()
    if code == _SCALAR:
        dtype, content = msgspec.msgpack.decode(raw)
        return np.frombuffer(content, dtype=_dtype(dtype))[0]
    raise ValueError(f"unknown extension {code}")


def _dtype(name: str) -> np.dtype[Any]:
    dtype = np.dtype(name)
    if dtype.kind not in _KINDS_OF_ARRAYS:
        raise ValueError(f"arrays of type `{name}` do not travel")
    return dtype


_DECODER: Final = msgspec.msgpack.Decoder(ext_hook=_read_extension)
