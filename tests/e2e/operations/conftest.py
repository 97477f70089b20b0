"""A small project with remote, host and CI runner; tests drive ``python -m ci_core ci`` as a CI system does.

The pipeline is the one of ``ci_core.testing.projects`` (``prepare → train → evaluate``, in plain Python); the serving
graph is one step that multiplies ``x`` by the slope that the pipeline found.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import urllib.request
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from ci_core.demo.ci_run import read_outputs
from ci_core.deploy.local import LocalTarget
from ci_core.hosts.local.host import LocalHost, create_local_host
from ci_core.hosts.spec import Topic
from ci_core.testing.projects import SampleProject, make_project, run_git
from ci_core.types import EnvironmentName
from ci_core.versioning.git import GitRepository
from ci_core.versioning.ledger import Ledger
from tests.e2e import by_command

if TYPE_CHECKING:
    import subprocess
    from collections.abc import Callable, Iterator, Mapping

    from ci_core.deploy.spec import Live
    from ci_core.hosts.spec import ChangeRequest, CommitStatus

STAGING = EnvironmentName("staging")
CONFIG = """\
name: sample
graph: serving/graph.py:graph
smoke: serving/requests.jsonl
gates:
  metrics.json:mae: {max: 50.0, max-regression: 5.0}
environments:
  staging: {target: local, deploy-on: merge, ready-timeout: 30s}
"""
SERVING = {
    "graphship.yaml": CONFIG,
    "serving/graph.py": """\
from ci_core.serving import Graph

graph = Graph("sample", files=["models/model.json"])
graph.to("serving.steps:answer").respond()
""",
    "serving/steps.py": """\
import json
from pathlib import Path

SLOPE = json.loads(Path("models/model.json").read_text())["slope"]


def answer(body):
    return {"y": round(SLOPE * body["x"], 3)}
""",
    "serving/requests.jsonl": '{"x": 1}\n',
}


@dataclass(frozen=True, slots=True, kw_only=True)
class CiRun:
    """One run of ``graphship ci``."""

    exit_code: int
    log: str
    printed: str
    """What was found, as standard output has it."""
    outputs: Mapping[str, str]
    root: Path
    """The runner's clone."""

    @property
    def errors(self) -> list[str]:
        """The slugs of the error messages in the log; what a program said is indented and does not count."""
        return re.findall(r"^error\[([a-z-]+)\]: ", self.log, re.MULTILINE)

    @property
    def report(self) -> Any:
        """``report.json`` of this run, if no later one has replaced it."""
        return json.loads((self.root / ".graphship" / "report" / "report.json").read_text(encoding="utf-8"))


@dataclass(slots=True, kw_only=True)
class CiProject:
    """A person's clone, the host that both sides look at, and the runner's clone."""

    sample: SampleProject
    host: LocalHost
    """Seen by the person ``robin``."""
    env: Mapping[str, str]
    runs: int = field(default=0)

    @property
    def folder(self) -> Path:
        return self.sample.folder

    @property
    def runner(self) -> Path:
        return self.folder / "runner"

    def push(self, message: str = "a change", *, branch: str = "main") -> str:
        """Commit the work tree, push it to `branch` and return the commit."""
        commit = self.sample.commit(message)
        self.sample.git("push", "-q", "origin", f"HEAD:refs/heads/{branch}")
        return commit

    def propose(self, branch: str, changes: Callable[[SampleProject], object]) -> ChangeRequest:
        """Open a change request with `changes` to what is on the remote's ``main``."""
        self.sample.git("fetch", "-q", "origin")
        self.sample.git("checkout", "-q", "-B", branch, "origin/main")
        changes(self.sample)
        self.push(f"work on {branch}", branch=branch)
        return self.host.open_change_request(branch, f"The title of {branch}")

    def merge(self, number: int) -> ChangeRequest:
        """Merge a change request, as a person does on the host's page."""
        return self.host.merge(number)

    def check_out(self, branch: str = "main") -> Path:
        """Bring the runner's clone to the newest commit of `branch`, as a CI system does before a job."""
        if not self.runner.exists():
            run_git(self.folder, "clone", "-q", str(self.sample.git_remote), "runner")
        run_git(self.runner, "fetch", "-q", "--prune", "origin")
        run_git(self.runner, "checkout", "-q", "--force", "-B", branch, f"origin/{branch}")
        run_git(self.runner, "clean", "-q", "-ffdx", "--exclude=.dvc/cache")
        return self.runner

    def ci(
        self,
        event: str,
        *options: str,
        branch: str = "main",
        change_request: int | None = None,
        root: Path | None = None,
        env: Mapping[str, str] | None = None,
    ) -> CiRun:
        """Run ``graphship ci`` for an event on the newest commit of `branch`, or in `root` as it is."""
        clone = root or self.check_out(branch)
        self.runs += 1
        outputs = self.folder / f"outputs-{self.runs}"
        told = {
            **self.env,
            "GRAPHSHIP_EVENT": event,
            "GRAPHSHIP_BRANCH": branch,
            "GRAPHSHIP_RUN_ID": str(self.runs),
            "GRAPHSHIP_OUTPUT": str(outputs),
            **({"GRAPHSHIP_CHANGE_REQUEST": str(change_request)} if change_request else {}),
            **(env or {}),
        }
        finished = self.command("ci", *options, cwd=clone, env=told)
        found = read_outputs(outputs.read_text(encoding="utf-8")) if outputs.exists() else {}
        return CiRun(
            exit_code=finished.returncode, log=finished.stderr, printed=finished.stdout, outputs=found, root=clone
        )

    def report(self, request: ChangeRequest, *options: str, **more: Any) -> CiRun:
        """Run the CI of a change request on its newest commit."""
        return self.ci("change-request", *options, branch=request.source_branch, change_request=request.number, **more)

    def command(
        self, *arguments: str, cwd: Path, env: Mapping[str, str] | None = None
    ) -> subprocess.CompletedProcess[str]:
        """Run ``graphship`` in a process of its own."""
        return by_command.run(arguments, folder=cwd, environment=env or self.env)

    # --- what there is to see afterwards ---

    def comments(self, number: int) -> list[str]:
        """Return the bodies of our comments on a change request."""
        comments = self.host.comments.list(Topic("change-request", number))
        return [comment.body for comment in comments if comment.author == "graphship"]

    def head(self, branch: str) -> Any:
        """Return the newest commit of a branch on the remote."""
        return self.host.branch_head(branch)

    def statuses(self, commit: Any) -> dict[str, CommitStatus]:
        """Return the lights of a commit by name."""
        return {status.context: status for status in self.host.statuses.list(commit)}

    def host_files(self) -> dict[str, str]:
        """Return the digest of every file of the host, and of every branch of the remote; without locks."""
        files = {
            str(path.relative_to(self.host.folder)): hashlib.sha256(path.read_bytes()).hexdigest()
            for path in self.host.folder.rglob("*")
            if path.is_file() and path.name != ".lock"
        }
        refs = run_git(self.sample.git_remote, "for-each-ref", "--format=%(refname) %(objectname)")
        return files | dict(line.split(" ") for line in refs.splitlines())

    def ledger_lines(self, path: str) -> list[Any]:
        """Return the objects of a JSON-lines file of the ledger."""
        return list(Ledger(GitRepository(self.sample.root)).read_lines(path))

    def target(self) -> LocalTarget:
        """Return the target that ``staging`` is on."""
        state = Path(self.env["GRAPHSHIP_STATE_DIR"]) / "sample"
        return LocalTarget(state, env=self.env, clock=lambda: datetime.now(UTC))

    def live(self) -> Live:
        """Return what serves."""
        return self.target().observe(STAGING)

    def ask(self, x: float) -> Any:
        """Send ``{"x": x}`` to what serves and return its answer."""
        request = urllib.request.Request(
            self.live().url or "", data=json.dumps({"x": x}).encode(), headers={"content-type": "application/json"}
        )
        with urllib.request.urlopen(request, timeout=10) as answer:
            return json.loads(answer.read())


def _environment(folder: Path) -> dict[str, str]:
    """Return our environment without what would make programs believe that they run in somebody's CI job."""
    kept = {
        key: value
        for key, value in os.environ.items()
        if not key.startswith(("GRAPHSHIP_", "CI_", "GITHUB_", "GITLAB_")) and key != "CI"
    }
    return {**kept, "GRAPHSHIP_STATE_DIR": str(folder / "state"), "NO_COLOR": "1"}


def _make(folder: Path, files: Mapping[str, str]) -> CiProject:
    sample = make_project(folder)
    host = create_local_host(sample.git_remote).acting_as("robin")
    for path, text in {**SERVING, **files}.items():
        sample.write(path, text)
    project = CiProject(sample=sample, host=host, env=_environment(folder))
    project.push("a serving graph")
    return project


@pytest.fixture(scope="module")
def module_project(tmp_path_factory: pytest.TempPathFactory) -> Iterator[CiProject]:
    """A project for all tests of a module; its path has blanks and letters of other alphabets."""
    project = _make(tmp_path_factory.mktemp("prøject with blanks"), {})
    yield project
    project.target().destroy(STAGING)


@pytest.fixture
def make_ci_project(tmp_path: Path) -> Iterator[Callable[..., CiProject]]:
    """Return ``make(**files)``: a project of the test's own, with files of its own."""
    made: list[CiProject] = []

    def make(files: Mapping[str, str] | None = None) -> CiProject:
        project = _make(tmp_path / f"p{len(made)}", files or {})
        made.append(project)
        return project

    yield make
    for project in made:
        project.target().destroy(STAGING)


@pytest.fixture
def ci_project(make_ci_project: Callable[..., CiProject]) -> CiProject:
    """A project of the test's own."""
    return make_ci_project()
