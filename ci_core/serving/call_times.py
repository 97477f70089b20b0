"""How long a model's calls take: duration = ``fixed_s`` + rows × ``per_row_s``, learned while it answers (pure).

Calls are sorted into classes of 1, 2-3, 4-7, 8-15, … rows. Of each class the last few durations are kept, and the one
a quarter from below stands for it: a call that was interrupted (by the garbage collector, by another process, by the
interpreter's lock) is longer than the model is, never shorter. A line through the classes, weighted by the inverse
square of their durations so that all count alike in per cent, gives the two numbers.

A class without calls for a while is forgotten, so what was learned in a bad moment does not last. With calls of one
class only, all of the duration counts as fixed: that calls may be worth joining is tried before it is denied.
"""

from __future__ import annotations

import math
from collections import deque

_KEPT = 15
"""Durations of one class."""
_FORGOTTEN_AFTER = 512
"""Calls after which a class that had none is forgotten."""
_FITTED_EVERY = 16
_KNOWN_AFTER = 5
"""Calls before the first line is trusted; the first ones of a process are slow."""
_LEAST_S = 1e-6
"""Durations below are all alike: the clock and the call of a function are in them."""
_WORTH = 10.0
"""Rows are joined until their own time is this many times the fixed one: 9 % are left to be gained by more."""


class CallTimes:
    """What is known of the duration of one model's calls.

    Attributes:
        is_known: whether there were calls enough to say anything.
        fixed_s: seconds of a call without rows; 0 while nothing is known.
        per_row_s: seconds that each row adds.
        useful_rows: rows of one call beyond which joining more gains next to nothing; infinite when each row is free.
    """

    # all of them plain attributes: every request asks, and what they say changes with every sixteenth call
    __slots__ = ("_calls", "_classes", "fixed_s", "is_known", "per_row_s", "useful_rows")

    def __init__(self) -> None:
        self.is_known = False
        self.fixed_s = 0.0
        self.per_row_s = 0.0
        self.useful_rows = math.inf
        self._calls = 0
        self._classes: dict[int, _Class] = {}

    def expected_s(self, rows: int) -> float:
        """Return the duration of a call of `rows` rows that nothing interrupts, in seconds."""
        return self.fixed_s + rows * self.per_row_s

    def observe(self, rows: int, seconds: float) -> None:
        """Learn from a call of `rows` rows, at least one, that took `seconds`."""
        size = rows.bit_length()
        known = self._classes.get(size)
        if known is None:
            known = self._classes[size] = _Class()
        known.durations.append((seconds, rows))
        self._calls = known.last_call = self._calls + 1
        if self._calls % _FITTED_EVERY == 0 or self._calls <= _FITTED_EVERY:
            self._fit()
            self.is_known = self._calls >= _KNOWN_AFTER

    def _fit(self) -> None:
        self._classes = {
            size: known for size, known in self._classes.items() if self._calls - known.last_call < _FORGOTTEN_AFTER
        }
        self.fixed_s, self.per_row_s = _line([known.typical() for known in self._classes.values()])
        self.useful_rows = _WORTH * self.fixed_s / self.per_row_s if self.per_row_s > 0.0 else math.inf


class _Class:
    """Calls of about the same number of rows."""

    __slots__ = ("durations", "last_call")

    def __init__(self) -> None:
        self.durations: deque[tuple[float, int]] = deque(maxlen=_KEPT)
        self.last_call = 0

    def typical(self) -> tuple[float, int]:
        """Return duration and rows of the call that a quarter of the others were shorter than."""
        return sorted(self.durations)[len(self.durations) // 4]


def _line(points: list[tuple[float, int]]) -> tuple[float, float]:
    """Return offset and slope, neither negative, of the line through ``(seconds, rows)`` with least relative error."""
    if len(points) == 1:
        return points[0][0], 0.0
    weights = [1.0 / max(seconds, _LEAST_S) ** 2 for seconds, _rows in points]
    total = sum(weights)
    seconds_mean = sum(weight * seconds for weight, (seconds, _rows) in zip(weights, points, strict=True)) / total
    rows_mean = sum(weight * rows for weight, (_seconds, rows) in zip(weights, points, strict=True)) / total
    together = spread = through_zero = squares = 0.0
    for weight, (seconds, rows) in zip(weights, points, strict=True):
        together += weight * (rows - rows_mean) * (seconds - seconds_mean)
        spread += weight * (rows - rows_mean) ** 2
        through_zero += weight * rows * seconds
        squares += weight * rows * rows
    slope = together / spread
    if slope <= 0.0:
        return seconds_mean, 0.0
    offset = seconds_mean - slope * rows_mean
    return (offset, slope) if offset > 0.0 else (0.0, through_zero / squares)
