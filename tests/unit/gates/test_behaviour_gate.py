"""The gates on behaviour and latency, judged on a comparison that is written out."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from ci_core.behaviour.spec import Behaviour
from ci_core.config.settings import BehaviourGate, Gates, LatencyGate
from ci_core.gates.evidence import Evidence
from ci_core.gates.judge import judge
from ci_core.types import CommitId, Interval
from ci_core.versioning.difference import SnapshotDiff
from ci_core.versioning.revision import CodeVersion
from tests.unit.gates.written_evidence import evidence, result

if TYPE_CHECKING:
    from ci_core.gates.spec import GateResult


COMMIT = CodeVersion(commit=CommitId("a" * 40))
DIFF = SnapshotDiff(base=COMMIT, head=COMMIT)


def judged(behaviour: Behaviour, *, max_changed: float = 0.05) -> GateResult:
    gates = Gates(behaviour=BehaviourGate(max_changed=max_changed))
    (found,) = judge(gates, Evidence(diff=DIFF, behaviour=behaviour))
    return found


# --- a change cannot choose what its behaviour is judged by ---


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


# --- how many answers changed, and how long they take ---


def behaved(**more: Any) -> Evidence:
    return evidence(behaviour=Behaviour(**{"source": "requests.jsonl", "requests": 200, **more}))


@pytest.mark.parametrize(("changed", "state"), [(0, "pass"), (10, "pass"), (11, "fail"), (200, "fail")])
def test_more_changed_answers_than_allowed_fail(changed: int, state: str) -> None:
    assert result(Gates(behaviour=BehaviourGate(max_changed=0.05)), behaved(changed=changed)).state == state


def test_changed_answers_are_told_with_numbers() -> None:
    found = result(Gates(behaviour=BehaviourGate(max_changed=0.05)), behaved(changed=11))

    assert (found.new, found.limit) == (0.055, "at most 5 % changed")
    assert found.sentence == "11 of 200 requests (5.5 %) are answered otherwise; 5 % are allowed"


@pytest.mark.parametrize(
    ("found", "why"),
    [
        (evidence(), "no serving graph was compared; `graph` in `graphship.yaml` names the project's"),
        (behaved(requests=0), "no requests were sent; `smoke` in `graphship.yaml` names the recorded ones"),
        (behaved(requests=0, problem="the base's graph cannot be loaded"), "the base's graph cannot be loaded"),
    ],
)
def test_behaviour_that_was_not_compared_is_a_warning(found: Evidence, why: str) -> None:
    gates = Gates(behaviour=BehaviourGate(max_changed=0.05), latency=LatencyGate(max_ratio=2))

    behaviour, latency = judge(gates, found)

    assert (behaviour.state, behaviour.sentence) == ("warn", f"behaviour was not judged: {why}")
    assert latency.state == "warn"
    assert latency.sentence.startswith("latency was not judged: ")


def test_a_graph_that_is_as_at_the_base_passes_though_nothing_was_sent() -> None:
    gates = Gates(behaviour=BehaviourGate(max_changed=0), latency=LatencyGate(max_ratio=1))

    behaviour, latency = judge(gates, behaved(requests=0, is_identical=True, problem="there are no requests"))

    assert (behaviour.state, latency.state) == ("pass", "pass")
    assert latency.sentence == "the serving graph, its code and its models are as at the base"


def test_a_comparison_that_is_not_whole_does_not_pass() -> None:
    gates = Gates(behaviour=BehaviourGate(max_changed=0.05))

    found = result(gates, behaved(changed=1, problem="the head's graph stopped after 200 of 500 requests"))

    assert found.state == "warn"
    assert "but not all were compared: the head's graph stopped" in found.sentence


@pytest.mark.parametrize(
    ("low", "value", "high", "state", "is_within_noise"),
    [
        (1.25, 1.3, 1.4, "fail", False),  # the whole interval is above
        (1.1, 1.3, 1.5, "pass", True),  # above, but the limit is in the interval
        (1.2, 1.3, 1.4, "pass", True),  # exactly at its end
        (0.9, 1.0, 1.3, "pass", False),
    ],
)
def test_latency_fails_when_it_is_surely_above(
    *, low: float, value: float, high: float, state: str, is_within_noise: bool
) -> None:
    found = result(
        Gates(latency=LatencyGate(max_ratio=1.2)), behaved(latency_ratio=Interval(value=value, low=low, high=high))
    )

    assert (found.state, found.is_within_noise) == (state, is_within_noise)


def test_latency_is_told_with_its_interval() -> None:
    slow = Interval(value=1.312, low=1.25, high=1.4)

    found = result(Gates(latency=LatencyGate(max_ratio=1.2)), behaved(latency_ratio=slow))

    assert found.sentence == (
        "an answer takes 1.31 times as long as at the base (95 % interval 1.25 to 1.4); 1.2 is allowed"
    )
