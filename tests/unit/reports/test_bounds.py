from ci_core.monitoring.spec import ColumnVerdict
from ci_core.reports.bounds import HEADS, cells
from ci_core.reports.document import Strong


def _column(*, distance: float, bound: float, shift: float | None, shift_bound: float | None) -> ColumnVerdict:
    return ColumnVerdict(
        name="temp",
        kind="numeric",
        distance=distance,
        bound=bound,
        floor=0.02,
        shift=shift,
        shift_bound=shift_bound,
        shift_floor=0.1,
        drifted=True,
    )


def test_a_measure_beyond_its_bound_is_strong_and_one_within_is_not() -> None:
    column = _column(distance=0.5, bound=0.6, shift=4.75, shift_bound=2.65)

    assert cells(column) == ((Strong("4.75"), " (2.65)"), ("0.500", " (0.600)"))


def test_a_distance_whose_bound_no_distance_can_reach_has_none() -> None:
    column = _column(distance=0.997, bound=1.13, shift=4.75, shift_bound=2.65)

    assert cells(column)[1] == ("0.997 (–)",)


def test_a_bound_below_the_smallest_effect_that_counts_is_shown_as_that_effect() -> None:
    column = _column(distance=0.01, bound=0.001, shift=0.05, shift_bound=0.01)

    assert cells(column) == (("0.05", " (0.10)"), ("0.010", " (0.020)"))


def test_a_category_has_no_shift() -> None:
    column = _column(distance=0.5, bound=0.1, shift=None, shift_bound=None)

    assert cells(column)[0] == ("–",)
    assert len(HEADS) == len(cells(column))
