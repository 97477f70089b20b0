"""For people who ask: all the usual statistics of one column, and its histogram (pure).

None of these decides; the rule is in ``verdict.py``.
"""

from __future__ import annotations

import itertools
import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from ci_core.monitoring import statistics
from ci_core.monitoring.binning import gathering, ordered_codes, plain_cells, positions_of, vector
from ci_core.monitoring.profile import MISSING, OTHER, NumericGrid

if TYPE_CHECKING:
    from ci_core.monitoring.profile import CategoryLevels, ColumnCounts, Layout, Profile

_MANY_LEVELS = 20


def column_statistics(layout: Layout, reference: Profile, window: Profile, column: str) -> dict[str, float]:
    """Return the statistics of one column, by name.

    Args:
        layout: what both profiles are counted on.
        reference: the whole reference, with rows.
        window: with rows, and with counts of `column`.
        column: a column of the layout.

    Returns:
        ``jensen-shannon``, ``psi``, ``hellinger``, ``total-variation``, ``kullback-leibler``, ``chi-square`` and its
        ``chi-square-p``; for numbers also ``ks``, ``ks-max`` (the certified interval) and ``ks-p``. Those that do not
        exist (no values in one of the tables) are left out.
    """
    bins, before, now = layout.columns[column], reference.columns[column], window.columns[column]
    gather = gathering(bins, before, window_rows=window.rows).gather
    a, b = gather(before), gather(now)
    test = statistics.chi_square(a, b)
    found = {
        "jensen-shannon": float(statistics.jensen_shannon_distance(a, b)),
        "psi": float(statistics.population_stability_index(a, b)),
        "hellinger": float(statistics.hellinger(a, b)),
        "total-variation": float(statistics.total_variation(a, b)),
        "kullback-leibler": float(statistics.kullback_leibler(a, b)),
        "chi-square": test.statistic,
        "chi-square-p": test.p_value,
    }
    if isinstance(bins, NumericGrid):
        old, new, resolved = plain_cells(bins, before, now)
        if old.sum() and new.sum():
            ks = statistics.kolmogorov_smirnov(old, new, resolved=resolved)
            found |= {"ks": ks.statistic, "ks-max": ks.statistic_max, "ks-p": ks.p_value}
    return {name: value for name, value in found.items() if math.isfinite(value)}


@dataclass(frozen=True, slots=True, kw_only=True)
class Histogram:
    """Both tables on the same bars, as shares of all their rows, the missing ones among them."""

    labels: tuple[str, ...]
    """Of the bars: levels, or ``low to high`` of numbers. ``other`` and ``missing`` come last, where there are any."""
    edges: tuple[float, ...]
    """For numbers: the ``len(bars) + 1`` edges of the bars without ``missing``; empty for categories."""
    reference: tuple[float, ...]
    window: tuple[float, ...]


def histogram(layout: Layout, reference: Profile, window: Profile, column: str, *, bars: int = 30) -> Histogram:
    """Return the overlaid histogram of one column, for a picture.

    Args:
        layout: what both profiles are counted on.
        reference: the whole reference.
        window: with counts of `column`.
        column: a column of the layout.
        bars: number of bars for numbers, of equal width from the 0.5 % to the 99.5 % point of both tables together;
            what lies outside is in the outermost ones.
    """
    bins, before, now = layout.columns[column], reference.columns[column], window.columns[column]
    if isinstance(bins, NumericGrid):
        return _of_numbers(bins, before, now, bars)
    return _of_levels(bins, before, now)


def _of_numbers(grid: NumericGrid, before: ColumnCounts, now: ColumnCounts, bars: int) -> Histogram:
    codes = ordered_codes(grid, [before, now])
    edges: tuple[float, ...] = ()
    labels: tuple[str, ...] = ()
    rows = [np.zeros(0), np.zeros(0)]
    if codes:
        places = positions_of(grid, codes)
        weights = sum((vector(codes, table) / max(table.rows, 1) for table in (before, now)), np.zeros(len(codes)))
        below = np.cumsum(weights) / weights.sum()
        last = len(codes) - 1
        low, high = (places[min(int(np.searchsorted(below, point)), last)] for point in (0.005, 0.995))
        cuts = np.linspace(low, high, bars + 1) if high > low else np.array([low - 0.5, low + 0.5])
        inside = np.clip(places, cuts[0], cuts[-1])
        rows = [np.histogram(inside, bins=cuts, weights=vector(codes, table))[0] for table in (before, now)]
        edges = tuple(float(cut) for cut in cuts)
        labels = tuple(f"{a:.4g} to {b:.4g}" for a, b in itertools.pairwise(edges))
    return _with_rest(labels, edges, rows, (before, now), [("missing", MISSING)])


def _of_levels(bins: CategoryLevels, before: ColumnCounts, now: ColumnCounts) -> Histogram:
    shown = bins.levels[:_MANY_LEVELS]
    rows = [np.array([table.cells.get(code, 0) for code in range(len(shown))], dtype=float) for table in (before, now)]
    return _with_rest(shown, (), rows, (before, now), [("other", OTHER), ("missing", MISSING)])


def _with_rest(
    labels: tuple[str, ...],
    edges: tuple[float, ...],
    rows: list[np.ndarray],
    tables: tuple[ColumnCounts, ColumnCounts],
    rest: list[tuple[str, int]],
) -> Histogram:
    """Add the bars of what has no place among the others, and turn rows into shares."""
    for label, code in rest:
        extra = [table.cells.get(code, 0) for table in tables]
        if code == OTHER:  # levels of the layout that are not shown belong to it too
            extra = [
                extra[side] + sum(number for cell, number in table.cells.items() if len(labels) <= cell < MISSING)
                for side, table in enumerate(tables)
            ]
        if any(extra):
            labels = (*labels, label)
            rows = [np.append(side, number) for side, number in zip(rows, extra, strict=True)]
    shares = [side / max(table.rows, 1) for side, table in zip(rows, tables, strict=True)]
    return Histogram(
        labels=labels,
        edges=edges,
        reference=tuple(float(share) for share in shares[0]),
        window=tuple(float(share) for share in shares[1]),
    )
