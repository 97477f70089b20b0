"""Whatever plots hold, all are in the report, and what is thinned keeps its shape."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from ci_core.operations import plot_data
from ci_core.operations.plot_data import plot_parts
from ci_core.reports.thinning import in_order, thin_cloud, thin_line
from ci_core.versioning.plots import Plot, PlotSource

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
