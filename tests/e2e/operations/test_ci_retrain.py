"""Drift that leads to a change request: opened once, renewed, left to people, and found again after every cut.

One story on one project, told by command; each test looks at a moment of it.
"""

from __future__ import annotations

import signal
import subprocess
import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pytest

from ci_core.hosts.marker import parse_marker
from ci_core.testing.processes import wait_until
from ci_core.testing.projects import run_git
from ci_core.versioning.dvc import DvcProject
from tests.e2e.operations.drift_project import label, learn, send

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from ci_core.hosts.spec import ChangeRequest
    from tests.e2e.operations.conftest import CiProject

pytestmark = pytest.mark.e2e

BRANCH = "graphship/retrain/sample/staging"
LATER = dict.fromkeys(range(5, 7), 6.0)
"""From this day on ``z`` has moved, too: evidence that the first change request does not tell of."""
HOOK = """\
#!/bin/sh
while read -r old new ref; do
  case "$ref" in refs/heads/graphship/retrain/*) ;; *) exit 0 ;; esac
done
touch '{folder}/reached'
while [ ! -e '{folder}/go-on' ]; do sleep 0.05; done
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Moment:
    """What there was to see after a run."""

    exit_codes: tuple[int, ...]
    log: str
    branch: str | None
    requests: tuple[ChangeRequest, ...]
    remarks: tuple[str, ...]
    host: Mapping[str, str]
    work_tree: str


class Story:
    """Runs jobs and takes note of what is there afterwards."""

    def __init__(self, project: CiProject) -> None:
        self.project = project

    def start(self, env: Mapping[str, str] | None = None, *, clone: Path | None = None) -> subprocess.Popen[str]:
        """Start a scheduled job, in the runner's clone or another one."""
        project = self.project
        root = clone or project.check_out("main")
        project.runs += 1
        told = {"GRAPHSHIP_EVENT": "schedule", "GRAPHSHIP_BRANCH": "main", "GRAPHSHIP_RUN_ID": str(project.runs)}
        return subprocess.Popen(
            [sys.executable, "-m", "ci_core", "ci"],
            cwd=root,
            env={**project.env, **told, **(env or {})},
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
            encoding="utf-8",
        )

    def see(self, *jobs: subprocess.Popen[str]) -> Moment:
        """Wait for jobs and look."""
        logs = [job.communicate()[1] for job in jobs]
        project = self.project
        requests = tuple(project.host.change_requests.find(source_branch=BRANCH))
        return Moment(
            exit_codes=tuple(job.returncode for job in jobs),
            log="\n".join(logs),
            branch=project.head(BRANCH),
            requests=requests,
            remarks=tuple(body for request in requests for body in project.comments(request.number)),
            host=project.host_files(),
            work_tree=run_git(project.runner, "status", "--porcelain", "--branch"),
        )

    def run(self) -> Moment:
        """Run a scheduled job to its end."""
        return self.see(self.start())

    def cut_in_stage(self) -> Moment:
        """End a job while the model is trained."""
        meeting = self._folder("stage")
        job = self.start({"TEST_MEETING": str(meeting), "TEST_MEMBERS": "2"})
        wait_until(lambda: any(meeting.iterdir()) or job.poll() is not None)
        job.send_signal(signal.SIGTERM)
        return self.see(job)

    def cut_in_push(self, hook: str) -> Moment:
        """End a job while the remote is about to take the branch (``pre-receive``), or has just done so."""
        waiting = self._folder(hook)
        path = self.project.sample.git_remote / "hooks" / hook
        path.write_text(HOOK.format(folder=waiting))
        path.chmod(0o755)
        job = self.start()
        wait_until((waiting / "reached").exists)
        job.send_signal(signal.SIGTERM)
        moment = self.see(job)
        (waiting / "go-on").touch()
        path.unlink()
        return moment

    def work_on_the_branch(self) -> str:
        """Let a person commit to the branch; return the commit."""
        sample = self.project.sample
        sample.git("fetch", "-q", "origin")
        sample.git("checkout", "-q", "-B", "mine", f"origin/{BRANCH}")
        sample.write("notes.md", "what we learned\n")
        commit = self.project.push("explain the change", branch=BRANCH)
        sample.git("checkout", "-q", "main")
        return commit

    def two_at_once(self) -> Moment:
        """Run two jobs that train at the same time."""
        meeting = self._folder("two")
        env = {"TEST_MEETING": str(meeting), "TEST_MEMBERS": "2"}
        run_git(self.project.folder, "clone", "-q", self.project.sample.git_remote.as_uri(), "second runner")
        return self.see(self.start(env, clone=self.project.folder / "second runner"), self.start(env))

    def _folder(self, name: str) -> Path:
        folder = self.project.folder / f"meeting in {name}"
        folder.mkdir()
        return folder


@dataclass(frozen=True, slots=True, kw_only=True)
class Moments:
    in_stage: Moment
    before_push: Moment
    after_push: Moment
    opened: Moment
    again: Moment
    commit: str
    left_alone: Moment
    left_alone_again: Moment
    two: Moment
    by_hand: subprocess.CompletedProcess[str]
    in_vain: Moment


@pytest.fixture(scope="module")
def moments(module_project: CiProject) -> Moments:
    project, story = module_project, Story(module_project)
    learn(project)
    deployed = project.ci("push")
    assert deployed.exit_code == 0, deployed.log
    for day in range(5):
        send(project, day, mean=6)
    label(project, 5, offset=5)
    found: dict[str, Any] = {"in_stage": story.cut_in_stage()}
    found["before_push"] = story.cut_in_push("pre-receive")
    found["after_push"] = story.cut_in_push("post-receive")
    found["opened"], found["again"] = story.run(), story.run()
    found["commit"] = story.work_on_the_branch()
    for day in LATER:
        send(project, day, mean=6, mean_z=6)
    label(project, 7, offset=5, mean_z=LATER)
    found["left_alone"], found["left_alone_again"] = story.run(), story.run()
    run_git(project.sample.git_remote, "update-ref", f"refs/heads/{BRANCH}", f"{found['commit']}~1")
    found["two"] = story.two_at_once()
    _squash(project)
    project.host.change_requests.update(found["two"].requests[0].number, state="closed")
    project.check_out("main")
    found["by_hand"] = project.command("retrain", "staging", "--project", str(project.runner), cwd=project.folder)
    found["in_vain"] = story.see()
    return Moments(**found)


def _squash(project: CiProject) -> None:
    """Bring what the branch has to ``main`` without merging it, as a person can."""
    project.sample.git("fetch", "-q", "origin")
    project.sample.git("checkout", "-q", "main")
    project.sample.git("merge", "-q", "--squash", f"origin/{BRANCH}")
    project.push("the new model")


@pytest.mark.parametrize("cut", ["in_stage", "before_push", "after_push"])
def test_a_job_that_is_cut_leaves_no_request_and_a_clean_work_tree(moments: Moments, cut: str) -> None:
    moment = getattr(moments, cut)

    assert moment.exit_codes[0] != 0
    assert moment.requests == ()
    assert moment.work_tree == "## main...origin/main"


def test_only_a_push_that_was_taken_leaves_a_branch(moments: Moments) -> None:
    assert moments.in_stage.branch is None
    assert moments.after_push.branch is not None


def test_the_run_after_the_cuts_opens_one_draft_with_labels_and_reviewers(moments: Moments) -> None:
    moment = moments.opened

    assert moment.exit_codes == (0,), moment.log
    (request,) = moment.requests
    assert (request.state, request.author, request.is_draft) == ("open", "graphship", True)
    assert (request.labels, request.reviewers) == (("retrain", "model"), ("ann",))
    assert request.title == "Retrain sample: _output and x moved in staging"
    assert request.head == moment.branch
    assert moment.work_tree == "## main...origin/main"


def test_the_commit_tells_in_its_last_lines_that_it_is_ours(moments: Moments, module_project: CiProject) -> None:
    remote = module_project.sample.git_remote

    shown = run_git(remote, "log", "-1", "--format=%an <%ae> %cn <%ce>%n%B", str(moments.opened.branch)).splitlines()

    assert shown[0] == "graphship <graphship@localhost> graphship <graphship@localhost>"
    evidence, run = [line for line in shown if line.startswith("Graphship-")]
    assert evidence.startswith("Graphship-Retrain: ")
    assert run.startswith("Graphship-Run: ")


def test_the_next_run_finds_its_request_and_writes_nothing(moments: Moments) -> None:
    assert moments.again.exit_codes == (0,), moments.again.log
    assert moments.again.host == moments.opened.host


def test_commits_of_a_person_are_left_alone_and_told_of_new_evidence_in_one_remark(moments: Moments) -> None:
    moment = moments.left_alone

    assert moment.exit_codes == (0,), moment.log
    assert moment.branch == moments.commit
    assert [request.body for request in moment.requests] == [request.body for request in moments.opened.requests]
    (remark,) = moment.remarks
    assert f"`{moments.commit[:12]}` explain the change, by Test Person" in remark
    assert "`z`" in remark
    assert "so it was left alone" in moment.log


def test_the_remark_is_written_once(moments: Moments) -> None:
    assert moments.left_alone_again.exit_codes == (0,), moments.left_alone_again.log
    assert moments.left_alone_again.host == moments.left_alone.host


def test_two_jobs_at_once_end_with_one_branch_and_one_request_of_one_of_them(
    moments: Moments, module_project: CiProject
) -> None:
    moment = moments.two

    assert moment.exit_codes == (0, 0), moment.log
    assert moment.log.count("another run has moved") == 1
    (request,) = moment.requests
    marker = parse_marker(request.body)
    assert marker is not None
    assert marker.sha == moment.branch
    assert request.title.startswith("Retrain sample: ")
    assert "`z`" in request.body
    new = run_git(module_project.sample.git_remote, "rev-list", "--count", str(moment.branch), f"^{moments.commit}~2")
    assert new == "1"


def test_a_retraining_that_changes_nothing_proposes_nothing(moments: Moments) -> None:
    assert moments.by_hand.returncode == 0, moments.by_hand.stderr
    assert "are in the data on `main` already" in moments.by_hand.stdout
    assert [request.state for request in moments.in_vain.requests] == ["closed"]
    assert moments.in_vain.branch == moments.two.branch


def test_the_objects_of_the_proposed_model_are_at_the_remote(moments: Moments, module_project: CiProject) -> None:
    fresh = module_project.sample.clone("fresh")
    fresh.git("checkout", "-q", str(moments.two.branch))

    DvcProject(fresh.root).pull()

    assert (fresh.root / "models" / "line.onnx").exists()
