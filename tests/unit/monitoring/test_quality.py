"""Broken data is told from drift."""

from __future__ import annotations

import math

import numpy as np
import pytest

from ci_core.monitoring.arrays import count_values
from ci_core.monitoring.binning import gathering
from ci_core.monitoring.noise import Noise
from ci_core.monitoring.null import Bound, ColumnNull
from ci_core.monitoring.profile import OTHER, Bins, CategoryLevels, ColumnCounts, NumericGrid
from ci_core.monitoring.quality import findings, number, percent, summary

GRID = NumericGrid(centre=32.0, scale=8.0)
LEVELS = CategoryLevels(levels=("UA", "B6"), is_complete=True)


def _null(bins: Bins, reference: ColumnCounts, *, missing: float = 0.0, unseen: float = 0.0) -> ColumnNull:
    return ColumnNull(
        bins=bins,
        gathering=gathering(bins, reference, window_rows=1000),
        reference=reference,
        sd=1.0,
        distance=Bound(window=0.1, pair=0.1),
        shift=None,
        missing=missing,
        unseen=unseen,
        noise=Noise(reference_rows=reference.rows, distance=0.0, shift=0.0, missing=0.0),
    )


WINTER = _null(GRID, count_values(GRID, np.linspace(11.0, 64.0, 1000)), missing=0.03)
CARRIERS = _null(LEVELS, ColumnCounts(cells={0: 600, 1: 400}), unseen=0.005)


def _window(values: list[float]) -> ColumnCounts:
    return count_values(GRID, np.array(values))


def test_a_hot_summer_is_no_broken_thermometer() -> None:
    assert findings(WINTER, _window([98.0] * 100)) == ()


@pytest.mark.parametrize(
    ("odd", "finding"),
    [
        ([math.nan] * 6, "missing 0.0 % → 6.0 %"),
        ([math.inf] * 2, "infinite in 2.0 % of the rows"),
        ([-999.0] * 2, "2.0 % far outside the range 11 to 64"),
    ],
)
def test_a_broken_instrument_is_named(odd: list[float], finding: str) -> None:
    assert findings(WINTER, _window([*odd, *[40.0] * (100 - len(odd))])) == (finding,)


def test_no_more_missing_than_the_blocks_show_is_no_finding() -> None:
    assert findings(WINTER, _window([math.nan] * 5 + [40.0] * 95)) == ()


def test_one_odd_value_in_a_thousand_is_no_finding() -> None:
    assert findings(WINTER, _window([-999.0] + [40.0] * 999)) == ()


def test_a_new_level_of_one_percent_is_a_finding() -> None:
    window = ColumnCounts(cells={0: 988, OTHER: 12}, unseen={"ZZ": 12})

    assert findings(CARRIERS, window) == ("new level `ZZ` 1.2 %",)


def test_rare_levels_that_come_and_go_are_no_finding() -> None:
    window = ColumnCounts(cells={0: 980, OTHER: 20}, unseen={f"L{index}": 5 for index in range(4)})

    assert findings(CARRIERS, window) == ()


def test_many_rare_new_levels_together_are_a_finding() -> None:
    window = ColumnCounts(cells={0: 970, OTHER: 30}, unseen={f"L{index}": 6 for index in range(5)})

    assert findings(CARRIERS, window) == ("new levels `L0` 0.6 %, `L1` 0.6 %, `L2` 0.6 %",)


def test_new_levels_cannot_be_told_where_the_reference_has_too_many_to_list() -> None:
    crowded = _null(CategoryLevels(levels=("a",), is_complete=False), ColumnCounts(cells={0: 10, OTHER: 90}))

    assert findings(crowded, ColumnCounts(cells={0: 10, OTHER: 90}, unseen={"zz": 90})) == ()


def test_a_column_is_summed_up_in_a_few_words() -> None:
    assert summary(CARRIERS, ColumnCounts(cells={0: 60, 1: 30, OTHER: 10}, unseen={"ZZ": 10})) == (
        "UA 60 %, B6 30 %, ZZ 10 %"
    )
    assert summary(WINTER, _window([40.0] * 3 + [math.nan])).endswith("missing 25.0 %")
    assert summary(WINTER, _window([math.inf])) == "no finite values"


@pytest.mark.parametrize(
    ("value", "spread", "text"),
    [
        (1017.83, 7.8, "1017.8"),
        (1010.7, 718.0, "1011"),
        (0.00265, 0.015, "0.003"),
        (3.0, 0.0, "3"),
        (5e12, 1e9, "5e+12"),
    ],
)
def test_numbers_stop_at_the_digits_that_mean_something(value: float, spread: float, text: str) -> None:
    assert number(value, near=spread) == text


def test_small_shares_keep_a_digit() -> None:
    assert [percent(share) for share in (0.0, 0.02, 0.0003, 1.0)] == ["0.0 %", "2.0 %", "0.03 %", "100.0 %"]
