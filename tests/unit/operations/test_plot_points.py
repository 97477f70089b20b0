from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ci_core.operations.plot_points import bins_of, counted

finite = st.floats(allow_nan=False, allow_infinity=False)


def test_values_are_counted_between_the_edges_and_the_last_bin_holds_its_upper_one() -> None:
    assert counted([0, 1, 1.5, 2, 3, 4], [0, 1, 2, 4]) == (1, 2, 3)


@pytest.mark.parametrize("values", [[-1.7e308, 1.7e308], [5e-324, 1.5e-323], [1e308] * 3, [0.0, -0.0]])
def test_values_at_the_ends_of_all_floats_are_counted(values: list[float]) -> None:
    assert sum(counted(values, bins_of([values]))) == len(values)


@given(st.lists(finite, min_size=1), st.lists(finite))
def test_every_value_of_each_side_falls_into_one_bin(old: list[float], new: list[float]) -> None:
    edges = bins_of([old, new])

    assert sum(counted(old, edges)) == len(old)
    assert sum(counted(new, edges)) == len(new)
    assert list(edges) == sorted(edges)
