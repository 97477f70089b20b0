"""Layouts, counts and how they merge."""

from __future__ import annotations

import json
import math
from types import MappingProxyType

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ci_core.monitoring.profile import (
    ATOM,
    GRID_LIMIT,
    MISSING,
    NEGATIVE_INFINITY,
    POSITIVE_INFINITY,
    CategoryLevels,
    ColumnCounts,
    Layout,
    NumericGrid,
    Profile,
    merge,
    no_rows,
)
from ci_core.types import Digest

FINITE = st.floats(allow_nan=False, allow_infinity=False)
CELLS = st.dictionaries(st.integers(-50, 50), st.integers(1, 1000), max_size=8)
LAYOUT = Layout(
    columns=MappingProxyType(
        {
            "temp": NumericGrid(centre=32.0, scale=8.0, atoms=(0.0,)),
            "carrier": CategoryLevels(levels=("UA", "B6"), is_complete=True),
            "late": CategoryLevels(levels=("false", "true"), is_complete=True, is_boolean=True),
        }
    ),
    skipped=MappingProxyType({"event_id": "an identifier"}),
)


def _profile(cells: dict[int, int], unseen: dict[str, int] | None = None) -> Profile:
    finite = [float(code) for code in cells]
    counts = ColumnCounts(
        cells=cells, minimum=min(finite, default=None), maximum=max(finite, default=None), unseen=unseen or {}
    )
    return Profile(rows=counts.rows, layout=LAYOUT.digest, columns={"temp": counts})


def test_the_grid_is_snapped_so_that_nearby_samples_share_it() -> None:
    one = NumericGrid.fitted(quantiles=(18.0, 30.1, 35.6, 41.2, 64.0))
    other = NumericGrid.fitted(quantiles=(17.0, 29.8, 35.1, 40.9, 66.0))

    assert one == other == NumericGrid(centre=32.0, scale=8.0)


@pytest.mark.parametrize(
    ("quantiles", "centre", "scale"),
    [
        ((), 0.0, 1.0),  # no values at all
        ((5.0, 5.0, 5.0), 4.0, 4.0),  # one value only: its size is the scale
        ((0.0, 0.0, 0.0), 0.0, 1.0),
        ((0.0, 0.0, 0.0, 0.0, 0.5), 0.0, 0.5),  # rain: the innermost spread that is not 0
        ((-1.7e308, 0.0, 1.7e308), 0.0, 1.0),  # a spread beyond the largest double
    ],
)
def test_a_degenerate_column_still_gets_a_grid(quantiles: tuple[float, ...], centre: float, scale: float) -> None:
    assert NumericGrid.fitted(quantiles=quantiles) == NumericGrid(centre=centre, scale=scale)


@given(value=FINITE, centre=st.floats(-1e9, 1e9), exponent=st.integers(-30, 30))
def test_every_value_has_a_cell_and_the_cells_keep_their_order(value: float, centre: float, exponent: int) -> None:
    grid = NumericGrid(centre=centre, scale=2.0**exponent)

    code = grid.code(value)

    assert -GRID_LIMIT <= code <= GRID_LIMIT
    assert grid.code(math.nextafter(value, math.inf)) >= code or math.isinf(math.nextafter(value, math.inf))


@given(offset=st.floats(-1e4, 1e4))
def test_the_position_of_a_cell_is_within_its_width_of_the_values_in_it(offset: float) -> None:
    grid = NumericGrid(centre=100.0, scale=4.0)

    gap = abs(grid.position(grid.code(100.0 + offset)) - (100.0 + offset))

    # A cell is 1/32 of the scale wide in the middle and 1/32 of the distance far out; half of it, roughly.
    assert gap <= 0.02 * (4.0 + abs(offset))


def test_special_values_have_cells_of_their_own() -> None:
    grid = NumericGrid(centre=32.0, scale=8.0, atoms=(0.0,))

    codes = [grid.code(value) for value in (math.nan, math.inf, -math.inf, 0.0)]

    assert codes == [MISSING, POSITIVE_INFINITY, NEGATIVE_INFINITY, ATOM]
    assert grid.position(ATOM) == 0.0
    assert grid.host(ATOM) == NumericGrid(centre=32.0, scale=8.0).code(0.0)


@given(first=CELLS, second=CELLS, third=CELLS)
def test_merging_is_associative_and_commutative_and_loses_no_row(
    first: dict[int, int], second: dict[int, int], third: dict[int, int]
) -> None:
    a, b, c = _profile(first), _profile(second), _profile(third)

    assert merge([merge([a, b]), c]).digest == merge([c, merge([b, a])]).digest
    assert merge([a, b, c]).rows == a.rows + b.rows + c.rows
    assert merge([a, b, c]).columns["temp"].rows == a.rows + b.rows + c.rows


def test_an_empty_table_is_neutral() -> None:
    profile = _profile({1: 5})

    merged = merge([no_rows(LAYOUT), profile])

    assert merged.rows == 5
    assert merged.columns["temp"] == profile.columns["temp"]


def test_the_names_of_unseen_levels_stay_bounded() -> None:
    one = _profile({1: 1}, {f"level-{index:02}": index + 1 for index in range(20)})
    two = _profile({1: 1}, {f"other-{index:02}": 100 for index in range(20)})

    merged = merge([one, two]).columns["temp"].unseen

    assert len(merged) == 20
    assert set(merged.values()) == {100}


def test_profiles_on_different_layouts_are_not_merged() -> None:
    stranger = Profile(rows=1, layout=Digest("sha256:0"), columns={})

    with pytest.raises(ValueError, match="one layout"):
        merge([_profile({1: 1}), stranger])


@given(cells=CELLS)
def test_a_profile_survives_json(cells: dict[int, int]) -> None:
    profile = _profile(cells, {"ZZ": 3})

    restored = Profile.from_dict(json.loads(json.dumps(profile.to_dict())))

    assert restored == profile
    assert restored.digest == profile.digest


def test_a_layout_survives_json_and_names_its_kinds() -> None:
    restored = Layout.from_dict(json.loads(json.dumps(LAYOUT.to_dict())))

    assert restored.digest == LAYOUT.digest
    assert [restored.kind(name) for name in ("temp", "carrier", "late")] == ["numeric", "category", "boolean"]
