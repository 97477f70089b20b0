"""Plots as Mermaid, tables, lines and dots."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ci_core.reports.document import Code, PlotFigure
from ci_core.reports.markdown_blocks import block_text
from ci_core.reports.mermaid import xy_chart
from ci_core.reports.plot_dots import plot_dots
from ci_core.reports.plot_text import plot_lines, plot_notes, plot_table
from ci_core.reports.report import Plot, Series
from ci_core.testing.golden import assert_golden
from ci_core.testing.sample_plots import plots_of_all_kinds

GOLDEN = Path(__file__).resolve().parents[2] / "golden" / "reports" / "plots"
PLOTS = plots_of_all_kinds()


def words(line: tuple[object, ...]) -> str:
    return "".join(piece if isinstance(piece, str) else getattr(piece, "text", "") for piece in line)


def notes(plot: Plot) -> list[str]:
    return [words(line) for line in plot_notes(PlotFigure(plot=plot))]


def line(side: str, *ys: float, label: str = "") -> Series:
    return Series(side=side, label=label, x=tuple(map(float, range(len(ys)))), y=ys)  # type: ignore[arg-type]  # base or head


@pytest.mark.parametrize("name", PLOTS)
def test_every_kind_is_written_as_reviewed(name: str) -> None:
    assert_golden(GOLDEN / f"{name}.md", block_text(PlotFigure(plot=PLOTS[name])))


class TestMermaid:
    def test_both_sides_are_resampled_to_one_grid(self) -> None:
        base = Series(side="base", x=(0.0, 2.0), y=(0.0, 4.0))
        head = Series(side="head", x=(0.0, 1.0, 2.0), y=(1.0, 1.0, 3.0))

        chart = xy_chart(Plot(name="loss", kind="line", x_label="epoch", series=(head, base)))

        assert chart is not None
        lines = chart.splitlines()
        assert lines[2:5] == ['  title "grey: base, blue: head"', '  x-axis "epoch" 0 --> 2', '  y-axis "y"']
        assert lines[5].startswith("  line [0, 0.10256, 0.20513, ")
        assert lines[6].startswith("  line [1, 1, ")
        assert all(text.count(",") == 39 for text in lines[5:])

    def test_few_points_at_even_steps_stay_as_they_are(self) -> None:
        chart = xy_chart(Plot(name="p", kind="line", series=(line("base", 1, 3, 2), line("head", 2, 2, 1))))

        assert chart is not None
        assert chart.splitlines()[-2:] == ["  line [1, 3, 2]", "  line [2, 2, 1]"]

    def test_a_side_that_ends_earlier_is_said_to_go_on_level(self) -> None:
        chart = xy_chart(Plot(name="p", kind="line", series=(line("base", 1, 3), line("head", 2, 2, 1))))

        assert chart is not None
        assert chart.splitlines()[2] == '  title "grey: base, blue: head, level where there are no points"'

    @pytest.mark.parametrize(
        ("ys", "axis", "numbers"),
        [
            ((1e300, -1e300), "y in 1e300", "[1, -1]"),
            ((1e-12, 3e-12), "y in 1e-12", "[1, 3]"),
            ((250_000.0, 1_000.0), "y in 1e5", "[2.5, 0.01]"),
            ((0.5, 0.25), "y", "[0.5, 0.25]"),
            ((0.0, -0.0), "y", "[0, 0]"),
        ],
    )
    def test_numbers_are_written_without_exponents_which_mermaid_does_not_read(
        self, ys: tuple[float, float], axis: str, numbers: str
    ) -> None:
        chart = xy_chart(Plot(name="p", kind="line", series=(line("head", *ys),)))

        assert chart is not None
        assert chart.splitlines()[-2:] == [f'  y-axis "{axis}"', f"  line {numbers}"]

    def test_times_are_counted_from_the_first_one(self) -> None:
        chart = xy_chart(PLOTS["time"])

        assert chart is not None
        assert chart.splitlines()[3] == '  x-axis "day: days from 1970-01-01" 0 --> 20'

    def test_a_histogram_shows_shares_over_the_middles_of_its_bins(self) -> None:
        chart = xy_chart(PLOTS["histogram"])

        assert chart is not None
        assert chart.splitlines()[3:] == [
            '  x-axis "score" 0.5 --> 2.5',
            '  y-axis "share"',
            "  bar [0.125, 0.5, 0.375]",
            "  line [0.25, 0.25, 0.5]",
        ]

    def test_bins_of_unequal_width_have_names(self) -> None:
        series = Series(side="head", x=(0.0, 1.0, 5.0), y=(1.0, 3.0))

        chart = xy_chart(Plot(name="h", kind="histogram", series=(series,)))

        assert chart is not None
        assert '  x-axis ["0", "1"]' in chart.splitlines()

    @pytest.mark.parametrize("name", ["many-lines", "scatter", "bars", "confusion", "image", "unread"])
    def test_what_mermaid_cannot_tell_is_left_to_words(self, name: str) -> None:
        assert xy_chart(PLOTS[name]) is None


_LABEL = r'"(?:[\w .,()/:+\-]|#\d+;)+"'
_NUMBER = r"-?\d+(?:\.\d+)?"
_CHART = re.compile(
    rf"""%%{{init: {{"themeVariables": {{"xyChart": {{"plotColorPalette": "[#0-9a-f, ]+"}}}}}}}}%%
xychart-beta
  title {_LABEL}
  x-axis (?:{_LABEL} {_NUMBER} --> {_NUMBER}|\[{_LABEL}(?:, {_LABEL})*\])
  y-axis {_LABEL}
(?:  (?:line|bar) \[{_NUMBER}(?:, {_NUMBER})*\]\n?)+"""
)
evil = st.one_of(
    st.text(max_size=20),
    st.lists(
        st.sampled_from(
            [
                '"',
                "]",
                "}",
                ";",
                "\n",
                "%%{init: {}}%%",
                "click a",
                "#quot;",
                "&quot;",
                "```",
                "<script>",
                "-->",
                "x-axis",
            ]
        ),
        max_size=6,
    ).map("".join),
)


@st.composite
def any_chart(draw: st.DrawFn) -> Plot:
    finite = st.floats(allow_nan=False, allow_infinity=False)
    size = draw(st.integers(0, 50))
    series = []
    for side in draw(st.sampled_from([("base", "head"), ("head",), ("head", "head")])):
        ys = tuple(draw(st.lists(finite, min_size=size, max_size=size)))
        xs = tuple(draw(st.lists(finite, min_size=size, max_size=size)))
        series.append(Series(side=side, label=draw(evil), x=xs, y=ys))  # type: ignore[arg-type]  # base or head
    return Plot(name=draw(evil), kind="line", x_label=draw(evil), y_label=draw(evil), series=tuple(series))


@given(any_chart(), st.sampled_from(["number", "time"]))
def test_no_name_and_no_number_breaks_out_of_a_chart(plot: Plot, x_type: str) -> None:
    chart = xy_chart(plot.model_copy(update={"x_type": x_type}))

    assert chart is None or _CHART.fullmatch(chart)


@given(st.lists(evil, min_size=1, max_size=50), evil)
def test_no_name_of_a_bin_breaks_out_of_a_chart(names: list[str], label: str) -> None:
    series = Series(side="head", x=tuple(names), y=(1.0,) * len(names))

    chart = xy_chart(Plot(name="h", kind="histogram", x_label=label, series=(series,)))

    assert chart is None or _CHART.fullmatch(chart)


def test_a_name_without_letters_is_not_empty_which_mermaid_does_not_take() -> None:
    series = Series(side="head", x=("", " "), y=(1.0, 1.0))

    chart = xy_chart(Plot(name="h", kind="histogram", series=(series,)))

    assert chart is not None
    assert '  x-axis ["(blank)", "(blank)"]' in chart.splitlines()


class TestWords:
    def test_a_line_tells_its_ends_and_what_lies_beyond_them(self) -> None:
        (first,) = plot_lines(PlotFigure(plot=Plot(name="p", kind="line", series=(line("head", 2, 5, 1, 3),))))

        assert words(first) == "head  2 → 3 (lowest 1, highest 5)"

    def test_many_lines_are_a_table_with_both_sides_in_a_row(self) -> None:
        table = plot_table(PlotFigure(plot=PLOTS["many-lines"]))

        assert table is not None
        assert [words(cell) for cell in table.rows[1]] == [
            "class 1",
            " 2 → 1.079",
            " 1.8 → 1.063",
            "-0.0157",
        ]

    def test_bars_of_both_sides_are_in_a_row_with_their_difference(self) -> None:
        table = plot_table(PlotFigure(plot=PLOTS["bars"]))

        assert table is not None
        assert [[words(cell) for cell in row] for row in table.rows] == [
            ["dog", "████████████ 5", "█████████▋ 4", "-1"],
            ["cow", "–", "███▋ 1.5", "–"],
            ["cat", "███████▎ 3", "–", "–"],
        ]

    def test_a_small_difference_of_bars_is_written_as_the_bars_are(self) -> None:
        base, head = Series(side="base", x=("time",), y=(0.0413,)), Series(side="head", x=("time",), y=(0.0414,))
        plot = Plot(name="p", kind="bar", series=(base, head))

        table = plot_table(PlotFigure(plot=plot))

        assert table is not None
        assert [words(cell) for cell in table.rows[0]] == [
            "time",
            "████████████ 0.0413",
            "████████████ 0.0414",
            "+0.0001",
        ]

    def test_a_normalized_matrix_is_told_in_shares_of_the_actual_class(self) -> None:
        table = plot_table(PlotFigure(plot=PLOTS["normalized"]))

        assert table is not None
        assert [[words(cell) for cell in row] for row in table.rows] == [["a", "75 %", "25 %"], ["b", "0 %", "100 %"]]

    def test_of_a_matrix_the_share_of_right_answers_is_told(self) -> None:
        lines = [words(line) for line in plot_lines(PlotFigure(plot=PLOTS["confusion"]))]

        assert lines == ["base 90 % right (135 of 150)", "head 89 % right (134 of 150)"]

    def test_pictures_are_told_by_size_and_by_whether_they_are_others(self) -> None:
        table = plot_table(PlotFigure(plot=PLOTS["image"]))

        assert table is not None
        assert [words(cell) for cell in table.rows[0]] == [
            "shot.png",
            "70 B, png",
            "2.4 kB, not shown",
            "changed",
        ]

    @pytest.mark.parametrize(
        ("change", "expected"),
        [
            ("added", ["new: the base declares no such plot"]),
            ("removed", ["removed: only the base declares it"]),
            ("same", ["as at the base"]),
            ("changed", []),
            (None, []),
        ],
    )
    def test_a_plot_of_one_side_says_so(self, change: str, expected: list[str]) -> None:
        assert notes(PLOTS["line"].model_copy(update={"change": change})) == expected

    def test_problems_and_what_was_left_out_are_said(self) -> None:
        assert notes(PLOTS["unread"]) == ["head: gone.csv: it is not there"]
        assert notes(PLOTS["time"]) == ["removed: only the base declares it", "3 of 90 points shown"]

    def test_the_names_of_files_in_notes_are_code(self) -> None:
        (note,) = plot_notes(PlotFigure(plot=PLOTS["unread"]))

        assert Code("gone.csv") in note


class TestDots:
    def test_sides_are_drawn_side_by_side_on_the_same_axes(self) -> None:
        base = Series(side="base", x=(0.0, 10.0), y=(0.0, 1.0))
        head = Series(side="head", x=(10.0,), y=(0.5,))

        lines = (plot_dots(PlotFigure(plot=Plot(name="p", kind="scatter", series=(base, head)))) or "").splitlines()

        blank = "\u2800" * 29
        assert lines[0] == "     base" + " " * 30 + "head"
        assert lines[1] == f"1.00│{blank}⠛   │{blank}\u2800"
        assert lines[9] == f"   0│⣤{blank}   │{blank}\u2800"
        assert lines[11] == "     0" + " " * 25 + "10.0    0" + " " * 25 + "10.0"

    def test_many_points_are_finer_dots(self) -> None:
        series = Series(side="head", x=(0.0,) * 60 + (1.0,), y=(0.0,) * 60 + (1.0,))

        text = plot_dots(PlotFigure(plot=Plot(name="p", kind="scatter", series=(series,)))) or ""

        assert text.splitlines()[1] == "1.00│" + "\u2800" * 29 + "⠈"

    def test_only_clouds_are_drawn_with_dots(self) -> None:
        assert [name for name, plot in PLOTS.items() if plot_dots(PlotFigure(plot=plot))] == ["scatter"]


@given(
    st.lists(
        st.tuples(st.floats(allow_nan=False, allow_infinity=False), st.floats(allow_nan=False, allow_infinity=False)),
        min_size=1,
        max_size=30,
    ),
    evil,
)
def test_any_cloud_fits_its_frame(points: list[tuple[float, float]], name: str) -> None:
    xs, ys = zip(*points, strict=True)
    plot = Plot(name=name, kind="scatter", series=(Series(side="head", x=xs, y=ys),))

    text = plot_dots(PlotFigure(plot=plot, head_name=name))

    assert text is not None
    assert len(text.splitlines()) == 12
    assert sum(chr(0x2800) < char <= chr(0x28FF) for char in text.partition("│")[2]) >= 1
