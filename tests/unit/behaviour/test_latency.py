from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ci_core.behaviour.latency import milliseconds, ratio_of_rounds
from ci_core.behaviour.timing import choose_block, rounds_in_time, slower, typical


def rounds(ratios: list[float]) -> tuple[list[list[float]], list[list[float]]]:
    """Return blocks of two rounds' sides in which the head takes `ratios` times as long."""
    return [[0.01, 0.02, 0.03]] * (2 * len(ratios)), [
        [0.01 * one, 0.02 * one, 0.03 * one] for one in ratios for _ in range(2)
    ]


def test_the_ratio_is_the_median_of_the_rounds() -> None:
    found = ratio_of_rounds(*rounds([1.0, 1.5, 2.0, 2.5, 3.0, 3.5, 40.0]))

    assert found is not None
    assert found.value == 2.5


@pytest.mark.parametrize(
    # the ranks of the 95 % interval of a median: Conover, Practical Nonparametric Statistics, table A3 (p = 0.5)
    ("count", "lowest", "highest"),
    [(6, 1, 6), (8, 1, 8), (9, 2, 8), (12, 3, 10), (15, 4, 12), (20, 6, 15)],
)
def test_the_interval_has_the_ranks_of_the_binomial_distribution(count: int, lowest: int, highest: int) -> None:
    base, head = rounds([float(rank) for rank in range(1, count + 1)])

    found = ratio_of_rounds(base, head, between_processes=0.0)

    assert found is not None
    assert (found.low, found.high) == (lowest, highest)


def test_five_rounds_give_no_interval() -> None:
    assert ratio_of_rounds(*rounds([1.0] * 5)) is None
    assert ratio_of_rounds([], []) is None


def test_a_machine_that_becomes_slower_at_a_steady_rate_does_not_move_the_ratio() -> None:
    base: list[list[float]] = []
    head: list[list[float]] = []
    for time in range(0, 80, 4):
        base += [[0.010 + 0.001 * time], [0.010 + 0.001 * (time + 3)]]
        head += [[0.010 + 0.001 * (time + 1)], [0.010 + 0.001 * (time + 2)]]

    found = ratio_of_rounds(base, head, between_processes=0.0)

    assert found is not None
    assert (found.value, found.low, found.high) == (1.0, 1.0, 1.0)


def test_the_interval_is_wider_by_what_two_processes_of_the_same_code_differ() -> None:
    found = ratio_of_rounds(*rounds([1.1] * 12), between_processes=0.1)

    assert found is not None
    assert (found.value, found.low, found.high) == (1.1, 1.0, 1.21)


@given(st.lists(st.floats(0.1, 10.0), min_size=6, max_size=30))
def test_the_interval_holds_the_ratio_and_swapping_sides_inverts_it(ratios: list[float]) -> None:
    base, head = rounds(ratios)

    one, other = ratio_of_rounds(base, head), ratio_of_rounds(head, base)

    assert one is not None
    assert other is not None
    assert one.low <= one.value <= one.high
    assert other.low == pytest.approx(1 / one.high, rel=1e-3)
    assert other.high == pytest.approx(1 / one.low, rel=1e-3)


def test_milliseconds_are_the_median_and_the_95th_percentile() -> None:
    assert milliseconds([number / 1000 for number in range(1, 101)]) == (50.5, 95.0)
    assert milliseconds([0.002]) == (2.0, 2.0)
    assert milliseconds([]) is None


def test_a_block_of_quick_requests_asks_all_of_them_and_few_of_them_several_times() -> None:
    assert choose_block(dict.fromkeys(range(200), 0.0001)) == tuple(range(200))
    assert choose_block({3: 0.0001, 7: 0.0001}) == (3, 7) * 100


def test_a_block_of_slow_requests_asks_some_that_are_spread_evenly() -> None:
    assert choose_block(dict.fromkeys(range(200), 0.003)) == tuple(range(0, 200, 20))
    assert choose_block({0: 2.0, 1: 2.0, 2: 2.0}) == (0,)


def test_there_are_twenty_rounds_unless_they_take_too_long() -> None:
    assert rounds_in_time(0.03) == 20
    assert rounds_in_time(0.5) == 7
    assert rounds_in_time(0.7) == 0


def test_the_time_of_a_first_call_does_not_count_for_how_long_requests_take() -> None:
    warm = dict.fromkeys(range(10), 0.001)

    assert slower(warm, {**warm, 0: 5.0})[0] == 0.02
    assert slower(warm, dict.fromkeys(range(8), 0.002)) == dict.fromkeys(range(8), 0.002)
    assert slower({}, warm) == {}
    assert typical({0: 5.0, 1: 0.001}) == [0.001]
    assert typical({0: 5.0}) == [5.0]
