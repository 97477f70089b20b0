"""From the cells of plots' files to bounded, finite points (pure).

What is kept of many points is decided by the points alone, so that equal files give equal pictures.
"""

from __future__ import annotations

import math
from datetime import UTC, datetime
from operator import itemgetter
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ci_core.types import JsonValue

Point = tuple[float, float]

_GOLDEN = 0.618033988749895
"""Steps of this never fall into the period of the data."""


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


def in_order(points: Sequence[Point]) -> list[Point]:
    """Return points from left to right; those at the same place keep their order, or its reverse."""
    points = list(points)
    if len(points) > 1 and points[0][0] > points[-1][0]:
        points.reverse()
    points.sort(key=itemgetter(0))
    return points


def thin_line(points: Sequence[Point], most: int) -> list[Point]:
    """Return at most `most` (4 or more) points of a line: first, last, and the lowest and highest of each stretch.

    No peak is lost: the extremes of the line are among them.
    """
    if len(points) <= most:
        return list(points)
    kept = {0, len(points) - 1}
    stretches = (most - 2) // 2
    for stretch in range(stretches):
        places = range(stretch * len(points) // stretches, (stretch + 1) * len(points) // stretches)
        kept |= {min(places, key=lambda at: points[at][1]), max(places, key=lambda at: points[at][1])}
    return [points[place] for place in sorted(kept)]


def thin_cloud(points: Sequence[Point], most: int) -> list[Point]:
    """Return at most `most` (8 or more) points of a cloud: its outermost four, and one out of each run of rows."""
    if len(points) <= most:
        return list(points)
    places = range(len(points))
    kept = {end(places, key=lambda at: points[at][axis]) for end in (min, max) for axis in (0, 1)}
    runs = most - len(kept)
    kept |= {int((run + run * _GOLDEN % 1) * len(points) / runs) for run in range(runs)}
    return [points[place] for place in sorted(kept)]


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
    """Return how many values fall into each bin; the last one includes its upper edge."""
    counts = [0.0] * (len(edges) - 1)
    span = edges[-1] - edges[0]
    for value in values:
        counts[max(0, min(len(counts) - 1, int((value - edges[0]) / span * len(counts))))] += 1
    return tuple(counts)
