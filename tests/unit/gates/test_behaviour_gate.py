"""A change cannot choose what its behaviour is judged by."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from ci_core.behaviour.spec import Behaviour
from ci_core.config.settings import BehaviourGate, Gates, LatencyGate
from ci_core.gates.evidence import Evidence
from ci_core.gates.judge import judge
from ci_core.types import CommitId
from ci_core.versioning.difference import SnapshotDiff
from ci_core.versioning.revision import CodeVersion

if TYPE_CHECKING:
    from ci_core.gates.spec import GateResult


COMMIT = CodeVersion(commit=CommitId("a" * 40))
DIFF = SnapshotDiff(base=COMMIT, head=COMMIT)


def judged(behaviour: Behaviour, *, max_changed: float = 0.05) -> GateResult:
    gates = Gates(behaviour=BehaviourGate(max_changed=max_changed))
    (found,) = judge(gates, Evidence(diff=DIFF, behaviour=behaviour))
    return found


def test_requests_that_the_change_adds_do_not_dilute_the_share() -> None:
    found = judged(Behaviour(source="s", requests=104, changed=3, added=100), max_changed=0.5)

    assert (found.state, found.new) == ("fail", 0.75)
    assert found.sentence.startswith("3 of 4 requests (75")
    assert "beside 0 of 100 that the change adds" in found.sentence


def test_answers_to_requests_that_the_change_adds_are_told_and_not_judged() -> None:
    found = judged(Behaviour(source="s", requests=3, changed=2, added=2, added_changed=2))

    assert (found.state, found.new) == ("pass", 0.0)
    assert found.sentence.endswith("beside 2 of 2 that the change adds")


def test_nothing_is_judged_when_only_requests_that_the_change_adds_were_answered() -> None:
    found = judged(Behaviour(source="s", requests=2, added=2, problem="the head's graph hung"))

    assert (found.state, found.sentence) == ("warn", "behaviour was not judged: the head's graph hung")


@pytest.mark.parametrize("why", ["the head has no serving graph", "the head's graph cannot be loaded: SyntaxError"])
def test_a_change_that_keeps_the_requests_from_being_asked_fails_the_gates_on_them(why: str) -> None:
    gates = Gates(behaviour=BehaviourGate(max_changed=1), latency=LatencyGate(max_ratio=9))

    found = judge(gates, Evidence(diff=DIFF, behaviour=Behaviour(source="", problem=why, withheld=why)))

    assert [(one.key, one.state) for one in found] == [("behaviour", "fail"), ("latency", "fail")]
    assert [one.sentence for one in found] == [
        f"none of the base's requests could be asked: {why}; a change may not switch off what it is judged by",
        f"nothing could be timed: {why}; a change may not switch off what it is judged by",
    ]
