"""Models that `artifacts` of dvc.yaml name and Git keeps: their content at a commit and in the work tree."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from ci_core.testing.projects import SampleProject, make_project
from ci_core.versioning.git import GitRepository
from ci_core.versioning.snapshot import take_snapshot
from tests.e2e.by_command import graphship

if TYPE_CHECKING:
    from pathlib import Path

    from ci_core.versioning.revision import RegisteredModel

pytestmark = pytest.mark.e2e

# `git hash-object` of the files' content
_ONE, _TWO = "git:5626abf0f72e58d7a153368ba57db4c673c0e171", "git:f719efd430d52bcfc8566a43b2eb655688d38871"


def _with_artifact(folder: Path, path: str, files: dict[str, str]) -> SampleProject:
    project = make_project(folder)
    for name, content in files.items():
        project.write(name, content)
    project.write("dvc.yaml", (project.root / "dvc.yaml").read_text() + f"artifacts:\n  rules: {{path: '{path}'}}\n")
    project.commit()
    return project


def _model(project: SampleProject, rev: str | None = None) -> RegisteredModel:
    (model,) = take_snapshot(project.root, rev).models
    return model


def test_a_file_has_gits_digest_at_each_commit_and_in_the_work_tree(tmp_path: Path) -> None:
    project = _with_artifact(tmp_path, "rules.json", {"rules.json": "one\n"})
    project.write("rules.json", "two\n")

    at_commit, in_work_tree = _model(project, "HEAD"), _model(project)

    assert (at_commit.digest, at_commit.size_bytes) == (_ONE, 4)
    assert (in_work_tree.digest, in_work_tree.size_bytes) == (_TWO, 4)


def test_a_clean_work_tree_has_the_digest_of_its_commit(tmp_path: Path) -> None:
    names = ["rules/a é.json", "rules/deep/b.json"]
    project = _with_artifact(tmp_path, "rules", dict.fromkeys(names, "one\n"))

    assert _model(project) == _model(project, "HEAD")
    assert (_model(project).digest or "").startswith("sha256:")


def test_a_folder_changes_with_each_file_that_git_does_not_ignore(tmp_path: Path) -> None:
    project = _with_artifact(tmp_path, "rules", {"rules/a.json": "one\n", ".gitignore": "*.log\n"})
    before = _model(project).digest

    project.write("rules/noise.log", "ignored\n")
    with_noise = _model(project).digest
    project.write("rules/new.json", "not added yet\n")

    assert with_noise == before
    assert _model(project).digest != before


@pytest.mark.parametrize("path", ["../outside.json", "nowhere.json", "link.json"])
def test_what_lies_elsewhere_has_no_digest(tmp_path: Path, path: str) -> None:
    (tmp_path / "outside.json").write_text("secret\n")
    project = make_project(tmp_path / "project")
    (project.root / "link.json").symlink_to(tmp_path / "outside.json")
    project.write("dvc.yaml", (project.root / "dvc.yaml").read_text() + f"artifacts:\n  rules: {{path: '{path}'}}\n")
    project.commit()

    assert [_model(project, rev).digest for rev in (None, "HEAD")] == [None, None]


def test_a_project_below_the_top_of_the_repository_has_its_own_files(tmp_path: Path) -> None:
    project = make_project(tmp_path)
    project.write("sub/dvc.yaml", "artifacts:\n  rules: {path: rules.json}\n")
    project.write("sub/rules.json", "one\n")
    project.write("rules.json", "two\n")
    project.commit()
    below = take_snapshot(project.root / "sub", "HEAD").models

    assert GitRepository(project.root / "sub").top == project.root
    assert [(model.path, model.digest) for model in below] == [("rules.json", _ONE)]
    assert take_snapshot(project.root / "sub").models == below


def test_the_report_tells_a_changed_one_and_one_that_is_declared_no_more(tmp_path: Path) -> None:
    project = _with_artifact(tmp_path, "rules.json", {"rules.json": "one\n"})
    project.write("rules.json", "two\n")
    project.commit()
    project.replace("dvc.yaml", "artifacts:\n  rules: {path: 'rules.json'}\n", "")
    project.commit()

    changed, gone = (_diff(project, base, head) for base, head in (("HEAD~2", "HEAD~1"), ("HEAD~1", "HEAD")))

    assert "Changed: 1 model." in changed
    assert "Changed: 1 model." in gone
    assert "rules is not declared any more" in " ".join(gone.split())


def _diff(project: SampleProject, base: str, head: str) -> str:
    done = graphship(project, "diff", base, head, "--without", "behaviour")
    done.check_returncode()
    return done.stdout
