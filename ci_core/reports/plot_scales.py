"""Where a number lies on a picture, and which numbers are written beside it (pure).

Any finite numbers can be scaled: those beyond :data:`_FARTHEST` are drawn at the edge, and a range without a width gets
one.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterable

_FARTHEST: Final = 1e300
"""Beyond, differences overflow."""
_ROUND_STEPS: Final = (1, 2, 2.5, 5, 10)
_ALMOST: Final = 1e-9
_DAY: Final = 86_400
_TIME_STEPS_S: Final = (
    *(1, 5, 15, 30, 60, 300, 900, 1_800, 3_600, 10_800, 21_600, 43_200),
    *(_DAY * days for days in (1, 2, 7, 14, 30, 91, 182, 365, 730, 1_825, 3_650, 36_500)),
)
_UNITS: Final = ((1e12, "T"), (1e9, "G"), (1e6, "M"), (1e3, "k"))
_UNITS_FROM, _UNITS_TO, _SMALLEST_STEP = 10_000, 1e15, 1e-5


@dataclass(frozen=True, slots=True, kw_only=True)
class Scale:
    """Numbers from `low` to `high` on pixels from `start` to `end`."""

    low: float
    high: float
    start: float
    end: float
    ticks: tuple[tuple[float, str], ...] = ()
    """Numbers that are written, with their texts."""

    def at(self, value: float) -> float:
        """Return where a number is, in pixels; one outside is at the edge."""
        share = (min(max(value, self.low), self.high) - self.low) / (self.high - self.low)
        return self.start + (self.end - self.start) * share


def places(xs: Iterable[float | str]) -> list[float]:
    """Return x as numbers; of names, their places in the list."""
    return [float(place) if isinstance(x, str) else x for place, x in enumerate(xs)]


def number_scale(
    values: Iterable[float],
    start: float,
    end: float,
    *,
    most_ticks: int = 5,
    from_zero: bool = False,
    is_loose: bool = False,
) -> Scale:
    """Return a scale for numbers.

    Args:
        values: what must be on it; none gives 0 to 1.
        start: pixels of the lowest number.
        end: pixels of the highest number.
        most_ticks: so many numbers are written, at most.
        from_zero: whether zero is on it in any case.
        is_loose: whether it goes on to the next written number at both ends.
    """
    inside = [min(max(float(value), -_FARTHEST), _FARTHEST) for value in values] + ([0.0] if from_zero else [])
    low, high = (min(inside), max(inside)) if inside else (0.0, 1.0)
    if high - low <= max(abs(low), abs(high)) * _ALMOST:
        reach = max(abs(low), abs(high)) * 0.1 or 0.5
        low, high = low - (0 if from_zero and low == 0 else reach), high + reach
    step = _step(
        (high - low) / most_ticks, is_whole=high - low >= most_ticks / 2 and all(value.is_integer() for value in inside)
    )
    if is_loose:
        low = math.floor(low / step + _ALMOST) * step
        high = math.ceil(high / step - _ALMOST) * step
    first, last = math.ceil(low / step - _ALMOST), math.floor(high / step + _ALMOST)
    numbers = [count * step for count in range(first, min(last, first + 2 * most_ticks) + 1)]
    return Scale(low=low, high=high, start=start, end=end, ticks=tuple((one, tick_text(one, step)) for one in numbers))


def time_scale(values: Iterable[float], start: float, end: float, *, most_ticks: int = 4) -> Scale:
    """Return a scale for seconds since 1970; of times without a date in our calendar, one for numbers."""
    plain = number_scale(values, start, end, most_ticks=most_ticks)
    step = next((one for one in _TIME_STEPS_S if (plain.high - plain.low) / one <= most_ticks), None)
    if step is None:
        return plain
    first = math.ceil(plain.low / step) * step
    try:
        ticks = [(float(at), _time_text(at, step)) for at in range(first, math.floor(plain.high) + 1, step)]
    except (ValueError, OverflowError, OSError):
        return plain
    return Scale(low=plain.low, high=plain.high, start=start, end=end, ticks=tuple(ticks))


def _step(least: float, *, is_whole: bool) -> float:
    """Return the smallest of 1, 2, 2.5, 5 times a power of ten that is not below `least`.

    Between whole numbers none is written that is not: there is no half epoch.
    """
    power = 10.0 ** max(-300, math.floor(math.log10(least))) if least > 0 else 1.0
    steps = (power * one for one in _ROUND_STEPS if power * one >= least * (1 - _ALMOST))
    return next((step for step in steps if not is_whole or step.is_integer()), max(1.0, power * 10))


def tick_text(value: float, step: float) -> str:
    """Return a number as it is written at an axis with that step: ``0.25``, ``1.5k``, ``2e-09``."""
    if abs(value) < step * _ALMOST:
        return "0"
    if step < _SMALLEST_STEP or abs(value) >= _UNITS_TO:
        return f"{value:.{_digits(value, step)}g}"
    if abs(value) >= _UNITS_FROM:
        size, unit = next(pair for pair in _UNITS if abs(value) >= pair[0])
        return f"{value / size:.{_digits(value, step)}g}{unit}"
    digits = next((count for count in range(7) if abs(round(step, count) - step) < step * _ALMOST), 7)
    return f"{value:.{digits}f}"


def _digits(value: float, step: float) -> int:
    """Return how many digits it takes to tell a number from the next one at an axis."""
    return min(12, max(4, math.ceil(math.log10(abs(value)) - math.log10(step)) + 2))


def date_text(at: float) -> str:
    """Return the date and, when it is not midnight, the minute of a time; nothing of one beyond our calendar."""
    try:
        time = datetime.fromtimestamp(at, UTC)
    except (ValueError, OverflowError, OSError):
        return ""
    return f"{time:%Y-%m-%d}" if at % _DAY == 0 else f"{time:%Y-%m-%d %H:%M}"


def _time_text(at: int, step: int) -> str:
    time = datetime.fromtimestamp(at, UTC)
    if step >= _DAY:
        return f"{time:%Y-%m-%d}"
    return f"{time:%H:%M:%S}" if step < 60 else f"{time:%d %b %H:%M}"  # noqa: PLR2004 - seconds in a minute
