"""The rules that make a difference of two tables from their counts."""

from __future__ import annotations

from types import MappingProxyType
from typing import TYPE_CHECKING

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ci_core.monitoring.folded_grid import CELLS, FoldedGrid
from ci_core.monitoring.profile import MISSING, NEGATIVE_INFINITY, POSITIVE_INFINITY, QUANTILES
from ci_core.monitoring.table_diff import TableDiff, table_format
from ci_core.monitoring.table_rules import ColumnContent, TableContent, difference

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

    from ci_core.monitoring.profile import NumericGrid


def _compared(old: Mapping[str, NDArray[np.float64]], new: Mapping[str, NDArray[np.float64]]) -> TableDiff:
    grids: dict[str, NumericGrid] = {}
    for name, values in old.items():
        quantiles = np.quantile(values, QUANTILES, method="inverted_cdf")
        grids[name] = FoldedGrid.fitted(quantiles=[float(value) for value in quantiles])
    return difference("t", *(_content(side, grids) for side in (old, new)))


def _content(columns: Mapping[str, NDArray[np.float64]], grids: Mapping[str, NumericGrid]) -> TableContent:
    counted = {}
    for name, values in columns.items():
        distances = values - grids[name].centre
        codes = np.rint(CELLS * (distances / (grids[name].scale + np.abs(distances)))).astype(int)
        found = np.unique(codes, return_counts=True)
        cells = {int(code): int(rows) for code, rows in zip(*found, strict=True)}
        counted[name] = ColumnContent(type="DOUBLE", kind="numeric", missing=0, cells=MappingProxyType(cells))
    rows = max((len(values) for values in columns.values()), default=0)
    return TableContent(format="parquet", rows=rows, columns=MappingProxyType(counted), grids=MappingProxyType(grids))


def test_of_a_hundred_pairs_of_samples_of_one_distribution_at_most_three_have_a_drifted_column() -> None:
    numbers = np.random.default_rng(20240301)

    def sample() -> dict[str, NDArray[np.float64]]:
        return {f"n{place}": numbers.normal(size=1000) for place in range(5)} | {
            f"i{place}": numbers.integers(0, 12, 1000).astype(float) for place in range(5)
        }

    tables = [_compared(sample(), sample()) for _ in range(100)]

    assert sum(any(column.has_drifted for column in table.columns) for table in tables) <= 3


@pytest.mark.parametrize("rows", [2000, 100_000])
def test_a_column_moved_by_half_a_standard_deviation_is_found_among_those_that_did_not_move(rows: int) -> None:
    numbers = np.random.default_rng(20240302)
    old = {f"n{place}": numbers.normal(size=rows) for place in range(20)}
    new = {f"n{place}": numbers.normal(size=rows) + 0.5 * (place == 7) for place in range(20)}

    table = _compared(old, new)

    assert [column.name for column in table.columns if column.has_drifted] == ["n7"]
    assert table.columns[7].shift == pytest.approx(0.5, abs=0.08)


def test_a_move_below_the_floors_is_no_drift_however_many_rows_there_are() -> None:
    numbers = np.random.default_rng(20240303)

    (column,) = _compared({"x": numbers.normal(size=300_000)}, {"x": numbers.normal(size=300_000) + 0.1}).columns

    assert column.has_drifted is False
    assert column.shift == pytest.approx(0.1, abs=0.01)


def test_fewer_than_500_rows_are_compared_and_not_judged() -> None:
    numbers = np.random.default_rng(20240304)

    found = _compared({"x": numbers.normal(size=499)}, {"x": numbers.normal(size=10_000) + 9})

    (column,) = found.columns
    assert (column.has_drifted, column.note) == (None, "")
    assert found.note == "fewer than 500 rows, so drift is not judged"
    assert column.shift is not None
    assert column.shift > 8


def test_a_side_that_is_not_there_has_no_rows_and_its_columns_came_or_went() -> None:
    content = TableContent(format="csv", rows=4, columns={"a": ColumnContent(type="BIGINT", kind="numeric", missing=1)})

    added, removed = difference("t", None, content), difference("t", content, None)

    assert (added.old_rows, added.new_rows) == (None, 4)
    assert [(c.change, c.old_missing, c.new_missing) for c in added.columns] == [("added", None, 0.25)]
    assert (removed.old_rows, removed.new_rows) == (4, None)
    assert [(c.change, c.old_missing, c.new_missing) for c in removed.columns] == [("removed", 0.25, None)]


@given(st.floats(), st.floats(-1e6, 1e6), st.integers(-20, 20))
def test_the_cell_of_a_value_is_within_bounds_and_its_position_is_in_that_cell(
    value: float, centre: float, power: int
) -> None:
    grid = FoldedGrid(centre=centre, scale=2.0**power)

    code = grid.code(value)

    assert -CELLS <= code <= CELLS or code in {MISSING, NEGATIVE_INFINITY, POSITIVE_INFINITY}
    if abs(code) <= CELLS:
        assert abs(grid.code(grid.position(code)) - code) <= 1  # where doubles cannot tell, the next one


@given(st.lists(st.floats(allow_nan=False, allow_infinity=False), min_size=2, max_size=2))
def test_cells_are_in_the_order_of_values(values: list[float]) -> None:
    grid = FoldedGrid(centre=3.0, scale=2.0)
    low, high = sorted(values)

    assert grid.code(low) <= grid.code(high)
    assert grid.position(grid.code(low)) <= grid.position(grid.code(high))


def test_the_outermost_cells_stand_for_799_scales() -> None:
    grid = FoldedGrid(centre=10.0, scale=2.0)

    assert grid.position(grid.code(1e300)) == 10 + 2 * 799
    assert grid.position(grid.code(-1e300)) == 10 - 2 * 799


@pytest.mark.parametrize(
    ("path", "kind"),
    [
        ("a.parquet", "parquet"),
        ("A.PQ", "parquet"),
        ("d/a.csv.gz", "csv"),
        ("a.tsv", "csv"),
        ("a.ndjson", "jsonl"),
        ("model.pkl", None),
        ("metrics.json", None),
        ("csv", None),
        ("a.parquet/part", None),
    ],
)
def test_a_files_name_tells_its_format(path: str, kind: str | None) -> None:
    assert table_format(path) == kind
