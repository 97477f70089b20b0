"""How wide text is, without a font: estimates on the safe side, and text cut to a width. Pure."""

from __future__ import annotations

import unicodedata
from functools import lru_cache
from typing import Final

_NARROW, _SLIM, _WIDE, _WIDEST = 0.34, 0.43, 0.83, 0.98
_LOWER, _UPPER, _DIGIT, _OTHER = 0.61, 0.7, 0.64, 0.72
_WIDTHS: Final = (
    dict.fromkeys("ijl.,:;'|! ", _NARROW)
    | dict.fromkeys('frtI()[]{}/\\-"`*', _SLIM)
    | dict.fromkeys("wCDGHNOQRU%&@=+<>~#…→", _WIDE)
    | dict.fromkeys("mMW", _WIDEST)
    | dict.fromkeys("0123456789_$?", _DIGIT)
)
"""Of a letter, in ems: those of DejaVu Sans, the widest of the sans serif fonts that systems come with."""
_BOLD: Final = 1.1
_TOLERANCE_PX: Final = 0.5
_FULL: Final = frozenset("WF")
"""East Asian widths of signs that fill a square."""


@lru_cache(maxsize=4096)
def _letter(char: str) -> float:
    if char in _WIDTHS:
        return _WIDTHS[char]
    if unicodedata.east_asian_width(char) in _FULL:
        return 1.0
    category = unicodedata.category(char)
    if category.startswith("M"):
        return 0.0
    return {"Ll": _LOWER, "Lu": _UPPER}.get(category, _OTHER)


def width_px(text: str, size_px: float, *, is_bold: bool = False) -> float:
    """Return how wide a line of text may be at most in a usual sans serif font."""
    return sum(map(_letter, text)) * size_px * (_BOLD if is_bold else 1.0)


def fitting(text: str, most_px: float, size_px: float, *, is_bold: bool = False) -> str:
    """Return `text`, or its beginning and ``…`` when it is wider than `most_px`."""
    if width_px(text, size_px, is_bold=is_bold) <= most_px + _TOLERANCE_PX:
        return text
    left = most_px - width_px("…", size_px, is_bold=is_bold)
    for index, char in enumerate(text):
        left -= width_px(char, size_px, is_bold=is_bold)
        if left < 0:
            return f"{text[:index].rstrip()}…"
    return text


def ending(text: str, most_px: float, size_px: float) -> str:
    """Return `text`, or ``…`` and its end when it is wider than `most_px`: of a path the end says most."""
    return fitting(text[::-1], most_px, size_px)[::-1]
