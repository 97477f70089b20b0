"""What a change does to answers: real Git and DVC projects, a process for each side."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from ci_core.behaviour.timing import MOST_ROUNDS
from ci_core.pipelines.dvc import DvcEngine
from ci_core.types import CommitId
from ci_core.versioning.dvc import DvcProject
from tests.e2e.operations.behaviour_project import CONFIG, GRAPH, STEPS, make, requests, told

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.e2e


# --- what is compared ---


def test_a_model_that_the_pipeline_made_anew_changes_the_answers(tmp_path: Path) -> None:
    project = make(tmp_path, count=3)
    project.sample.replace("params.yaml", "steps: 3", "steps: 1")
    DvcEngine(DvcProject(project.root)).run()
    slope = json.loads((project.root / "models/model.json").read_text())["slope"]

    found = project.compare()

    assert (found.source, found.requests, found.changed, found.unsteady) == ("serving/requests.jsonl", 3, 2, 0)
    assert (found.problem, found.notes, found.is_identical) == (None, (), False)
    # the template's model has the slope 2.697827
    assert [told(one)[:3] for one in found.largest] == [
        ({"x": 2}, {"y": 5.396}, {"y": round(2 * slope, 3)}),
        ({"x": 1}, {"y": 2.698}, {"y": round(slope, 3)}),
    ]
    assert [one.size for one in found.largest] == pytest.approx([abs(5.396 - 2 * slope), abs(2.698 - slope)], abs=1e-3)
    assert {one.where for one in found.largest} == {"y"}


def test_both_sides_are_timed_and_measured(tmp_path: Path) -> None:
    project = make(tmp_path)
    project.steps('return {"y": round(SLOPE * body["x"], 3)}', above="# the same in other words")

    found = project.compare(rounds=MOST_ROUNDS)

    assert found.changed == 0
    assert found.latency_ratio is not None
    assert 0 < found.latency_ratio.low <= found.latency_ratio.value <= found.latency_ratio.high
    assert found.memory_ratio is not None
    assert 0.5 < found.memory_ratio < 2
    for side in (found.base, found.head):
        assert side is not None
        assert side.failed == 0
        assert side.median_ms is not None
        assert side.p95_ms is not None
        assert 0 < side.median_ms <= side.p95_ms
        assert side.peak_mb is not None
        assert side.peak_mb > 10


def test_a_head_that_needs_more_time_and_memory_shows_both(tmp_path: Path) -> None:
    project = make(tmp_path)
    project.steps('sum(range(20_000))\nreturn {"y": round(SLOPE * body["x"], 3)}', above="LOAD = bytearray(80_000_000)")

    found = project.compare(rounds=MOST_ROUNDS)

    assert found.latency_ratio is not None
    assert found.latency_ratio.low > 2
    assert found.memory_ratio is not None
    assert found.memory_ratio > 1.5
    assert found.changed == 0


def test_a_graph_whose_code_and_models_did_not_change_is_not_replayed(tmp_path: Path) -> None:
    project = make(tmp_path)
    project.sample.write("README.md", "more words")
    project.sample.write("notes/plan.txt", "more words")

    found = project.compare()

    assert found.is_identical
    assert (found.requests, found.changed, found.changed_share) == (6, 0, 0.0)
    assert (found.base, found.head, found.latency_ratio, found.memory_ratio) == (None, None, None, None)


@pytest.mark.parametrize(
    ("path", "text"),
    [
        ("serving/words.txt", "beside the code"),
        ("src/helper.py", "X = 1\n"),
        ("models/model.json", '{"slope": 3.0}'),
        ("requirements.txt", "numpy\n"),
    ],
)
def test_whatever_a_graph_may_depend_on_makes_it_be_replayed(tmp_path: Path, path: str, text: str) -> None:
    project = make(tmp_path, count=1)
    project.sample.write(path, text)

    assert not project.compare().is_identical


def test_two_commits_are_compared_whatever_the_work_tree_holds(tmp_path: Path) -> None:
    project = make(tmp_path, count=2)
    project.steps('return {"y": 7}')
    head = project.sample.commit()
    project.steps('return {"y": 8}')
    project.sample.write("serving/requests.jsonl", requests({"x": 100}))

    found = project.compare(head=head)

    assert found.requests == 2
    assert [(one.old, one.new) for one in found.largest] == [({"y": 0.0}, {"y": 7}), ({"y": 2.698}, {"y": 7})]


def test_a_graph_that_moved_is_found_where_each_commit_says(tmp_path: Path) -> None:
    project = make(tmp_path, count=2)
    project.sample.git("mv", "serving/graph.py", "serving/main.py")
    project.sample.write("graphship.yaml", CONFIG.replace("graph.py", "main.py"))

    found = project.compare()

    assert (found.requests, found.changed, found.problem) == (2, 0, None)


def test_a_head_that_needs_another_column_fails_on_the_recorded_requests(tmp_path: Path) -> None:
    project = make(tmp_path, count=2)
    project.sample.write(
        "serving/graph.py", GRAPH.replace('["models/model.json"]', '["models/model.json"], inputs={"z": "number"}')
    )

    found = project.compare()

    assert found.changed == 2
    assert found.base is not None
    assert found.head is not None
    assert (found.base.failed, found.head.failed) == (0, 2)
    assert told(found.largest[0]) == ({"x": 0}, {"y": 0.0}, "400: row 0 lacks the column `z`", None, "")
    assert found.latency_ratio is None  # a refusal is no answer


def test_a_request_that_fails_on_one_side_comes_before_those_whose_numbers_changed(tmp_path: Path) -> None:
    project = make(tmp_path, count=3)
    project.steps('return {"y": round(2 * SLOPE * body["x"], 3) if body["x"] < 2 else 1 / 0}')

    found = project.compare()

    assert found.changed == 2
    assert found.head is not None
    assert found.head.failed == 1
    assert [told(one)[:4] for one in found.largest] == [
        ({"x": 2}, {"y": 5.396}, "500: the step `answer` failed", None),
        ({"x": 1}, {"y": 2.698}, {"y": 5.396}, 2.698),
    ]


def test_a_failure_that_was_recorded_is_none(tmp_path: Path) -> None:
    body = {"body": {"x": None}, "status": 500}
    project = make(tmp_path, {"serving/requests.jsonl": requests(body, {"x": 1})})
    project.steps('return {"y": SLOPE * body["x"]}')

    found = project.compare()

    assert found.base is not None
    assert found.head is not None
    assert (found.base.failed, found.head.failed) == (0, 0)


# --- what differs by itself ---


def test_what_differs_by_itself_is_told_and_not_called_changed(tmp_path: Path) -> None:
    answer = 'return {"y": round(SLOPE * body["x"], 3), "id": uuid.uuid4().hex, "at": str(time.perf_counter_ns())}'
    project = make(tmp_path, {"serving/steps.py": STEPS}, count=4)
    project.steps(answer, above="import time\nimport uuid")
    base = CommitId(project.sample.commit())
    project.steps(answer + "  # the same", above="import time\nimport uuid")

    found = type(project)(sample=project.sample, base=base).compare()

    assert (found.changed, found.fields, found.unsteady, found.unsteady_places) == (0, (), 4, ("at", "id"))


def test_lots_that_a_graph_draws_are_the_same_on_both_sides(tmp_path: Path) -> None:
    answer = 'return {"y": random.random(), "z": float(np.random.normal())}'
    project = make(tmp_path, {"serving/steps.py": STEPS}, count=4)
    project.steps(answer, above="import random\nimport numpy as np")
    base = CommitId(project.sample.commit())
    project.steps(answer + "  # the same", above="import random\nimport numpy as np")

    found = type(project)(sample=project.sample, base=base).compare()

    assert (found.changed, found.unsteady) == (0, 0)


def test_event_id_and_time_are_the_same_on_both_sides(tmp_path: Path) -> None:
    steps = "def answer(event):\n    return {'id': event.id, 'time': str(event.time), 'n': N}\n"
    graph = GRAPH.replace('answer")', 'answer", full_event=True)')
    project = make(tmp_path, {"serving/steps.py": "N = 1\n" + steps, "serving/graph.py": graph}, count=1)
    project.sample.write("serving/steps.py", "N = 2\n" + steps)

    (changed,) = project.compare().largest

    expected = {"id": "behaviour-000000", "time": "2024-03-01 12:00:00+00:00"}
    assert (changed.old, changed.new) == ({**expected, "n": 1}, {**expected, "n": 2})
