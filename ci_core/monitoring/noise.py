"""How far two samples of one distribution are apart, from their numbers of rows alone (pure).

The part of a distance that is there even when no day differs from another. It is known, not estimated, so it keeps a
bound honest that some two dozen blocks, by luck alike, made too tight; and it is all there is without blocks.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from scipy import special

from ci_core.monitoring.binning import ordered_codes, positions_of, vector
from ci_core.monitoring.profile import NumericGrid

if TYPE_CHECKING:
    from ci_core.monitoring.binning import Gathering
    from ci_core.monitoring.profile import Bins, ColumnCounts


@dataclass(frozen=True, slots=True, kw_only=True)
class Noise:
    """Bounds of pure sampling noise; all grow with ``sqrt(1/n + 1/m)`` of the two numbers of rows."""

    reference_rows: int
    distance: float
    """Jensen-Shannon distance at ``1/n + 1/m = 1``."""
    shift: float
    """Wasserstein-1 distance in standard deviations of the reference, likewise; 0 where there is none."""
    missing: float
    """Difference of the shares of missing values, likewise."""

    def scale(self, rows: int) -> float:
        """Return what the bounds are multiplied with for a window of `rows`."""
        return float(np.sqrt(1 / max(self.reference_rows, 1) + 1 / max(rows, 1)))


def sampling_noise(
    bins: Bins, gathering: Gathering, reference: ColumnCounts, *, sd: float | None, alpha: float
) -> Noise:
    """Return the noise of one column.

    Args:
        bins: the column's cells.
        gathering: the bins that distances are computed on.
        reference: the whole reference.
        sd: its standard deviation; None for categories.
        alpha: chance of exceeding a bound, for each of them.
    """
    missing = reference.missing / max(reference.rows, 1)
    return Noise(
        reference_rows=reference.rows,
        distance=_distance(int((gathering.gather(reference) > 0).sum()), alpha),
        shift=_shift(bins, reference, alpha, sd) if sd is not None and isinstance(bins, NumericGrid) else 0.0,
        missing=float(special.ndtri(1 - alpha) * np.sqrt(missing * (1 - missing))),
    )


def _distance(occupied: int, alpha: float) -> float:
    """Bound the Jensen-Shannon distance.

    For close tables the PSI is ``(1/n + 1/m)`` times chi-square with one degree of freedom less than bins, and the
    Jensen-Shannon divergence is an eighth of it (both are second-order expansions of one sum), here in bits.
    """
    if occupied < 2:  # noqa: PLR2004 - one bin only: there is nothing that could differ
        return 0.0
    return float(np.sqrt(special.chdtri(occupied - 1, alpha) / (8 * np.log(2))))


def _shift(grid: NumericGrid, reference: ColumnCounts, alpha: float, sd: float) -> float:
    """Bound the Wasserstein-1 distance, in standard deviations.

    The difference of both distribution functions tends to a Brownian bridge ``B(F(x))``. The L1 norm of it has the
    mean ``sqrt(2/pi)`` times the integral of ``sqrt(F (1 - F))``. It exceeds its median, which lies below the mean, by
    ``z s`` with chance at most `alpha` (`z` the normal quantile), where ``s`` is the largest standard deviation of
    ``integral of h B`` over all ``|h| <= 1``: Gaussian isoperimetry, M. Ledoux, "The Concentration of Measure
    Phenomenon" (2001), eq. 2.35. The bridge's covariances are positive, so ``h = 1`` is the worst, and ``s`` is the
    column's standard deviation. Certain for many rows, and about a fifth too wide.
    """
    codes = ordered_codes(grid, [reference])
    rows = vector(codes, reference)
    below = np.cumsum(rows)[:-1] / rows.sum()
    mean = np.sqrt(2 / np.pi) * (np.sqrt(below * (1 - below)) * np.diff(positions_of(grid, codes))).sum() / sd
    return float(mean + special.ndtri(1 - alpha))
