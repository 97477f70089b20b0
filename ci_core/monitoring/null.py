"""How far a column moves when nothing is wrong: bounds from the reference's own blocks (pure).

A p-value asks whether two tables are the same; with enough rows they never are. The question is rather whether the
window lies outside of what the reference's own days do to each other. So each block of the reference is compared with
the others (leave one out), and the bound is a prediction bound of these distances: it carries sampling noise,
autocorrelation and ordinary wobble at any number of rows.

First version: no strata for seasons (a weekly rhythm widens the bounds instead) and one scale besides the single
window, the pair of neighbours.
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias

import numpy as np
from scipy import special

from ci_core.monitoring.binning import gathering, moments, ordered_codes, positions_of, vector
from ci_core.monitoring.profile import MISSING, OTHER, NumericGrid
from ci_core.monitoring.statistics import jensen_shannon_distance, wasserstein

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from numpy.typing import NDArray

    from ci_core.monitoring.binning import Gathering
    from ci_core.monitoring.profile import Bins, ColumnCounts
    from ci_core.monitoring.reference import Block, ReferenceProfile

    Floats: TypeAlias = NDArray[np.float64]
    Distance: TypeAlias = Callable[[Floats, Floats], Floats]

ALPHA = 0.01
"""Chance of a false alarm per window, shared out over the columns and their tests."""
LEAST_BLOCKS = 14
"""With fewer blocks their spread is too uncertain, and the iid bound is used instead (uncalibrated)."""
DISTANCE_FLOOR, SHIFT_FLOOR = 0.02, 0.05
"""Smallest effects that count: a Jensen-Shannon distance of 0.02 is a normal column moved by 0.05 sd."""
IID_DISTANCE_FLOOR, IID_SHIFT_FLOOR = 0.1, 0.25
"""The floors without blocks, where wobble is unknown: a distance of 0.1 is a move of about 0.25 sd."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Bound:
    """What one window, and two neighbouring windows pooled, may at most show."""

    window: float
    pair: float


@dataclass(frozen=True, slots=True, kw_only=True)
class ColumnNull:
    """One column of the reference, ready to judge windows."""

    bins: Bins
    gathering: Gathering
    reference: ColumnCounts
    sd: float | None
    """Standard deviation of the reference; None for categories, and where it is 0 and shifts have no unit."""
    distance: Bound
    shift: Bound | None
    """None where `sd` is."""
    missing: float
    """Largest share of missing values that the blocks lead us to expect."""
    unseen: float
    """Largest share of rows with levels that the rest of the reference does not have, likewise."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Null:
    """The whole reference, ready to judge windows."""

    columns: dict[str, ColumnNull]
    blocks: int
    """Number of blocks that the bounds rest on; 0 when they are iid bounds."""

    @property
    def is_calibrated(self) -> bool:
        """Whether the bounds come from blocks of the reference's own time."""
        return self.blocks > 0

    @property
    def distance_floor(self) -> float:
        """Smallest Jensen-Shannon distance that counts."""
        return DISTANCE_FLOOR if self.is_calibrated else IID_DISTANCE_FLOOR

    @property
    def shift_floor(self) -> float:
        """Smallest shift that counts, in standard deviations of the reference."""
        return SHIFT_FLOOR if self.is_calibrated else IID_SHIFT_FLOOR


def reference_null(reference: ReferenceProfile, *, window_rows: int) -> Null:
    """Prepare a reference for judging windows.

    Args:
        reference: the reference's counts.
        window_rows: rows of the window to judge. Only the iid bounds depend on it, and, without blocks, which levels
            are rare.

    Returns:
        Block bounds when the reference has at least :data:`LEAST_BLOCKS` whole blocks, iid bounds else.
    """
    blocks = reference.whole_blocks
    calibrated = len(blocks) >= LEAST_BLOCKS
    usual_rows = float(np.median([block.profile.rows for block in blocks])) if calibrated else float(window_rows)
    columns = {}
    for name, bins in reference.layout.columns.items():
        pooled = reference.pooled.columns[name]
        chosen = gathering(bins, pooled, window_rows=usual_rows)
        sd = moments(bins, pooled).sd if isinstance(bins, NumericGrid) else None
        sd = sd if sd and np.isfinite(sd) else None
        alpha = ALPHA / len(reference.layout.columns) / (1 if sd is None else 2)
        if calibrated:
            columns[name] = _from_blocks(name, bins, chosen, pooled, sd=sd, alpha=alpha, blocks=blocks)
        else:
            columns[name] = _from_independence(bins, chosen, pooled, sd=sd, alpha=alpha, rows=window_rows)
    return Null(columns=columns, blocks=len(blocks) if calibrated else 0)


def prediction_bound(values: Floats, *, alpha: float, independent: int | None = None) -> float:
    """Return what the next value exceeds with chance `alpha`, given the earlier `values`.

    ``(mean + t * sd * sqrt(1 + 1/n)) ** 2`` of the square roots, ``t`` the upper `alpha` point of Student's t with
    ``n - 1`` degrees of freedom: the prediction interval of G. J. Hahn, "Factors for calculating two-sided prediction
    intervals", JASA 64 (1969), one-sided. The root makes the right-skewed distances nearly symmetric.

    Args:
        values: ``(n,)``, non-negative.
        alpha: between 0 and 0.5.
        independent: how many of the values are independent, when they overlap; n by default.
    """
    roots = np.sqrt(values)
    effective = len(values) if independent is None else independent
    factor = -float(special.stdtrit(effective - 1, alpha)) * np.sqrt(1 + 1 / effective)
    return float((roots.mean() + factor * roots.std(ddof=1)) ** 2)


def _from_blocks(
    name: str,
    bins: Bins,
    chosen: Gathering,
    pooled: ColumnCounts,
    *,
    sd: float | None,
    alpha: float,
    blocks: Sequence[Block],
) -> ColumnNull:
    tables = [block.profile.columns[name] for block in blocks]
    pairs = _neighbours(blocks)
    coarse = np.stack([chosen.gather(table) for table in tables])
    shift = None
    if sd is not None and isinstance(bins, NumericGrid):
        codes = ordered_codes(bins, [pooled])
        fine = np.stack([vector(codes, table) for table in tables])
        places = positions_of(bins, codes) / sd
        whole = vector(codes, pooled)
        shift = _bound(lambda rest, part: wasserstein(places, rest, part), whole, fine, pairs, alpha)
    return ColumnNull(
        bins=bins,
        gathering=chosen,
        reference=pooled,
        sd=sd,
        distance=_bound(jensen_shannon_distance, chosen.gather(pooled), coarse, pairs, alpha),
        shift=shift,
        missing=_share_bound(np.array([_share(table, MISSING) for table in tables]), alpha),
        unseen=_share_bound(_shares_unseen_elsewhere(pooled, tables), alpha),
    )


def _bound(distance: Distance, whole: Floats, parts: Floats, pairs: Sequence[tuple[int, int]], alpha: float) -> Bound:
    """Return the bounds of leave-one-out distances for single blocks and for pooled neighbours."""
    alone = distance(whole - parts, parts)
    window = prediction_bound(alone[np.isfinite(alone)], alpha=alpha) if np.isfinite(alone).sum() > 1 else np.inf
    independent = len(pairs) // 2
    if independent < LEAST_BLOCKS // 2:  # too few neighbours (a reference in pieces): the single bound, which is wider
        return Bound(window=float(window), pair=float(window))
    pooled = np.stack([parts[first] + parts[second] for first, second in pairs])
    together = distance(whole - pooled, pooled)
    together = together[np.isfinite(together)]
    pair = prediction_bound(together, alpha=alpha, independent=independent) if len(together) > 1 else np.inf
    return Bound(window=float(window), pair=float(pair))


def _neighbours(blocks: Sequence[Block]) -> list[tuple[int, int]]:
    """Return the index pairs of blocks that follow each other without a gap."""
    steps = [later.start - earlier.start for earlier, later in itertools.pairwise(blocks)]
    shortest = min(steps)
    return [(index, index + 1) for index, step in enumerate(steps) if step == shortest]


def _share(counts: ColumnCounts, code: int) -> float:
    return counts.cells.get(code, 0) / counts.rows if counts.rows else 0.0


def _share_bound(values: Floats, alpha: float) -> float:
    """Return the largest share to expect: the prediction bound, or what has been seen, whichever is more."""
    return max(prediction_bound(values, alpha=alpha), float(values.max()))


def _shares_unseen_elsewhere(pooled: ColumnCounts, tables: Sequence[ColumnCounts]) -> Floats:
    """Return for each block the share of its rows whose level no other block has, ``(n_blocks,)``."""
    return np.array(
        [
            sum(
                rows
                for code, rows in table.cells.items()
                if rows == pooled.cells[code] and code not in {OTHER, MISSING}
            )
            / max(table.rows, 1)
            for table in tables
        ]
    )


def _from_independence(
    bins: Bins, chosen: Gathering, pooled: ColumnCounts, *, sd: float | None, alpha: float, rows: int
) -> ColumnNull:
    """Return the bounds as if all rows were independent draws; a pair of windows has twice the rows."""
    missing = _share(pooled, MISSING)
    noise = float(special.ndtri(1 - alpha)) * np.sqrt(missing * (1 - missing) * _noise(pooled.rows, rows))
    occupied = int((chosen.gather(pooled) > 0).sum())
    return ColumnNull(
        bins=bins,
        gathering=chosen,
        reference=pooled,
        sd=sd,
        distance=Bound(
            window=_iid_distance(occupied, alpha, _noise(pooled.rows, rows)),
            pair=_iid_distance(occupied, alpha, _noise(pooled.rows, 2 * rows)),
        ),
        shift=None
        if sd is None or not isinstance(bins, NumericGrid)
        else Bound(
            window=_iid_shift(bins, pooled, alpha, _noise(pooled.rows, rows)) / sd,
            pair=_iid_shift(bins, pooled, alpha, _noise(pooled.rows, 2 * rows)) / sd,
        ),
        missing=missing + float(noise),
        unseen=0.0,
    )


def _noise(reference_rows: int, rows: int) -> float:
    return 1 / max(reference_rows, 1) + 1 / max(rows, 1)


def _iid_distance(occupied: int, alpha: float, noise: float) -> float:
    """Bound the Jensen-Shannon distance of two samples of one distribution.

    For close tables the PSI is ``noise * chi-square`` with one degree of freedom less than bins, and the
    Jensen-Shannon divergence is an eighth of it (both are second-order expansions of the same sum), in bits here.
    """
    quantile = float(special.chdtri(max(occupied - 1, 1), alpha))
    return float(min(1.0, np.sqrt(noise * quantile / (8 * np.log(2)))))


def _iid_shift(grid: NumericGrid, pooled: ColumnCounts, alpha: float, noise: float) -> float:
    """Bound the Wasserstein-1 distance of two samples of one distribution, in the column's unit.

    The difference of both distribution functions is close to a Gaussian process of variance ``F (1 - F) noise``. Its
    L1 norm has the mean ``sqrt(2 / pi) S`` and exceeds it by ``S sqrt(2 ln(1 / alpha))`` with chance at most `alpha`,
    where ``S`` is the integral of the standard deviation (the Borell-TIS inequality: R. J. Adler, J. E. Taylor,
    "Random Fields and Geometry" (2007), theorem 2.1.1). Certain, and on the wide side.
    """
    codes = ordered_codes(grid, [pooled])
    rows = vector(codes, pooled)
    below = np.cumsum(rows)[:-1] / rows.sum()
    spread = float((np.sqrt(below * (1 - below)) * np.diff(positions_of(grid, codes))).sum() * np.sqrt(noise))
    return spread * float(np.sqrt(2 / np.pi) + np.sqrt(2 * np.log(1 / alpha)))
