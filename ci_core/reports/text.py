"""How values become short, harmless text (pure).

Every renderer goes through here, so that a number looks the same on every page and a character that could deceive the
reader is shown instead of obeyed. Nothing here knows Markdown or HTML.
"""

from __future__ import annotations

import math
import re
import unicodedata
from itertools import pairwise
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ci_core.reports.report import Scalar

ABSENT = "–"
"""Stands where there is no value: a metric that did not exist before, a file that is gone."""

_SPARKS = "▁▂▃▄▅▆▇█"
_MOST_DIGITS = 10
"""Two numbers that agree in ten digits are shown alike: the difference column tells the rest."""
_UNSAFE = {"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"}
"""Unicode categories without a glyph: control, format (direction overrides, zero widths), surrogate, unassigned."""
_NOT_TEXT = re.compile(
    r"|\s+|~|null|true|false|yes|no|on|off|[-+]?(\d[\d_]*)?\.?\d+(e[-+]?\d+)?", re.IGNORECASE | re.ASCII
)
"""What YAML reads as something else than text when it has no quotes."""
_LONGEST_NUMBER = 40
_THOUSANDS_FROM = 10_000
_SMALLEST_PLAIN = 1e-4
_LARGEST_PLAIN = 1e15


def visible(text: str, *, keep_lines: bool = False) -> str:
    r"""Return `text` with every character that has no glyph written out as ``\u202e``.

    Line ends become ``⏎`` and tabs a blank; with `keep_lines` (for program output) both are kept.
    """
    text = text.replace("\r\n", "\n")
    if text.isascii() and text.isprintable():
        return text
    return "".join(_visible_character(character, keep_lines=keep_lines) for character in text)


def _visible_character(character: str, *, keep_lines: bool) -> str:
    if character in "\n\t" and keep_lines:
        return character
    if character == "\n":
        return "⏎"
    if character == "\t":
        return " "
    if unicodedata.category(character) not in _UNSAFE:
        return character
    return f"\\u{ord(character):04x}"


def shorten(text: str, limit: int) -> str:
    """Return `text`, or its beginning and end around ``…`` when it is longer than `limit` characters (at least 5)."""
    if len(text) <= limit:
        return text
    tail = (limit - 1) // 3
    return f"{text[: limit - 1 - tail]}…{text[len(text) - tail :]}"


def number(value: float, digits: int = 4) -> str:
    """Return a number with `digits` significant digits: ``0.7631``, ``12,400``, ``3.1e-07``.

    Integers keep all their digits. NaN is ``NaN``, infinities are ``∞`` and ``-∞``.
    """
    if isinstance(value, int):
        return f"{value:,}" if abs(value) >= _THOUSANDS_FROM else str(value)
    if math.isnan(value):
        return "NaN"
    if math.isinf(value):
        return "∞" if value > 0 else "-∞"
    if value == 0:
        return "0"
    rounded = abs(float(f"{value:.{digits - 1}e}"))  # 0.00009999 is 0.0001 in three digits, and not 1e-04
    if not _SMALLEST_PLAIN <= rounded < _LARGEST_PLAIN:
        return f"{value:.{digits - 1}e}"
    decimals = max(0, digits - 1 - math.floor(math.log10(rounded)))
    return f"{value:,.{decimals}f}" if abs(value) >= _THOUSANDS_FROM else f"{value:.{decimals}f}"


def scalar(value: Scalar, digits: int = 4) -> str:
    """Return a metric or param as text: numbers by :func:`number`, ``true``, ``null`` as in YAML, text as it is."""
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int | float):
        return number(value, digits)
    return value


def exact(value: Scalar) -> str:
    """Return a param as the user would write it: ``0.06``, ``true``, ``null``, text as it is.

    Text that YAML would read as something else is in quotes, so that ``5`` and ``"5"`` differ.
    """
    if isinstance(value, str):
        return f'"{value}"' if len(value) <= _LONGEST_NUMBER and _NOT_TEXT.fullmatch(value) else value
    return repr(value) if isinstance(value, float) else str(value) if type(value) is int else scalar(value)


def pair(old: Scalar, new: Scalar) -> tuple[str, str]:
    """Return two values with as many digits as it takes to tell them apart, 4 at least and 10 at most.

    ``None`` stands for "there was none" here and becomes :data:`ABSENT`.
    """
    digits = 4
    while digits < _MOST_DIGITS and old != new and scalar(old, digits) == scalar(new, digits):
        digits += 1
    return tuple(ABSENT if value is None else scalar(value, digits) for value in (old, new))  # type: ignore[return-value]  # two in, two out


def short(value: float, digits: int = 3) -> str:
    """Return a number with at most `digits` significant digits and no idle zero: ``0.31``, ``12``, ``1e-06``."""
    mantissa, e, exponent = number(value, digits).partition("e")
    return (mantissa.rstrip("0").rstrip(".") if "." in mantissa else mantissa) + e + exponent


def signed(value: float) -> str:
    """Return a difference with its sign and three significant digits: ``+0.0219``, ``-3``, ``0``."""
    text = short(value)
    return text if value <= 0 or math.isnan(value) else f"+{text}"


def signed_count(difference: int) -> str:
    """Return a difference of counts with its sign and all its digits: ``+2,365``."""
    return f"{difference:+,}"


def arrow(difference: float | None) -> str:
    """Return which way a value went: ``▲``, ``▼``, ``=`` or nothing."""
    if difference is None or math.isnan(difference):
        return ""
    return "▲" if difference > 0 else "▼" if difference < 0 else "="


def size(size_bytes: int) -> str:
    """Return a size in decimal units, as disks and networks are sold: ``912 B``, ``3.4 kB``, ``1.2 GB``."""
    if abs(size_bytes) < 1000:  # noqa: PLR2004  # the unit's own factor
        return f"{size_bytes} B"
    value = float(size_bytes)
    for unit in ("kB", "MB", "GB", "TB"):
        value /= 1000
        if abs(value) < 999.95 or unit == "TB":  # noqa: PLR2004  # 999.95 would be shown as 1000.0
            return f"{value:.1f} {unit}"
    raise AssertionError


def signed_size(size_bytes: int) -> str:
    """Return a difference of sizes with its sign: ``+42.6 kB``, ``-3 B``."""
    return f"+{size(size_bytes)}" if size_bytes > 0 else size(size_bytes)


def seconds(duration_s: float) -> str:
    """Return a duration as people say it: ``40 ms``, ``1.9 s``, ``12 s``, ``3 min 20 s``, ``2 h 5 min``."""
    if duration_s < 0.9995:  # noqa: PLR2004  # 0.9995 would be shown as 1000 ms
        return f"{duration_s * 1000:.0f} ms"
    if duration_s < 9.95:  # noqa: PLR2004  # below ten, tenths matter
        return f"{duration_s:.1f} s"
    whole = round(duration_s)
    if whole < 60:  # noqa: PLR2004  # seconds in a minute
        return f"{whole} s"
    minutes, rest = divmod(whole, 60)
    if minutes < 60:  # noqa: PLR2004  # minutes in an hour
        return f"{minutes} min {rest} s" if rest else f"{minutes} min"
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes} min" if minutes else f"{hours} h"


def percent(share: float) -> str:
    """Return a share as a percentage: ``12 %``, ``0.4 %``."""
    value = share * 100
    digits = 0 if abs(value) >= 10 or value == 0 else 1  # noqa: PLR2004  # two significant digits
    return f"{value:.{digits}f} %"


def ratio(value: float) -> str:
    """Return how many times: ``1.08 ×``, ``12 ×``, ``0.4 ×``; three significant digits at most."""
    return f"{short(value)}\N{NO-BREAK SPACE}×"


def sparkline(values: Sequence[float], *, low: float | None = None, high: float | None = None) -> str:
    """Return one block character a value, scaled from `low` to `high` (the values' own range when not given).

    An empty sequence gives an empty string; equal values give a flat middle line.
    """
    if not values:
        return ""
    low = min(values) if low is None else low
    high = max(values) if high is None else high
    if high <= low:
        return _SPARKS[3] * len(values)
    steps = len(_SPARKS) - 1
    return "".join(_SPARKS[max(0, min(steps, round((value - low) / (high - low) * steps)))] for value in values)


def thin(values: Sequence[float], most: int) -> list[float]:
    """Return at most `most` means of neighbouring values, in order."""
    if len(values) <= most:
        return list(values)
    edges = [round(index * len(values) / most) for index in range(most + 1)]
    return [sum(values[start:end]) / (end - start) for start, end in pairwise(edges)]


def fair_share(lengths: Sequence[int], room: int) -> int:
    """Return the largest share that everyone can have: who needs less leaves the rest to the others."""
    left = len(lengths)
    for need in sorted(lengths):
        if need * left > room:
            return max(0, room) // left
        room -= need
        left -= 1
    return max(lengths, default=0)


def plural(count: int, word: str, many: str | None = None) -> str:
    """Return a count with its noun: ``1 gate``, ``3 gates``, ``2 entries``."""
    return f"{number(count)} {word if count == 1 else many or word + 's'}"
