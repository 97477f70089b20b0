"""What of a report stays when the same change is measured again: its comment is rewritten only when that differs."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from hypothesis import assume, given
from hypothesis import strategies as st

from ci_core.behaviour.spec import Behaviour, SideOfBehaviour
from ci_core.config.settings import BehaviourGate, Gates, LatencyGate
from ci_core.gates.annotate import ChangedFiles, annotate
from ci_core.gates.evidence import Evidence
from ci_core.gates.judge import judge
from ci_core.gates.policy import own_verdicts
from ci_core.operations import report_data
from ci_core.operations.report import without_measures
from ci_core.reports.render import render_markdown
from ci_core.reports.report import Note, Report
from ci_core.testing.sample_reports import sample_report
from ci_core.types import CommitId, Interval
from ci_core.versioning.difference import ParamDiff, SnapshotDiff
from ci_core.versioning.revision import CodeVersion

if TYPE_CHECKING:
    from collections.abc import Callable

CODE = CodeVersion(commit=CommitId("a" * 40))
DECIDING = Gates(behaviour=BehaviourGate(max_changed=0.05), latency=LatencyGate(max_ratio=1.2))
OWN = Gates(behaviour=BehaviourGate(max_changed=0.05), latency=LatencyGate(max_ratio=1.05))
TOUCHED = ChangedFiles(
    paths=frozenset({"params.yaml", "graphship.yaml"}),
    lines={"params.yaml": {"trees": 2}, "graphship.yaml": {"gates.latency": 5, "gates.behaviour": 6}},
    gates=frozenset({"latency", "behaviour"}),
)


def report_of(behaviour: Behaviour) -> Report:
    """Return the report of a change that touches a param and its own gates."""
    trees = ParamDiff(key="params.yaml:trees", old=20, new=200, change="changed")
    evidence = Evidence(diff=SnapshotDiff(base=CODE, head=CODE, params=(trees,)), behaviour=behaviour)
    results = judge(DECIDING, evidence)
    remarks = own_verdicts(results, judge(OWN, evidence))
    return sample_report().model_copy(
        update={
            "gates": report_data.gate_rows(results),
            "behaviour": report_data.behaviour_part(behaviour),
            "annotations": report_data.annotation_parts(annotate(results, DECIDING, evidence, TOUCHED)),
            "notes": tuple(Note(kind="warning", text=remark.text, gate=remark.gate) for remark in remarks),
        }
    )


def essence(report: Report) -> str:
    return render_markdown(without_measures(report))


def states(report: Report) -> list[str]:
    return [gate.state for gate in report.gates]


times = st.floats(0.01, 1e4)


@st.composite
def intervals(draw: Callable[[st.SearchStrategy[float]], float]) -> Interval:
    low, value, high = sorted(draw(st.floats(0.8, 1.6)) for _ in range(3))
    return Interval(value=value, low=low, high=high)


@st.composite
def sides(draw: Callable[[st.SearchStrategy[float]], float]) -> SideOfBehaviour:
    return SideOfBehaviour(failed=1, median_ms=draw(times), p95_ms=draw(times), peak_mb=draw(times))


measured = st.builds(
    Behaviour,
    source=st.just("requests.jsonl"),
    requests=st.just(200),
    changed=st.just(3),
    base=sides(),
    head=sides(),
    latency_ratio=intervals() | st.none(),
    memory_ratio=times,
)


@given(measured, measured)
def test_a_second_run_has_the_same_essence_whatever_the_times_while_the_verdicts_are_the_same(
    one: Behaviour, other: Behaviour
) -> None:
    first, second = report_of(one), report_of(other)
    assume(states(first) == states(second))

    assert essence(first) == essence(second)


@st.composite
def cut_short(draw: Callable[[st.SearchStrategy[int]], int]) -> Behaviour:
    answered, within_s = draw(st.integers(1, 199)), draw(st.integers(1, 10_000)) / 100
    return Behaviour(
        source="requests.jsonl",
        requests=answered,
        changed=0,
        problem=(
            f"the head's graph answered {answered} of 200 requests within {within_s:.3g} s; the others were not sent"
        ),
    )


@given(cut_short(), cut_short())
def test_how_far_a_slow_graph_came_is_not_of_the_essence(one: Behaviour, other: Behaviour) -> None:
    assert essence(report_of(one)) == essence(report_of(other))


def failed(within: str) -> Behaviour:
    problem = f"the head's graph cannot be loaded: its process gave no answer within {within} s"
    return Behaviour(source="requests.jsonl", problem=problem, head_failure=problem)


def test_a_head_that_cannot_serve_is_of_the_essence_and_how_long_it_had_is_not() -> None:
    unknown = replace(failed("60"), head_failure=None)

    assert essence(report_of(failed("60"))) == essence(report_of(failed("59.8")))
    assert without_measures(report_of(failed("60"))) != without_measures(report_of(unknown))


def with_ratio(value: float) -> Behaviour:
    return Behaviour(
        source="requests.jsonl",
        requests=200,
        latency_ratio=Interval(value=value, low=value - 0.01, high=value + 0.01),
    )


def test_another_verdict_on_the_latency_is_of_the_essence() -> None:
    fast, slow = report_of(with_ratio(1.1)), report_of(with_ratio(1.5))

    assert (states(fast), states(slow)) == (["pass", "pass"], ["pass", "fail"])
    assert essence(fast) != essence(slow)


def test_another_count_of_changed_answers_is_of_the_essence() -> None:
    none = Behaviour(source="requests.jsonl", requests=200)
    some = Behaviour(source="requests.jsonl", requests=200, changed=3)

    assert essence(report_of(none)) != essence(report_of(some))


def test_another_reason_for_no_comparison_is_of_the_essence() -> None:
    one = Behaviour(source="requests.jsonl", problem="the base's graph cannot be loaded: no module `lightgbm`")
    other = Behaviour(source="requests.jsonl", problem="the head's graph cannot be loaded: no module `lightgbm`")

    assert essence(report_of(one)) != essence(report_of(other))
