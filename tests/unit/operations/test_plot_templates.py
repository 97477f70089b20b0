"""What DVC's templates make of a plot."""

from __future__ import annotations

import pytest

from ci_core.operations.plot_series import MOST_BARS
from ci_core.versioning.plots import Plot, PlotSource
from tests.unit.operations.declared_plots import declared, drawn, lines_of, points_of, rows_of


class TestTemplates:
    @pytest.mark.parametrize("template", ["linear", "simple", "smooth", None])
    def test_line_templates_make_lines(self, template: str | None) -> None:
        assert drawn(declared(points_of((0, 1)), template=template)).kind == "line"

    def test_smooth_lines_say_that_they_are_not_smoothed(self) -> None:
        assert drawn(declared(points_of((0, 1)), template="smooth")).notes == ("drawn as in the file, not smoothed",)

    @pytest.mark.parametrize("template", ["scatter", "scatter_jitter"])
    def test_scatter_templates_make_clouds_in_the_order_of_the_file(self, template: str) -> None:
        plot = drawn(declared(points_of((2, 1), (1, 1)), template=template))

        assert (plot.kind, plot.series[0].x) == ("scatter", (2.0, 1.0))

    def test_lying_bars_have_names_in_y_and_lengths_in_x(self) -> None:
        plot = drawn(declared(points_of((1, "a"), (3, "b"), (2, "c")), template="bar_horizontal", x_label="gain"))

        assert (plot.kind, plot.is_horizontal, plot.x_label, plot.y_label) == ("bar", True, "y", "gain")
        assert lines_of(plot) == [("head", "", ("a", "b", "c"), (1.0, 3.0, 2.0))]

    def test_sorted_bars_begin_with_the_longest(self) -> None:
        plot = drawn(declared(points_of((1, "a"), (3, "b"), (2, "c")), template="bar_horizontal_sorted"))

        assert lines_of(plot) == [("head", "", ("b", "c", "a"), (3.0, 2.0, 1.0))]

    def test_the_first_bars_of_many_are_kept_and_all_are_counted(self) -> None:
        source = points_of(*((index, f"n{index}") for index in range(100)))

        series = drawn(declared(source, template="bar_horizontal_sorted")).series[0]

        assert (len(series.y), series.y[0], series.sampled_from) == (MOST_BARS, 99.0, 100)

    @pytest.mark.parametrize(("x", "y"), [("actual", "predicted"), ("prediction", "label")])
    def test_pairs_of_classes_are_counted_actual_against_predicted(self, x: str, y: str) -> None:
        pairs = [("10", "9"), ("10", "10"), ("9", "9"), ("10", "9")]
        cells = [pair[::-1] for pair in pairs] if x == "prediction" else pairs
        source = PlotSource(path="c.csv", rows=tuple({x: one, y: other} for one, other in cells))

        plot = drawn(Plot(id="c.csv", properties={"x": x, "y": y, "template": "confusion"}, sources=(source,)))

        assert (plot.kind, plot.is_normalized) == ("confusion", False)
        assert plot.matrices[0].classes == ("9", "10")
        assert plot.matrices[0].counts == ((1, 0), (2, 1))

    def test_a_normalized_matrix_keeps_its_counts_and_says_so(self) -> None:
        plot = drawn(declared(points_of((True, False)), template="confusion_normalized"))

        assert plot.is_normalized
        assert plot.matrices[0].classes == ("false", "true")

    def test_the_most_frequent_of_many_classes_are_kept(self) -> None:
        pairs = [(index, index) for index in range(100)] + [(index, index) for index in range(40, 100)]

        plot = drawn(declared(points_of(*pairs), template="confusion"))

        assert plot.matrices[0].classes == tuple(str(index) for index in range(40, 100))
        assert plot.notes == ("head: only the 60 most frequent classes are shown, 40 are not",)

    def test_a_template_of_the_users_own_is_drawn_as_lines_and_named(self) -> None:
        plot = drawn(declared(points_of((0, 1)), template="violin"))

        assert plot.kind == "line"
        assert plot.notes == ("its template `violin` is not one of DVC's: drawn as lines",)

    def test_a_histogram_template_of_one_column_counts_it_in_bins_that_both_sides_share(self) -> None:
        base = Plot(id="h", properties={"y": "v", "template": "my_hist"}, sources=(rows_of("h", v=[0, 1, 1, 4]),))
        head = Plot(id="h", properties={"y": "v", "template": "my_hist"}, sources=(rows_of("h", v=[0, 3, 4, 4]),))

        plot = drawn(head, base)

        assert plot.kind == "histogram"
        assert lines_of(plot) == [
            ("base", "", (0.0, 2.0, 4.0), (3.0, 1.0)),
            ("head", "", (0.0, 2.0, 4.0), (1.0, 3.0)),
        ]
