"""``graphship doctor`` asks the remotes: Git's, DVC's, and the host with each way a token may be lacking."""

from __future__ import annotations

import json
import os
import shutil
from typing import TYPE_CHECKING, Any

import pytest

from ci_core.testing.projects import SampleProject, make_project
from tests.e2e import by_command

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.e2e


@pytest.fixture
def project(tmp_path: Path) -> SampleProject:
    return make_project(tmp_path)


def doctor(project: SampleProject, *arguments: str, **variables: str) -> dict[str, dict[str, Any]]:
    """Return what is found, by slug."""
    clean = {name: value for name, value in os.environ.items() if not name.startswith(("CI", "GITHUB_", "GITLAB_"))}
    ran = by_command.run(("doctor", "--json", *arguments), folder=project.root, environment={**clean, **variables})
    findings = json.loads(ran.stdout)["findings"]
    assert ran.returncode == (1 if any(found["level"] == "finding" for found in findings) else 0)
    return {found["slug"]: found for found in findings}


def test_a_git_remote_that_is_gone_is_a_finding_unless_nobody_is_asked(project: SampleProject) -> None:
    shutil.move(project.git_remote, project.folder / "elsewhere.git")

    assert set(doctor(project)) == {"git-remote"}
    assert doctor(project, "--offline") == {}


def test_a_repository_without_a_remote_is_told(project: SampleProject) -> None:
    project.git("remote", "remove", "origin")

    assert "git remote add origin" in doctor(project)["no-git-remote"]["hint"]


def test_data_that_nobody_pushed_is_named_with_its_size(project: SampleProject) -> None:
    shutil.rmtree(project.dvc_remote)

    found = doctor(project)["missing-objects"]

    assert "model.json" in found["fact"]
    assert "byte" in found["fact"]


def test_a_job_without_a_token_is_told_which_one_to_give(project: SampleProject) -> None:
    server = "http://localhost:9"  # nobody is asked there
    job = {"GITHUB_ACTIONS": "true", "GITHUB_API_URL": server, "GITHUB_REPOSITORY": "acme/flights"}

    found = doctor(project, CI="true", **job)

    assert "github.token" in found["no-host"]["hint"]
    assert doctor(project, **job) == {}


def test_variables_that_make_no_sense_are_a_finding(project: SampleProject) -> None:
    assert "GRAPHSHIP_HOST" in doctor(project, GRAPHSHIP_HOST="gitlub")["invalid-variable"]["fact"]
