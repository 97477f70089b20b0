"""A change is judged by what the base asks: real Git and DVC projects, a process for each side."""

from __future__ import annotations

import json
import os
import shutil
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pytest

from ci_core.types import CommitId
from tests.e2e import by_command
from tests.e2e.operations.behaviour_project import CONFIG, GRAPH, BehaviourProject, make, requests

if TYPE_CHECKING:
    from pathlib import Path

    from ci_core.behaviour.spec import Behaviour

pytestmark = pytest.mark.e2e

GATED = CONFIG + "gates: {behaviour: {max-changed: 5%}}\n"
DOUBLED = 'return {"y": round(2 * SLOPE * body["x"], 3)}'
"""Answers to all requests but ``{"x": 0}`` change."""


def gated(tmp_path: Path) -> BehaviourProject:
    return make(tmp_path, {"graphship.yaml": GATED}, count=4)


def shares(found: Behaviour) -> tuple[int, int, int, int]:
    return found.judged, found.judged_changed, found.added, found.added_changed


@dataclass(frozen=True, slots=True, kw_only=True)
class Said:
    """What one command answered."""

    code: int
    said: str
    project: BehaviourProject

    @property
    def json(self) -> Any:
        """The report's data."""
        return json.loads((self.project.root / ".graphship/report/report.json").read_text())


def report(project: BehaviourProject, *options: str, command: str = "report") -> Said:
    """Compare the work tree with the base by command."""
    arguments = (command, project.base, "--project", str(project.root), *options)
    # a terminal of many columns, so that no sentence is broken
    result = by_command.run(arguments, folder=project.sample.folder, environment={**os.environ, "COLUMNS": "400"})
    return Said(code=result.returncode, said=result.stdout, project=project)


def gate(found: dict[str, Any]) -> tuple[str, str]:
    (one,) = [gate for gate in found["gates"] if gate["key"] == "behaviour"]
    return one["state"], one["sentence"]


# --- a change cannot choose its requests ---


@pytest.mark.parametrize(
    ("path", "text", "note"),
    [
        (
            "serving/requests.jsonl",
            requests({"x": 0}),
            "the change takes 3 of 4 requests of the base away: they were asked all the same",
        ),
        (
            "serving/requests.jsonl",
            None,
            "the change takes all 4 requests of the base away: they were asked all the same",
        ),
        (
            "graphship.yaml",
            GATED.replace("serving/requests.jsonl", "serving/others.jsonl"),
            "the change takes 3 of 4 requests of the base away: they were asked all the same",
        ),
    ],
)
def test_requests_that_a_change_takes_away_are_asked_all_the_same(
    tmp_path: Path, path: str, text: str | None, note: str
) -> None:
    project = gated(tmp_path)
    project.steps(DOUBLED)
    project.sample.write("serving/others.jsonl", requests({"x": 0}))
    if text is None:
        (project.root / path).unlink()
        project.sample.write("graphship.yaml", GATED.replace("smoke: serving/requests.jsonl\n", ""))
    else:
        project.sample.write(path, text)

    found = project.compare()

    assert (shares(found), found.notes, found.problem) == ((4, 3, 0, 0), (note,), None)


def test_requests_that_a_change_adds_are_shown_and_not_counted(tmp_path: Path) -> None:
    project = gated(tmp_path)
    project.steps(DOUBLED)
    project.sample.write("serving/requests.jsonl", requests(*({"x": x} for x in (0, 1, 2, 3, 50, -7, 0))))

    found = project.compare()

    assert shares(found) == (4, 3, 2, 2)
    assert [(one.request, one.is_added) for one in found.largest] == [
        ({"x": 50}, True),
        ({"x": -7}, True),
        ({"x": 3}, False),
        ({"x": 2}, False),
        ({"x": 1}, False),
    ]


def test_a_broken_line_in_the_requests_of_a_change_is_told_and_the_gate_still_judges(tmp_path: Path) -> None:
    project = gated(tmp_path)
    project.steps(DOUBLED)
    project.sample.write("serving/requests.jsonl", requests(*({"x": x} for x in range(4))) + "{broken\n")

    found = report(project).json

    assert gate(found) == ("fail", "3 of 4 requests (75 %) are answered otherwise; 5 % are allowed")
    assert "serving/requests.jsonl:5" in found["behaviour"]["problem"]


def test_a_change_that_removes_its_serving_graph_fails_the_base_s_gate(tmp_path: Path) -> None:
    project = gated(tmp_path)
    project.sample.write("graphship.yaml", "name: sample\n")

    found = report(project)

    assert found.code == 1
    assert "the serving graph (removed)" in found.said
    state, sentence = gate(found.json)
    assert state == "fail"
    assert sentence.startswith("none of the base's requests could be asked: the head has no serving graph; ")
    assert [node["change"] for node in found.json["graph"]["nodes"]] == ["same", "removed", "same"]


def test_rows_of_the_base_s_reference_are_asked_whatever_the_change_makes_of_it(tmp_path: Path) -> None:
    config = CONFIG.replace("smoke: serving/requests.jsonl\n", "monitor: {reference: rows.csv, window: 1d}\n")
    project = make(tmp_path, {"graphship.yaml": config, "rows.csv": "x\n1\n2\n3\n"})
    (project.root / "serving/requests.jsonl").unlink()
    project = BehaviourProject(sample=project.sample, base=CommitId(project.sample.commit()))
    project.steps(DOUBLED)
    project.sample.write("rows.csv", "x\n0\n3\n")

    found = project.compare()

    assert shares(found) == (3, 3, 1, 0)
    assert found.notes == (
        "the change takes 2 of 3 requests of the base away: they were asked all the same",
        "the change adds 1 request, which does not count",
    )


# --- a serving graph that comes or goes ---


def test_a_serving_graph_that_the_change_adds_is_drawn_as_new(tmp_path: Path) -> None:
    project = make(tmp_path, {"graphship.yaml": "name: sample\n"})
    project.sample.write("graphship.yaml", CONFIG)

    found = report(project)

    assert found.code == 0
    assert "a serving graph (new)" in found.said
    changes = [node["change"] for node in found.json["graph"]["nodes"]]
    assert changes == ["same", "added", "same"]


def test_without_behaviour_the_serving_graph_is_still_drawn_and_nothing_is_sent(tmp_path: Path) -> None:
    project = make(tmp_path)
    project.steps(DOUBLED)
    project.sample.write("serving/graph.py", GRAPH.replace('answer")', 'answer", "twice")'))

    found = report(project, "--without", "behaviour").json
    without_graph = report(project, "--without", "graph").json

    assert {node["text"]: node["change"] for node in found["graph"]["nodes"]} == {
        "request": "same",
        "answer": "same",
        "twice": "added",
    }
    assert found["behaviour"] is None
    assert (without_graph["graph"], without_graph["behaviour"]) == (None, None)


# --- a head that cannot be loaded ---


@pytest.mark.parametrize("text", ["graph = (", "import nowhere"])
def test_a_head_whose_graph_cannot_be_loaded_is_red_and_says_so_first(tmp_path: Path, text: str) -> None:
    project = gated(tmp_path)
    project.sample.write("serving/graph.py", text)

    found = report(project)
    diff = report(project, command="diff")

    assert (found.code, diff.code) == (3, 0)
    for output in (found.said, diff.said):
        first_screen = output[:1500]
        assert "The serving graph cannot be loaded" in first_screen
        assert "the head's graph cannot be loaded: " in first_screen
    assert found.json["verdict"] == "fail"
    assert gate(found.json)[0] == "fail"


def test_a_head_at_a_commit_with_a_configuration_that_is_wrong_is_red(tmp_path: Path) -> None:
    project = gated(tmp_path)
    project.sample.write("graphship.yaml", GATED + "grahp: x\n")
    head = project.sample.commit()
    project.sample.write("graphship.yaml", GATED)

    found = project.compare(head=head)

    assert str(found.head_failure).startswith("the head cannot be read: ")
    assert found.withheld == found.head_failure


def test_models_that_were_not_fetched_are_no_failure_of_the_head(tmp_path: Path) -> None:
    project = gated(tmp_path)
    (project.root / "models/model.json").unlink()
    shutil.rmtree(tmp_path / "dvc-remote")

    found = project.compare()

    assert "what DVC keeps was not fetched" in str(found.problem)
    assert (found.head_failure, found.withheld) == (None, None)


def test_a_graph_that_neither_side_can_load_is_no_fault_of_the_change(tmp_path: Path) -> None:
    project = make(tmp_path, {"graphship.yaml": GATED, "serving/steps.py": "import nowhere\n"})
    project.sample.write("serving/steps.py", "import nowhere  # as before\n")

    found = project.compare()

    assert "the head's graph cannot be loaded" in str(found.problem)
    assert (found.head_failure, found.withheld) == (None, None)


def test_a_secret_that_only_the_head_needs_keeps_the_gate_red_and_is_no_failure(tmp_path: Path) -> None:
    project = gated(tmp_path)
    project.sample.write(
        "serving/steps.py",
        "class Score:\n    def __init__(self, context):\n        context.secret('TOKEN')\n\n"
        "    def do(self, body):\n        return 1\n",
    )
    project.sample.write("serving/graph.py", GRAPH.replace("steps:answer", "steps:Score"))

    found = project.compare()

    assert found.head_failure is None
    assert "TOKEN" in str(found.withheld)
