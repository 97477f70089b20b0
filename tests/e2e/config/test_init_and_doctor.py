"""``init``, ``doctor`` and the event of a plain shell, on a real Git and DVC project."""

from __future__ import annotations

import json
import subprocess
from typing import TYPE_CHECKING

import pytest

from ci_core.ci.detect import detect
from ci_core.operations.doctor import Doctor
from ci_core.operations.init_project import init_project
from ci_core.testing.projects import make_project
from ci_core.versioning.git import GitRepository
from tests.e2e import by_command

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.e2e

NOTHING_THERE = ["not-a-repository", "not-a-project", "not-a-dvc-project", "no-pipeline"]


def graphship(folder: Path, *arguments: str) -> tuple[int, str, str]:
    """Run the command line as a user does; DVC takes hold of this process's streams when it is imported."""
    ran = by_command.run(arguments, folder=folder)
    return ran.returncode, ran.stdout, ran.stderr


def doctor(folder: Path) -> list[str]:
    return [finding.slug for finding in Doctor().examine(folder, {})]


def git(folder: Path, *arguments: str) -> None:
    subprocess.run(["git", *arguments], cwd=folder, check=True, capture_output=True)


def test_a_complete_project_has_nothing_missing(tmp_path: Path) -> None:
    project = make_project(tmp_path)

    assert graphship(project.root, "doctor") == (0, "nothing is missing\n", "")


def test_a_graph_that_makes_no_sense_is_found_before_a_release_is_made(tmp_path: Path) -> None:
    project = make_project(tmp_path)
    config = project.root / "graphship.yaml"
    config.write_text(config.read_text() + "graph: graph.yaml\n")
    (project.root / "graph.yaml").write_text(
        "name: loop\nsteps:\n"
        "  - {name: a, step: Impute, with: {x: 1}, after: [b], respond: true}\n"
        "  - {name: b, step: Impute, with: {x: 1}, after: [a]}\n"
    )

    assert "graph-cycle" in doctor(project.root)


def test_findings_are_data_on_stdout_and_exit_code_1(tmp_path: Path) -> None:
    status, out, err = graphship(tmp_path, "doctor", "--json")

    assert (status, err) == (1, "")
    assert [finding["slug"] for finding in json.loads(out)["findings"]] == NOTHING_THERE


def test_from_an_empty_folder_each_hint_leads_to_the_next_finding(tmp_path: Path) -> None:
    root = tmp_path / "mein Projekt – größe"
    root.mkdir()

    seen = [doctor(root)]
    git(root, "init", "-q")
    init_project(root)
    seen.append(doctor(root))
    (root / "README.md").write_text("read me")
    git(root, "add", "README.md")
    git(root, "commit", "-q", "-m", "the first version")
    seen.append(doctor(root))
    git(root, "add", "graphship.yaml")
    git(root, "commit", "-q", "-m", "configure graphship")
    seen.append(doctor(root))

    assert seen == [
        NOTHING_THERE,
        ["no-commit-yet", "not-a-dvc-project", "no-pipeline"],
        ["uncommitted-config", "not-a-dvc-project", "no-pipeline"],
        ["not-a-dvc-project", "no-pipeline"],
    ]


def test_a_shallow_clone_with_a_detached_head_is_recognized(tmp_path: Path) -> None:
    project = make_project(tmp_path)
    project.write("README.md", "second")
    project.git("add", "README.md")
    project.git("commit", "-q", "-m", "second")
    project.git("push", "-q", "origin", "main")
    clone = project.folder / "clone"
    git(tmp_path, "clone", "-q", "--depth=1", project.git_remote.as_uri(), str(clone))
    git(clone, "checkout", "-q", "--detach")

    assert doctor(clone) == ["detached-head", "shallow-clone"]


def test_init_finds_the_metrics_of_a_real_pipeline(tmp_path: Path) -> None:
    project = make_project(tmp_path)
    (project.root / "graphship.yaml").unlink()

    status, out, err = graphship(project.root, "init")

    text = (project.root / "graphship.yaml").read_text()
    assert (status, out) == (0, "")
    assert "metrics `metrics.json`, params `params.yaml`, model `models/model.json`" in err
    assert "  #metrics.json:mae: {max: " in text
    assert doctor(project.root) == ["uncommitted-config"]


def test_the_event_of_a_plain_shell_falls_back_to_what_is_checked_out(tmp_path: Path) -> None:
    project = make_project(tmp_path)

    context = detect({"GRAPHSHIP_EVENT": "push"}, read_event=lambda _path: {}, checkout=GitRepository(project.root))

    assert context.head == project.git("rev-parse", "HEAD")
    assert (context.event, context.branch, context.default_branch) == ("push", "main", "main")
