from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ci_core.serving.call_times import CallTimes


def test_nothing_is_known_before_five_calls() -> None:
    times = CallTimes()
    for _ in range(4):
        times.observe(1, 0.5)

    before = times.is_known
    times.observe(1, 0.5)

    assert (before, times.is_known) == (False, True)


def test_all_of_the_duration_counts_as_fixed_while_all_calls_have_one_size() -> None:
    times = CallTimes()
    for _ in range(20):
        times.observe(1, 0.003)

    assert times.fixed_s == pytest.approx(0.003)
    assert times.per_row_s == 0.0
    assert times.useful_rows == math.inf


@given(
    fixed_us=st.integers(1, 50_000),
    per_row_us=st.integers(0, 5_000),
    sizes=st.lists(st.integers(1, 1000), min_size=2, max_size=12, unique_by=lambda rows: rows.bit_length()),
)
def test_a_line_through_undisturbed_calls_is_found_exactly(fixed_us: int, per_row_us: int, sizes: list[int]) -> None:
    times = CallTimes()
    for rows in sizes * 16:
        times.observe(rows, 1e-6 * (fixed_us + rows * per_row_us))

    assert times.expected_s(sizes[0]) == pytest.approx(1e-6 * (fixed_us + sizes[0] * per_row_us), rel=1e-5)
    assert times.fixed_s == pytest.approx(1e-6 * fixed_us, rel=1e-3, abs=1e-6 * per_row_us * 1e-5)
    assert times.per_row_s == pytest.approx(1e-6 * per_row_us, rel=1e-3, abs=1e-12)


def test_two_disturbed_calls_in_three_do_not_change_what_is_learned() -> None:
    times = CallTimes()
    for index in range(96):
        for rows in (1, 8, 64):
            is_disturbed = index % 3 > 0
            times.observe(rows, 0.001 + rows * 0.00001 + (0.05 if is_disturbed else 0.0))

    assert times.fixed_s == pytest.approx(0.001)
    assert times.per_row_s == pytest.approx(0.00001)


def test_a_class_without_calls_for_long_is_forgotten_so_that_joining_is_tried_again() -> None:
    times = CallTimes()
    for _ in range(16):
        times.observe(1, 0.001)
        times.observe(2, 0.002)
    gained = times.useful_rows
    for _ in range(512):
        times.observe(1, 0.001)

    assert gained == pytest.approx(0.0, abs=1e-6)
    assert times.useful_rows == math.inf


def test_joining_is_useful_until_the_rows_take_ten_times_the_fixed_time() -> None:
    times = CallTimes()
    for _ in range(16):
        times.observe(1, 0.0012)
        times.observe(10, 0.003)

    assert times.useful_rows == pytest.approx(10 * 0.001 / 0.0002)


@given(st.lists(st.tuples(st.integers(1, 5000), st.floats(0, 100)), min_size=1, max_size=200))
def test_neither_number_is_ever_negative(calls: list[tuple[int, float]]) -> None:
    times = CallTimes()
    for rows, seconds in calls:
        times.observe(rows, seconds)

    assert times.fixed_s >= 0.0
    assert times.per_row_s >= 0.0
    assert math.isfinite(times.expected_s(1000))
