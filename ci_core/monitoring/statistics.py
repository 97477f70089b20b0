"""Distances between two tables, from counts (pure: counts in, numbers out).

Counts are arrays of shape ``(..., n_bins)``, non-negative, both tables on the same bins; leading axes broadcast, so
that all blocks of a reference are compared in one call. An empty table (all counts 0) gives NaN. Only ``numpy`` and
``scipy.special`` are used: importing ``scipy.stats`` costs more than a whole verdict.

None of these decides alone; see ``verdict.py``.
"""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, NamedTuple, TypeAlias

import numpy as np
from scipy import special

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray

    Floats: TypeAlias = NDArray[np.float64]


def shares(counts: ArrayLike) -> Floats:
    """Return counts divided by their sum along the last axis; NaN where the sum is 0."""
    values = np.asarray(counts, dtype=np.float64)
    total = values.sum(axis=-1, keepdims=True)
    divided: Floats = np.divide(values, total, out=np.full_like(values, np.nan), where=total > 0)
    return divided


def jensen_shannon_divergence(a: ArrayLike, b: ArrayLike) -> Floats:
    """Return the Jensen-Shannon divergence in bits, 0 (equal) to 1 (nothing in common).

    Mean of the Kullback-Leibler divergences of both tables to their midpoint. Symmetric.
    Source: J. Lin, "Divergence measures based on the Shannon entropy", IEEE Trans. Inf. Theory 37 (1991), eq. 3.5
    with equal weights.

    >>> float(jensen_shannon_divergence([1, 0], [0, 1]))
    1.0
    """
    p, q = shares(a), shares(b)
    middle = (p + q) / 2
    bits = (special.rel_entr(p, middle) + special.rel_entr(q, middle)).sum(axis=-1) / (2 * np.log(2))
    clipped: Floats = np.clip(bits, 0.0, 1.0)  # rounding can leave it at -1e-17
    return clipped


def jensen_shannon_distance(a: ArrayLike, b: ArrayLike) -> Floats:
    """Return the square root of the Jensen-Shannon divergence, 0 to 1.

    The root is a metric and grows linearly with small shifts: a normal column moved by `d` standard deviations gives
    about ``0.42 * d``. Source: D. M. Endres and J. E. Schindelin, "A new metric for probability distributions", IEEE
    Trans. Inf. Theory 49 (2003).
    """
    root: Floats = np.sqrt(jensen_shannon_divergence(a, b))
    return root


def wasserstein(positions: ArrayLike, a: ArrayLike, b: ArrayLike) -> Floats:
    """Return the Wasserstein-1 distance: how far the mass must be carried, on average, in the column's unit.

    The area between both distribution functions. Unbounded, so it still grows where Jensen-Shannon has reached 1.
    Source: S. S. Vallender, "Calculation of the Wasserstein distance between probability distributions on the line",
    Theory Probab. Appl. 18 (1974).

    Args:
        positions: ``(n_bins,)``, ascending, finite: where the mass of each bin sits.
        a: counts, ``(..., n_bins)``.
        b: counts, ``(..., n_bins)``.

    >>> float(wasserstein([0.0, 10.0], [1, 0], [1, 1]))
    5.0
    """
    gaps = np.diff(np.asarray(positions, dtype=np.float64))
    difference = np.cumsum(shares(a) - shares(b), axis=-1)[..., :-1]
    area: Floats = (np.abs(difference) * gaps).sum(axis=-1)
    # Without gaps the sum above is 0 even for an empty table, of which nothing can be said.
    or_nan: Floats = area + 0.0 * (shares(a) + shares(b)).sum(axis=-1)
    return or_nan


class KolmogorovSmirnov(NamedTuple):
    """The largest gap between two distribution functions, and what is certain about it."""

    statistic: float
    """The gap seen at the bins' edges; never more than the true one."""
    statistic_max: float
    """The true gap is at most this: `statistic` plus the largest mass that is unresolved inside one bin."""
    p_value: float
    """Asymptotic, of `statistic` at the given row counts; conservative."""


def kolmogorov_smirnov(a: ArrayLike, b: ArrayLike, *, resolved: ArrayLike | None = None) -> KolmogorovSmirnov:
    """Return the two-sample Kolmogorov-Smirnov statistic of binned data as a certified interval.

    Source: N. V. Smirnov, "Table for estimating the goodness of fit of empirical distributions", Ann. Math. Stat. 19
    (1948); p-value by the Kolmogorov distribution with ``n m / (n + m)`` as the effective number of rows.

    Args:
        a: counts, ``(n_bins,)``, bins in ascending order of values.
        b: counts, ``(n_bins,)``.
        resolved: ``(n_bins,)`` of bool: bins that hold one single value, where nothing is hidden. None: no bin does.
    """
    p, q = shares(a), shares(b)
    gap = float(np.abs(np.cumsum(p - q)).max())
    hidden = np.maximum(p, q) if resolved is None else np.where(resolved, 0.0, np.maximum(p, q))
    rows_a, rows_b = float(np.sum(a)), float(np.sum(b))
    effective = rows_a * rows_b / (rows_a + rows_b)
    return KolmogorovSmirnov(
        statistic=gap,
        statistic_max=min(1.0, gap + float(hidden.max())),
        p_value=float(special.kolmogorov(np.sqrt(effective) * gap)),
    )


def population_stability_index(a: ArrayLike, b: ArrayLike, *, least_share: float = 1e-4) -> Floats:
    """Return the PSI: the sum of ``(q - p) ln(q / p)``, 0 or more.

    Depends on the bins by definition: a threshold such as 0.25 means nothing without them. Ours are 20 bins of equal
    reference frequency, two tails and the missing. Symmetric.
    Source: N. Siddiqi, "Credit Risk Scorecards" (2006), ch. 8; it is Jeffreys' divergence.

    Args:
        a: counts, ``(..., n_bins)``.
        b: counts, ``(..., n_bins)``.
        least_share: an empty bin counts as this share, so that the logarithm exists.
    """
    p, q = np.maximum(shares(a), least_share), np.maximum(shares(b), least_share)
    index: Floats = ((q - p) * np.log(q / p)).sum(axis=-1)
    return index


def hellinger(a: ArrayLike, b: ArrayLike) -> Floats:
    """Return the Hellinger distance, 0 to 1: ``sqrt(1 - sum sqrt(p q))``. Symmetric.

    Source: A. W. van der Vaart, "Asymptotic Statistics" (1998), §14.5.
    """
    affinity = np.sqrt(shares(a) * shares(b)).sum(axis=-1)
    distance: Floats = np.sqrt(np.clip(1.0 - affinity, 0.0, 1.0))
    return distance


def total_variation(a: ArrayLike, b: ArrayLike) -> Floats:
    """Return the total variation distance, 0 to 1: the largest difference in the probability of any event. Symmetric.

    Source: D. A. Levin, Y. Peres, "Markov Chains and Mixing Times" (2017), proposition 4.2.
    """
    half: Floats = np.abs(shares(a) - shares(b)).sum(axis=-1) / 2
    return half


def kullback_leibler(a: ArrayLike, b: ArrayLike, *, least_share: float = 1e-4) -> Floats:
    """Return the Kullback-Leibler divergence of `b` from `a` in nats, 0 or more. Not symmetric.

    Source: S. Kullback, R. A. Leibler, "On information and sufficiency", Ann. Math. Stat. 22 (1951). An empty bin of
    either table counts as `least_share` and the shares are made to sum to 1 again; else one new value gives infinity.
    """
    p, q = shares(np.maximum(shares(a), least_share)), shares(np.maximum(shares(b), least_share))
    divergence: Floats = special.rel_entr(q, p).sum(axis=-1)
    return np.maximum(divergence, 0.0)


class ChiSquare(NamedTuple):
    """Pearson's test that two tables of counts come from one distribution."""

    statistic: float
    degrees_of_freedom: int
    p_value: float


def chi_square(a: ArrayLike, b: ArrayLike) -> ChiSquare:
    """Return Pearson's chi-square test of homogeneity; bins that are empty in both tables are left out.

    Source: K. Pearson, Phil. Mag. 50 (1900); as ``scipy.stats.chi2_contingency(..., correction=False)``.
    """
    table = np.stack([np.asarray(a, dtype=np.float64), np.asarray(b, dtype=np.float64)])
    table = table[:, table.sum(axis=0) > 0]
    expected = table.sum(axis=1, keepdims=True) * table.sum(axis=0) / table.sum()
    statistic = float(((table - expected) ** 2 / expected).sum())
    degrees = table.shape[1] - 1
    return ChiSquare(statistic, degrees, float(special.chdtrc(degrees, statistic)) if degrees else 1.0)


@cache
def _distances_of_shifted_normals() -> tuple[Floats, Floats]:
    """Return shifts in standard deviations and the Jensen-Shannon distances that they cause, both ascending."""
    shifts = np.concatenate([np.linspace(0.0, 1.0, 41), np.linspace(1.1, 8.0, 70)])
    edges = np.linspace(-8.0, 16.0, 1201)
    resting = np.diff(special.ndtr(edges))
    moved = np.diff(special.ndtr(edges - shifts[:, None]), axis=-1)
    return shifts, jensen_shannon_distance(resting, moved)


def equivalent_shift(distance: float) -> float:
    """Return by how many standard deviations a normal column must move to give this Jensen-Shannon distance.

    Makes a bound readable: "a shift below 0.3 sd would not have been seen". Infinite from the distance of 8 standard
    deviations on, where nothing overlaps.
    """
    shifts, distances = _distances_of_shifted_normals()
    if not distance < distances[-1]:
        return float("inf")
    return float(np.interp(distance, distances, shifts))
