from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Literal

import pytest

from ci_core.config.settings import RetrainSettings
from ci_core.hosts.marker import Marker, Run
from ci_core.hosts.spec import ChangeRequest
from ci_core.monitoring.spec import ColumnVerdict, Window
from ci_core.retrain.decision import decide_retrain, earlier_requests
from ci_core.retrain.evidence import evidence_key, evidence_line, find_evidence, is_new_evidence
from ci_core.retrain.spec import RetrainRequest
from ci_core.types import CommitId

if TYPE_CHECKING:
    from ci_core.monitoring.spec import State

_NOW = datetime(2013, 6, 29, 1, tzinfo=UTC)
_DAY = timedelta(days=1)
_SETTINGS = RetrainSettings(data="data/train.parquet", hold_back=2, cool_down=_DAY)


@dataclass(frozen=True, slots=True)
class _Judged:
    state: State
    window: Window | None
    columns: tuple[ColumnVerdict, ...] = ()


def _day(number: int, state: State, *moved: str) -> _Judged:
    start = datetime(2013, 6, number, tzinfo=UTC)
    columns = tuple(
        ColumnVerdict(name=name, kind="numeric", distance=0.4, bound=0.1, floor=0.02, drifted=name in moved)
        for name in (*moved, "distance")
    )
    return _Judged(state, Window(start=start, end=start + _DAY), columns)


def _drift(*days: int) -> list[_Judged]:
    return [_day(day, "drift", "temp", "dewp") for day in days]


def _request(
    state: Literal["open", "merged", "closed"], *columns: str, closed_at: datetime | None = None
) -> RetrainRequest:
    return RetrainRequest(
        number=7, url="u", state=state, evidence=evidence_key("r1", columns or ("temp", "dewp")), closed_at=closed_at
    )


def test_drift_in_the_newest_window_trains_on_all_but_the_held_back_windows() -> None:
    records = [_day(15, "no-drift"), _day(16, "potential", "temp"), *_drift(17, 18, 19)]

    decision = decide_retrain(records, _SETTINGS, now=_NOW, release="r1")

    assert (decision.should, decision.slug) == (True, "drift")
    assert decision.reason == "`temp` and `dewp` moved; 5 windows of live traffic are ready to learn from"
    assert [window.label for window in decision.training] == ["2013-06-15", "2013-06-16", "2013-06-17"]
    assert [window.label for window in decision.held_back] == ["2013-06-18", "2013-06-19"]


def test_broken_windows_are_left_out_and_a_broken_newest_one_stops_everything() -> None:
    mixed = [*_drift(15), _day(16, "broken-data"), *_drift(17, 18, 19)]

    assert [w.start.day for w in decide_retrain(mixed, _SETTINGS, now=_NOW).windows] == [15, 17, 18, 19]
    broken = decide_retrain([*mixed, _day(20, "broken-data")], _SETTINGS, now=_NOW, trigger="command")
    assert (broken.should, broken.slug, broken.windows) == (False, "broken-data", ())


def test_a_window_with_too_little_data_is_passed_over() -> None:
    decision = decide_retrain([*_drift(15, 16, 17), _day(18, "insufficient-data")], _SETTINGS, now=_NOW)

    assert [window.start.day for window in decision.windows] == [15, 16, 17]


@pytest.mark.parametrize("state", ["no-drift", "potential"])
def test_only_drift_in_the_newest_window_counts(state: State) -> None:
    decision = decide_retrain([*_drift(15, 16, 17), _day(18, state)], _SETTINGS, now=_NOW)

    assert (decision.should, decision.slug) == (False, "no-drift")
    assert decision.reason == f"the newest window `2013-06-18` says `{state}`"


def test_nothing_judged_is_no_reason() -> None:
    assert decide_retrain([], _SETTINGS, now=_NOW).slug == "nothing-judged"


def test_windows_that_are_all_held_back_leave_nothing_to_learn_from() -> None:
    assert decide_retrain(_drift(15, 16), _SETTINGS, now=_NOW).slug == "too-few-windows"
    assert decide_retrain(_drift(15, 16, 17), _SETTINGS, now=_NOW).should


def test_manual_waits_for_a_person_and_a_person_needs_no_drift() -> None:
    manual = RetrainSettings(on="manual", data="d", hold_back=1, cool_down=_DAY)

    assert decide_retrain(_drift(15, 16, 17), manual, now=_NOW).slug == "manual-only"
    asked = decide_retrain([_day(15, "no-drift"), _day(16, "no-drift")], manual, now=_NOW, trigger="command")
    assert (asked.should, asked.slug) == (True, "asked-for")


def test_an_open_request_for_the_same_evidence_is_left_alone() -> None:
    for trigger in ("schedule", "command"):
        decision = decide_retrain(
            _drift(15, 16, 17), _SETTINGS, now=_NOW, release="r1", open_request=_request("open"), trigger=trigger
        )
        assert (decision.should, decision.slug) == (False, "request-open")


def test_a_column_more_is_new_evidence_and_a_column_less_is_not() -> None:
    records = [*_drift(15, 16), _day(17, "drift", "temp", "dewp", "humid")]

    grown = decide_retrain(records, _SETTINGS, now=_NOW, release="r1", open_request=_request("open"))
    shrunk = decide_retrain(
        _drift(15, 16, 17),
        _SETTINGS,
        now=_NOW,
        release="r1",
        open_request=_request("open", "temp", "dewp", "humid"),
    )

    assert (grown.should, shrunk.should) == (True, False)


def test_a_closed_request_is_respected_until_the_cool_down_is_over() -> None:
    closed = _request("closed", closed_at=_NOW - timedelta(hours=23))

    early = decide_retrain(_drift(15, 16, 17), _SETTINGS, now=_NOW, release="r1", last_closed=closed)
    late = decide_retrain(
        _drift(15, 16, 17), _SETTINGS, now=_NOW + timedelta(hours=1), release="r1", last_closed=closed
    )

    assert (early.should, early.slug, late.should) == (False, "cool-down", True)
    assert "not again before 2013-06-29 02:00 UTC" in early.reason


def test_a_closed_request_does_not_hold_new_evidence_back() -> None:
    closed = _request("closed", "wind_speed", closed_at=_NOW)

    assert decide_retrain(_drift(15, 16, 17), _SETTINGS, now=_NOW, release="r1", last_closed=closed).should


def test_a_person_need_not_wait_for_the_cool_down() -> None:
    closed = _request("closed", closed_at=_NOW)

    assert decide_retrain(
        _drift(15, 16, 17), _SETTINGS, now=_NOW, release="r1", last_closed=closed, trigger="command"
    ).should


def test_a_merged_request_has_dealt_with_its_evidence_until_another_release_is_live() -> None:
    merged = _request("merged", closed_at=_NOW - 30 * _DAY)

    same = decide_retrain(_drift(15, 16, 17), _SETTINGS, now=_NOW, release="r1", last_closed=merged)
    other = decide_retrain(_drift(15, 16, 17), _SETTINGS, now=_NOW, release="r2", last_closed=merged)

    assert (same.slug, other.slug) == ("request-merged", "drift")


def test_the_evidence_survives_the_way_through_a_change_request_text() -> None:
    key = evidence_key("3F2A9C1BE07Dffff", ["temp", "naïve --> column", "temp"])

    body = f"text\n\n{evidence_line(key)}\nmore"

    assert key.startswith("3f2a9c1be07d:")
    assert len(key) == 12 + 1 + 8 + 1 + 8
    assert find_evidence(body) == find_evidence(body.replace("\n", "\r\n")) == key
    assert find_evidence(f"`{evidence_line(key)}`") == ""
    assert is_new_evidence(key, than="")


def test_only_our_own_requests_tell_evidence() -> None:
    def opened(number: int, state: Literal["open", "merged", "closed"], author: str) -> ChangeRequest:
        return ChangeRequest(
            number=number,
            title="t",
            body=evidence_line(evidence_key(f"r{number}", ["temp"])),
            state=state,
            author=author,
            source_branch="b",
            target_branch="main",
            head=CommitId("0" * 40),
            closed_at=None if state == "open" else "2013-06-29T00:00:00Z",
            url="u",
        )

    found = [
        opened(9, "open", "mallory"),
        opened(6, "closed", "bot"),
        opened(4, "merged", "bot"),
        opened(8, "open", "bot"),
    ]

    is_open, is_over = earlier_requests(found, "bot")

    assert is_open is not None
    assert is_over is not None
    assert (is_open.number, is_over.number) == (8, 6)
    assert is_over.closed_at == datetime(2013, 6, 29, tzinfo=UTC)
    assert is_over.evidence.startswith("r6:")


def test_a_request_from_a_branch_of_that_name_in_a_fork_tells_nothing() -> None:
    fork = ChangeRequest(
        number=3,
        title="t",
        body=evidence_line("r:0"),
        state="open",
        author="bot",
        source_branch="b",
        target_branch="main",
        head=CommitId("0" * 40),
        is_fork=True,
        url="u",
    )

    assert earlier_requests([fork], "bot") == (None, None)


def test_a_request_tells_by_its_marker_what_we_pushed_and_which_run_wrote_it() -> None:
    marker = Marker(key="0" * 16, sha=CommitId("a" * 40), run=Run(id=12, attempt=3), body="0" * 16)
    request = ChangeRequest(
        number=3,
        title="t",
        body=marker.attach("text"),
        state="open",
        author="bot",
        source_branch="b",
        target_branch="main",
        head=CommitId("b" * 40),
        url="u",
    )

    is_open, _ = earlier_requests([request], "bot")

    assert is_open is not None
    assert (is_open.settled, is_open.run) == (frozenset({CommitId("a" * 40)}), Run(id=12, attempt=3))


@pytest.mark.parametrize(("run", "should"), [(Run(id=8), False), (Run(id=9, attempt=1), True), (Run(id=10), True)])
def test_an_older_run_leaves_the_request_of_a_newer_one_alone(run: Run, should: bool) -> None:
    standing = dataclasses.replace(_request("open", "humid"), run=Run(id=9))

    decision = decide_retrain(_drift(15, 16, 17), _SETTINGS, now=_NOW, release="r1", open_request=standing, run=run)

    assert decision.should is should
    assert decision.slug == ("drift" if should else "newer-run")


def test_what_was_merged_is_settled_whoever_committed_it() -> None:
    request = ChangeRequest(
        number=3,
        title="t",
        body=evidence_line("r:0"),
        state="merged",
        author="bot",
        source_branch="b",
        target_branch="main",
        head=CommitId("b" * 40),
        url="u",
    )

    _, is_over = earlier_requests([request], "bot")

    assert is_over is not None
    assert is_over.settled == {CommitId("b" * 40)}
