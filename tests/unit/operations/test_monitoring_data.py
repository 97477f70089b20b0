"""From judged windows to what the monitoring issue and its page are rendered from."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from types import MappingProxyType
from typing import TYPE_CHECKING

import pytest

from ci_core.deploy.spec import Live
from ci_core.monitoring.profile import MISSING, CategoryLevels, ColumnCounts, Layout, NumericGrid, Profile, no_rows
from ci_core.monitoring.records import WindowRecord
from ci_core.monitoring.reference import ReferenceProfile
from ci_core.monitoring.spec import ColumnVerdict, State, Verdict, Window
from ci_core.operations.monitoring_data import monitoring_report
from ci_core.types import CommitId, Digest, EnvironmentName, ReleaseId

if TYPE_CHECKING:
    from ci_core.reports.monitoring import MonitoringReport

LAYOUT = Layout(
    columns=MappingProxyType(
        {"temp": NumericGrid(centre=0.0, scale=1.0), "carrier": CategoryLevels(levels=("AA", "UA"), is_complete=True)}
    )
)
LIVE = Live(environment=EnvironmentName("staging"), release=ReleaseId("f" * 64), commit=CommitId("c" * 40))
FIRST = datetime(2013, 6, 15, tzinfo=UTC)


def _profile(temp: dict[int, int], carrier: dict[int, int]) -> Profile:
    columns = {"temp": ColumnCounts(cells=temp), "carrier": ColumnCounts(cells=carrier)}
    return Profile(rows=sum(temp.values()), layout=LAYOUT.digest, columns=columns)


REFERENCE = ReferenceProfile(layout=LAYOUT, length=None, blocks=(), rest=_profile({2: 50, 3: 50}, {0: 80, 1: 20}))


def _column(name: str, *, drifted: bool = False) -> ColumnVerdict:
    return ColumnVerdict(
        name=name,
        kind="category" if name == "carrier" else "numeric",
        distance=0.5,
        bound=0.2,
        floor=0.02,
        shift=4.12,
        shift_bound=2.64,
        shift_floor=0.05,
        drifted=drifted,
        quality=("missing 0.0 % → 6.0 %",),
        importance=0.21,
        reference_summary="mean 35.6 (sd 9.3)",
        window_summary="mean 73.8 (sd 5.2)",
    )


def _record(
    day: int,
    state: State = "drift",
    *,
    columns: tuple[ColumnVerdict, ...] = (),
    profile: Profile | None = None,
    reference: Digest = REFERENCE.digest,
) -> WindowRecord:
    window = Window(start=FIRST + timedelta(days=day), end=FIRST + timedelta(days=day + 1))
    reasons = ("What.", "Why.")
    verdict = Verdict(state=state, window=window, rows=900, reasons=reasons, calibrated=False, columns=columns)
    profile = profile or no_rows(LAYOUT)
    return WindowRecord(window=window, verdict=verdict, releases=(), rows=900, profile=profile, reference=reference)


def _report(*records: WindowRecord) -> MonitoringReport:
    return monitoring_report(
        project="flights", environment="staging", live=LIVE, reference=REFERENCE, records=records, next_steps=["Wait."]
    )


def test_before_the_first_window_there_is_nothing_to_say_and_it_is_said() -> None:
    report = _report()

    assert report.state == "insufficient-data"
    assert report.reasons == ("No complete window has been seen yet.",)
    assert report.window is None
    assert (report.columns, report.history) == ((), ())
    assert report.calibrated


def test_the_newest_window_is_the_report_and_all_are_its_history() -> None:
    report = _report(_record(0, "no-drift"), _record(1, "drift", columns=(_column("temp", drifted=True),)))

    assert (report.project, report.environment, report.release, report.commit) == (
        "flights", "staging", "f" * 64, "c" * 40,
    )  # fmt: skip
    assert (report.state, report.reasons, report.calibrated) == ("drift", ("What.", "Why."), False)
    assert [(window.label, window.state, window.rows) for window in report.history] == [
        ("2013-06-15", "no-drift", 900),
        ("2013-06-16", "drift", 900),
    ]
    assert report.window == report.history[-1]
    assert report.history[1].top_columns == ("temp",)
    assert report.history[1].start == "2013-06-16T00:00:00+00:00"
    assert report.next_steps == ("Wait.",)


def test_everything_that_was_found_on_a_column_is_taken_over() -> None:
    (column,) = _report(_record(0, columns=(_column("temp", drifted=True),))).columns

    assert column.model_dump(exclude={"bins"}) == {
        "name": "temp", "kind": "numeric", "distance": 0.5, "bound": 0.2, "floor": 0.02, "shift": 4.12,
        "shift_bound": 2.64, "shift_floor": 0.05, "drifted": True, "importance": 0.21,
        "quality": ("missing 0.0 % → 6.0 %",), "reference_summary": "mean 35.6 (sd 9.3)",
        "window_summary": "mean 73.8 (sd 5.2)",
    }  # fmt: skip


def test_levels_are_drawn_with_their_names_as_shares() -> None:
    profile = _profile({2: 10}, {0: 4, 1: 6})

    (column,) = _report(_record(0, columns=(_column("carrier"),), profile=profile)).columns

    assert column.bins is not None
    assert column.bins.levels == ("AA", "UA")
    assert column.bins.reference == (0.8, 0.2)
    assert column.bins.window == (0.4, 0.6)


def test_a_column_without_a_single_value_is_drawn_as_missing() -> None:
    profile = _profile({MISSING: 10}, {0: 10})
    reference = ReferenceProfile(layout=LAYOUT, length=None, blocks=(), rest=profile)
    record = _record(0, columns=(_column("temp"),), profile=profile, reference=reference.digest)

    report = monitoring_report(
        project="p", environment="staging", live=LIVE, reference=reference, records=[record], next_steps=[]
    )

    assert report.columns[0].bins is not None
    assert (report.columns[0].bins.levels, report.columns[0].bins.window) == (("missing",), (1.0,))


def test_missing_numbers_have_no_place_on_the_axis() -> None:
    profile = _profile({2: 5, MISSING: 5}, {0: 10})

    (column,) = _report(_record(0, columns=(_column("temp"),), profile=profile)).columns

    assert column.bins is not None
    assert len(column.bins.edges) == len(column.bins.window) + 1
    assert sum(column.bins.reference) == pytest.approx(1.0)
    assert sum(column.bins.window) == pytest.approx(0.5)


def test_there_is_no_picture_of_a_window_that_was_counted_for_another_reference() -> None:
    profile = _profile({2: 10}, {0: 10})
    record = _record(0, columns=(_column("temp"),), profile=profile, reference=Digest("sha256:other"))

    assert _report(record).columns[0].bins is None


def test_there_is_no_picture_of_a_column_that_the_window_lacks() -> None:
    profile = Profile(rows=900, layout=LAYOUT.digest, columns={})

    assert _report(_record(0, columns=(_column("temp"),), profile=profile)).columns[0].bins is None


def test_only_the_first_twelve_columns_get_a_picture() -> None:
    names = [f"c{number}" for number in range(15)]
    layout = Layout(columns=MappingProxyType({name: CategoryLevels(levels=("a",), is_complete=True) for name in names}))
    counts = Profile(rows=1, layout=layout.digest, columns={name: ColumnCounts(cells={0: 1}) for name in names})
    reference = ReferenceProfile(layout=layout, length=None, blocks=(), rest=counts)
    columns = tuple(_column(name) for name in names)
    record = _record(0, columns=columns, profile=counts, reference=reference.digest)

    report = monitoring_report(
        project="p", environment="staging", live=LIVE, reference=reference, records=[record], next_steps=[]
    )

    assert [column.bins is not None for column in report.columns] == [True] * 12 + [False] * 3
