"""How much slower or faster one graph answers than another, with an interval (pure).

Both processes answer the same requests in turns, in rounds of four blocks: base, head, head, base. When the machine
becomes slower or faster during a round, at a steady rate, both are hit alike. A round gives one ratio: the median time
of a request in head's two blocks over that in base's. The figure is the median of the rounds' ratios, and its interval
the order statistics that hold the median with 95 % confidence whatever the distribution.

Two processes of the very same code differ, too, by where their memory happens to lie, and no number of rounds shows
that. So the interval is made wider by what was measured for it, :data:`BETWEEN_PROCESSES`.

Source: W. J. Conover, Practical Nonparametric Statistics, 3rd edition 1999, section 3.2, confidence interval for a
quantile.
"""

from __future__ import annotations

import math
import statistics
from typing import TYPE_CHECKING, Final

from ci_core.types import Interval

if TYPE_CHECKING:
    from collections.abc import Sequence

LEAST_ROUNDS: Final = 6
"""Fewer give no interval: the smallest and the largest of five values hold the median with 94 % only."""
BETWEEN_PROCESSES: Final = 0.03
"""Relative difference of two processes of the same code; see `bench/RESULTS.md`."""
_ALLOWED: Final = 0.05


def ratio_of_rounds(
    base: Sequence[Sequence[float]], head: Sequence[Sequence[float]], *, between_processes: float = BETWEEN_PROCESSES
) -> Interval | None:
    """Return the median time of head over that of base.

    Args:
        base: the times of each of base's blocks, two for each round, in order; seconds, above 0.
        head: the same of head.
        between_processes: see the module.

    Returns:
        None when there are fewer than :data:`LEAST_ROUNDS` rounds.

    Example:
        >>> ratio_of_rounds([[0.010, 0.010]] * 12, [[0.011, 0.011]] * 12)
        Interval(value=1.1, low=1.067961, high=1.133)
    """
    rounds = min(len(base), len(head)) // 2
    if rounds < LEAST_ROUNDS:
        return None
    ratios = sorted(
        statistics.median([*head[2 * number], *head[2 * number + 1]])
        / statistics.median([*base[2 * number], *base[2 * number + 1]])
        for number in range(rounds)
    )
    left_out = _ranks_left_out(rounds)
    return Interval(
        value=round(statistics.median(ratios), 6),
        low=round(ratios[left_out] / (1 + between_processes), 6),
        high=round(ratios[-1 - left_out] * (1 + between_processes), 6),
    )


def milliseconds(seconds: Sequence[float]) -> tuple[float, float] | None:
    """Return the median and the 95th percentile (nearest rank) in milliseconds; None of nothing."""
    if not seconds:
        return None
    ordered = sorted(seconds)
    rank = math.ceil(0.95 * len(ordered)) - 1
    return round(1000 * statistics.median(ordered), 6), round(1000 * ordered[rank], 6)


def _ranks_left_out(count: int) -> int:
    """Return how many of `count` values may be left out at each end, with 95 % confidence that the median stays in."""
    left_out, outside = 0, 2 * 0.5**count
    while True:
        outside += 2 * math.comb(count, left_out + 1) * 0.5**count
        if outside > _ALLOWED:
            return left_out
        left_out += 1
