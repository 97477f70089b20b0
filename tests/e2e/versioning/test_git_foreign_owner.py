"""A clone that belongs to another user: usual in CI, where a container's root works in what the runner cloned."""

from __future__ import annotations

import os
import shutil
from typing import TYPE_CHECKING

import pytest

from ci_core.errors import ForeignRepositoryError
from ci_core.testing.projects import SampleProject, make_project
from ci_core.versioning.git import GitRepository
from ci_core.versioning.ledger import Ledger
from ci_core.versioning.snapshot import take_snapshot

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = [
    pytest.mark.e2e,
    pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a folder to another user"),
]

SOMEBODY = 12345


@pytest.fixture(autouse=True)
def _no_settings_of_the_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let no file allow folders, nor a variable of the job that runs these tests say that it is one."""
    for name in ("CI", "JENKINS_URL", "SUDO_UID"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", os.devnull)
    monkeypatch.setenv("GIT_CONFIG_SYSTEM", os.devnull)


def _give_away(folder: Path) -> None:
    os.chown(folder, SOMEBODY, SOMEBODY)
    for path in folder.rglob("*"):
        os.chown(path, SOMEBODY, SOMEBODY, follow_symlinks=False)


@pytest.fixture
def project(tmp_path: Path) -> SampleProject:
    project = make_project(tmp_path / "größer als")
    _give_away(project.root)
    return project


def test_a_person_is_told_how_to_allow_this_one_folder(project: SampleProject) -> None:
    with pytest.raises(ForeignRepositoryError) as caught:
        GitRepository(project.root)

    assert caught.value.hint == f"allow this one folder: `git config --global --add safe.directory '{project.root}'`"


@pytest.mark.parametrize(("variable", "value"), [("CI", "true"), ("CI", "1"), ("JENKINS_URL", "https://ci.example")])
def test_in_ci_the_projects_own_folder_is_allowed_and_said_to_be(
    project: SampleProject, monkeypatch: pytest.MonkeyPatch, variable: str, value: str
) -> None:
    monkeypatch.setenv(variable, value)

    repository = GitRepository(project.root / "src")

    assert repository.is_foreign
    assert repository.top == project.root
    assert repository.dirty_digest() is None
    assert repository.remote_head("refs/heads/main") == repository.head()
    assert Ledger(repository).files() == ()
    assert take_snapshot(project.root, git=repository).code.commit == repository.head()


@pytest.mark.parametrize("value", ["", "false", "0"])
def test_a_variable_that_says_no_is_no_ci(project: SampleProject, monkeypatch: pytest.MonkeyPatch, value: str) -> None:
    monkeypatch.setenv("CI", value)

    with pytest.raises(ForeignRepositoryError):
        GitRepository(project.root)


def test_no_other_folder_is_allowed_with_it(project: SampleProject, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CI", "true")
    inner = project.root / "vendor" / "other"
    shutil.copytree(project.root / ".git", inner / ".git")
    beside = project.folder / "beside"
    shutil.copytree(project.root / ".git", beside / ".git")
    _give_away(project.folder)

    repository = GitRepository(project.root)

    for folder in (inner, beside):
        with pytest.raises(ForeignRepositoryError):
            repository.run("rev-parse", "HEAD", folder=folder)


def test_nothing_is_written_into_any_settings(project: SampleProject, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CI", "true")
    settings = project.folder / "global settings"
    settings.write_text("")
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", str(settings))
    before = (project.root / ".git" / "config").read_bytes()

    GitRepository(project.root).dirty_digest()

    assert settings.read_text() == ""
    assert (project.root / ".git" / "config").read_bytes() == before
    assert "GIT_CONFIG_COUNT" not in os.environ


def test_what_the_job_allows_itself_is_kept(project: SampleProject, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CI", "true")
    monkeypatch.setenv("GIT_CONFIG_COUNT", "1")
    monkeypatch.setenv("GIT_CONFIG_KEY_0", "alias.own")
    monkeypatch.setenv("GIT_CONFIG_VALUE_0", "rev-parse HEAD")

    repository = GitRepository(project.root)

    assert repository.is_foreign
    assert repository.run("own").text == repository.head()


def test_a_folder_of_ones_own_is_not_said_to_be_foreign(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CI", "true")

    assert not GitRepository(make_project(tmp_path).root).is_foreign
