"""Distances from counts, against SciPy and against figures worked out by hand."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats
from scipy.spatial import distance

from ci_core.monitoring import statistics as our

COUNTS = st.lists(st.integers(min_value=0, max_value=1000), min_size=2, max_size=12).filter(any)
PAIRS = st.integers(min_value=2, max_value=12).flatmap(
    lambda size: st.tuples(
        st.lists(st.integers(0, 1000), min_size=size, max_size=size).filter(any),
        st.lists(st.integers(0, 1000), min_size=size, max_size=size).filter(any),
    )
)
SYMMETRIC = [
    our.jensen_shannon_divergence,
    our.jensen_shannon_distance,
    our.hellinger,
    our.total_variation,
    our.population_stability_index,
]
A, B = [10, 20, 30, 40], [25, 25, 25, 25]


@pytest.mark.parametrize("statistic", [*SYMMETRIC, our.kullback_leibler])
@given(counts=COUNTS, factor=st.integers(1, 1000))
def test_equal_shares_are_at_distance_zero_whatever_the_number_of_rows(statistic, counts, factor) -> None:  # type: ignore[no-untyped-def]
    scaled = [number * factor for number in counts]

    assert float(statistic(counts, scaled)) == pytest.approx(0.0, abs=1e-7)


@pytest.mark.parametrize("statistic", SYMMETRIC)
@given(pair=PAIRS)
def test_symmetric_statistics_do_not_care_which_table_is_the_reference(statistic, pair) -> None:  # type: ignore[no-untyped-def]
    a, b = pair

    assert float(statistic(a, b)) == pytest.approx(float(statistic(b, a)), abs=1e-9)


def test_kullback_leibler_is_not_symmetric() -> None:
    assert float(our.kullback_leibler([9, 1], [5, 5])) != pytest.approx(float(our.kullback_leibler([5, 5], [9, 1])))


@given(pair=PAIRS)
def test_bounded_statistics_stay_within_zero_and_one(pair) -> None:  # type: ignore[no-untyped-def]
    for statistic in (our.jensen_shannon_distance, our.hellinger, our.total_variation):
        assert 0.0 <= float(statistic(*pair)) <= 1.0


@given(pair=PAIRS)
def test_jensen_shannon_is_scipys(pair) -> None:  # type: ignore[no-untyped-def]
    expected = distance.jensenshannon(*pair, base=2)

    # SciPy's root of a rounding error below zero is NaN.
    assert float(our.jensen_shannon_distance(*pair)) == pytest.approx(np.nan_to_num(expected), abs=1e-7)


@given(pair=PAIRS)
def test_wasserstein_is_scipys(pair) -> None:  # type: ignore[no-untyped-def]
    positions = np.cumsum(np.arange(1, len(pair[0]) + 1))

    expected = stats.wasserstein_distance(positions, positions, *pair)

    assert float(our.wasserstein(positions, *pair)) == pytest.approx(expected, abs=1e-9)


def test_chi_square_is_scipys_without_the_continuity_correction() -> None:
    expected = stats.chi2_contingency([A, B], correction=False)

    found = our.chi_square(A, B)

    assert found == pytest.approx((expected.statistic, expected.dof, expected.pvalue))


def test_chi_square_leaves_out_bins_that_are_empty_in_both() -> None:
    assert our.chi_square([10, 0, 20], [20, 0, 10]) == our.chi_square([10, 20], [20, 10])


def test_kullback_leibler_is_scipys_entropy() -> None:
    assert float(our.kullback_leibler(A, B)) == pytest.approx(stats.entropy(B, A))


def test_psi_total_variation_and_hellinger_are_as_worked_out_by_hand() -> None:
    # Shares .1 .2 .3 .4 against .25 each.
    psi = 0.15 * math.log(2.5) + 0.05 * math.log(1.25) + -0.05 * math.log(25 / 30) + -0.15 * math.log(25 / 40)
    affinity = sum(math.sqrt(share * 0.25) for share in (0.1, 0.2, 0.3, 0.4))

    assert float(our.population_stability_index(A, B)) == pytest.approx(psi)
    assert float(our.total_variation(A, B)) == pytest.approx(0.2)
    assert float(our.hellinger(A, B)) == pytest.approx(math.sqrt(1 - affinity))


@given(st.integers(0, 2**32 - 1))
def test_the_exact_kolmogorov_smirnov_statistic_lies_in_the_certified_interval(seed: int) -> None:
    random = np.random.default_rng(seed)
    x, y = random.normal(size=300), random.normal(0.2, 1.3, size=200)
    edges = np.linspace(-3, 3, 9)
    exact = stats.ks_2samp(x, y).statistic

    found = our.kolmogorov_smirnov(
        np.bincount(np.searchsorted(edges, x), minlength=10), np.bincount(np.searchsorted(edges, y), minlength=10)
    )

    assert found.statistic <= exact + 1e-12
    assert exact <= found.statistic_max + 1e-12


def test_kolmogorov_smirnov_is_certain_where_every_bin_holds_one_value() -> None:
    found = our.kolmogorov_smirnov([50, 30, 20], [20, 30, 50], resolved=[True, True, True])

    assert found.statistic == found.statistic_max == pytest.approx(0.3)
    assert found.p_value == pytest.approx(stats.kstwobign.sf(math.sqrt(50) * 0.3))


def test_an_empty_table_gives_nan_and_no_warning() -> None:
    for statistic in (our.jensen_shannon_distance, our.hellinger, our.total_variation):
        assert math.isnan(float(statistic([0, 0], [1, 2])))
    assert math.isnan(float(our.wasserstein([0.0], [0], [3])))


def test_all_blocks_are_compared_in_one_call() -> None:
    found = our.jensen_shannon_distance([1, 1], [[1, 1], [1, 0]])

    assert found == pytest.approx([0.0, float(our.jensen_shannon_distance([1, 1], [1, 0]))])


def test_the_equivalent_shift_gives_back_the_shift_that_caused_a_distance() -> None:
    edges = np.linspace(-10, 12, 4001)
    for shift in (0.05, 0.3, 1.0, 2.5):
        rows = np.diff(stats.norm.cdf(edges)), np.diff(stats.norm.cdf(edges, loc=shift))

        assert our.equivalent_shift(float(our.jensen_shannon_distance(*rows))) == pytest.approx(shift, rel=0.02)


def test_no_shift_of_a_normal_column_reaches_a_distance_of_one() -> None:
    assert our.equivalent_shift(1.0) == math.inf
