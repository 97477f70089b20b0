"""Plots as they are declared to DVC, and what becomes of one."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ci_core.operations.plot_data import plot_parts
from ci_core.versioning.plots import Plot, PlotSource

if TYPE_CHECKING:
    from ci_core.reports import report as shown
    from ci_core.types import JsonValue


def declared(*sources: PlotSource, **properties: JsonValue) -> Plot:
    """Return a plot of `y` over `x`, if `properties` do not say otherwise."""
    return Plot(id="plots/roc.csv", properties={"x": "x", "y": "y", **properties}, sources=sources)


def points_of(*points: tuple[JsonValue, JsonValue], path: str = "plots/roc.csv") -> PlotSource:
    """Return a file with the columns `x` and `y`."""
    return PlotSource(path=path, rows=tuple({"x": x, "y": y} for x, y in points))


def rows_of(path: str, **columns: list[JsonValue]) -> PlotSource:
    """Return a file with these columns."""
    return PlotSource(
        path=path, rows=tuple(dict(zip(columns, row, strict=True)) for row in zip(*columns.values(), strict=True))
    )


def drawn(head: Plot, base: Plot | None = None) -> shown.Plot:
    """Return the one plot of the report."""
    (plot,) = plot_parts([base] if base else None, [head])
    return plot


def lines_of(plot: shown.Plot) -> list[tuple[str, str, tuple[float | str, ...], tuple[float, ...]]]:
    """Return side, label, x and y of each series."""
    return [(series.side, series.label, series.x, series.y) for series in plot.series]
