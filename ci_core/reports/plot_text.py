"""A plot in words and small tables, for where it cannot be drawn (pure)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ci_core.reports.document import Column, Spark, Strong, Table, code
from ci_core.reports.text import ABSENT, number, plural, shorten, thin

if TYPE_CHECKING:
    from ci_core.reports.document import Line, PlotFigure
    from ci_core.reports.report import ConfusionMatrix, Plot, Series

MOST_CLASSES = 12
"""Classes of a confusion matrix that are shown; more do not fit a page."""
_SPARK_POINTS = 32


def plot_lines(figure: PlotFigure) -> list[Line]:
    """Return one line a series: its name, a sparkline, and where it starts and ends (or its ranges)."""
    names = {"base": figure.base_name, "head": figure.head_name}
    return [
        (
            Strong(names[series.side]),
            *((" ", code(series.label)) if series.label else ()),
            " ",
            *_summary(figure, series),
        )
        for series in figure.plot.series
        if series.y
    ]


def _summary(figure: PlotFigure, series: Series) -> Line:
    if figure.plot.kind == "scatter":
        ranges = f"{plural(len(series.y), 'point')}, y from {number(min(series.y))} to {number(max(series.y))}"
        return (ranges,)
    curve = list(series.y)
    if figure.plot.kind == "line" and not isinstance(series.x[0], str):
        curve = [y for _, y in sorted(zip(series.x, series.y, strict=True), key=lambda point: point[0])]
    is_counts = figure.plot.kind == "histogram"
    spark = Spark(tuple(thin(curve, _SPARK_POINTS)), side=series.side, from_zero=is_counts)
    if is_counts:
        return (spark,)
    return (spark, f" {number(curve[0])} → {number(curve[-1])}")


def plot_table(figure: PlotFigure) -> Table | None:
    """Return a confusion plot as a table of ``base → head`` counts, or None for another kind of plot."""
    plot = figure.plot
    if plot.kind != "confusion" or not plot.matrices:
        return None
    base, head = (_matrix(plot, side) for side in ("base", "head"))
    classes = list(dict.fromkeys([*(head or {}), *(base or {})]))
    shown = classes[:MOST_CLASSES]
    columns = (Column(title="actual"), *(Column(title=_title(name), align="right") for name in shown))
    rows: list[tuple[Line, ...]] = [
        ((code(row),), *((_count(base, head, row, column),) for column in shown)) for row in shown
    ]
    return Table(columns=columns, rows=tuple(rows), hidden=len(classes) - len(shown))


def _title(name: str) -> str:
    """Return a class as a column's title, which no renderer escapes: letters, digits and plain signs only."""
    plain = "".join(character if character.isalnum() or character in " .-" else "·" for character in name)
    return f"as {shorten(plain, 16)}"


def _matrix(plot: Plot, side: str) -> dict[str, dict[str, int]] | None:
    found: ConfusionMatrix | None = next((matrix for matrix in plot.matrices if matrix.side == side), None)
    if found is None:
        return None
    return {
        actual: dict(zip(found.classes, counts, strict=True))
        for actual, counts in zip(found.classes, found.counts, strict=True)
    }


def _count(
    base: dict[str, dict[str, int]] | None, head: dict[str, dict[str, int]] | None, actual: str, predicted: str
) -> str:
    old, new = (
        ABSENT if matrix is None or actual not in matrix else number(matrix[actual].get(predicted, 0))
        for matrix in (base, head)
    )
    return new if base is None or old == new else f"{old} → {new}"
