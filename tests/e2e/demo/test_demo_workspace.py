"""The demo's folder: made as a user would make it, made again, and never in place of something else."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

from ci_core.config.reader import read_settings
from ci_core.demo.workspace import checkout_for_ci, make_workspace, open_workspace
from ci_core.errors import DemoFolderTakenError
from ci_core.versioning.dvc import DvcProject

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.e2e


def test_workspace_is_a_project_that_is_trained_pushed_and_cloned_and_can_be_made_again(tmp_path: Path) -> None:
    root = tmp_path / "de mo, ü #1"

    first = make_workspace(root, os.environ)
    head = first.run("git", "rev-parse", "HEAD").strip()
    clone = checkout_for_ci(first, "main")
    project = DvcProject(clone)
    project.pull()

    assert first.run("git", "status", "--porcelain") == ""
    assert first.run("git", "rev-parse", "origin/main").strip() == head
    assert project.stale() == ()
    assert (clone / "models/late.onnx").read_bytes() == (first.project / "models/late.onnx").read_bytes()
    labels = read_settings(clone, {}).monitor.labels  # type: ignore[union-attr]  # the template has the section
    assert labels is not None
    assert labels.path == str(first.labels)

    (root / "left over").touch()
    again = make_workspace(root, os.environ)

    assert not (root / "left over").exists()
    assert again.run("git", "log", "--format=%s").splitlines() == [
        "The first model",
        "Flights: pipeline, serving graph and data",
    ]


def test_folder_that_no_demo_made_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "thesis.tex").write_text("precious", encoding="utf-8")

    with pytest.raises(DemoFolderTakenError) as caught:
        make_workspace(tmp_path, os.environ)

    assert caught.value.exit_code == 2
    assert [path.name for path in tmp_path.iterdir()] == ["thesis.tex"]


def test_stopping_in_a_folder_that_no_demo_made_does_nothing(tmp_path: Path) -> None:
    (tmp_path / "state" / "staging").mkdir(parents=True)

    open_workspace(tmp_path, os.environ).stop()

    assert list((tmp_path / "state" / "staging").iterdir()) == []
