"""Statistics and histograms for people who ask."""

from __future__ import annotations

from types import MappingProxyType

import numpy as np
import pytest
from scipy import stats

from ci_core.monitoring.arrays import count_values, fit_grid
from ci_core.monitoring.describe import column_statistics, histogram
from ci_core.monitoring.profile import MISSING, OTHER, CategoryLevels, ColumnCounts, Layout, Profile

RANDOM = np.random.default_rng(11)
BEFORE, NOW = RANDOM.normal(35.6, 9.3, 5000), RANDOM.normal(40.0, 9.3, 2000)
LAYOUT = Layout(
    columns=MappingProxyType(
        {"temp": fit_grid(BEFORE), "carrier": CategoryLevels(levels=("UA", "B6"), is_complete=True)}
    )
)


def _profile(temp: np.ndarray, carrier: dict[int, int]) -> Profile:
    counts = count_values(LAYOUT.columns["temp"], temp)  # type: ignore[arg-type]
    return Profile(
        rows=len(temp), layout=LAYOUT.digest, columns={"temp": counts, "carrier": ColumnCounts(cells=carrier)}
    )


REFERENCE = _profile(BEFORE, {0: 3000, 1: 2000})
WINDOW = _profile(NOW, {0: 1000, 1: 900, OTHER: 60, MISSING: 40})


def test_the_statistics_of_a_shifted_column_are_near_the_exact_ones() -> None:
    found = column_statistics(LAYOUT, REFERENCE, WINDOW, "temp")

    exact = stats.ks_2samp(BEFORE, NOW)
    assert found["ks"] <= exact.statistic <= found["ks-max"]
    assert found["ks"] == pytest.approx(exact.statistic, abs=0.02)
    # The PSI of two normals of one sd, d apart, is d squared.
    assert found["psi"] == pytest.approx(((NOW.mean() - BEFORE.mean()) / 9.3) ** 2, rel=0.15)


def test_categories_have_no_order_and_hence_no_kolmogorov_smirnov() -> None:
    assert "ks" not in column_statistics(LAYOUT, REFERENCE, WINDOW, "carrier")


def test_a_histogram_of_numbers_loses_no_row() -> None:
    found = histogram(LAYOUT, REFERENCE, WINDOW, "temp", bars=24)

    assert len(found.labels) == len(found.reference) == len(found.window) == 24
    assert len(found.edges) == 25
    assert sum(found.reference) == pytest.approx(1.0)
    assert sum(found.window) == pytest.approx(1.0)
    assert found.edges[0] < 20
    assert found.edges[-1] > 55


def test_a_histogram_of_levels_shows_what_is_other_and_missing() -> None:
    found = histogram(LAYOUT, REFERENCE, WINDOW, "carrier")

    assert found.labels == ("UA", "B6", "other", "missing")
    assert found.reference == pytest.approx((0.6, 0.4, 0.0, 0.0))
    assert found.window == pytest.approx((0.5, 0.45, 0.03, 0.02))


def test_a_histogram_of_one_single_value_has_one_bar_with_everything() -> None:
    constant = _profile(np.full(10, 32.0), {0: 10})

    found = histogram(LAYOUT, constant, constant, "temp", bars=1)

    assert found.reference == (1.0,)
