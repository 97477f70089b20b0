"""Fewer points that show the same; what is kept is decided by the points alone: equal data, equal pictures."""

from __future__ import annotations

from operator import itemgetter
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

Point = tuple[float, float]

_GOLDEN = 0.618033988749895
"""Steps of this never fall into the period of the data."""


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
