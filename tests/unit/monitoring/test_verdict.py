"""The rule, on counts made for the purpose."""

from __future__ import annotations

import math
from datetime import UTC, datetime, timedelta
from types import MappingProxyType
from typing import TYPE_CHECKING

import numpy as np
import pytest

from ci_core.monitoring.arrays import count_values
from ci_core.monitoring.null import prediction_bound, reference_null
from ci_core.monitoring.profile import CategoryLevels, ColumnCounts, Layout, NumericGrid, Profile, no_rows
from ci_core.monitoring.reference import Block, ReferenceProfile
from ci_core.monitoring.verdict import ColumnChange, Preceding, changes, important, judge

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ci_core.monitoring.spec import Verdict

DAY = timedelta(days=1)
START = datetime(2013, 1, 1, tzinfo=UTC)
GRID = NumericGrid(centre=0.0, scale=1.0)
LAYOUT = Layout(
    columns=MappingProxyType(
        {
            "heat": GRID,
            "load": GRID,
            "plan": CategoryLevels(levels=("free", "team"), is_complete=True),
            "_output": GRID,
        }
    )
)


def _day(
    seed: int, *, rows: int = 1000, means: Mapping[str, float] | None = None, missing: int = 0, new_level: int = 0
) -> Profile:
    """Return one day of traffic: standard normal columns, `means` apart, and two plans."""
    random = np.random.default_rng(seed)
    columns = {}
    for name in ("heat", "load", "_output"):
        values = random.normal((means or {}).get(name, 0.0), 1.0, rows)
        if name == "heat":
            values[:missing] = math.nan
        columns[name] = count_values(GRID, values)
    free = int(random.binomial(rows - new_level, 0.7))
    cells = {code: n for code, n in ((0, free), (1, rows - new_level - free), (-1, new_level)) if n}
    columns["plan"] = ColumnCounts(cells=cells, unseen={"gold": new_level} if new_level else {})
    return Profile(rows=rows, layout=LAYOUT.digest, columns=columns)


def _reference(days: int = 28) -> ReferenceProfile:
    blocks = tuple(Block(start=START + index * DAY, profile=_day(index)) for index in range(days))
    return ReferenceProfile(layout=LAYOUT, length=DAY, blocks=blocks, rest=no_rows(LAYOUT))


REFERENCE = _reference()
MOVED = {"heat": 0.5}


def _second_look(profile: Profile, before: Profile, importance: Mapping[str, float] | None = None) -> Verdict:
    """Judge `profile` as the window after `before`."""
    first = judge(REFERENCE, before)
    preceding = Preceding(profile=before, drifted=frozenset(column.name for column in first.drifted))
    return judge(REFERENCE, profile, importance=importance, preceding=preceding)


def test_of_days_like_the_references_own_few_are_potential_and_none_is_drift() -> None:
    # Sixty such worlds of 40 days gave 0.4 % `potential` in all; the rule allows 1 %.
    states = []
    for world in range(2):
        days = [_day(10_000 * (world + 1) + index) for index in range(58)]
        blocks = tuple(Block(start=START + index * DAY, profile=day) for index, day in enumerate(days[:28]))
        reference = ReferenceProfile(layout=LAYOUT, length=DAY, blocks=blocks, rest=no_rows(LAYOUT))
        null = reference_null(reference)
        preceding = None
        for day in days[28:]:
            verdict = judge(reference, day, null=null, preceding=preceding)
            preceding = Preceding(profile=day, drifted=frozenset(column.name for column in verdict.drifted))
            states.append(verdict.state)

    assert states.count("potential") <= 1  # of 60
    assert set(states) <= {"no-drift", "potential"}


def test_one_moved_window_alone_is_potential() -> None:
    verdict = judge(REFERENCE, _day(1, means=MOVED))

    assert verdict.state == "potential"
    assert [column.name for column in verdict.drifted] == ["heat"]
    assert verdict.reasons[1].startswith("One window alone is at most potential")


def test_changes_say_of_each_column_what_the_verdict_says() -> None:
    for window in (_day(1), _day(1, means=MOVED), _day(1, rows=20, means=MOVED)):
        verdicts = judge(REFERENCE, window).columns

        assert len(verdicts) == 4
        assert changes(REFERENCE, window) == {
            column.name: ColumnChange(distance=column.distance, shift=column.shift, has_drifted=column.drifted)
            for column in verdicts
        }


def test_the_same_column_in_two_windows_in_a_row_is_drift() -> None:
    verdict = _second_look(_day(1, means=MOVED), _day(2, means=MOVED))

    assert verdict.state == "drift"
    assert verdict.reasons[0].startswith("Beyond the bound, as in the window before: `heat` by 0.")


def test_another_column_in_the_second_window_is_potential_again() -> None:
    verdict = _second_look(_day(1, means=MOVED), _day(2, means={"load": 0.5}))

    assert verdict.state == "potential"


def test_opposite_moves_on_two_days_are_no_drift_since_the_pair_does_not_show_them() -> None:
    verdict = _second_look(_day(1, means={"heat": 0.28}), _day(2, means={"heat": -0.28}))

    assert verdict.state == "potential"


def test_a_column_of_little_importance_stays_potential() -> None:
    shares = {"load": 0.85, "heat": 0.1, "plan": 0.05}

    verdict = _second_look(_day(1, means=MOVED), _day(2, means=MOVED), shares)

    assert verdict.state == "potential"
    assert verdict.reasons[1] == "`heat` moved as in the window before, but holds little importance."


def test_an_important_column_is_drift_and_the_reason_says_its_share() -> None:
    verdict = _second_look(_day(1, means=MOVED), _day(2, means=MOVED), {"heat": 0.6, "load": 0.4})

    assert verdict.state == "drift"
    assert verdict.reasons[1] == "It matters: this column holds 60 % of the model's importance."


def test_the_models_own_output_matters_whatever_the_importance() -> None:
    moved = {"_output": 0.5}

    verdict = _second_look(_day(1, means=moved), _day(2, means=moved), {"heat": 1.0})

    assert verdict.state == "drift"
    assert verdict.reasons[1] == "It matters: the model's own output has moved."


def test_missing_values_are_broken_data_and_beat_drift() -> None:
    verdict = _second_look(_day(1, means={"load": 2.0}, missing=100), _day(2, means={"load": 2.0}))

    assert verdict.state == "broken-data"
    assert verdict.reasons == (
        "The data are broken: `heat` missing 0.0 % → 10.0 %.",
        "Mend the source first: retraining on broken data would do harm.",
    )
    assert verdict.columns[0].quality == ("missing 0.0 % → 10.0 %",)


def test_a_new_level_is_broken_data() -> None:
    verdict = judge(REFERENCE, _day(1, new_level=20))

    assert verdict.state == "broken-data"
    assert verdict.columns[0].quality == ("new level `gold` 2.0 %",)


def test_a_column_that_is_gone_is_broken_data_in_a_window_of_any_size() -> None:
    day = _day(1, rows=20)
    lacking = Profile(
        rows=20,
        layout=LAYOUT.digest,
        columns={name: counts for name, counts in day.columns.items() if name != "heat"},
        faults={"heat": "is missing"},
    )

    verdict = judge(REFERENCE, lacking)

    assert verdict.state == "broken-data"
    assert verdict.reasons[0] == "The data are broken: `heat` is missing."


@pytest.mark.parametrize(("rows", "said"), [(0, "no rows"), (1, "only 1 row"), (499, "only 499 rows")])
def test_few_rows_are_insufficient_and_never_fine(rows: int, said: str) -> None:
    profile = _day(1, rows=rows, means={"heat": 9.0}) if rows else no_rows(LAYOUT)

    verdict = judge(REFERENCE, profile)

    assert verdict.state == "insufficient-data"
    assert verdict.reasons[0] == f"The window has {said}; a verdict needs 500."
    assert verdict.drifted == ()


def test_a_shift_without_overlap_is_seen_though_jensen_shannon_is_blind() -> None:
    random = np.random.default_rng(8)
    weather = [
        Block(start=START + index * DAY, profile=_day(index, means={"heat": mean * 6}))
        for index, mean in enumerate(random.normal(size=28))
    ]
    reference = ReferenceProfile(layout=LAYOUT, length=DAY, blocks=tuple(weather), rest=no_rows(LAYOUT))

    verdict = judge(reference, _day(99, means={"heat": 60.0}))

    heat = next(column for column in verdict.columns if column.name == "heat")
    assert heat.bound > 1
    assert heat.drifted
    assert heat.shift is not None
    assert heat.shift_bound is not None
    assert heat.shift > heat.shift_bound


def test_the_smallest_visible_shift_is_printed_beside_no_drift_and_is_true() -> None:
    verdict = judge(REFERENCE, _day(1))
    heat = next(column for column in verdict.columns if column.name == "heat")
    assert heat.smallest_visible is not None

    seen = judge(REFERENCE, _day(1, means={"heat": heat.smallest_visible + 0.12}))
    unseen = judge(REFERENCE, _day(1, means={"heat": heat.smallest_visible - 0.12}))

    assert "would have been seen" in verdict.reasons[1]
    assert (seen.state, unseen.state) == ("potential", "no-drift")


def test_fewer_than_fourteen_blocks_give_an_uncalibrated_verdict_with_a_higher_floor() -> None:
    reference = _reference(13)

    quiet, moved = judge(reference, _day(50)), judge(reference, _day(51, means=MOVED))

    assert (quiet.state, quiet.calibrated) == ("no-drift", False)
    assert (moved.state, moved.calibrated) == ("potential", False)
    assert {column.floor for column in moved.columns} == {0.1}


def test_blocks_cut_short_at_the_ends_of_the_table_say_nothing_about_windows() -> None:
    sizes = [300, *[1000] * 14, 499]
    blocks = tuple(Block(start=START + index * DAY, profile=_day(index, rows=rows)) for index, rows in enumerate(sizes))
    reference = ReferenceProfile(layout=LAYOUT, length=DAY, blocks=blocks, rest=no_rows(LAYOUT))

    assert len(reference.whole_blocks) == 14
    assert reference.pooled.rows == 14_799


def test_a_constant_column_has_no_unit_for_shifts_but_a_change_of_it_is_seen() -> None:
    layout = Layout(columns=MappingProxyType({"x": GRID}))

    def day(value: float) -> Profile:
        counts = count_values(GRID, np.full(1000, value))
        return Profile(rows=1000, layout=layout.digest, columns={"x": counts})

    blocks = tuple(Block(start=START + index * DAY, profile=day(3.0)) for index in range(20))
    reference = ReferenceProfile(layout=layout, length=DAY, blocks=blocks, rest=no_rows(layout))

    same, other = judge(reference, day(3.0)), judge(reference, day(4.0))

    assert (same.state, other.state) == ("no-drift", "potential")
    assert same.columns[0].shift is None


def test_a_column_without_any_value_breaks_nothing() -> None:
    layout = Layout(columns=MappingProxyType({"x": GRID}))
    empty = Profile(rows=1000, layout=layout.digest, columns={"x": count_values(GRID, np.full(1000, math.nan))})
    blocks = tuple(Block(start=START + index * DAY, profile=empty) for index in range(20))
    reference = ReferenceProfile(layout=layout, length=DAY, blocks=blocks, rest=no_rows(layout))

    verdict = judge(reference, empty)

    assert verdict.state == "no-drift"
    assert verdict.columns[0].reference_summary == "no values"


def test_a_window_on_another_layout_is_refused() -> None:
    with pytest.raises(ValueError, match="layout"):
        judge(REFERENCE, no_rows(Layout(columns=MappingProxyType({"heat": GRID}))))


def test_the_prediction_bound_is_as_worked_out_by_hand() -> None:
    # Roots 1, 2, 3: mean 2, sd 1, t(2 df, .05) = 2.919986, and sqrt(1 + 1/3).
    expected = (2 + 2.919986 * math.sqrt(4 / 3)) ** 2

    assert prediction_bound(np.array([1.0, 4.0, 9.0]), alpha=0.05) == pytest.approx(expected, rel=1e-6)


def test_the_pair_of_windows_has_a_tighter_bound_than_one() -> None:
    heat = reference_null(REFERENCE).columns["heat"]

    assert heat.distance.pair < heat.distance.window
    assert heat.shift is not None
    assert heat.shift.pair < heat.shift.window


def test_the_verdict_is_the_same_at_a_thousand_times_the_rows() -> None:
    def big(profile: Profile) -> Profile:
        columns = {
            name: ColumnCounts(
                cells={code: rows * 1000 for code, rows in counts.cells.items()},
                minimum=counts.minimum,
                maximum=counts.maximum,
            )
            for name, counts in profile.columns.items()
        }
        return Profile(rows=profile.rows * 1000, layout=profile.layout, columns=columns)

    blocks = tuple(Block(start=block.start, profile=big(block.profile)) for block in REFERENCE.blocks)
    reference = ReferenceProfile(layout=LAYOUT, length=DAY, blocks=blocks, rest=no_rows(LAYOUT))

    assert judge(reference, big(_day(1))).state == judge(REFERENCE, _day(1)).state == "no-drift"
    assert judge(reference, big(_day(1, means=MOVED))).state == judge(REFERENCE, _day(1, means=MOVED)).state


def test_the_important_columns_are_the_fewest_that_hold_eighty_percent() -> None:
    assert important({"a": 0.5, "b": 0.25, "c": 0.2, "d": 0.05}) == {"a", "b", "c"}
    assert important({"a": 0.8, "b": 0.2}) == {"a"}
    assert important({"a": 0.0}) == frozenset()
