"""``graphship register`` and ``promote`` as a person types them, on a project with both remotes."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from ci_core.testing.projects import make_plain_repository, make_project
from tests.e2e import by_command

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from ci_core.testing.projects import SampleProject
    from tests.e2e.operations.conftest import CiProject

pytestmark = pytest.mark.e2e

CONFIG = """\
name: sample
environments:
  staging: {target: local, deploy-on: manual}
  production: {target: local, deploy-on: manual}
"""
WHO = {"GIT_COMMITTER_NAME": "Ada", "GIT_COMMITTER_EMAIL": "ada@example.org"}
NOBODY = {"GIT_COMMITTER_NAME": "", "GIT_COMMITTER_EMAIL": ""}


def graphship(
    project: SampleProject, *arguments: str, who: Mapping[str, str] = WHO
) -> subprocess.CompletedProcess[str]:
    return by_command.graphship(project, *arguments, GRAPHSHIP_STATE_DIR=str(project.folder / "state"), **who)


def make(folder: Path, *, artifacts: str = "  churn: {path: models/model.json, type: model}\n") -> SampleProject:
    project = make_project(folder)
    project.write("graphship.yaml", CONFIG)
    pipeline = (project.root / "dvc.yaml").read_text(encoding="utf-8")
    project.write("dvc.yaml", f"{pipeline}artifacts:\n{artifacts}")
    project.commit("declare the model")
    project.git("push", "-q", "origin", "main")
    return project


def tags(project: SampleProject) -> list[str]:
    return project.git("tag", "--list").splitlines()


def tags_on_remote(project: SampleProject) -> list[str]:
    listed = project.git("ls-remote", "--refs", "--tags", "origin").splitlines()
    return [line.partition("refs/tags/")[2] for line in listed]


def test_the_first_version_is_an_annotated_tag_in_the_name_of_who_runs_it(tmp_path: Path) -> None:
    project = make(tmp_path)

    done = graphship(project, "register")

    assert done.returncode == 0, done.stderr
    assert done.stdout == f"churn v0.0.1 is {project.head()[:12]}: wrote the tag churn@v0.0.1\n"
    assert done.stderr == "to share it: git push origin churn@v0.0.1\n"
    shown = project.git("for-each-ref", "--format=%(objecttype) %(*objectname) %(taggername) %(contents)", "refs/tags")
    assert shown.split("\n")[0] == f"tag {project.head()} Ada Registering artifact churn version v0.0.1"
    assert tags_on_remote(project) == []


def test_registering_again_writes_nothing_and_shares_what_was_not_shared(tmp_path: Path) -> None:
    project = make(tmp_path)
    graphship(project, "register", "--version", "1.2.0")

    done = graphship(project, "register", "--push", "--json")

    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout) == {
        "tag": "churn@v1.2.0",
        "name": "churn",
        "version": "v1.2.0",
        "stage": None,
        "commit": project.head(),
        "outcome": "unchanged",
        "pushed_to": "origin",
    }
    assert tags(project) == tags_on_remote(project) == ["churn@v1.2.0"]


def test_a_dry_run_writes_no_tag_here_or_there(tmp_path: Path) -> None:
    project = make(tmp_path)

    done = graphship(project, "register", "--bump", "major", "--dry-run", "--push")

    assert done.stdout == f"churn v1.0.0 is {project.head()[:12]}: would write the tag churn@v1.0.0\n"
    assert tags(project) == tags_on_remote(project) == []


def test_a_tag_without_an_author_is_refused(tmp_path: Path) -> None:
    project = make(tmp_path)

    done = graphship(project, "register", who=NOBODY)

    assert done.returncode == 2
    assert "error[missing-identity]" in done.stderr
    assert tags(project) == []


def test_a_dirty_work_tree_is_refused_unless_a_commit_is_named(tmp_path: Path) -> None:
    project = make(tmp_path)
    project.write("README.md", "not committed\n")

    refused, taken = graphship(project, "register"), graphship(project, "register", "--rev", "HEAD")

    assert (refused.returncode, taken.returncode) == (2, 0)
    assert "error[dirty-work-tree]" in refused.stderr
    assert tags(project) == ["churn@v0.0.1"]


def test_a_stale_pipeline_is_refused_unless_forced(tmp_path: Path) -> None:
    project = make(tmp_path)
    project.replace("params.yaml", "rate: 0.001", "rate: 0.002")
    project.commit()

    refused, forced = graphship(project, "register"), graphship(project, "register", "--force")

    assert (refused.returncode, forced.returncode) == (2, 0)
    assert "error[stale-pipeline]" in refused.stderr
    assert "stages that did not run: `train`, `evaluate`" in refused.stderr
    assert tags(project) == ["churn@v0.0.1"]


def test_objects_that_the_remote_lacks_are_named_at_an_older_commit_too(tmp_path: Path) -> None:
    project = make(tmp_path)
    shutil.rmtree(project.dvc_remote / "files")

    done = graphship(project, "register", "--rev", "HEAD")

    assert done.returncode == 5
    assert "error[missing-objects]" in done.stderr
    assert "`models/model.json` (19 bytes)" in done.stderr
    assert tags(project) == []


def test_a_model_is_found_by_its_short_name_and_several_must_be_told_apart(tmp_path: Path) -> None:
    project = make(tmp_path)
    project.write("eu/dvc.yaml", "artifacts:\n  leavers: {path: ../models/model.json}\n")
    project.commit()

    unnamed = graphship(project, "register")
    mistyped = graphship(project, "register", "leaver")
    named = graphship(project, "register", "leavers")

    assert (unnamed.returncode, mistyped.returncode, named.returncode) == (2, 2, 0)
    assert "error[several-models]" in unnamed.stderr
    assert "declared: `churn`, `eu:leavers`" in unnamed.stderr
    assert "error[unknown-name]: there is no model `leaver`" in mistyped.stderr
    assert tags(project) == ["eu=leavers@v0.0.1"]


def test_a_name_that_no_tag_can_hold_is_refused(tmp_path: Path) -> None:
    project = make(tmp_path, artifacts="  churn.v2: {path: models/model.json}\n")

    done = graphship(project, "register")

    assert done.returncode == 2
    assert "error[invalid-artifact-name]: nothing called `churn.v2` can be registered" in done.stderr


def test_a_project_without_dvc_registers_itself(tmp_path: Path) -> None:
    project = make_plain_repository(tmp_path, {"graphship.yaml": CONFIG})

    done = graphship(project, "register", "--bump", "minor")

    assert done.returncode == 0, done.stderr
    assert tags(project) == ["sample@v0.1.0"]


def test_a_version_and_a_bump_are_not_given_together(tmp_path: Path) -> None:
    done = graphship(make(tmp_path), "register", "--version", "v1.0.0", "--bump", "major")

    assert done.returncode == 2
    assert "give one of them" in done.stderr


def test_two_processes_at_once_register_one_version(tmp_path: Path) -> None:
    project = make(tmp_path)

    with ThreadPoolExecutor(2) as both:
        done = list(both.map(lambda _: graphship(project, "register", "--json"), range(2)))

    assert [one.returncode for one in done] == [0, 0], done[0].stderr + done[1].stderr
    assert sorted(json.loads(one.stdout)["outcome"] for one in done) == ["unchanged", "written"]
    assert tags(project) == ["churn@v0.0.1"]


def test_a_clone_that_lacks_tags_of_the_remote_pushes_none(tmp_path: Path) -> None:
    project = make(tmp_path)
    clone = project.clone("other")
    assert graphship(project, "register", "--version", "v1.0.0", "--push").returncode == 0
    clone.write("README.md", "more\n")
    clone.commit()

    behind = graphship(clone, "register", "--push")
    clone.git("fetch", "-q", "--tags")
    after = graphship(clone, "register", "--push")

    assert behind.returncode == 2
    assert "error[tags-not-fetched]" in behind.stderr
    assert "only there: `churn@v1.0.0`" in behind.stderr
    assert after.returncode == 0, after.stderr
    assert tags_on_remote(clone) == ["churn@v1.0.0", "churn@v1.0.1"]


def test_a_promotion_takes_the_newest_stage_tag_and_is_not_repeated(tmp_path: Path) -> None:
    project = make(tmp_path)
    commit = project.head()
    project.git("tag", "-a", "-m", "tried", "sample@v1.0.0")
    project.git("tag", "-a", "-m", "tried", "sample#staging#4")
    project.write("README.md", "more\n")
    project.commit()

    first, again = (graphship(project, "promote", "staging", "production", "--push", "--json") for _ in range(2))

    assert first.returncode == 0, first.stderr
    assert json.loads(first.stdout) == {
        "from": "staging",
        "to": "production",
        "known_by": "its stage tag",
        "tag": "sample#production#5",
        "name": "sample",
        "version": "v1.0.0",
        "stage": "production",
        "commit": commit,
        "outcome": "written",
        "pushed_to": "origin",
    }
    assert json.loads(again.stdout)["outcome"] == "unchanged"
    assert tags(project) == ["sample#production#5", "sample#staging#4", "sample@v1.0.0"]
    assert tags_on_remote(project) == ["sample#production#5"]


def test_environments_that_there_are_not_or_that_are_one_are_refused(tmp_path: Path) -> None:
    project = make(tmp_path)

    unknown = graphship(project, "promote", "stagin", "production")
    one = graphship(project, "promote", "staging", "staging")
    empty = graphship(project, "promote", "staging", "production")

    assert (unknown.returncode, one.returncode, empty.returncode) == (2, 2, 2)
    assert "hint: did you mean `staging`?" in unknown.stderr
    assert "the same environment" in one.stderr
    assert "error[not-promotable]" in empty.stderr


def test_what_a_merge_deployed_is_promoted(make_ci_project: Callable[..., CiProject]) -> None:
    project = make_ci_project()
    config = (project.sample.root / "graphship.yaml").read_text(encoding="utf-8")
    project.sample.write("graphship.yaml", f"{config}  production: {{target: local, deploy-on: manual}}\n")
    commit = project.push("a second environment")
    assert project.ci("push").exit_code == 0
    project.sample.write("README.md", "more\n")
    project.push("not deployed")
    who = {**project.env, **WHO}

    here = project.command("promote", "staging", "production", cwd=project.sample.root, env=who)
    elsewhere = {**who, "GRAPHSHIP_STATE_DIR": str(project.folder / "nothing")}
    recorded = project.command("promote", "staging", "production", "--json", cwd=project.sample.root, env=elsewhere)

    assert here.returncode == 0, here.stderr
    assert here.stdout == (
        f"staging → production: sample ({commit[:12]}, its live release): wrote the tag sample#production#1\n"
    )
    said = json.loads(recorded.stdout)
    assert (said["outcome"], said["known_by"], said["commit"]) == ("unchanged", "its newest deployment", commit)


def test_an_interrupted_push_leaves_no_tag_behind(tmp_path: Path) -> None:
    project = make(tmp_path)
    asked, release = tmp_path / "asked", tmp_path / "release"
    os.mkfifo(asked)
    os.mkfifo(release)
    bare = Path(project.git("remote", "get-url", "origin"))
    (bare / "hooks").mkdir(exist_ok=True)
    hook = bare / "hooks" / "pre-receive"
    hook.write_text(f"#!/bin/sh\necho asked > '{asked}'\nread line < '{release}'\n")
    hook.chmod(0o755)
    state = {"GRAPHSHIP_STATE_DIR": str(tmp_path / "state"), "NO_COLOR": "1"}
    with subprocess.Popen(
        [sys.executable, "-m", "ci_core", "register", "--push"],
        cwd=project.root,
        env={**os.environ, **state, **WHO},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
    ) as process:
        asked.read_text()  # until the remote considers the tag
        process.send_signal(signal.SIGINT)
        with release.open("r+b", buffering=0) as answer:
            answer.write(b"go on\n")
            process.communicate()

    assert process.returncode != 0
    assert tags(project) == []
