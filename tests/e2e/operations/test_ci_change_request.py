"""``graphship ci`` on a change request: what it says, where, how often, and when it holds its tongue."""

from __future__ import annotations

import json
import os
import shutil
import signal
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from ci_core.testing.projects import run_git
from ci_core.versioning.dvc import DvcProject

if TYPE_CHECKING:
    from ci_core.hosts.spec import ChangeRequest
    from ci_core.testing.projects import SampleProject
    from tests.e2e.operations.conftest import CiProject, CiRun

pytestmark = pytest.mark.e2e


@dataclass(slots=True, kw_only=True)
class Story:
    """One change request from its first push to its second; what was there after each run."""

    project: CiProject
    request: ChangeRequest
    runs: list[CiRun] = field(default_factory=list)
    comments: list[list[str]] = field(default_factory=list)
    host: list[dict[str, str]] = field(default_factory=list)
    files: list[set[str]] = field(default_factory=list)

    def run(self, run_url: str) -> None:
        run = self.project.report(self.request, env={"GRAPHSHIP_RUN_URL": run_url})
        self.runs.append(run)
        self.comments.append(self.project.comments(self.request.number))
        self.host.append(self.project.host_files())
        self.files.append({path.name for path in (run.root / ".graphship" / "report").iterdir()})


def _train_longer(sample: SampleProject) -> None:
    sample.replace("params.yaml", "steps: 3", "steps: 30")


@pytest.fixture(scope="module")
def story(module_project: CiProject) -> Story:
    project = module_project
    story = Story(project=project, request=project.propose("longer", _train_longer))
    story.run("https://ci.example.org/1")
    story.run("https://ci.example.org/2")
    project.sample.git("fetch", "-q", "origin")
    project.sample.git("reset", "-q", "--hard", "origin/longer")
    project.sample.replace("params.yaml", "steps: 30", "steps: 40")
    project.push("train longer still", branch="longer")
    story.run("https://ci.example.org/3")
    return story


def test_one_comment_says_what_the_change_does_to_the_model(story: Story) -> None:
    assert story.runs[0].exit_code == 0, story.runs[0].log
    (comment,) = story.comments[0]

    assert "`mae` 6.346 → **1.225** (better)" in comment
    assert "| `params.yaml:train.steps` | `3` | `30` |" in comment
    assert "would be" not in comment
    assert "to **staging**" in comment
    assert story.runs[0].outputs["delivered"] == "true"


def test_the_report_is_in_files_too(story: Story) -> None:
    assert story.files[0] == {"report.json", "report.md", "report.html", "junit.xml"}


def test_what_the_pipeline_made_is_on_the_branch_and_in_the_remote(story: Story) -> None:
    project = story.project
    head = run_git(project.sample.git_remote, "rev-parse", "longer~2")

    author, *changed = run_git(project.sample.git_remote, "show", "--format=%an", "--name-only", head).split()

    assert author == "graphship"
    assert changed == ["dvc.lock", "metrics.json", "plots/errors.csv"]
    assert DvcProject(story.runs[0].root).missing_objects() == ()
    assert project.statuses(head)["graphship/report"].state == "success"
    assert project.statuses(head)["graphship/report"].description == "1 gate passed"


def test_the_run_of_the_commit_that_the_first_one_made_writes_nothing(story: Story) -> None:
    assert story.runs[1].exit_code == 0, story.runs[1].log
    assert story.host[1] == story.host[0]
    assert "report unchanged" in story.runs[1].log


def test_a_later_push_edits_the_same_comment(story: Story) -> None:
    assert story.runs[2].exit_code == 0, story.runs[2].log
    (comment,) = story.comments[2]

    assert "`40`" in comment
    assert {name for name in story.host[2] if name.startswith("comments/")} == {"comments/1/1.json"}


def test_a_stage_that_fails_is_told_with_its_last_lines(ci_project: CiProject) -> None:
    request = ci_project.propose(
        "broken", lambda sample: sample.write("src/train.py", "print('epoch 1')\nraise SystemExit('no more memory')\n")
    )

    run = ci_project.report(request)

    assert run.exit_code == 3
    (comment,) = ci_project.comments(request.number)
    assert "The stage train failed" in comment
    assert "epoch 1\nno more memory" in comment
    light = ci_project.statuses(request.head)["graphship/report"]
    assert (light.state, light.description) == ("failure", "stage train failed")
    assert ci_project.head("broken") == request.head
    assert run.report["pipeline"]["failure"]["stage"] == "train"


def test_a_gate_that_fails_decides_the_exit_code_and_the_light(ci_project: CiProject) -> None:
    request = ci_project.propose("worse", lambda sample: sample.replace("params.yaml", "steps: 3", "steps: 0"))

    run = ci_project.report(request)

    assert run.exit_code == 1
    light = ci_project.statuses(ci_project.head("worse"))["graphship/report"]
    assert (light.state, light.description) == ("failure", "1 of 1 gate failed: metrics.json:mae")
    assert "more than the 50 it may be" in ci_project.comments(request.number)[0]
    assert "metrics.json:mae" in run.printed


def test_a_graph_that_cannot_be_released_is_told_in_the_comment(ci_project: CiProject) -> None:
    request = ci_project.propose(
        "typo", lambda sample: sample.replace("serving/graph.py", "serving.steps:answer", "serving.steps:anwser")
    )

    run = ci_project.report(request)

    assert run.exit_code == 2
    (comment,) = ci_project.comments(request.number)
    assert "the serving graph cannot be released" in comment
    assert "`answer`" in comment  # what was probably meant
    assert ci_project.statuses(ci_project.head("typo"))["graphship/report"].state == "failure"
    assert ci_project.live().release is None


def test_a_project_without_a_pipeline_is_reported_on_and_deployed(ci_project: CiProject) -> None:
    sample = ci_project.sample
    for path in ("dvc.yaml", "dvc.lock", "models/.gitignore"):
        (sample.root / path).unlink()
    config = (sample.root / "graphship.yaml").read_text(encoding="utf-8")
    sample.write(
        "graphship.yaml",
        "".join(line for line in config.splitlines(keepends=True) if "gates" not in line and "mae" not in line),
    )
    ci_project.push("the model is kept by Git")
    request = ci_project.propose("better", lambda sample: sample.write("models/model.json", '{"slope": 3.0}'))

    reported = ci_project.report(request)
    report = reported.report
    ci_project.merge(request.number)
    merged = ci_project.ci("push")

    assert reported.exit_code == 0, reported.log
    assert "there is no pipeline to run" in reported.log
    assert report["pipeline"] == {"stages": [], "failure": None, "note": "there is no pipeline"}
    assert report["behaviour"]["changed"] == 1
    assert merged.exit_code == 0, merged.log
    assert ci_project.live().release is not None


def test_a_protected_branch_keeps_the_lock_and_not_the_report_back(ci_project: CiProject) -> None:
    request = ci_project.propose("longer", _train_longer)
    hook = ci_project.sample.git_remote / "hooks" / "update"
    hook.write_text("#!/bin/sh\necho 'this branch is protected' >&2\nexit 1\n")
    hook.chmod(0o755)

    run = ci_project.report(request)

    assert run.exit_code == 5, run.log
    (comment,) = ci_project.comments(request.number)
    assert "do not merge yet: what the pipeline made could not be kept" in comment
    assert run.report["verdict"] == "fail"
    assert ci_project.head("longer") == request.head


def test_a_run_that_begins_after_a_newer_push_says_nothing(ci_project: CiProject) -> None:
    request = ci_project.propose("longer", _train_longer)
    old = ci_project.check_out("longer")
    ci_project.sample.write("README.md", "newer\n")
    ci_project.push("newer", branch="longer")
    before = ci_project.host_files()

    run = ci_project.report(request, root=old)

    assert run.exit_code == 0
    assert "a newer push to longer has its own run" in run.log
    assert ci_project.host_files() == before
    assert not (old / ".graphship").exists()


def test_a_run_that_is_overtaken_while_it_works_says_nothing(ci_project: CiProject) -> None:
    person = ci_project.sample
    push = ["git", "push", "-q", "origin", "newer:longer"]
    train = (person.root / "src" / "train.py").read_text()
    train = f"import subprocess\nsubprocess.run({push!r}, cwd={str(person.root)!r})\n{train}"
    request = ci_project.propose("longer", lambda sample: sample.write("src/train.py", train))
    person.git("checkout", "-q", "-b", "newer")
    person.write("README.md", "newer\n")
    newer = person.commit("newer")

    run = ci_project.report(request)

    assert run.exit_code == 0, run.log
    assert "a newer push to longer has its own run" in run.log
    assert ci_project.head("longer") == newer
    assert ci_project.comments(request.number) == []
    assert ci_project.statuses(request.head) == {}


def test_a_force_push_during_a_run_that_pushes_nothing_itself_leaves_no_report_of_the_old_head(
    ci_project: CiProject,
) -> None:
    """D24."""
    person = ci_project.sample
    push = ["git", "push", "-q", "--force", "origin", "rewritten:longer"]
    train = (person.root / "src" / "train.py").read_text()
    train = f"import subprocess\nsubprocess.run({push!r}, cwd={str(person.root)!r})\n{train}"

    def change(sample: SampleProject) -> None:
        sample.write("src/train.py", train)
        config = (sample.root / "graphship.yaml").read_text(encoding="utf-8")
        sample.write("graphship.yaml", f"{config}pipeline: {{commit-lock: false}}\n")

    request = ci_project.propose("longer", change)
    person.git("checkout", "-q", "-b", "rewritten", "main")
    person.write("README.md", "another way\n")
    rewritten = person.commit("another way")

    run = ci_project.report(request)

    assert run.exit_code == 0, run.log
    assert "longer moved during this run" in run.log
    assert ci_project.head("longer") == rewritten
    assert ci_project.comments(request.number) == []
    assert ci_project.statuses(request.head) == {}


def test_a_fork_is_reported_on_in_files_alone(ci_project: CiProject) -> None:
    request = ci_project.propose("fork", _train_longer)
    before = ci_project.host_files()

    run = ci_project.report(request, env={"GRAPHSHIP_TRUSTED": "false"})

    assert run.exit_code == 0
    assert run.report["verdict"] == "pass"
    assert run.outputs["delivered"] == "true"
    assert ci_project.host_files() == before


def test_a_report_for_a_fork_brings_no_server_up_again(ci_project: CiProject) -> None:
    ci_project.ci("push")
    state = Path(ci_project.env["GRAPHSHIP_STATE_DIR"]) / "sample" / "staging" / "state.json"
    supervisor = json.loads(state.read_text(encoding="utf-8"))["supervisor"]
    os.kill(supervisor["pid"], signal.SIGKILL)

    run = ci_project.report(ci_project.propose("fork", _train_longer), env={"GRAPHSHIP_TRUSTED": "false"})

    assert run.exit_code == 0
    assert run.report["plans"] == []
    assert "what its merge deploys was not looked up" in run.report["notes"][0]["text"]
    assert json.loads(state.read_text(encoding="utf-8"))["supervisor"] == supervisor


def test_an_event_of_a_fork_that_asks_for_more_than_a_report_is_refused(ci_project: CiProject) -> None:
    run = ci_project.ci("push", env={"GRAPHSHIP_TRUSTED": "false"})

    assert run.exit_code == 2
    assert run.errors == ["untrusted-event"]
    assert ci_project.live().release is None


def test_a_shallow_clone_of_one_branch_on_a_detached_head_finds_its_base(ci_project: CiProject) -> None:
    main = ci_project.head("main")
    request = ci_project.propose("longer", _train_longer)
    ci_project.sample.write("README.md", "a second commit\n")
    head = ci_project.push("more", branch="longer")
    clone = ci_project.folder / "shallow"
    run_git(
        ci_project.folder,
        "clone",
        "-q",
        "--depth=1",
        "--branch=longer",
        ci_project.sample.git_remote.as_uri(),
        "shallow",
    )
    run_git(clone, "checkout", "-q", "--detach")
    run_git(clone, "remote", "set-url", "origin", str(ci_project.sample.git_remote))

    run = ci_project.report(request, root=clone)

    assert run.exit_code == 0, run.log
    assert run.report["base"]["id"] == main
    assert run.report["notes"] == []
    assert run_git(clone, "merge-base", "--is-ancestor", head, "HEAD") == ""


def test_a_base_that_cannot_be_read_is_said_and_not_taken_for_no_change(ci_project: CiProject) -> None:
    def begin_anew(sample: SampleProject) -> None:
        sample.git("checkout", "-q", "--orphan", "anew")
        sample.write("README.md", "begun anew\n")

    request = ci_project.propose("alone", begin_anew)

    run = ci_project.report(request)

    assert run.exit_code == 0, run.log
    assert run.report["base"] is None
    (comment,) = ci_project.comments(request.number)
    short = ci_project.head("alone")[:7]
    assert f"there is no base to compare with: `{short}` and `origin/main` share no commit" in comment


def test_a_host_that_refuses_costs_the_delivery_and_nothing_else(ci_project: CiProject) -> None:
    request = ci_project.propose("longer", _train_longer)
    ci_project.host.comment(request.number, "Looks good.")
    (ci_project.host.folder / "comments" / "1" / "1.json").write_text("{")

    run = ci_project.report(request)
    strict = ci_project.report(request, "--require-delivery")

    assert (run.exit_code, strict.exit_code) == (0, 6)
    assert run.outputs["delivered"] == strict.outputs["delivered"] == "false"
    assert "warning: could not deliver the report: a file of the local host is damaged" in run.log
    assert run.report["verdict"] == "pass"
    assert ci_project.statuses(ci_project.head("longer"))["graphship/report"].state == "success"


def test_a_change_request_that_the_host_does_not_tell_of_is_reported_in_files(ci_project: CiProject) -> None:
    request = ci_project.propose("longer", _train_longer)
    (ci_project.host.folder / "change-requests" / "1.json").write_text("{")

    run = ci_project.report(request)

    assert run.exit_code == 0
    assert run.outputs["delivered"] == "false"
    assert run.report["metrics"][0]["direction"] == "better"
    assert ci_project.head("longer") == request.head


def test_without_a_host_the_report_stays_in_files(ci_project: CiProject) -> None:
    request = ci_project.propose("longer", _train_longer)
    shutil.rmtree(ci_project.host.folder)
    ci_project.host.folder.write_text("a file")

    run = ci_project.report(request)

    assert run.exit_code == 0, run.log
    assert run.report["base"]["label"] == "main"
