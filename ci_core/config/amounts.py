"""Shares and sizes as ``graphship.yaml`` writes them, with a blank or without: ``2%``, ``50 MiB`` (pure)."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from types import MappingProxyType
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Mapping

PERCENTAGE_PATTERN: Final = r"^[0-9]{1,6}(\.[0-9]{1,6})? ?%$"

_UNITS: Final[Mapping[str, int]] = MappingProxyType(
    {
        **{unit: 1000**power for power, unit in enumerate(("b", "kb", "mb", "gb", "tb"))},
        **{unit: 1024**power for power, unit in enumerate(("kib", "mib", "gib", "tib"), start=1)},
    }
)
SIZE_PATTERN: Final = r"^[0-9]{1,6}(\.[0-9]{1,6})? ?([kKmMgGtT][iI]?)?[bB]$"

SHARE: Final = "expected a percentage such as `5%`, or a number from 0 to 1"
SIZE: Final = "expected a size such as `50MB` or `50 MiB`"
REGRESSION: Final = "expected a number that is not negative, or a percentage of the base's value such as `2%`"


@dataclass(frozen=True, slots=True)
class Regression:
    """How much worse a metric may get."""

    amount: float
    """In the metric's own unit, or, as a share, of the base's value: 0.02 is written ``2%``."""
    is_share: bool


def parse_regression(value: object) -> Regression:
    """Return what ``max-regression`` means: ``0.01`` or ``2%``.

    Raises:
        ValueError: it is neither a number that is not negative nor a percentage.
    """
    share = _percentage(value)
    if share is not None:
        return Regression(share, is_share=True)
    number = _number(value)
    if number is None or number < 0:
        raise ValueError(REGRESSION)
    return Regression(number, is_share=False)


def parse_share(value: object) -> float:
    """Return the share that `value` means; a percentage may be more than 100.

    >>> parse_share("5%"), parse_share("5 %"), parse_share(0.05)
    (0.05, 0.05, 0.05)

    Raises:
        ValueError: it is neither a percentage nor a number from 0 to 1.
    """
    share = _percentage(value)
    if share is not None:
        return share
    number = _number(value)
    if number is None or not 0 <= number <= 1:
        raise ValueError(SHARE)
    return number


def parse_size(value: object) -> int:
    """Return the bytes that `value` means: ``MB`` are 1000², ``MiB`` are 1024².

    >>> parse_size("50MB"), parse_size("1.5 KiB")
    (50000000, 1536)

    Raises:
        ValueError: it is no number with one of these units.
    """
    if not isinstance(value, str) or not re.fullmatch(SIZE_PATTERN, value):
        raise ValueError(SIZE)
    number = value.rstrip("kKmMgGtTiIbB ")
    return round(float(number) * _UNITS[value[len(number) :].strip().lower()])


def _percentage(value: object) -> float | None:
    if isinstance(value, str) and re.fullmatch(PERCENTAGE_PATTERN, value):
        return float(value.removesuffix("%")) / 100
    return None


def _number(value: object) -> float | None:
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    try:
        number = float(value)
    except OverflowError:  # a whole number beyond all floats
        return None
    return number if math.isfinite(number) else None
