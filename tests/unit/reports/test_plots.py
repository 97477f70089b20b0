"""Plots as SVG."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, Literal
from xml.etree import ElementTree as ET

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ci_core.reports.document import PlotFigure
from ci_core.reports.plot_scales import number_scale, tick_text, time_scale
from ci_core.reports.plots import plot_svg
from ci_core.reports.report import ConfusionMatrix, Plot, Series
from ci_core.testing.golden import assert_golden
from ci_core.testing.sample_plots import plots_of_all_kinds

if TYPE_CHECKING:
    from ci_core.reports.report import Side

GOLDEN = Path(__file__).resolve().parents[2] / "golden" / "reports" / "plots"
PLOTS = plots_of_all_kinds()
DRAWN = [name for name, plot in PLOTS.items() if plot.kind != "image" and (plot.series or plot.matrices)]
LARGEST_BYTES = 40_000


def draw(plot: Plot) -> str:
    svg = plot_svg(PlotFigure(plot=plot))
    assert svg is not None
    return svg


def texts(svg: str) -> list[str]:
    return ["".join(element.itertext()) for element in ET.fromstring(svg).iter("text")]


def paths(svg: str) -> list[str]:
    return [element.attrib["d"] for element in ET.fromstring(svg).iter("path")]


@pytest.mark.parametrize("name", [*DRAWN, "image"])
def test_every_kind_is_drawn_as_reviewed(name: str) -> None:
    assert_golden(GOLDEN / f"{name}.svg", draw(PLOTS[name]).replace("><", ">\n<"))


@pytest.mark.parametrize("name", DRAWN)
def test_colours_are_those_of_the_page_and_styles_are_none(name: str) -> None:
    svg = draw(PLOTS[name])

    colours = {
        value
        for element in ET.fromstring(svg).iter()
        for key, value in element.attrib.items()
        if key in {"fill", "stroke"}
    }
    assert colours <= {"none", "var(--base)", "var(--head)", "var(--muted)", "var(--ink)", "var(--line)"}
    assert "style=" not in svg


@pytest.mark.parametrize("name", DRAWN)
def test_every_drawing_is_told_in_words_too(name: str) -> None:
    svg = ET.fromstring(draw(PLOTS[name]))

    assert svg.attrib["role"] == "img"
    title, description = svg.find("title"), svg.find("desc")
    assert title is not None
    assert title.text == PLOTS[name].name
    assert description is not None
    assert description.text


def test_the_description_tells_both_sides() -> None:
    description = ET.fromstring(draw(PLOTS["line"])).find("desc")

    assert description is not None
    assert description.text == (
        "Lines of loss over step. base: 12 values from 0.07870 to 1.000. head: 12 values from 0.06300 to 0.8000"
    )


def test_series_are_named_as_the_page_names_them() -> None:
    svg = plot_svg(PlotFigure(plot=PLOTS["histogram"], base_name="reference", head_name="window"))

    assert svg is not None
    assert {"reference", "window"} <= set(texts(svg))


def test_of_one_unmarked_side_no_legend_is_needed() -> None:
    line = Series(side="head", x=(0.0, 1.0), y=(1.0, 2.0))

    assert "head" not in texts(draw(Plot(name="p", kind="line", series=(line,))))
    assert "head" in texts(draw(Plot(name="p", kind="line", change="added", series=(line,))))


def test_many_lines_have_a_frame_each_with_their_name() -> None:
    assert [f"class {number}" for number in range(4)] == [
        text for text in texts(draw(PLOTS["many-lines"])) if text.startswith("class")
    ]


def test_cells_of_a_matrix_say_by_how_much_they_differ() -> None:
    assert {"50", "+2", "-2", "12", "+3", "-3"} <= set(texts(draw(PLOTS["confusion"])))
    assert {"75 %", "25 %", "0 %", "100 %"} <= set(texts(draw(PLOTS["normalized"])))


def test_a_bar_that_one_side_lacks_is_no_bar_of_zero() -> None:
    rects = [rect for rect in ET.fromstring(draw(PLOTS["bars"])).iter("rect") if float(rect.attrib["height"]) > 12]

    assert len(rects) == 4


@pytest.mark.parametrize("name", ["unread"])
def test_a_plot_without_numbers_is_not_drawn(name: str) -> None:
    assert plot_svg(PlotFigure(plot=PLOTS[name])) is None
    assert plot_svg(PlotFigure(plot=Plot(name="p", kind="confusion"))) is None
    assert plot_svg(PlotFigure(plot=Plot(name="p", kind="image"))) is None


def test_only_pictures_with_bytes_are_embedded() -> None:
    html = draw(PLOTS["image"])

    assert re.findall(r'src="(.{30})', html) == ["data:image/png;base64,iVBORw0K"]
    assert html.count("<img") == 1


def test_points_beyond_the_bound_are_thinned_and_the_peak_is_kept() -> None:
    values = tuple(float(index == 70_000) for index in range(100_000))
    series = Series(side="head", x=tuple(map(float, range(100_000))), y=values)

    svg = draw(Plot(name="p", kind="line", series=(series,)))

    (line,) = (path for path in paths(svg) if path.count(",") > 100)
    heights = [float(place.split(",")[1]) for place in line[1:].split()]
    assert len(heights) <= 1_600
    assert heights.count(min(heights)) == 1


@pytest.mark.parametrize(
    ("low", "high", "expected"),
    [
        (0, 1, "0 0.2 0.4 0.6 0.8 1.0"),
        (0, 3, "0 1 2 3"),
        (0, 299, "0 100 200"),
        (0.5, 0.52, "0.500 0.505 0.510 0.515 0.520"),
        (0, 2e6, "0 500k 1M 1.5M 2M"),
        (-1e-9, 1e-9, "-1e-09 -5e-10 0 5e-10 1e-09"),
        (5, 5.0000001, "5 5.000000025 5.00000005 5.000000075 5.0000001"),
        (7, 7, "6.5 7.0 7.5"),
    ],
)
def test_ticks_are_round_and_differ_from_each_other(low: float, high: float, expected: str) -> None:
    assert " ".join(text for _, text in number_scale([low, high], 0, 100).ticks) == expected


@pytest.mark.parametrize(
    ("seconds", "expected"),
    [
        (30, ["00:00:00", "00:00:15", "00:00:30"]),
        (7_200, ["01 Jan 00:00", "01 Jan 00:30", "01 Jan 01:00", "01 Jan 01:30", "01 Jan 02:00"]),
        (4 * 86_400, ["1970-01-01", "1970-01-02", "1970-01-03", "1970-01-04", "1970-01-05"]),
    ],
)
def test_times_are_written_as_dates_or_as_times_of_the_day(seconds: int, expected: list[str]) -> None:
    assert [text for _, text in time_scale([0, seconds], 0, 1).ticks] == expected


def test_numbers_beyond_our_calendar_are_not_written_as_dates() -> None:
    assert time_scale([0, 1e300], 0, 1).ticks[-1][1] == tick_text(1e300, 2.5e299)


anything = st.floats(allow_nan=False, allow_infinity=False)
name = st.text(max_size=12)
SIDES: tuple[Side, ...] = ("base", "head")
KINDS: tuple[Literal["line", "scatter", "bar", "histogram"], ...] = ("line", "scatter", "bar", "histogram")
side = st.sampled_from(SIDES)


@st.composite
def any_series(draw_: st.DrawFn, kind: str) -> Series:
    size = draw_(st.integers(0, 30))
    y = st.floats(0, 1e300) if kind == "histogram" else anything
    ys = draw_(st.lists(y, min_size=size, max_size=size))
    if kind == "histogram" and size:
        edges = sorted(draw_(st.sets(st.floats(-1e300, 1e300), min_size=size + 1, max_size=size + 1)))
        return Series(side=draw_(side), x=tuple(edges), y=tuple(ys))
    label = draw_(st.sampled_from(["", "a", "<b>", "c", "d"]))
    if kind == "bar":
        names = draw_(st.lists(name, min_size=size, max_size=size))
        return Series(side=draw_(side), label=label, x=tuple(names), y=tuple(ys))
    xs = draw_(st.lists(anything, min_size=size, max_size=size))
    return Series(side=draw_(side), label=label, x=tuple(xs), y=tuple(ys))


@st.composite
def any_plot(draw_: st.DrawFn) -> Plot:
    kind = draw_(st.sampled_from(KINDS))
    return Plot(
        name=draw_(name),
        kind=kind,
        x_label=draw_(name),
        y_label=draw_(name),
        x_type=draw_(st.sampled_from(["number", "time"])),
        is_horizontal=draw_(st.booleans()),
        series=tuple(draw_(st.lists(any_series(kind), max_size=5))),
    )


@st.composite
def any_matrix(draw_: st.DrawFn) -> ConfusionMatrix:
    classes = draw_(st.lists(name, unique=True, max_size=25))
    row = st.lists(st.integers(0, 10**9), min_size=len(classes), max_size=len(classes)).map(tuple)
    counts = draw_(st.lists(row, min_size=len(classes), max_size=len(classes)))
    return ConfusionMatrix(side=draw_(side), classes=tuple(classes), counts=tuple(counts))


def assert_sound(svg: str | None) -> None:
    if svg is None:
        return
    root = ET.fromstring(svg)
    assert len(svg.encode()) <= LARGEST_BYTES
    for element in root.iter():
        assert element.tag in {"svg", "title", "desc", "g", "path", "text", "rect", "circle"}
        for key, value in element.attrib.items():
            if key in {"d", "x", "y", "width", "height", "transform"}:
                assert "nan" not in value
                assert "inf" not in value
                numbers = [float(one) for one in re.findall(r"-?\d+(?:\.\d+)?", value)]
                assert all(abs(one) < 5_000 for one in numbers)


@given(any_plot())
def test_any_numbers_and_names_make_a_small_sound_drawing(plot: Plot) -> None:
    assert_sound(plot_svg(PlotFigure(plot=plot, base_name="<base>", head_name="&head")))


@given(st.lists(any_matrix(), max_size=2, unique_by=lambda matrix: matrix.side), st.booleans())
def test_any_counts_and_classes_make_a_small_sound_drawing(
    matrices: list[ConfusionMatrix], is_normalized: bool
) -> None:
    plot = Plot(name="c", kind="confusion", matrices=tuple(matrices), is_normalized=is_normalized)

    assert_sound(plot_svg(PlotFigure(plot=plot)))


@pytest.mark.parametrize("kind", ["line", "scatter"])
def test_the_largest_plot_that_a_report_holds_stays_small(kind: str) -> None:
    series = tuple(
        Series(
            side=one,
            label=f"label {number}",
            x=tuple(n * 1234.5678 for n in range(400)),
            y=tuple((n * 7919 % 400) * 1.2345 for n in range(400)),
        )
        for one in SIDES
        for number in range(8)
    )

    svg = draw(Plot(name="p", kind=kind, series=series))  # type: ignore[arg-type]  # one of the two

    assert_sound(svg)
