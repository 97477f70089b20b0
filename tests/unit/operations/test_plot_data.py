"""From plots as declared to DVC to those of a report."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ci_core.operations import plot_data
from ci_core.operations.plot_data import MOST_POINTS, plot_parts
from ci_core.operations.plot_images import LARGEST_IMAGE_BYTES, LARGEST_IMAGES_BYTES
from ci_core.operations.plot_series import MOST_BARS, MOST_SERIES
from ci_core.reports.thinning import in_order, thin_cloud, thin_line
from ci_core.versioning.plots import Plot, PlotSource

if TYPE_CHECKING:
    from ci_core.reports import report as shown
    from ci_core.types import JsonValue

PNG = b"\x89PNG\r\n\x1a\n"


def _plot(*sources: PlotSource, **properties: JsonValue) -> Plot:
    return Plot(id="plots/roc.csv", properties={"x": "x", "y": "y", **properties}, sources=sources)


def _source(*points: tuple[JsonValue, JsonValue], path: str = "plots/roc.csv") -> PlotSource:
    return PlotSource(path=path, rows=tuple({"x": x, "y": y} for x, y in points))


def _rows(path: str, **columns: list[JsonValue]) -> PlotSource:
    return PlotSource(
        path=path, rows=tuple(dict(zip(columns, row, strict=True)) for row in zip(*columns.values(), strict=True))
    )


def _one(head: Plot, base: Plot | None = None) -> shown.Plot:
    (plot,) = plot_parts([base] if base else None, [head])
    return plot


def _lines(plot: shown.Plot) -> list[tuple[str, str, tuple[float | str, ...], tuple[float, ...]]]:
    return [(series.side, series.label, series.x, series.y) for series in plot.series]


def test_base_and_head_of_a_plot_are_drawn_over_each_other() -> None:
    base, head = _plot(_source(("0", "1"), ("1", "2"))), _plot(_source((0, 1.5)), title="ROC", x_label="false")

    plot = _one(head, base)

    assert (plot.name, plot.kind, plot.x_label, plot.y_label) == ("ROC", "line", "false", "y")
    assert _lines(plot) == [("base", "", (0.0, 1.0), (1.0, 2.0)), ("head", "", (0.0,), (1.5,))]


class TestChange:
    def test_what_neither_side_can_show_is_not_as_at_the_base(self) -> None:
        gone = _plot(PlotSource(path="gone.csv", problem="it is not there"))

        plot = _one(gone, gone)

        assert plot.change is None
        assert plot.problems == ("base: `gone.csv`: it is not there", "head: `gone.csv`: it is not there")

    def test_without_a_base_nothing_is_said_about_a_change(self) -> None:
        assert _one(_plot(_source((0, 1)))).change is None

    def test_a_head_that_could_not_be_read_has_removed_nothing(self) -> None:
        assert plot_parts([_plot(_source((0, 1)))], None) == ()

    def test_a_plot_that_only_one_side_declares_is_named_so(self) -> None:
        base, head = _plot(_source((0, 1))), Plot(id="new.csv", sources=(_rows("new.csv", y=[1]),))

        plots = plot_parts([base], [head])

        assert [(plot.name, plot.change) for plot in plots] == [("new.csv", "added"), ("plots/roc.csv", "removed")]
        assert _lines(plots[1]) == [("base", "", (0.0,), (1.0,))]

    def test_of_two_equal_sides_the_head_is_drawn_and_comes_last(self) -> None:
        same, moved = _plot(_source((0, 1))), Plot(id="moved.csv", sources=(_rows("moved.csv", y=[1]),))
        base = Plot(id="moved.csv", sources=(_rows("moved.csv", y=[2]),))

        plots = plot_parts([same, base], [same, moved])

        assert [(plot.name, plot.change) for plot in plots] == [("moved.csv", "changed"), ("plots/roc.csv", "same")]
        assert [series.side for series in plots[1].series] == ["head"]

    def test_plots_with_one_title_are_told_apart_by_their_files(self) -> None:
        plots = plot_parts(None, [Plot(id=name, properties={"title": "loss"}) for name in ("a.csv", "b.csv")])

        assert [plot.name for plot in plots] == ["loss (a.csv)", "loss (b.csv)"]


class TestColumns:
    def test_without_x_the_row_counts_and_without_y_the_last_column(self) -> None:
        plot = _one(Plot(id="loss.csv", sources=(_rows("loss.csv", step=[5, 6], loss=[0.5, 0.25]),)))

        assert (plot.x_label, plot.y_label) == ("step", "loss")
        assert _lines(plot) == [("head", "", (0.0, 1.0), (0.5, 0.25))]

    def test_the_file_of_a_plot_is_its_first_source_whatever_it_is_called(self) -> None:
        plot = Plot(id="model/dvc.yaml::loss.csv", properties={"y": "loss"}, sources=(_rows("loss.csv", loss=[1]),))

        assert _lines(_one(plot)) == [("head", "", (0.0,), (1.0,))]

    def test_several_columns_of_a_file_are_lines_with_their_names(self) -> None:
        source = _rows("log.csv", step=[0, 1], train=[3, 2], test=[4, 3])

        plot = _one(Plot(id="log.csv", properties={"x": "step", "y": ["train", "test"]}, sources=(source,)))

        assert plot.y_label == ""
        assert _lines(plot) == [("head", "train", (0.0, 1.0), (3.0, 2.0)), ("head", "test", (0.0, 1.0), (4.0, 3.0))]

    def test_files_with_columns_of_their_own_are_told_apart_by_both(self) -> None:
        plot = _one(
            Plot(
                id="losses",
                properties={"x": "step", "y": {"train.csv": ["loss", "error"], "test.csv": "loss"}},
                sources=(
                    _rows("train.csv", step=[0], loss=[1], error=[2]),
                    _rows("test.csv", step=[0], loss=[3]),
                ),
            )
        )

        assert [(series.label, series.y) for series in plot.series] == [
            ("train.csv: loss", (1.0,)),
            ("train.csv: error", (2.0,)),
            ("test.csv: loss", (3.0,)),
        ]

    def test_x_may_be_in_another_file(self) -> None:
        plot = _one(
            Plot(
                id="p",
                properties={"x": {"steps.csv": "epoch"}, "y": {"loss.csv": "loss"}},
                sources=(_rows("loss.csv", loss=[3, 2]), _rows("steps.csv", epoch=[10, 20])),
            )
        )

        assert plot.x_label == "epoch"
        assert _lines(plot) == [("head", "", (10.0, 20.0), (3.0, 2.0))]

    def test_each_y_may_have_an_x_of_its_own(self) -> None:
        plot = _one(
            Plot(
                id="p",
                properties={"x": {"a.csv": "t", "b.csv": "u"}, "y": {"a.csv": "v", "b.csv": "w"}},
                sources=(_rows("a.csv", t=[1], v=[2]), _rows("b.csv", u=[3], w=[4])),
            )
        )

        assert [(series.x, series.y) for series in plot.series] == [((1.0,), (2.0,)), ((3.0,), (4.0,))]

    @pytest.mark.parametrize(
        ("plot", "problem"),
        [
            (_plot(_source()), "head: `plots/roc.csv` has no rows"),
            (Plot(id="a.csv", sources=(PlotSource(path="a.csv"),)), "head: `a.csv` has no rows"),
            (_plot(_source((0, 1)), y="loss"), "head: `plots/roc.csv` has no column `loss`"),
            (_plot(_source((0, "b"))), "head: `plots/roc.csv` has no numbers in `y`"),
            (_plot(PlotSource(path="a.csv", problem="it is not there")), "head: `a.csv`: it is not there"),
            (
                Plot(
                    id="p",
                    properties={"x": {"x.csv": "x"}, "y": {"y.csv": "y"}},
                    sources=(_rows("x.csv", x=[1, 2]), _rows("y.csv", y=[1])),
                ),
                "head: `x.csv` has 2 rows and `y.csv` has 1: they cannot be put together",
            ),
            (
                Plot(id="p", properties={"x": {"x.csv": ["a", "b"]}, "y": {"y.csv": "y"}}, sources=(_source((1, 2)),)),
                "head: it names another number of columns for `x` than for `y`",
            ),
            (
                _plot(_source((0, 1)), template="confusion", x=None),
                "head: a matrix needs `x` and `y`, the columns of actual and predicted classes",
            ),
        ],
        ids=["no rows", "nothing at all", "no column", "text", "not there", "lengths", "counts", "no x"],
    )
    def test_a_plot_that_cannot_be_drawn_says_why(self, plot: Plot, problem: str) -> None:
        part = _one(plot)

        assert part.problems == (problem,)
        assert (part.series, part.matrices) == ((), ())

    def test_a_column_of_another_name_at_the_base_is_drawn_under_it(self) -> None:
        base = Plot(id="a.csv", properties={"y": "acc"}, sources=(_rows("a.csv", acc=[1]),))
        head = Plot(id="a.csv", properties={"y": "accuracy"}, sources=(_rows("a.csv", accuracy=[2]),))

        assert _lines(_one(head, base)) == [("base", "acc", (0.0,), (1.0,)), ("head", "accuracy", (0.0,), (2.0,))]

    def test_more_columns_than_can_be_read_are_counted(self) -> None:
        columns: dict[str, list[JsonValue]] = {f"c{index}": [index] for index in range(20)}

        plot = _one(Plot(id="a.csv", properties={"y": list(columns)}, sources=(_rows("a.csv", **columns),)))

        assert len(plot.series) == MOST_SERIES == 8
        assert plot.notes == ("12 columns more are not drawn",)


class TestCells:
    def test_cells_that_are_no_finite_numbers_are_left_out_and_counted(self) -> None:
        broken = _source(
            (0, 1), ("one", 2), (None, 3), (4, "nan"), (5, "inf"), (True, 1), ([1], 2), (7, 10**400), (6, 7)
        )

        plot = _one(_plot(broken))

        assert _lines(plot) == [("head", "", (0.0, 6.0), (1.0, 7.0))]
        assert plot.notes == ("head: 7 of 9 rows of `y` hold no finite number and are left out",)

    def test_times_are_seconds(self) -> None:
        plot = _one(_plot(_source(("1970-01-02", 1), ("1970-01-02T01:00:00+01:00", 2), ("1970-01-01T12:00:00", 3))))

        assert plot.x_type == "time"
        assert plot.series[0].x == (43200.0, 86400.0, 86400.0)

    def test_lines_over_names_are_bars_and_equal_names_are_added(self) -> None:
        plot = _one(_plot(_source(("cat", 1), ("dog", "2"), ("cat", 3))))

        assert (plot.kind, plot.x_type, plot.is_horizontal) == ("bar", "name", False)
        assert _lines(plot) == [("head", "", ("cat", "dog"), (4.0, 2.0))]

    def test_a_line_is_drawn_from_left_to_right_and_keeps_the_order_of_steps(self) -> None:
        assert in_order([(1, 0), (0.5, 2), (0.5, 1), (0, 3)]) == [(0, 3), (0.5, 1), (0.5, 2), (1, 0)]


class TestTemplates:
    @pytest.mark.parametrize("template", ["linear", "simple", "smooth", None])
    def test_line_templates_make_lines(self, template: str | None) -> None:
        assert _one(_plot(_source((0, 1)), template=template)).kind == "line"

    def test_smooth_lines_say_that_they_are_not_smoothed(self) -> None:
        assert _one(_plot(_source((0, 1)), template="smooth")).notes == ("drawn as in the file, not smoothed",)

    @pytest.mark.parametrize("template", ["scatter", "scatter_jitter"])
    def test_scatter_templates_make_clouds_in_the_order_of_the_file(self, template: str) -> None:
        plot = _one(_plot(_source((2, 1), (1, 1)), template=template))

        assert (plot.kind, plot.series[0].x) == ("scatter", (2.0, 1.0))

    def test_lying_bars_have_names_in_y_and_lengths_in_x(self) -> None:
        plot = _one(_plot(_source((1, "a"), (3, "b"), (2, "c")), template="bar_horizontal", x_label="gain"))

        assert (plot.kind, plot.is_horizontal, plot.x_label, plot.y_label) == ("bar", True, "y", "gain")
        assert _lines(plot) == [("head", "", ("a", "b", "c"), (1.0, 3.0, 2.0))]

    def test_sorted_bars_begin_with_the_longest(self) -> None:
        plot = _one(_plot(_source((1, "a"), (3, "b"), (2, "c")), template="bar_horizontal_sorted"))

        assert _lines(plot) == [("head", "", ("b", "c", "a"), (3.0, 2.0, 1.0))]

    def test_the_first_bars_of_many_are_kept_and_all_are_counted(self) -> None:
        source = _source(*((index, f"n{index}") for index in range(100)))

        series = _one(_plot(source, template="bar_horizontal_sorted")).series[0]

        assert (len(series.y), series.y[0], series.sampled_from) == (MOST_BARS, 99.0, 100)

    @pytest.mark.parametrize(("x", "y"), [("actual", "predicted"), ("prediction", "label")])
    def test_pairs_of_classes_are_counted_actual_against_predicted(self, x: str, y: str) -> None:
        pairs = [("10", "9"), ("10", "10"), ("9", "9"), ("10", "9")]
        cells = [pair[::-1] for pair in pairs] if x == "prediction" else pairs
        source = PlotSource(path="c.csv", rows=tuple({x: one, y: other} for one, other in cells))

        plot = _one(Plot(id="c.csv", properties={"x": x, "y": y, "template": "confusion"}, sources=(source,)))

        assert (plot.kind, plot.is_normalized) == ("confusion", False)
        assert plot.matrices[0].classes == ("9", "10")
        assert plot.matrices[0].counts == ((1, 0), (2, 1))

    def test_a_normalized_matrix_keeps_its_counts_and_says_so(self) -> None:
        plot = _one(_plot(_source((True, False)), template="confusion_normalized"))

        assert plot.is_normalized
        assert plot.matrices[0].classes == ("false", "true")

    def test_the_most_frequent_of_many_classes_are_kept(self) -> None:
        pairs = [(index, index) for index in range(100)] + [(index, index) for index in range(40, 100)]

        plot = _one(_plot(_source(*pairs), template="confusion"))

        assert plot.matrices[0].classes == tuple(str(index) for index in range(40, 100))
        assert plot.notes == ("head: only the 60 most frequent classes are shown, 40 are not",)

    def test_a_template_of_the_users_own_is_drawn_as_lines_and_named(self) -> None:
        plot = _one(_plot(_source((0, 1)), template="violin"))

        assert plot.kind == "line"
        assert plot.notes == ("its template `violin` is not one of DVC's: drawn as lines",)

    def test_a_histogram_template_of_one_column_counts_it_in_bins_that_both_sides_share(self) -> None:
        base = Plot(id="h", properties={"y": "v", "template": "my_hist"}, sources=(_rows("h", v=[0, 1, 1, 4]),))
        head = Plot(id="h", properties={"y": "v", "template": "my_hist"}, sources=(_rows("h", v=[0, 3, 4, 4]),))

        plot = _one(head, base)

        assert plot.kind == "histogram"
        assert _lines(plot) == [
            ("base", "", (0.0, 2.0, 4.0), (3.0, 1.0)),
            ("head", "", (0.0, 2.0, 4.0), (1.0, 3.0)),
        ]


class TestImages:
    def test_a_picture_is_told_by_its_first_bytes_and_embedded(self) -> None:
        plot = _one(Plot(id="a.png", sources=(PlotSource(path="a.png", image=PNG + b"x"),)))

        (image,) = plot.images
        assert (plot.kind, image.media_type, image.size_bytes, image.data) == (
            "image",
            "image/png",
            9,
            "iVBORw0KGgp4",
        )

    @pytest.mark.parametrize(
        ("content", "media_type"),
        [
            (b"\xff\xd8\xff\xe0", "image/jpeg"),
            (b"GIF89a", "image/gif"),
            (b"RIFF\0\0\0\0WEBPVP8 ", "image/webp"),
            (b"RIFF\0\0\0\0AVI ", None),
            (b"<html>", None),
        ],
    )
    def test_only_the_first_bytes_say_what_a_picture_is(self, content: bytes, media_type: str | None) -> None:
        plot = _one(Plot(id="a.png", sources=(PlotSource(path="a.png", image=content),)))

        assert plot.images[0].media_type == media_type
        assert bool(plot.images[0].data) == (media_type is not None)

    @pytest.mark.parametrize(
        ("content", "note"),
        [
            (b"<?xml version='1.0'?><SVG onload='x'/>", "SVG files can hold scripts"),
            (b"<html>", "it is not PNG, JPEG, GIF or WebP"),
            (b"", "it is empty"),
            (PNG + bytes(LARGEST_IMAGE_BYTES), "it is larger than 150 kB"),
        ],
        ids=["svg", "html", "empty", "large"],
    )
    def test_a_picture_that_is_not_shown_says_why_and_keeps_its_size(self, content: bytes, note: str) -> None:
        plot = _one(Plot(id="a.png", sources=(PlotSource(path="a.png", image=content),)))

        assert plot.notes == (f"head: `a.png` is not shown: {note}",)
        assert (plot.images[0].data, plot.images[0].size_bytes) == ("", len(content))

    def test_pictures_of_both_sides_are_kept_once_when_they_are_equal(self) -> None:
        base = Plot(id="a.png", properties={"title": "old"}, sources=(PlotSource(path="a.png", image=PNG),))
        head = Plot(id="a.png", sources=(PlotSource(path="a.png", image=PNG),))

        plot = _one(head, base)

        assert [(image.side, bool(image.data)) for image in plot.images] == [("base", False), ("head", True)]
        assert plot.images[0].digest == plot.images[1].digest

    def test_pictures_of_a_report_have_one_bound_together(self) -> None:
        plots = [
            Plot(id=f"{index}.png", sources=(PlotSource(path=f"{index}.png", image=PNG + bytes(140_000)),))
            for index in range(5)
        ]

        parts = plot_parts(None, plots)

        assert [bool(part.images[0].data) for part in parts] == [True, True, True, False, False]
        assert sum(part.images[0].size_bytes for part in parts[:3]) <= LARGEST_IMAGES_BYTES
        assert parts[3].notes == (
            "head: `3.png` is not shown: the pictures before it took the 450 kB that a report has",
        )


class TestMany:
    def test_a_long_line_keeps_its_ends_and_its_peaks_and_says_how_long_it_is(self) -> None:
        points: list[tuple[JsonValue, JsonValue]] = [(index, math.sin(index / 50)) for index in range(100_000)]
        points[77_777] = (77_777, 99.0)

        series = _one(_plot(_source(*points))).series[0]

        assert len(series.y) <= MOST_POINTS
        assert series.sampled_from == 100_000
        assert (series.x[0], series.x[-1], max(series.y)) == (0.0, 99_999.0, 99.0)

    def test_two_hundred_plots_have_fewer_points_each(self) -> None:
        source = _source(*((index, index) for index in range(1000)))

        lines = plot_parts(
            None,
            [
                Plot(id=f"{index}.csv", sources=(PlotSource(path=f"{index}.csv", rows=source.rows),))
                for index in range(200)
            ],
        )

        assert len(lines) == 200
        assert {len(plot.series[0].y) for plot in lines} == {98}  # 49 stretches with two extremes each


points = st.lists(st.tuples(st.floats(-1e9, 1e9), st.floats(-1e9, 1e9)), min_size=1, max_size=200)


@given(points, st.integers(8, 40))
def test_what_is_kept_of_a_line_has_its_ends_and_extremes(line: list[tuple[float, float]], most: int) -> None:
    ordered = in_order(line)

    kept = thin_line(ordered, most)

    assert len(kept) <= max(most, 2)
    assert (kept[0], kept[-1]) == (ordered[0], ordered[-1])
    assert min(y for _, y in kept) == min(y for _, y in line)
    assert max(y for _, y in kept) == max(y for _, y in line)


@given(points, st.integers(8, 40))
def test_what_is_kept_of_a_cloud_spans_what_the_cloud_spans(cloud: list[tuple[float, float]], most: int) -> None:
    kept = thin_cloud(cloud, most)

    assert len(kept) <= most
    for axis in (0, 1):
        assert {end(point[axis] for point in kept) for end in (min, max)} == {
            end(point[axis] for point in cloud) for end in (min, max)
        }


cells = st.one_of(
    st.none(), st.booleans(), st.integers(), st.floats(), st.text(max_size=5), st.lists(st.integers(), max_size=1)
)
sources = st.lists(
    st.builds(
        PlotSource,
        path=st.sampled_from(["a.csv", "b.csv"]),
        rows=st.lists(st.dictionaries(st.sampled_from("xyz"), cells), max_size=6).map(tuple),
        image=st.one_of(st.none(), st.none(), st.binary(max_size=12)),
        problem=st.one_of(st.none(), st.just("it is not there")),
    ),
    max_size=2,
).map(tuple)
axes = st.one_of(
    st.sampled_from(["x", "y", "none"]),
    st.lists(st.sampled_from("xyz"), max_size=3),
    st.dictionaries(st.sampled_from(["a.csv", "b.csv"]), st.sampled_from("xyz"), max_size=2),
    cells,
)
plots = st.builds(
    Plot,
    id=st.sampled_from(["a.csv", "b.csv", "c"]),
    properties=st.fixed_dictionaries(
        {},
        optional={
            "x": axes,
            "y": axes,
            "title": cells,
            "x_label": cells,
            "template": st.one_of(st.sampled_from([*plot_data._TEMPLATES, "my_hist"]), cells),
        },
    ),
    sources=sources,
)


@given(st.one_of(st.none(), st.lists(plots, max_size=2)), st.lists(plots, max_size=2, unique_by=lambda plot: plot.id))
def test_every_declared_plot_is_in_the_report_whatever_it_holds(base: list[Plot] | None, head: list[Plot]) -> None:
    parts = plot_parts(base, head)

    assert len(parts) == len({plot.id for plot in (*(base or ()), *head)})
    for part in parts:
        part.model_validate_json(part.model_dump_json())
