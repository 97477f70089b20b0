"""From plots as declared to DVC to those of a report: sides, columns and cells."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import pytest

from ci_core.operations.plot_data import MOST_POINTS, plot_parts
from ci_core.operations.plot_series import MOST_SERIES
from ci_core.reports.thinning import in_order
from ci_core.versioning.plots import Plot, PlotSource
from tests.unit.operations.declared_plots import declared, drawn, lines_of, points_of, rows_of

if TYPE_CHECKING:
    from ci_core.types import JsonValue


def test_base_and_head_of_a_plot_are_drawn_over_each_other() -> None:
    base, head = (
        declared(points_of(("0", "1"), ("1", "2"))),
        declared(points_of((0, 1.5)), title="ROC", x_label="false"),
    )

    plot = drawn(head, base)

    assert (plot.name, plot.kind, plot.x_label, plot.y_label) == ("ROC", "line", "false", "y")
    assert lines_of(plot) == [("base", "", (0.0, 1.0), (1.0, 2.0)), ("head", "", (0.0,), (1.5,))]


class TestChange:
    def test_what_neither_side_can_show_is_not_as_at_the_base(self) -> None:
        gone = declared(PlotSource(path="gone.csv", problem="it is not there"))

        plot = drawn(gone, gone)

        assert plot.change is None
        assert plot.problems == ("base: `gone.csv`: it is not there", "head: `gone.csv`: it is not there")

    def test_without_a_base_nothing_is_said_about_a_change(self) -> None:
        assert drawn(declared(points_of((0, 1)))).change is None

    def test_a_head_that_could_not_be_read_has_removed_nothing(self) -> None:
        assert plot_parts([declared(points_of((0, 1)))], None) == ()

    def test_a_plot_that_only_one_side_declares_is_named_so(self) -> None:
        base, head = declared(points_of((0, 1))), Plot(id="new.csv", sources=(rows_of("new.csv", y=[1]),))

        plots = plot_parts([base], [head])

        assert [(plot.name, plot.change) for plot in plots] == [("new.csv", "added"), ("plots/roc.csv", "removed")]
        assert lines_of(plots[1]) == [("base", "", (0.0,), (1.0,))]

    def test_of_two_equal_sides_the_head_is_drawn_and_comes_last(self) -> None:
        same, moved = declared(points_of((0, 1))), Plot(id="moved.csv", sources=(rows_of("moved.csv", y=[1]),))
        base = Plot(id="moved.csv", sources=(rows_of("moved.csv", y=[2]),))

        plots = plot_parts([same, base], [same, moved])

        assert [(plot.name, plot.change) for plot in plots] == [("moved.csv", "changed"), ("plots/roc.csv", "same")]
        assert [series.side for series in plots[1].series] == ["head"]

    def test_plots_with_one_title_are_told_apart_by_their_files(self) -> None:
        plots = plot_parts(None, [Plot(id=name, properties={"title": "loss"}) for name in ("a.csv", "b.csv")])

        assert [plot.name for plot in plots] == ["loss (a.csv)", "loss (b.csv)"]


class TestColumns:
    def test_without_x_the_row_counts_and_without_y_the_last_column(self) -> None:
        plot = drawn(Plot(id="loss.csv", sources=(rows_of("loss.csv", step=[5, 6], loss=[0.5, 0.25]),)))

        assert (plot.x_label, plot.y_label) == ("step", "loss")
        assert lines_of(plot) == [("head", "", (0.0, 1.0), (0.5, 0.25))]

    def test_the_file_of_a_plot_is_its_first_source_whatever_it_is_called(self) -> None:
        plot = Plot(id="model/dvc.yaml::loss.csv", properties={"y": "loss"}, sources=(rows_of("loss.csv", loss=[1]),))

        assert lines_of(drawn(plot)) == [("head", "", (0.0,), (1.0,))]

    def test_several_columns_of_a_file_are_lines_with_their_names(self) -> None:
        source = rows_of("log.csv", step=[0, 1], train=[3, 2], test=[4, 3])

        plot = drawn(Plot(id="log.csv", properties={"x": "step", "y": ["train", "test"]}, sources=(source,)))

        assert plot.y_label == ""
        assert lines_of(plot) == [("head", "train", (0.0, 1.0), (3.0, 2.0)), ("head", "test", (0.0, 1.0), (4.0, 3.0))]

    def test_files_with_columns_of_their_own_are_told_apart_by_both(self) -> None:
        plot = drawn(
            Plot(
                id="losses",
                properties={"x": "step", "y": {"train.csv": ["loss", "error"], "test.csv": "loss"}},
                sources=(
                    rows_of("train.csv", step=[0], loss=[1], error=[2]),
                    rows_of("test.csv", step=[0], loss=[3]),
                ),
            )
        )

        assert [(series.label, series.y) for series in plot.series] == [
            ("train.csv: loss", (1.0,)),
            ("train.csv: error", (2.0,)),
            ("test.csv: loss", (3.0,)),
        ]

    def test_x_may_be_in_another_file(self) -> None:
        plot = drawn(
            Plot(
                id="p",
                properties={"x": {"steps.csv": "epoch"}, "y": {"loss.csv": "loss"}},
                sources=(rows_of("loss.csv", loss=[3, 2]), rows_of("steps.csv", epoch=[10, 20])),
            )
        )

        assert plot.x_label == "epoch"
        assert lines_of(plot) == [("head", "", (10.0, 20.0), (3.0, 2.0))]

    def test_each_y_may_have_an_x_of_its_own(self) -> None:
        plot = drawn(
            Plot(
                id="p",
                properties={"x": {"a.csv": "t", "b.csv": "u"}, "y": {"a.csv": "v", "b.csv": "w"}},
                sources=(rows_of("a.csv", t=[1], v=[2]), rows_of("b.csv", u=[3], w=[4])),
            )
        )

        assert [(series.x, series.y) for series in plot.series] == [((1.0,), (2.0,)), ((3.0,), (4.0,))]

    @pytest.mark.parametrize(
        ("plot", "problem"),
        [
            (declared(points_of()), "head: `plots/roc.csv` has no rows"),
            (Plot(id="a.csv", sources=(PlotSource(path="a.csv"),)), "head: `a.csv` has no rows"),
            (declared(points_of((0, 1)), y="loss"), "head: `plots/roc.csv` has no column `loss`"),
            (declared(points_of((0, "b"))), "head: `plots/roc.csv` has no numbers in `y`"),
            (declared(PlotSource(path="a.csv", problem="it is not there")), "head: `a.csv`: it is not there"),
            (
                Plot(
                    id="p",
                    properties={"x": {"x.csv": "x"}, "y": {"y.csv": "y"}},
                    sources=(rows_of("x.csv", x=[1, 2]), rows_of("y.csv", y=[1])),
                ),
                "head: `x.csv` has 2 rows and `y.csv` has 1: they cannot be put together",
            ),
            (
                Plot(
                    id="p", properties={"x": {"x.csv": ["a", "b"]}, "y": {"y.csv": "y"}}, sources=(points_of((1, 2)),)
                ),
                "head: it names another number of columns for `x` than for `y`",
            ),
            (
                declared(points_of((0, 1)), template="confusion", x=None),
                "head: a matrix needs `x` and `y`, the columns of actual and predicted classes",
            ),
        ],
        ids=["no rows", "nothing at all", "no column", "text", "not there", "lengths", "counts", "no x"],
    )
    def test_a_plot_that_cannot_be_drawn_says_why(self, plot: Plot, problem: str) -> None:
        part = drawn(plot)

        assert part.problems == (problem,)
        assert (part.series, part.matrices) == ((), ())

    def test_a_column_of_another_name_at_the_base_is_drawn_under_it(self) -> None:
        base = Plot(id="a.csv", properties={"y": "acc"}, sources=(rows_of("a.csv", acc=[1]),))
        head = Plot(id="a.csv", properties={"y": "accuracy"}, sources=(rows_of("a.csv", accuracy=[2]),))

        assert lines_of(drawn(head, base)) == [("base", "acc", (0.0,), (1.0,)), ("head", "accuracy", (0.0,), (2.0,))]

    def test_more_columns_than_can_be_read_are_counted(self) -> None:
        columns: dict[str, list[JsonValue]] = {f"c{index}": [index] for index in range(20)}

        plot = drawn(Plot(id="a.csv", properties={"y": list(columns)}, sources=(rows_of("a.csv", **columns),)))

        assert len(plot.series) == MOST_SERIES == 8
        assert plot.notes == ("12 columns more are not drawn",)


class TestCells:
    def test_cells_that_are_no_finite_numbers_are_left_out_and_counted(self) -> None:
        broken = points_of(
            (0, 1), ("one", 2), (None, 3), (4, "nan"), (5, "inf"), (True, 1), ([1], 2), (7, 10**400), (6, 7)
        )

        plot = drawn(declared(broken))

        assert lines_of(plot) == [("head", "", (0.0, 6.0), (1.0, 7.0))]
        assert plot.notes == ("head: 7 of 9 rows of `y` hold no finite number and are left out",)

    def test_times_are_seconds(self) -> None:
        plot = drawn(
            declared(points_of(("1970-01-02", 1), ("1970-01-02T01:00:00+01:00", 2), ("1970-01-01T12:00:00", 3)))
        )

        assert plot.x_type == "time"
        assert plot.series[0].x == (43200.0, 86400.0, 86400.0)

    def test_lines_over_names_are_bars_and_equal_names_are_added(self) -> None:
        plot = drawn(declared(points_of(("cat", 1), ("dog", "2"), ("cat", 3))))

        assert (plot.kind, plot.x_type, plot.is_horizontal) == ("bar", "name", False)
        assert lines_of(plot) == [("head", "", ("cat", "dog"), (4.0, 2.0))]

    def test_a_line_is_drawn_from_left_to_right_and_keeps_the_order_of_steps(self) -> None:
        assert in_order([(1, 0), (0.5, 2), (0.5, 1), (0, 3)]) == [(0, 3), (0.5, 1), (0.5, 2), (1, 0)]


class TestMany:
    def test_a_long_line_keeps_its_ends_and_its_peaks_and_says_how_long_it_is(self) -> None:
        points: list[tuple[JsonValue, JsonValue]] = [(index, math.sin(index / 50)) for index in range(100_000)]
        points[77_777] = (77_777, 99.0)

        series = drawn(declared(points_of(*points))).series[0]

        assert len(series.y) <= MOST_POINTS
        assert series.sampled_from == 100_000
        assert (series.x[0], series.x[-1], max(series.y)) == (0.0, 99_999.0, 99.0)

    def test_two_hundred_plots_have_fewer_points_each(self) -> None:
        source = points_of(*((index, index) for index in range(1000)))

        lines = plot_parts(
            None,
            [
                Plot(id=f"{index}.csv", sources=(PlotSource(path=f"{index}.csv", rows=source.rows),))
                for index in range(200)
            ],
        )

        assert len(lines) == 200
        assert {len(plot.series[0].y) for plot in lines} == {98}  # 49 stretches with two extremes each
