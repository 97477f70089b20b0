"""What the published contract leaves to this host-independent code: failures that last, and their bounds."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from ci_core.errors import HostBusyError, HostRefusedError, StaleOnHostError
from ci_core.hosts.local import LocalHost
from ci_core.hosts.marker import Run, without_marker
from ci_core.hosts.upsert import Delivery, upsert_comment
from ci_core.testing.fake_repository import FakeRepository
from ci_core.testing.host_recorder import RecordingHost
from ci_core.types import CommitId

if TYPE_CHECKING:
    from pathlib import Path

    from ci_core.hosts.spec import Topic

_SHA = CommitId("0" * 40)


@pytest.fixture
def host(tmp_path: Path) -> LocalHost:
    git = FakeRepository()
    git.push("main", {"a": "1"})
    return LocalHost(tmp_path / "x.git", tmp_path, git=git)


def _say(host: RecordingHost, topic: Topic, body: str = "text", run: int = 1) -> Delivery:
    return upsert_comment(host, topic=topic, scope=("report",), body=body, head=_SHA, run=Run(id=run))


@pytest.mark.parametrize("when", ["before", "after"])
@pytest.mark.parametrize("call", ["comments.list", "comments.create"])
def test_a_failure_that_lasts_is_told_after_four_attempts_and_leaves_at_most_one_comment(
    host: LocalHost, call: str, when: str
) -> None:
    issue = host.issues.create(title="t", body="")

    def fail(done: str) -> None:
        if done == call:
            raise HostBusyError(lock="l", waited_s=1)

    recording = RecordingHost(host, before=fail) if when == "before" else RecordingHost(host, after=fail)

    if (call, when) == ("comments.create", "after"):
        assert _say(recording, issue.topic).outcome == "unchanged"  # found when looking again
    else:
        with pytest.raises(HostBusyError):
            _say(recording, issue.topic)
        assert recording.calls.count(call) == 4

    assert len(list(host.comments.list(issue.topic))) <= 1


def test_a_refusal_is_not_tried_again(host: LocalHost) -> None:
    issue = host.issues.create(title="t", body="")

    def refuse(call: str) -> None:
        if call == "comments.create":
            raise HostRefusedError(host="h", action="write", reason="permission `issues: write` is missing")

    recording = RecordingHost(host, before=refuse)

    with pytest.raises(HostRefusedError):
        _say(recording, issue.topic)
    assert recording.calls == ["comments.list", "comments.create"]


def test_a_lost_race_on_an_update_is_read_again(host: LocalHost) -> None:
    issue = host.issues.create(title="t", body="")
    _say(RecordingHost(host), issue.topic, "one", run=1)
    stale = [StaleOnHostError(host="h", kind="comment", name="1")]

    def lose(call: str) -> None:
        if call == "comments.update" and stale:
            raise stale.pop()

    recording = RecordingHost(host, before=lose)

    assert _say(recording, issue.topic, "two", run=2).outcome == "updated"
    assert recording.calls == ["comments.list", "comments.update"] * 2


def test_copies_left_by_a_crash_are_folded_into_the_oldest_with_the_newest_text(host: LocalHost) -> None:
    issue = host.issues.create(title="t", body="")
    texts = []
    for run in (3, 5, 4):  # three runs that each saw no comment, and ended before they looked again
        _say(RecordingHost(host), issue.topic, f"of run {run}", run=run)
        (comment,) = host.comments.list(issue.topic)
        texts.append(comment.body)
        host.comments.delete(comment)
    oldest, *_ = [host.comments.create(issue.topic, text) for text in texts]

    delivery = _say(RecordingHost(host), issue.topic, "late", run=2)

    (kept,) = host.comments.list(issue.topic)
    assert (kept.id, without_marker(kept.body)) == (oldest.id, "of run 5")
    assert delivery.outcome == "superseded"


def test_costs_are_three_calls_at_first_and_one_when_nothing_changed(host: LocalHost) -> None:
    issue = host.issues.create(title="t", body="")

    first, unchanged, changed = RecordingHost(host), RecordingHost(host), RecordingHost(host)
    _say(first, issue.topic, "one", run=1)
    _say(unchanged, issue.topic, "one", run=2)
    _say(changed, issue.topic, "two", run=3)

    assert first.calls == ["comments.list", "comments.create", "comments.list"]
    assert unchanged.calls == ["comments.list"]
    assert changed.calls == ["comments.list", "comments.update"]
