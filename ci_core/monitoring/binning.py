"""From sparse cells to aligned arrays: the few bins that distances are computed on, and the fine cells in order (pure).

The grid has as many cells as the data need; Jensen-Shannon, PSI and their kin want a fixed, small number of bins that
hold about the same share of the reference. The cells are gathered into them after counting, so the choice can change
without reading data again.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias

import numpy as np

from ci_core.monitoring.profile import ATOM, MISSING, OTHER, CategoryLevels, NumericGrid

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from ci_core.monitoring.profile import Bins, ColumnCounts

    Floats: TypeAlias = NDArray[np.float64]

BINS = 20
"""Bins of equal reference frequency. PSI depends on this number, so it is fixed."""
TAIL = 0.001
"""Share of the reference in each tail bin: 1 % of outliers is then far from nothing, which 20 bins alone hide."""
LEAST_EXPECTED = 5.0
"""A level gets its own bin when a window is expected to hold this many rows of it (W. G. Cochran, "Some methods for
strengthening the common chi-square tests", Biometrics 10 (1954)); rarer ones share a bin, else they add only noise."""


@dataclass(frozen=True, slots=True, kw_only=True)
class NumericBins:
    """Lower tail, about 20 bins, upper tail, missing."""

    grid: NumericGrid
    cuts: tuple[float, ...]
    """Ascending; a cell at or below the first cut is in the lower tail, one above the last in the upper tail."""

    @property
    def size(self) -> int:
        """Number of bins."""
        return len(self.cuts) + 2

    def gather(self, counts: ColumnCounts) -> Floats:
        """Return the counts per bin, ``(size,)``. Infinities are in the tails, the missing are last."""
        codes = [code for code in counts.cells if code != MISSING]
        places = np.searchsorted(self.cuts, [self.grid.position(code) for code in codes])
        weights = [float(counts.cells[code]) for code in codes]
        gathered: Floats = np.bincount(places, weights=weights, minlength=self.size).astype(np.float64)
        gathered[-1] = counts.missing
        return gathered


@dataclass(frozen=True, slots=True, kw_only=True)
class CategoryBins:
    """The frequent levels, all rare ones together, those outside the layout, missing."""

    frequent: int
    """The first so many levels have a bin of their own."""

    @property
    def size(self) -> int:
        """Number of bins."""
        return self.frequent + 3

    def gather(self, counts: ColumnCounts) -> Floats:
        """Return the counts per bin, ``(size,)``."""
        gathered = np.zeros(self.size)
        for code, rows in counts.cells.items():
            if code == MISSING:
                gathered[-1] += rows
            elif code == OTHER:
                gathered[-2] += rows
            else:
                gathered[min(code, self.frequent)] += rows
        return gathered


Gathering: TypeAlias = NumericBins | CategoryBins


def gathering(bins: Bins, reference: ColumnCounts, *, window_rows: float) -> Gathering:
    """Choose the bins of a column from the whole reference.

    Args:
        bins: the column's cells.
        reference: the counts of the whole reference.
        window_rows: rows that a window is expected to have; decides which levels are rare.
    """
    if isinstance(bins, CategoryLevels):
        least_share = LEAST_EXPECTED / max(window_rows, 1.0)
        rows = max(reference.rows, 1)
        shares = [reference.cells.get(code, 0) / rows for code in range(len(bins.levels))]
        return CategoryBins(frequent=sum(share >= least_share for share in shares))
    return NumericBins(grid=bins, cuts=_equal_frequency_cuts(bins, reference))


def _equal_frequency_cuts(grid: NumericGrid, reference: ColumnCounts) -> tuple[float, ...]:
    codes = ordered_codes(grid, [reference])
    if not codes:
        return (grid.centre,)
    positions = np.array([grid.position(code) for code in codes])
    rows = np.array([reference.cells[code] for code in codes], dtype=np.float64)
    below = np.cumsum(rows) / rows.sum()
    in_lower_tail = int((below <= TAIL).sum())
    # With a heavy lowest cell no cell is in the tail; the cut then lies below it and catches what is smaller still.
    lower = positions[in_lower_tail - 1] if in_lower_tail else np.nextafter(positions[0], -np.inf)
    upper = positions[int(np.argmax(1.0 - below <= TAIL))]
    wanted = np.arange(1, BINS) / BINS
    inner = positions[np.abs(below[:, None] - wanted).argmin(axis=0)]
    kept = inner[(inner > lower) & (inner < upper)]
    return tuple(float(cut) for cut in np.unique([lower, *kept, upper]))


def ordered_codes(grid: NumericGrid, tables: Sequence[ColumnCounts]) -> list[int]:
    """Return the codes of finite values that occur in any of the tables, in ascending order of their positions."""
    places = [(grid.position(code), code) for code in {code for counts in tables for code in counts.cells}]
    # An atom sits inside a plain cell; where both positions are equal the plain cell comes first, only to be definite.
    return [code for place, code in sorted(found for found in places if math.isfinite(found[0]))]


def vector(codes: Sequence[int], counts: ColumnCounts) -> Floats:
    """Return the counts of `codes` as an array, ``(len(codes),)``."""
    return np.array([counts.cells.get(code, 0) for code in codes], dtype=np.float64)


def positions_of(grid: NumericGrid, codes: Sequence[int]) -> Floats:
    """Return the values that stand for `codes`, ``(len(codes),)``, in the column's unit."""
    return np.array([grid.position(code) for code in codes], dtype=np.float64)


@dataclass(frozen=True, slots=True, kw_only=True)
class Moments:
    """Mean and standard deviation of the finite values, from counts; NaN where there is none."""

    mean: float
    sd: float


def moments(grid: NumericGrid, counts: ColumnCounts) -> Moments:
    """Return mean and standard deviation as the cells tell them.

    They come from counts, so that they merge exactly and do not depend on the order of rows; the error is far below a
    cell's width (1/32 of the grid's scale in the bulk).
    """
    codes = ordered_codes(grid, [counts])
    rows = vector(codes, counts)
    total = rows.sum()
    if total == 0:
        return Moments(mean=math.nan, sd=math.nan)
    positions = positions_of(grid, codes)
    with np.errstate(over="ignore", invalid="ignore"):  # near the largest double there is no finite answer
        mean = float((rows * positions).sum() / total)
        return Moments(mean=mean, sd=float(np.sqrt((rows * (positions - mean) ** 2).sum() / total)))


def plain_cells(grid: NumericGrid, a: ColumnCounts, b: ColumnCounts) -> tuple[Floats, Floats, NDArray[np.bool_]]:
    """Return both tables on the plain cells, atoms put back, ascending; and where nothing is hidden inside a cell.

    This is the form for Kolmogorov-Smirnov, whose bins must not overlap.

    Returns:
        Counts of `a`, counts of `b`, and whether the cell holds one single atom; each ``(n_cells,)``.
    """
    codes = ordered_codes(grid, [a, b])
    hosts = sorted({grid.host(code) for code in codes})
    place = {host: index for index, host in enumerate(hosts)}
    gathered = np.zeros((2, len(hosts)))
    inhabitants: list[set[int]] = [set() for _ in hosts]
    for code in codes:
        index = place[grid.host(code)]
        gathered[:, index] += a.cells.get(code, 0), b.cells.get(code, 0)
        inhabitants[index].add(code)
    resolved = np.array([len(found) == 1 and min(found) >= ATOM for found in inhabitants], dtype=np.bool_)
    return gathered[0], gathered[1], resolved
