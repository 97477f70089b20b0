"""From plots as declared to DVC to those of a report."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from ci_core.operations import plot_data
from ci_core.versioning.plots import Plot, PlotSource

if TYPE_CHECKING:
    from ci_core.types import JsonValue


def _plot(*sources: PlotSource, **properties: JsonValue) -> Plot:
    return Plot(id="plots/roc.csv", properties={"x": "x", "y": "y", **properties}, sources=sources)


def _source(*points: tuple[JsonValue, JsonValue], path: str = "plots/roc.csv") -> PlotSource:
    return PlotSource(path=path, rows=tuple({"x": x, "y": y} for x, y in points))


def test_base_and_head_of_a_plot_are_drawn_over_each_other() -> None:
    base, head = _plot(_source(("0", "1"), ("1", "2"))), _plot(_source((0, 1.5)), title="ROC", x_label="false")

    (plot,) = plot_data.plot_parts([base], [head])

    assert (plot.name, plot.kind, plot.x_label, plot.y_label) == ("ROC", "line", "false", "y")
    assert [(series.side, series.label, series.x, series.y) for series in plot.series] == [
        ("base", "", (0.0, 1.0), (1.0, 2.0)),
        ("head", "", (0.0,), (1.5,)),
    ]


def test_cells_that_are_no_finite_numbers_are_left_out() -> None:
    broken = _source((0, 1), ("one", 2), (None, 3), (4, "nan"), (5, "inf"), (True, 1), (6, 7))

    (plot,) = plot_data.plot_parts([], [_plot(broken)])

    assert plot.series[0].x == (0.0, 6.0)
    assert plot.series[0].y == (1.0, 7.0)


def test_several_files_of_one_plot_are_told_apart() -> None:
    (plot,) = plot_data.plot_parts([], [_plot(_source((0, 1), path="train.csv"), _source((0, 2), path="test.csv"))])

    assert [series.label for series in plot.series] == ["train.csv", "test.csv"]


@pytest.mark.parametrize(
    "head",
    [
        _plot(_source(("a", "b"))),
        _plot(_source()),
        _plot(PlotSource(path="plot.png", image=b"\x89PNG")),
        _plot(_source((0, 1)), y=["y1", "y2"]),
        Plot(id="plots/roc.csv", sources=(_source((0, 1)),)),
    ],
    ids=["text", "no rows", "a picture", "several columns", "no columns named"],
)
def test_a_plot_that_two_columns_of_numbers_do_not_make_is_left_out(head: Plot) -> None:
    assert plot_data.plot_parts([], [head]) == ()


def test_a_scatter_template_makes_a_cloud() -> None:
    (plot,) = plot_data.plot_parts([], [_plot(_source((0, 1)), template="scatter_jitter")])

    assert plot.kind == "scatter"
