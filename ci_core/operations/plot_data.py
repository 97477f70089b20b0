"""Turn the plots that a project declares to DVC into those of a report, base and head together (pure)."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from ci_core.reports import report as shown
from ci_core.versioning.compare import as_number

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from ci_core.types import JsonObject, JsonValue
    from ci_core.versioning.plots import Plot, PlotSource


def plot_parts(base: Sequence[Plot], head: Sequence[Plot]) -> tuple[shown.Plot, ...]:
    """Return the declared line and scatter plots with base and head over each other.

    Plots that cannot be drawn from two columns of numbers (pictures, templates of the user's own) are left out: the
    files themselves are in the repository.
    """
    before = {plot.id: plot for plot in base}
    found = (_plot(plot, before.get(plot.id)) for plot in head)
    return tuple(plot for plot in found if plot is not None)


def _plot(head: Plot, base: Plot | None) -> shown.Plot | None:
    x, y = head.properties.get("x"), head.properties.get("y")
    if not isinstance(x, str) or not isinstance(y, str):
        return None
    sides: list[tuple[shown.Side, Plot | None]] = [("base", base), ("head", head)]
    series = [
        _series(side, source, x, y, label=source.path if len(plot.sources) > 1 else "")
        for side, plot in sides
        if plot
        for source in plot.sources
    ]
    drawn = tuple(one for one in series if one is not None)
    if not drawn:
        return None
    properties: Mapping[str, JsonValue] = head.properties
    return shown.Plot(
        name=str(properties.get("title") or head.id),
        kind="scatter" if "scatter" in str(properties.get("template", "")) else "line",
        x_label=str(properties.get("x_label") or x),
        y_label=str(properties.get("y_label") or y),
        series=drawn,
    )


def _series(side: shown.Side, source: PlotSource, x: str, y: str, *, label: str) -> shown.Series | None:
    points = [(_number(row, x), _number(row, y)) for row in source.rows]
    sound = [(one, other) for one, other in points if one is not None and other is not None]
    if not sound:
        return None
    xs, ys = zip(*sound, strict=True)
    return shown.Series(side=side, label=label, x=xs, y=ys)


def _number(row: JsonObject, column: str) -> float | None:
    """Return a cell as a finite number; cells of CSV files are text."""
    value = row.get(column)
    if isinstance(value, str):
        try:
            value = float(value)
        except ValueError:
            return None
    number = as_number(value)
    return number if number is not None and math.isfinite(number) else None
