"""How far a column moves when nothing is wrong: bounds from the reference's own blocks (pure).

A p-value asks whether two tables are the same; with enough rows they never are. The question is rather whether the
window lies outside of what the reference's own days do to each other. So each block of the reference is compared with
the others (leave one out), and the bound is a prediction bound of these distances: it carries sampling noise,
autocorrelation and ordinary wobble at any number of rows. It is never below what sampling alone does at the window's
number of rows (``noise.py``).

First version: no strata for seasons (a weekly rhythm widens the bounds instead) and one scale besides the single
window, the pair of neighbours.
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, TypeAlias

import numpy as np
from scipy import special

from ci_core.monitoring.binning import gathering, moments, ordered_codes, positions_of, vector
from ci_core.monitoring.noise import sampling_noise
from ci_core.monitoring.profile import MISSING, OTHER, NumericGrid
from ci_core.monitoring.reference import LEAST_WINDOW_ROWS
from ci_core.monitoring.statistics import jensen_shannon_distance, wasserstein

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from numpy.typing import NDArray

    from ci_core.monitoring.binning import Gathering
    from ci_core.monitoring.noise import Noise
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

    def at_least(self, window: float, pair: float) -> Bound:
        """Return the bound raised to these values where it is below them."""
        return Bound(window=max(self.window, window), pair=max(self.pair, pair))


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
    noise: Noise

    def for_window(self, rows: int) -> ColumnNull:
        """Return the null with no bound below the sampling noise of a window of `rows`."""
        window, pair = self.noise.scale(rows), self.noise.scale(2 * rows)
        shift = None if self.shift is None else self.shift.at_least(self.noise.shift * window, self.noise.shift * pair)
        missing = self.reference.missing / max(self.reference.rows, 1)
        return replace(
            self,
            distance=self.distance.at_least(self.noise.distance * window, self.noise.distance * pair),
            shift=shift,
            missing=max(self.missing, missing + self.noise.missing * window),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Null:
    """The whole reference, ready to judge windows."""

    columns: dict[str, ColumnNull]
    blocks: int
    """Number of blocks that the bounds rest on; 0 when they are iid bounds."""

    def for_window(self, rows: int) -> Null:
        """Return the null with no bound below the sampling noise of a window of `rows`."""
        return replace(self, columns={name: column.for_window(rows) for name, column in self.columns.items()})

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


def reference_null(reference: ReferenceProfile) -> Null:
    """Prepare a reference for judging windows; :meth:`Null.for_window` then fits it to each window's rows.

    Args:
        reference: the reference's counts.

    Returns:
        Block bounds when the reference has at least :data:`LEAST_BLOCKS` whole blocks. Else bounds of 0, which
        ``for_window`` raises to the noise of independent rows.
    """
    blocks = reference.whole_blocks if len(reference.whole_blocks) >= LEAST_BLOCKS else ()
    usual_rows = float(np.median([block.profile.rows for block in blocks])) if blocks else float(LEAST_WINDOW_ROWS)
    columns = {}
    for name, bins in reference.layout.columns.items():
        pooled = reference.pooled.columns[name]
        chosen = gathering(bins, pooled, window_rows=usual_rows)
        sd = moments(bins, pooled).sd if isinstance(bins, NumericGrid) else None
        sd = sd if sd and np.isfinite(sd) else None
        alpha = ALPHA / len(reference.layout.columns) / (1 if sd is None else 2)
        nothing = Bound(window=0.0, pair=0.0)
        column = ColumnNull(
            bins=bins,
            gathering=chosen,
            reference=pooled,
            sd=sd,
            distance=nothing,
            shift=None if sd is None else nothing,
            missing=0.0,
            unseen=0.0,
            noise=sampling_noise(bins, chosen, pooled, sd=sd, alpha=alpha),
        )
        columns[name] = _bounded_by_blocks(column, name, blocks, alpha) if blocks else column
    return Null(columns=columns, blocks=len(blocks))


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


def _bounded_by_blocks(column: ColumnNull, name: str, blocks: Sequence[Block], alpha: float) -> ColumnNull:
    tables = [block.profile.columns[name] for block in blocks]
    pairs = _neighbours(blocks)
    pooled, gather = column.reference, column.gathering.gather
    shift = None
    if column.sd is not None and isinstance(column.bins, NumericGrid):
        codes = ordered_codes(column.bins, [pooled])
        fine = np.stack([vector(codes, table) for table in tables])
        places = positions_of(column.bins, codes) / column.sd
        whole = vector(codes, pooled)
        shift = _bound(lambda rest, part: wasserstein(places, rest, part), whole, fine, pairs, alpha)
    coarse = np.stack([gather(table) for table in tables])
    return replace(
        column,
        distance=_bound(jensen_shannon_distance, gather(pooled), coarse, pairs, alpha),
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
