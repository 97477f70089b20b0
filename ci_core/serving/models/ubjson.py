"""Whether a file in Universal Binary JSON is whole: XGBoost reads past the end of one that is not, and crashes.

Format: https://ubjson.org. A value is a byte that says its type, and its bytes; a text and a name have a length before
them, which is a whole number with its own type. An array that says ``#`` and how many has no end sign; one of numbers
of the same type says ``$`` and the type before that.
"""

from __future__ import annotations

_SIZES = {
    **dict.fromkeys(b"ZNTF", 0),
    **dict.fromkeys(b"iUC", 1),
    ord("I"): 2,
    **dict.fromkeys(b"ld", 4),
    **dict.fromkeys(b"LD", 8),
}
"""Type of a value → its bytes."""
_WHOLE = frozenset(b"iUIlL")
_TEXTS = frozenset(b"SH")
_OBJECT, _OBJECT_END, _ARRAY, _ARRAY_END = b"{}[]"
_TO_OBJECT_END, _TO_ARRAY_END = -1, -2
_ENDS = {_TO_OBJECT_END: _OBJECT_END, _TO_ARRAY_END: _ARRAY_END}
_TYPE, _COUNT = b"$#"


def is_ubjson(data: bytes) -> bool:
    """Return whether `data` begins as an object in this format, and not as one in JSON."""
    return len(data) > 1 and data[0] == _OBJECT and (data[1] in _WHOLE or data[1] == _OBJECT_END)


def is_whole(data: bytes) -> bool:
    """Return whether `data` is one object, with nothing cut off and nothing left over."""
    try:
        return _end_of_object(data) == len(data)
    except (IndexError, KeyError):
        return False


def _end_of_object(data: bytes) -> int:
    """Return where the object at the beginning ends.

    Raises:
        IndexError: it ends behind `data`.
        KeyError: there is a type that is none.
    """
    open_ones, at = [_TO_OBJECT_END], 1  # of a counted array: how many values are to come
    while open_ones:
        inner = open_ones[-1]
        if inner == 0:
            open_ones.pop()
            continue
        kind = data[at]
        if kind == _ENDS.get(inner):
            open_ones.pop()
            at += 1
            continue
        if inner == _TO_OBJECT_END:  # the name of a field
            at = _end_of_text(data, at)
            kind = data[at]
        elif inner > 0:
            open_ones[-1] -= 1
        at += 1
        if kind == _OBJECT:
            open_ones.append(_TO_OBJECT_END)
        elif kind != _ARRAY:
            at = _end_of_text(data, at) if kind in _TEXTS else at + _SIZES[kind]
        elif data[at] == _TYPE:
            at = _end_of_numbers(data, at)
        elif data[at] == _COUNT:
            n, at = _whole(data, at + 1)
            open_ones.append(n)
        else:
            open_ones.append(_TO_ARRAY_END)
    return at


def _end_of_numbers(data: bytes, at: int) -> int:
    size, count = _SIZES[data[at + 1]], data[at + 2]
    if count != _COUNT:
        raise KeyError(count)
    n, at = _whole(data, at + 3)
    return at + n * size


def _end_of_text(data: bytes, at: int) -> int:
    n, at = _whole(data, at)
    return at + n


def _whole(data: bytes, at: int) -> tuple[int, int]:
    """Return the whole number at a place, and where it ends."""
    kind = data[at]
    if kind not in _WHOLE:
        raise KeyError(kind)
    end = at + 1 + _SIZES[kind]
    n = int.from_bytes(data[at + 1 : end], "big", signed=kind != ord("U"))
    if n < 0 or end > len(data):
        raise IndexError(end)
    return n, end
