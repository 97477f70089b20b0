from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from ci_core.gates.interval import folds_interval, shares_interval, student_t

scores = st.floats(0, 1)


@pytest.mark.parametrize(
    ("freedom", "quantile"), [(1, 12.7062), (2, 4.3027), (4, 2.7764), (9, 2.2622), (30, 2.0423), (120, 1.9799)]
)
def test_quantiles_of_t_are_those_of_the_printed_tables(freedom: float, quantile: float) -> None:
    assert student_t(freedom) == pytest.approx(quantile, abs=5e-5)


@given(st.floats(1, 1e5))
def test_quantiles_of_t_are_those_of_scipy(freedom: float) -> None:
    assert student_t(freedom) == pytest.approx(float(stats.t.ppf(0.975, freedom)), abs=1e-6)


@pytest.mark.parametrize(
    ("new", "old", "interval"),
    [  # Newcombe 1998, table II, method 10
        ((56, 70), (48, 80), (0.0524, 0.3339)),
        ((9, 10), (3, 10), (0.1705, 0.8090)),
        ((10, 10), (0, 10), (0.6075, 1.0)),
        ((0, 10), (0, 20), (-0.1611, 0.2775)),
    ],
)
def test_intervals_of_shares_are_those_of_newcombes_table(
    new: tuple[int, int], old: tuple[int, int], interval: tuple[float, float]
) -> None:
    found = shares_interval(old[0] / old[1], old[1], new[0] / new[1], new[1])

    assert found.value == pytest.approx(new[0] / new[1] - old[0] / old[1])
    assert [found.low, found.high] == pytest.approx(list(interval), abs=5e-5)


def test_the_same_folds_are_compared_in_pairs_with_the_correction_for_overlapping_training_sets() -> None:
    # differences -0.01 -0.02 0 -0.01 -0.02: mean -0.012, s = 0.0083666, root of 1/5 + 1/4 = 0.6708204, t(4) = 2.7764451
    interval = folds_interval([0.80, 0.82, 0.78, 0.81, 0.79], [0.79, 0.80, 0.78, 0.80, 0.77])

    assert interval.value == pytest.approx(-0.012)
    assert interval.low == pytest.approx(-0.012 - 2.7764451 * 0.0083666 * 0.6708204, abs=1e-6)
    assert interval.high == pytest.approx(-0.012 + 2.7764451 * 0.0083666 * 0.6708204, abs=1e-6)


def test_different_numbers_of_folds_are_compared_by_welchs_interval() -> None:
    # old: mean 2, s² 1, v = 1/3 + 1/2 = 0.8333; new: mean 5, s² 5/3, v = 5/3 (1/4 + 1/3) = 0.9722
    # freedom (1.8056)² / (0.8333²/2 + 0.9722²/3) = 3.26003 / 0.66229 = 4.9223
    interval = folds_interval([1, 2, 3], [3.5, 4.5, 5.5, 6.5])

    assert interval.value == pytest.approx(3)
    assert interval.high - interval.value == pytest.approx(float(stats.t.ppf(0.975, 4.92233)) * 1.805556**0.5, abs=1e-4)


def test_folds_that_all_move_alike_leave_no_doubt() -> None:
    interval = folds_interval([0.5, 0.75], [0.25, 0.5])

    assert (interval.low, interval.value, interval.high) == (-0.25, -0.25, -0.25)


def test_folds_without_any_spread_of_different_number_leave_no_doubt() -> None:
    interval = folds_interval([0.5, 0.5], [0.75, 0.75, 0.75])

    assert (interval.low, interval.high) == (0.25, 0.25)


@given(st.lists(scores, min_size=2, max_size=10), st.lists(scores, min_size=2, max_size=10))
def test_swapping_the_sides_mirrors_the_interval(old: list[float], new: list[float]) -> None:
    there, back = folds_interval(old, new), folds_interval(new, old)

    assert there.low == pytest.approx(-back.high, abs=1e-9)
    assert there.low <= there.value <= there.high


@pytest.mark.parametrize("scale", [2.0**-1000, 2.0**-500, 2.0**500, 2.0**1000])
@pytest.mark.parametrize("new", [[4.0, 5.0, 6.0], [4.0, 5.0, 6.0, 8.0]])
def test_the_interval_of_folds_has_the_scale_of_its_values(new: list[float], scale: float) -> None:
    old = [1.0, 2.0, 4.0]
    plain = folds_interval(old, new)

    scaled = folds_interval([value * scale for value in old], [value * scale for value in new])

    assert plain.low < plain.value < plain.high
    assert [end / scale for end in (scaled.low, scaled.value, scaled.high)] == pytest.approx(
        [plain.low, plain.value, plain.high], rel=1e-12
    )


def test_spreads_of_very_different_size_leave_that_of_the_larger() -> None:
    interval = folds_interval([1.0, 1.0, 1.0], [1e-170, 3e-170])

    assert (interval.low, interval.value, interval.high) == pytest.approx((-1.0, -1.0, -1.0))


every = st.lists(st.floats(allow_nan=False, allow_infinity=False), min_size=2, max_size=6)


@given(every, every)
def test_no_folds_break_the_interval(old: list[float], new: list[float]) -> None:
    interval = folds_interval(old, new)

    assert interval.low <= interval.value <= interval.high


@given(scores, st.floats(1, 1.7e308))
def test_no_number_of_rows_breaks_the_interval_of_shares(share: float, rows: float) -> None:
    interval = shares_interval(share, rows, share, rows)

    assert interval.low <= 0 <= interval.high


@given(scores, scores, st.integers(1, 10_000), st.integers(1, 10_000))
def test_the_interval_of_shares_holds_the_difference_and_nothing_impossible(
    old: float, new: float, old_rows: int, new_rows: int
) -> None:
    interval = shares_interval(old, old_rows, new, new_rows)

    assert -1 - 1e-9 <= interval.low <= interval.value + 1e-12
    assert interval.value - 1e-12 <= interval.high <= 1 + 1e-9


@given(scores, scores, st.integers(1, 1_000))
def test_more_rows_make_the_interval_shorter(old: float, new: float, rows: int) -> None:
    few, many = shares_interval(old, rows, new, rows), shares_interval(old, 4 * rows, new, 4 * rows)

    assert many.high - many.low <= few.high - few.low + 1e-12
