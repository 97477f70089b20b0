"""Two small problems of spreading things out: places in a given order, and rows of a given width. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Sequence

_FINE_PX: Final = 10


def nearest_in_order(wanted: Sequence[float], weights: Sequence[float], distances: Sequence[float]) -> list[float]:
    """Return the places nearest to those wanted, by weighted squares, that keep their order and their distances.

    The pool-adjacent-violators algorithm: R. E. Barlow, D. J. Bartholomew, J. M. Bremner and H. D. Brunk, "Statistical
    Inference under Order Restrictions", 1972, section 1.2.

    Args:
        wanted: a place each.
        weights: above 0, one each.
        distances: least distance of each to the next, one fewer.
    """
    offsets = [0.0]
    for distance in distances:
        offsets.append(offsets[-1] + distance)
    pools: list[tuple[float, float, int]] = []
    for at, offset, weight in zip(wanted, offsets, weights, strict=True):
        mean, total, count = at - offset, weight, 1
        while pools and pools[-1][0] > mean:
            other, other_total, other_count = pools.pop()
            mean = (mean * total + other * other_total) / (total + other_total)
            total, count = total + other_total, count + other_count
        pools.append((mean, total, count))
    means = [mean for mean, _, count in pools for _ in range(count)]
    return [mean + offset for mean, offset in zip(means, offsets, strict=True)]


def rows_of(steps_px: Sequence[float], may_end: Sequence[bool], widest_px: float) -> list[range]:
    """Return rows of consecutive steps: as few as there must be, and of these the widest as narrow as can be.

    Args:
        steps_px: width of each step.
        may_end: whether a row may end after a step; it may always end after the last.
        widest_px: of a row, if the places where it may end allow that.
    """
    may_end = [*may_end[:-1], True]
    fewest = len(_filled(steps_px, may_end, widest_px))
    limit = sum(steps_px) / fewest
    while len(rows := _filled(steps_px, may_end, limit)) > fewest:
        limit += _FINE_PX
    return rows


def _filled(steps: Sequence[float], may_end: Sequence[bool], limit_px: float) -> list[range]:
    """Return rows that are filled one after the other, each up to the limit or to its first possible end."""
    rows, start = [], 0
    while start < len(steps):
        end, width = start, 0.0
        for number in range(start, len(steps)):
            width += steps[number]
            if width > limit_px and end > start:
                break
            if may_end[number]:
                end = number + 1
        rows.append(range(start, end))
        start = end
    return rows
