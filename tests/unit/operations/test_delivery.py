"""A host that refuses is told and remembered, and the work goes on."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING

import pytest

from ci_core.ci.plain import PlainConsole
from ci_core.errors import HostRefusedError, StaleOnHostError
from ci_core.hosts.local import LocalHost
from ci_core.hosts.spec import CommitStatus
from ci_core.operations.delivery import Deliveries
from ci_core.testing.fake_repository import FakeRepository

if TYPE_CHECKING:
    from pathlib import Path

    from ci_core.types import CommitId


class Log:
    def __init__(self) -> None:
        self._stream = io.StringIO()
        self.deliveries = Deliveries(PlainConsole(self._stream))

    @property
    def text(self) -> str:
        return self._stream.getvalue()


def test_what_arrives_is_not_talked_about() -> None:
    log = Log()

    with log.deliveries.attempt("the report"):
        pass

    assert log.deliveries.result("the issue", lambda: 7) == 7
    assert log.deliveries.is_complete
    assert log.text == ""


def test_a_refusal_is_a_warning_with_its_hint_and_the_work_goes_on() -> None:
    log = Log()

    with log.deliveries.attempt("the report"):
        _raise(HostRefusedError(host="example.org", action="write", reason="read only", hint="grant `issues: write`"))
    found = log.deliveries.result("the issue", lambda: _raise(StaleOnHostError(host="h", kind="issue", name="1")))

    assert found is None
    assert not log.deliveries.is_complete
    assert log.deliveries.failed == ["the report", "the issue"]
    assert log.text == (
        "warning: could not deliver the report: the host refused to write: read only (grant `issues: write`)\n"
        "warning: could not deliver the issue: the issue `1` was changed by somebody else after it was read\n"
    )


def test_a_mistake_of_ours_is_not_taken_for_a_refusal() -> None:
    log = Log()

    with pytest.raises(ZeroDivisionError), log.deliveries.attempt("the report"):
        _ = 1 // 0

    assert log.deliveries.is_complete


def test_a_light_is_set_again_only_when_it_says_something_else(tmp_path: Path) -> None:
    repository = FakeRepository()
    commit = repository.push("main", {"a": "1"})
    host = LocalHost(tmp_path / "r.git", tmp_path, git=repository)
    log = Log()

    log.deliveries.light(host, _light(commit, "1 gate passed", run=1))
    log.deliveries.light(host, _light(commit, "1 gate passed", run=2))
    (first,) = host.statuses.list(commit)
    log.deliveries.light(host, _light(commit, "2 gates passed", run=3))
    (second,) = host.statuses.list(commit)

    assert first.url == "https://ci.example.org/1"
    assert (second.description, second.url) == ("2 gates passed", "https://ci.example.org/3")


def _light(commit: CommitId, description: str, *, run: int) -> CommitStatus:
    return CommitStatus(
        commit=commit,
        context="graphship/report",
        state="success",
        description=description,
        url=f"https://ci.example.org/{run}",
    )


def _raise(error: Exception) -> None:
    raise error
