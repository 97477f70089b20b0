"""Counting arrays that are in memory already, such as the model's scores of the reference (pure).

The same cells as the SQL template gives; a value on the very edge of a cell may differ by the last bit of ``asinh``.
"""

from __future__ import annotations

from types import MappingProxyType
from typing import TYPE_CHECKING, TypeAlias

import numpy as np

from ci_core.monitoring.profile import (
    ATOM,
    CELLS_PER_UNIT,
    GRID_LIMIT,
    MISSING,
    NEGATIVE_INFINITY,
    POSITIVE_INFINITY,
    QUANTILES,
    ColumnCounts,
    NumericGrid,
)

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats: TypeAlias = NDArray[np.float64]


def fit_grid(values: Floats) -> NumericGrid:
    """Choose a grid for the column that `values`, ``(n,)``, are a sample of; NaN and infinities are left out."""
    finite = values[np.isfinite(values)]
    if not len(finite):
        return NumericGrid.fitted(quantiles=())
    quantiles = np.quantile(finite, QUANTILES, method="inverted_cdf")
    return NumericGrid.fitted(quantiles=[float(value) for value in quantiles])


def count_values(grid: NumericGrid, values: Floats) -> ColumnCounts:
    """Return how many of `values`, ``(n,)`` with NaN for the missing, fall into each cell of `grid`."""
    codes, rows = np.unique(_codes(grid, values), return_counts=True)
    finite = values[np.isfinite(values)]
    return ColumnCounts(
        cells=MappingProxyType({int(code): int(number) for code, number in zip(codes, rows, strict=True)}),
        minimum=float(finite.min()) if len(finite) else None,
        maximum=float(finite.max()) if len(finite) else None,
    )


def _codes(grid: NumericGrid, values: Floats) -> NDArray[np.int64]:
    finite = np.isfinite(values)
    plain = np.where(finite, values, grid.centre)
    with np.errstate(over="ignore"):  # beyond the largest double is beyond the last cell
        index = np.floor(CELLS_PER_UNIT * np.arcsinh((plain - grid.centre) / grid.scale))
    codes: NDArray[np.int64] = np.clip(index, -GRID_LIMIT, GRID_LIMIT).astype(np.int64)
    for place, atom in enumerate(grid.atoms):
        codes[values == atom] = ATOM + place
    codes[np.isnan(values)] = MISSING
    codes[np.isposinf(values)] = POSITIVE_INFINITY
    codes[np.isneginf(values)] = NEGATIVE_INFINITY
    return codes
