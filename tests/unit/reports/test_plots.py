from __future__ import annotations

import math
import time
from xml.etree import ElementTree as ET

import pytest

from ci_core.reports.document import PlotFigure
from ci_core.reports.mermaid import xy_chart
from ci_core.reports.plots import MOST_POINTS, plot_spec, plot_svg
from ci_core.reports.report import Plot, Series
from ci_core.testing.sample_reports import sample_plots

SVG = "{http://www.w3.org/2000/svg}"


def texts(svg: str) -> list[str]:
    return ["".join(element.itertext()) for element in ET.fromstring(svg).iter(f"{SVG}text")]


@pytest.mark.parametrize("plot", sample_plots(), ids=lambda plot: plot.kind)
def test_every_kind_is_drawn_with_base_and_head(plot: Plot) -> None:
    svg = plot_svg(PlotFigure(plot=plot))

    assert svg is not None
    assert {"base", "head"} <= set(texts(svg))


@pytest.mark.parametrize("plot", sample_plots(), ids=lambda plot: plot.kind)
def test_colours_are_those_of_the_page(plot: Plot) -> None:
    svg = plot_svg(PlotFigure(plot=plot))

    assert svg is not None
    colours = {
        value
        for element in ET.fromstring(svg).iter()
        for key, value in element.attrib.items()
        if key in {"fill", "stroke"} and element.attrib.get("class") != "background"
    }
    assert colours <= {"none", "transparent", "var(--base)", "var(--head)", "var(--muted)", "var(--ink)", "var(--line)"}
    assert "style=" not in svg


def test_axis_labels_keep_their_digits() -> None:
    svg = plot_svg(PlotFigure(plot=sample_plots()[0]))

    assert svg is not None
    assert "0.50" in texts(svg)


def test_series_are_named_as_the_page_names_them() -> None:
    svg = plot_svg(PlotFigure(plot=sample_plots()[1], base_name="reference", head_name="window"))

    assert svg is not None
    assert {"reference", "window"} <= set(texts(svg))


def test_bins_of_unequal_width_are_drawn_as_densities() -> None:
    series = Series(side="head", x=(0.0, 1.0, 5.0), y=(10.0, 40.0))

    spec = plot_spec(PlotFigure(plot=Plot(name="h", kind="histogram", series=(series,))))

    assert spec is not None
    assert [(row["x"], row["x2"], row["y"]) for row in spec["data"]["values"]] == [(0.0, 1.0, 0.2), (1.0, 5.0, 0.2)]


def test_long_series_are_thinned() -> None:
    values = tuple(float(index) for index in range(100_000))
    plot = Plot(name="p", kind="line", series=(Series(side="head", x=values, y=values),))

    spec = plot_spec(PlotFigure(plot=plot))

    assert spec is not None
    assert len(spec["data"]["values"]) <= MOST_POINTS


def test_empty_plot_is_not_drawn() -> None:
    assert plot_svg(PlotFigure(plot=Plot(name="p", kind="line"))) is None
    assert plot_svg(PlotFigure(plot=Plot(name="p", kind="confusion"))) is None


def test_names_stay_text() -> None:
    plot = Plot(
        name="p", kind="line", x_label="</svg><script>", series=(Series(side="head", x=(0.0, 1.0), y=(1.0, 2.0)),)
    )

    svg = plot_svg(PlotFigure(plot=plot))

    assert svg is not None
    assert "</svg><script>" in texts(svg)


def test_drawing_loads_no_address() -> None:
    started = time.perf_counter()

    svg = plot_svg(PlotFigure(plot=sample_plots()[0]))

    assert svg is not None
    assert "http" not in svg.replace("http://www.w3.org/", "")
    assert time.perf_counter() - started < 20


def test_mermaid_chart_resamples_both_series_to_one_grid() -> None:
    base = Series(side="base", x=(0.0, 2.0), y=(0.0, 4.0))
    head = Series(side="head", x=(0.0, 1.0, 2.0), y=(1.0, 1.0, 3.0))

    chart = xy_chart(Plot(name="loss", kind="line", x_label="epoch", series=(head, base)))

    assert chart is not None
    assert chart.splitlines()[3:] == [
        '  x-axis "epoch" 0 --> 2',
        '  y-axis "y"',
        "  line [0, 2, 4]",
        "  line [1, 1, 3]",
    ]


@pytest.mark.parametrize("kind", ["scatter", "confusion"])
def test_kinds_that_mermaid_cannot_draw_are_left_to_words(kind: str) -> None:
    plot = next(plot for plot in sample_plots() if plot.kind == kind)

    assert xy_chart(plot) is None


def test_mermaid_histogram_shows_shares() -> None:
    edges = (0.0, 1.0, 2.0)
    plot = Plot(
        name="h",
        kind="histogram",
        series=(Series(side="base", x=edges, y=(3.0, 1.0)), Series(side="head", x=edges, y=(1.0, 3.0))),
    )

    chart = xy_chart(plot)

    assert chart is not None
    assert chart.splitlines()[-2:] == ["  bar [0.75, 0.25]", "  line [0.25, 0.75]"]
    assert math.isclose(0.75 + 0.25, 1.0)
