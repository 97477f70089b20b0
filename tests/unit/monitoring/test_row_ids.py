"""Whole numbers that name rows are told from those that measure something."""

from __future__ import annotations

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ci_core.monitoring.row_ids import COUNTED_ROWS, expected_repeats, may_name_rows, names_rows, part_of


def _are_ids(values: list[int]) -> bool:
    repeats = (len(values) - len(set(values))) / len(values)
    return names_rows(len(values), min(values), max(values), repeats=repeats)


@given(st.integers(50, 3000), st.integers(-(10**12), 10**12))
def test_numbers_from_any_first_one_on_name_rows(rows: int, first: int) -> None:
    assert _are_ids(list(range(first, first + rows)))


@given(st.integers(2000, 5000), st.integers(2, 50), st.integers())
def test_numbers_of_which_most_are_gone_name_rows(rows: int, gap: int, seed: int) -> None:
    assert _are_ids(random.Random(seed).sample(range(gap * rows), rows))


@given(st.integers(2, 3000), st.integers(1, 10**7), st.integers(1, 4), st.integers())
def test_values_that_are_drawn_independently_are_never_taken_for_names(
    rows: int, values: int, power: int, seed: int
) -> None:
    numbers = random.Random(seed)

    assert not _are_ids([int(values * numbers.random() ** power) for _ in range(rows)])


@pytest.mark.parametrize(
    ("rows", "values", "expected"),
    # By hand: 2 rows of 2 values repeat in half of the cases; 3 rows of 2 values: (2 * 2 + 6 * 1) / 8.
    [(2, 2, 0.5), (3, 2, 1.25), (10, 1, 9.0), (1, 100, 0.0), (0, 1, 0.0)],
)
def test_repeats_to_expect_are_as_worked_out_by_hand(rows: int, values: int, expected: float) -> None:
    assert expected_repeats(rows, values) == pytest.approx(expected, abs=1e-9)


@given(st.integers(0, 10**7), st.integers(1, 10**18))
def test_repeats_to_expect_are_at_most_the_pairs_of_rows_for_each_value(rows: int, values: int) -> None:
    assert -1e-6 * rows <= expected_repeats(rows, values) <= rows * (rows - 1) / 2 / values * (1 + 1e-9) + 1e-6 * rows


def test_where_chance_need_not_repeat_nothing_is_concluded() -> None:
    assert not may_name_rows(1000, 0, 10**6)
    assert not may_name_rows(20, 1, 20)
    assert not may_name_rows(1000, 0, 500)


def test_of_many_rows_about_a_hundred_thousand_are_counted() -> None:
    assert [part_of(rows) for rows in (0, 1, COUNTED_ROWS, 10_000_000)] == [1, 1, 1, 100]
    assert may_name_rows(10_000_000, 1, 10_000_000)
