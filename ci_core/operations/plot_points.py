"""From the cells of plots' files to finite numbers (pure)."""

from __future__ import annotations

import math
from bisect import bisect_right
from datetime import UTC, datetime
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ci_core.types import JsonValue


def as_finite(value: JsonValue) -> float | None:
    """Return a cell as a finite number; cells of CSV files are text."""
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        return None
    try:
        number = float(value)
    except (ValueError, OverflowError):  # text; a whole number beyond all floats
        return None
    return number if math.isfinite(number) else None


def as_time(value: JsonValue) -> float | None:
    """Return ISO 8601 text as seconds since 1970; times without a zone are taken as UTC."""
    if not isinstance(value, str):
        return None
    try:
        time = datetime.fromisoformat(value)
    except ValueError:
        return None
    return (time if time.tzinfo else time.replace(tzinfo=UTC)).timestamp()


def bins_of(values: Sequence[Sequence[float]], most: int = 20) -> tuple[float, ...]:
    """Return the edges of equal bins over all values of all sides; empty when there are none."""
    every = [value for side in values for value in side]
    if not every:
        return ()
    low, high = min(every), max(every)
    if low == high:
        reach = abs(low) / 2 or 0.5
        low, high = low - reach, high + reach
    bins = max(1, min(most, math.isqrt(max(map(len, values)))))
    edges = [low + (high - low) * (index / bins) for index in range(bins)]
    return (*edges, high) if all(map(math.isfinite, edges)) and len({*edges, high}) == bins + 1 else (low, high)


def counted(values: Sequence[float], edges: Sequence[float]) -> tuple[float, ...]:
    """Return how many values fall into each bin, of which `edges` ascend; the last one includes its upper edge."""
    counts = [0.0] * (len(edges) - 1)
    for value in values:
        counts[max(0, min(len(counts) - 1, bisect_right(edges, value) - 1))] += 1
    return tuple(counts)
