"""Models that a serving graph loads stand among the models of a report, wherever they lie."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from ci_core.operations.comparison import compare_named
from ci_core.operations.report import Occasion, make_report
from ci_core.testing.projects import SampleProject, make_project
from ci_core.versioning.dvc import DvcProject
from tests.e2e.opened import opened

if TYPE_CHECKING:
    from pathlib import Path

    from ci_core.reports.report import Report

pytestmark = pytest.mark.e2e

GRAPH = """\
name: late
steps:
  - router: single
    routes: {m: {model: weights/late.onnx, columns: [x]}}
    respond: true
"""
# `md5sum` and `git hash-object` of "one\n" and "two!\n"
DVC = ("md5:5bbf5a52328e7439ae6e719dfe712200", "md5:81bc7fe4090bc5910386482263d182e6")
GIT = ("git:5626abf0f72e58d7a153368ba57db4c673c0e171", "git:bc3eb03764edca4a191a69422d1d5f9f6595dbb0")


def served(folder: Path) -> SampleProject:
    project = make_project(folder)
    project.write("graphship.yaml", "name: sample\ngraph: serving/graph.yaml\n")
    project.write("serving/graph.yaml", GRAPH)
    project.write("weights/late.onnx", "one\n")
    return project


def report(project: SampleProject) -> Report:
    """Return the report on the last commit, without asking the graphs anything."""
    comparison = compare_named(opened(project.root), "HEAD~1", "HEAD", without=["behaviour", "plots"])
    return make_report(opened(project.root), comparison, Occasion())


def changes(said: Report) -> list[tuple[str, str, str | None, str | None, int | None, int | None]]:
    return [(row.path, row.change, row.old_digest, row.new_digest, row.old_bytes, row.new_bytes) for row in said.models]


def test_one_inside_a_folder_of_dvc_has_a_row_and_its_box_is_marked(tmp_path: Path) -> None:
    project = served(tmp_path)
    for content in ("one\n", "two!\n"):
        project.write("weights/late.onnx", content)
        DvcProject(project.root).add(["weights"])
        project.commit()

    said = report(project)

    assert changes(said) == [("weights/late.onnx", "changed", *DVC, 4, 5)]
    assert said.models[0].registered == ""
    assert [row.path for row in said.data] == ["weights"]
    assert said.graph is not None
    assert [node.text for node in said.graph.nodes if node.change == "changed"] == ["m"]


def test_one_that_git_keeps_has_a_row(tmp_path: Path) -> None:
    project = served(tmp_path)
    project.commit()
    project.write("weights/late.onnx", "two!\n")
    project.commit()

    assert changes(report(project)) == [("weights/late.onnx", "changed", *GIT, 4, 5)]


def test_one_that_did_not_change_has_none(tmp_path: Path) -> None:
    project = served(tmp_path)
    project.commit()
    project.write("README.md", "more\n")
    project.commit()

    said = report(project)

    assert said.models == ()
    assert said.graph is not None
    assert {node.change for node in said.graph.nodes} == {"same"}


def test_one_that_is_not_known_on_a_side_is_told(tmp_path: Path) -> None:
    project = served(tmp_path)
    project.write("weights/other.onnx", "other\n")
    (project.root / "weights/late.onnx").unlink()
    DvcProject(project.root).add(["weights"])
    project.commit()
    project.write("weights/late.onnx", "two!\n")
    DvcProject(project.root).add(["weights"])
    project.commit()

    said = report(project)

    assert changes(said) == [("weights/late.onnx", "changed", None, DVC[1], None, 5)]
    told = "base: model `weights/late.onnx`: it is not in the folder `weights`, which DVC keeps"
    assert told in [note.text for note in said.notes]


def test_one_that_the_base_did_not_load_need_not_have_been_there(tmp_path: Path) -> None:
    project = served(tmp_path)
    project.write("serving/graph.yaml", GRAPH.replace("late.onnx", "other.onnx"))
    project.write("weights/other.onnx", "other\n")
    (project.root / "weights/late.onnx").unlink()
    DvcProject(project.root).add(["weights"])
    project.commit()
    project.write("serving/graph.yaml", GRAPH)
    project.write("weights/late.onnx", "two!\n")
    DvcProject(project.root).add(["weights"])
    project.commit()

    said = report(project)

    assert changes(said) == [("weights/late.onnx", "added", None, DVC[1], None, 5)]
    assert said.notes == ()
