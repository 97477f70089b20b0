"""A base that cannot be read keeps nothing of the head back: its serving graph is loaded and asked all the same."""

from __future__ import annotations

import json
import shutil
from typing import TYPE_CHECKING, Any
from xml.etree import ElementTree as ET

import pytest

from tests.e2e.by_command import graphship
from tests.e2e.operations.behaviour_project import CONFIG, make

if TYPE_CHECKING:
    from pathlib import Path

    from ci_core.testing.projects import SampleProject

pytestmark = pytest.mark.e2e

BROKEN = "stages: text\n"
CANNOT = "The serving graph cannot be loaded"


def changed(tmp_path: Path, files: dict[str, str] | None = None) -> SampleProject:
    """Make a project whose default branch has a pipeline that cannot be read, and a branch that mends it."""
    project = make(tmp_path, files).sample
    pipeline = (project.root / "dvc.yaml").read_text()
    project.write("dvc.yaml", BROKEN)
    project.commit("break the pipeline")
    project.git("push", "-q", "origin", "main")
    project.git("switch", "-q", "-c", "change")
    project.write("dvc.yaml", pipeline)
    project.commit("mend the pipeline")
    return project


def reported(project: SampleProject) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((project.root / ".graphship/report/report.json").read_text())
    return found


def notes(found: dict[str, Any], kind: str) -> list[str]:
    return [note["text"] for note in found["notes"] if note["kind"] == kind]


def test_a_graph_that_answers_is_shown_and_no_failure(tmp_path: Path) -> None:
    project = changed(tmp_path)

    done = graphship(project, "report")

    found = reported(project)
    assert done.returncode == 0, done.stdout + done.stderr
    assert found["base"] is None
    assert any("could not be read" in text for text in notes(found, "warning"))
    assert notes(found, "error") == []
    assert [node["id"] for node in found["graph"]["nodes"] if node["kind"] not in {"source", "response"}] == ["answer"]
    assert found["behaviour"]["problem"] == "the base could not be read"
    assert (found["behaviour"]["requests"], found["behaviour"]["head"]["failed"]) == (0, 0)


@pytest.mark.parametrize(
    ("steps", "why", "code"),
    [("def answr(body):\n    return body\n", "did you mean", 2), ("1 / 0\n", "ZeroDivisionError", 3)],
)
def test_a_graph_that_cannot_be_loaded_is_told_everywhere(tmp_path: Path, steps: str, why: str, code: int) -> None:
    project = changed(tmp_path)
    project.write("serving/steps.py", steps)

    done = graphship(project, "report")
    compared = graphship(project, "diff")

    found, folder = reported(project), project.root / ".graphship/report"
    (error,) = notes(found, "error")
    assert why in error
    assert error.startswith("the head's graph cannot be loaded: ")
    assert (done.returncode, compared.returncode, found["verdict"]) == (code, 0, "fail")
    for page in (done.stdout, compared.stdout, *((folder / name).read_text() for name in ("report.md", "report.html"))):
        assert CANNOT in page
        assert "the head" in page[page.index(CANNOT) :]
    (element,) = ET.fromstring((folder / "junit.xml").read_text()).iter("error")
    assert element.text == error


def test_in_ci_it_is_told_everywhere_too(tmp_path: Path) -> None:
    project = changed(tmp_path)
    project.write("serving/steps.py", "def answr(body):\n    return body\n")
    project.commit("a typo")

    done = graphship(project, "ci", GRAPHSHIP_EVENT="change-request", GRAPHSHIP_CHANGE_REQUEST="1")

    found, folder = reported(project), project.root / ".graphship/report"
    (error,) = notes(found, "error")
    assert error.startswith("the serving graph cannot be released: ")
    assert (done.returncode, found["verdict"]) == (2, "fail")
    for name in ("report.md", "report.html"):
        assert "This cannot be merged" in (folder / name).read_text()
    (element,) = ET.fromstring((folder / "junit.xml").read_text()).iter("error")
    assert element.text == error


def test_a_named_head_with_a_configuration_that_is_wrong_ends_with_2(tmp_path: Path) -> None:
    project = changed(tmp_path)
    project.write("graphship.yaml", CONFIG + "grahp: x\n")
    head = project.commit("a key that nobody knows")
    project.write("graphship.yaml", CONFIG)
    project.git("branch", "-q", "wrong", head)

    done = graphship(project, "report", "HEAD~1", "wrong")

    assert done.returncode == 2
    assert notes(reported(project), "error")[0].startswith("the head cannot be read: ")


def test_models_that_were_not_fetched_are_no_failure_of_the_head(tmp_path: Path) -> None:
    project = changed(tmp_path)
    (project.root / "models/model.json").unlink()
    shutil.rmtree(project.dvc_remote)

    done = graphship(project, "report")

    assert done.returncode == 0
    assert "what DVC keeps was not fetched" in reported(project)["behaviour"]["problem"]


def test_a_project_that_serves_nothing_has_no_behaviour(tmp_path: Path) -> None:
    project = changed(tmp_path, {"graphship.yaml": "name: sample\n"})

    done = graphship(project, "report")

    assert done.returncode == 0
    assert reported(project)["behaviour"] is None


def test_without_the_graph_nothing_is_loaded(tmp_path: Path) -> None:
    project = changed(tmp_path)
    project.write("serving/steps.py", "1 / 0\n")

    done = graphship(project, "report", "--without", "graph")

    assert done.returncode == 0
    assert reported(project)["behaviour"] is None
