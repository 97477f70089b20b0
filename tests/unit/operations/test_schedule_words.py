"""What a scheduled run makes of its verdicts: whether there is cause for alarm, and what happens next."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from types import MappingProxyType
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ci_core.errors import CannotRetrainError, ExitCode, Location, StageFailedError
from ci_core.monitoring.profile import Layout, no_rows
from ci_core.monitoring.records import WindowRecord
from ci_core.monitoring.spec import State, Verdict, Window
from ci_core.operations.retrain import RetrainResult
from ci_core.operations.schedule import EnvironmentWatch, ScheduleResult, is_alarming, next_steps
from ci_core.reports.monitoring import MonitoringReport
from ci_core.retrain.spec import RetrainDecision
from ci_core.types import Digest

if TYPE_CHECKING:
    from pathlib import Path

    from ci_core.errors import GraphshipError

STATES: tuple[State, ...] = ("no-drift", "potential", "drift", "broken-data", "insufficient-data")
NOT_NOW = RetrainDecision(should=False, slug="cool-down", reason="change request 3 was closed for the same evidence")


def _windows(*states: State) -> list[WindowRecord]:
    profile = no_rows(Layout(columns=MappingProxyType({})))
    records = []
    for day, state in enumerate(states):
        start = datetime(2013, 6, 1, tzinfo=UTC) + timedelta(days=day)
        window = Window(start=start, end=start + timedelta(days=1))
        verdict = Verdict(state=state, window=window, rows=0, reasons=(), calibrated=True)
        records.append(
            WindowRecord(
                window=window, verdict=verdict, releases=(), rows=0, profile=profile, reference=Digest("sha256:1")
            )
        )
    return records


# --- alarm ---


@pytest.mark.parametrize(
    ("states", "alarming"),
    [
        ([], False),
        (["no-drift"], False),
        (["potential"], False),
        (["insufficient-data"], False),
        (["drift"], True),
        (["broken-data"], True),
        (["drift", "no-drift"], False),
        (["drift", "potential"], True),
        (["drift", "insufficient-data"], True),
        (["drift", "no-drift", "potential"], False),
        (["no-drift", "drift"], True),
        (["drift", "no-drift", "broken-data"], True),
    ],
)
def test_drift_and_broken_data_raise_the_alarm_and_only_a_calm_window_ends_it(
    states: list[State], alarming: bool
) -> None:
    assert is_alarming(states) is alarming


@given(st.lists(st.sampled_from(STATES)), st.lists(st.sampled_from(["potential", "insufficient-data"])))
def test_odd_windows_at_the_end_change_nothing(states: list[State], odd: list[State]) -> None:
    assert is_alarming([*states, *odd]) is is_alarming(states)


# --- next steps ---


@pytest.mark.parametrize("states", [(), ("no-drift",), ("drift", "no-drift"), ("potential", "insufficient-data")])
def test_without_alarm_nothing_is_to_be_done(states: tuple[State, ...]) -> None:
    assert next_steps("staging", _windows(*states), RetrainResult(decision=NOT_NOW)) == []


def test_broken_data_is_to_be_mended_and_never_learned_from() -> None:
    assert next_steps("staging", _windows("drift", "broken-data"), None) == [
        "Mend the source of the data: graphship does not retrain on broken data."
    ]


def test_a_project_that_does_not_retrain_by_itself_is_told_the_command() -> None:
    (step,) = next_steps("staging", _windows("drift"), None)

    assert "`graphship retrain staging`" in step


def test_an_open_request_is_to_be_reviewed_whoever_s_run_wrote_it() -> None:
    result = RetrainResult(decision=NOT_NOW, request="https://example.org/3")

    review, merge = next_steps("staging", _windows("drift"), result)

    assert review == "Review the retrain change request: its address is below."
    assert "this issue closes" in merge


def test_a_challenger_that_did_not_win_is_told() -> None:
    result = RetrainResult(decision=NOT_NOW, outcome="the difference is within noise.")

    assert next_steps("staging", _windows("drift"), result) == ["No change request: the difference is within noise."]


def test_a_decision_against_retraining_is_told_with_its_reason() -> None:
    assert next_steps("staging", _windows("drift"), RetrainResult(decision=NOT_NOW)) == [
        "No retraining: change request 3 was closed for the same evidence."
    ]


def test_a_retraining_that_failed_is_told_with_what_mends_it() -> None:
    failure = CannotRetrainError(
        missing="labels", where=Location(file="graphship.yaml", line=9), hint="add `labels:` to `monitor`"
    )

    assert next_steps("staging", _windows("drift"), None, failure) == [
        "Retraining failed: retraining needs labels.",
        "To mend it: add `labels:` to `monitor`.",
    ]


# --- several environments ---


def test_of_several_failures_the_one_that_decides_the_exit_code_is_told(tmp_path: Path) -> None:
    def watched(environment: str, failure: GraphshipError | None) -> EnvironmentWatch:
        report = MonitoringReport(project="p", environment=environment, state="drift")
        return EnvironmentWatch(
            environment=environment,
            report=report,
            judged=(),
            page=tmp_path,
            issue=None,
            retrain=None,
            failure=failure,
        )

    stage = StageFailedError(stage="train", reason="it ended with exit code 1")
    usage = CannotRetrainError(missing="labels", where=Location(file="graphship.yaml", line=9), hint="add them")

    assert ScheduleResult(environments=(watched("a", None),)).failure is None
    result = ScheduleResult(environments=(watched("a", None), watched("b", stage), watched("c", usage)))
    assert result.failure is usage
    assert usage.exit_code is ExitCode.USAGE
