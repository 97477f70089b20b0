"""Numbers as a gate's sentence shows them, and how they are compared (pure)."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Final

from ci_core.printable import one_line
from ci_core.reports.text import size

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from ci_core.gates.spec import GateState
    from ci_core.types import Interval

Finding = tuple["GateState", str]
"""What one rule of a gate came to, and its sentence."""

_TOLERANCE: Final = 1e-12
"""Relative: 0.83 - 0.82 is more than 0.01 in binary, and nobody means that. Rounding costs a metric three of its
sixteen digits when rows are summed in another order; people write fewer than twelve."""
_DIGITS: Final = (6, 9, 12, 15, 17)
_SHARE_DIGITS: Final = (3, 6, 9, 12, 15, 17)
_UNITS: Final = ((10**12, "TB"), (10**9, "GB"), (10**6, "MB"), (10**3, "kB"))


def code(name: str) -> str:
    """Return a name from the user's repository as a sentence shows it: on one line, in backticks."""
    return f"`{one_line(name, max_chars=200).replace('`', chr(39))}`"


def first(items: Sequence[str], limit: int, *, joint: str = ", ") -> str:
    """Return the first `limit` of `items`, and how many more there are."""
    more = len(items) - limit
    return joint.join(items[:limit]) + (f" and {more} more" if more > 0 else "")


def exceeds(value: float, limit: float, *, of: Sequence[float] = ()) -> bool:
    """Whether `value` is above `limit` by more than the arithmetic of computers.

    Args:
        value: what is judged.
        limit: what it may be.
        of: the numbers that `value` is a difference of: what they lost by rounding, it has.
    """
    return value > limit and not math.isclose(
        value, limit, rel_tol=_TOLERANCE, abs_tol=_TOLERANCE * max(map(abs, of), default=0.0)
    )


def worst(findings: Sequence[Finding]) -> GateState:
    """Return the state of a gate from those of its rules; ``pass`` when none found anything."""
    states = {state for state, _ in findings}
    return "fail" if "fail" in states else "warn" if "warn" in states else "pass"


def apart(value: float, limit: float) -> tuple[str, str]:
    """Return both numbers, with as many digits as tell them apart: nothing is "0.8, less than 0.8"."""
    return _apart(value, limit, _DIGITS, lambda number, digits: f"{number:.{digits}g}")


def shares_apart(value: float, limit: float) -> tuple[str, str]:
    """Return both shares as percentages, with as many digits as tell them apart."""
    return _apart(value, limit, _SHARE_DIGITS, lambda number, digits: f"{_plain(number * 100, digits)} %")


def percentage(share: float) -> str:
    """Return a share as people write it: 0.05 is ``5 %``."""
    return f"{_plain(share * 100, 6)} %"


def sizes_apart(value: float, limit: float) -> tuple[str, str]:
    """Return both sizes, each in its own unit, with as many digits as tell them apart."""
    plain = size(round(value)), size(round(limit))
    return plain if plain[0] != plain[1] else _apart(value, limit, _DIGITS, _size)


def between(interval: Interval) -> str:
    """Return the ends of an interval: ``-0.02 to 0.01``."""
    return f"{interval.low:.3g} to {interval.high:.3g}"


def _apart(value: float, limit: float, digits: Sequence[int], show: Callable[[float, int], str]) -> tuple[str, str]:
    shown = ("", "")
    for count in digits:
        shown = show(value, count), show(limit, count)
        if shown[0] != shown[1]:
            break
    return shown


def _size(count: float, digits: int) -> str:
    for unit, name in _UNITS:
        if abs(count) >= unit:
            return f"{_plain(count / unit, digits)} {name}"
    return f"{_plain(count, digits)} B"


def _plain(number: float, digits: int) -> str:
    """Return a number without an exponent: 1200 of three digits stays 1200."""
    return f"{number:.0f}" if abs(number) >= 10**digits else f"{number:.{digits}g}"
