"""``graphship ci`` with input that makes no sense: one message, its exit code, and nothing half-written.

What has a test of its own elsewhere is not repeated: a port that is taken, a server that does not get ready, a capture
folder that cannot be written (``e2e/operations/test_ci_merge.py``), a reference that lacks a column
(``test_ci_schedule.py``), a failing stage of a change request and a shallow clone (``test_ci_change_request.py``), an
empty window (``unit/cli/test_monitor_command.py``), a path with blanks and unicode (every module project).
"""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

import pytest

from ci_core.cli import cli
from ci_core.cli._render import run
from ci_core.testing.projects import SampleProject, make_plain_repository, make_project, run_git

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

pytestmark = pytest.mark.e2e

CONFIG = """\
name: sample
graph: serving/graph.py:graph
environments:
  staging: {target: local}
"""
GRAPH = """\
from ci_core.serving import Graph

graph = Graph("sample")
graph.to("serving.steps:answer").respond()
"""
STEPS = "def answer(body):\n    return body\n"


@dataclass(frozen=True, slots=True)
class Case:
    make: Callable[[Path], Path]
    """Makes the project in an empty folder and returns its top."""
    exit_code: int
    slug: str
    says: tuple[str, ...]


def _bare_folder(folder: Path) -> Path:
    (folder / "graphship.yaml").write_text("name: sample\n")
    return folder


def _no_commit(folder: Path) -> Path:
    root = make_plain_repository(folder).root
    (root / "graphship.yaml").write_text("name: sample\n")
    return root


def _no_config(folder: Path) -> Path:
    return make_plain_repository(folder, {"README.md": "nothing yet\n"}).root


def _no_dvc(folder: Path) -> Path:
    files = {"graphship.yaml": CONFIG, "serving/graph.py": GRAPH, "serving/steps.py": STEPS}
    return make_plain_repository(folder, files).root


def _project(*changes: Callable[[SampleProject], object]) -> Callable[[Path], Path]:
    """Return what makes a sound project with a graph, then changes it, commits and pushes."""

    def make(folder: Path) -> Path:
        project = make_project(folder)
        for path, text in {"graphship.yaml": CONFIG, "serving/graph.py": GRAPH, "serving/steps.py": STEPS}.items():
            project.write(path, text)
        for change in changes:
            change(project)
        project.commit()
        project.git("push", "-q")
        return project.root

    return make


def _config(text: str) -> Callable[[Path], Path]:
    return _project(lambda project: project.write("graphship.yaml", text))


def _graph(text: str) -> Callable[[Path], Path]:
    return _project(lambda project: project.write("serving/graph.py", text))


def _failing_stage(project: SampleProject) -> None:
    project.write("src/train.py", "for n in range(1, 31):\n    print('line', n)\nraise SystemExit(7)\n")


CASES = {
    "no git": Case(_bare_folder, 2, "not-a-repository", ("run `git init`",)),
    "no commit yet": Case(_no_commit, 2, "no-commit-yet", ("git commit",)),
    "no graphship.yaml": Case(_no_config, 2, "not-a-project", ("run `graphship init`",)),
    "no DVC project": Case(_no_dvc, 2, "not-a-dvc-project", ("dvc init",)),
    "a tab": Case(_config("name: sample\nenvironments:\n\tstaging: {}\n"), 2, "invalid-config", ("graphship.yaml:3",)),
    "an unknown key": Case(
        _config(CONFIG.replace("environments", "enviroments")),
        2,
        "invalid-config",
        ("graphship.yaml:3", "did you mean `environments`?"),
    ),
    "a wrong type": Case(
        _config(CONFIG.replace("{target: local}", "[local]")), 2, "invalid-config", ("graphship.yaml:4",)
    ),
    "a missing file": Case(
        _config(CONFIG.replace("graph.py", "grap.py")),
        2,
        "invalid-config",
        ("graphship.yaml:2", "did you mean `serving/graph.py`?"),
    ),
    "a missing module": Case(_graph(GRAPH.replace("steps:", "stepz:")), 2, "unknown-module", ("serving.stepz",)),
    "a missing function": Case(_graph(GRAPH.replace(":answer", ":anwser")), 2, "unknown-function", ("`answer`",)),
    "graph code that raises": Case(_graph(f"{GRAPH}\n1 / 0\n"), 3, "graph-code-failed", ("serving/graph.py:6",)),
}


@pytest.mark.parametrize("case", CASES.values(), ids=CASES.keys())
def test_bad_input_is_one_message_and_nothing_is_written(
    case: Case, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    root = case.make(tmp_path)
    before = _look(tmp_path, root)

    code, message = _ci(root, tmp_path, capsys, GRAPHSHIP_EVENT="push", GRAPHSHIP_BRANCH="main")

    assert code == case.exit_code, message
    assert re.findall(r"^error\[([a-z-]+)\]: ", message, re.MULTILINE) == [case.slug]
    assert all(text in message for text in case.says), message
    assert "Traceback" not in message
    assert _look(tmp_path, root) == before
    assert not (tmp_path / "state").exists()


def test_of_a_failing_stage_the_last_twenty_lines_are_told(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    root = _project(_failing_stage)(tmp_path)

    code, message = _ci(root, tmp_path, capsys, GRAPHSHIP_EVENT="push", GRAPHSHIP_BRANCH="main")

    assert code == 3
    told = message[message.index("error[stage-failed]: the stage `train` failed: it ended with exit code 7") :]
    assert [int(number) for number in re.findall(r"line (\d+)$", told, re.MULTILINE)] == list(range(11, 31))
    assert run_git(root, "status", "--porcelain") == ""
    assert not (tmp_path / "state").exists()


def test_a_detached_head_asks_which_branch_it_is(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    root = _project()(tmp_path)
    run_git(root, "checkout", "-q", "--detach")

    code, message = _ci(root, tmp_path, capsys, GRAPHSHIP_EVENT="push")

    assert code == 2
    assert "error[missing-variable]: a commit is checked out rather than a branch" in message
    assert "set `GRAPHSHIP_BRANCH=main`" in message


def test_an_event_that_does_not_exist_is_told_with_the_nearest(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    root = _project()(tmp_path)

    code, message = _ci(root, tmp_path, capsys, GRAPHSHIP_EVENT="pusch")

    assert code == 2
    assert "did you mean `push`?" in message


def _ci(root: Path, folder: Path, capsys: pytest.CaptureFixture[str], **variables: str) -> tuple[int, str]:
    """Run ``graphship ci`` and return its exit code and what it said."""
    env = {key: value for key, value in os.environ.items() if not key.startswith(("GRAPHSHIP_", "CI"))}
    capsys.readouterr()
    code = run(cli, ["ci", "--project", str(root)], {**env, "GRAPHSHIP_STATE_DIR": str(folder / "state"), **variables})
    said = capsys.readouterr()
    assert said.out == ""
    return code, said.err


def _look(folder: Path, root: Path) -> tuple[list[str], str, str]:
    """Return the files that are not our scratch, what Git sees of the work tree, and every branch of the remote."""
    ours = {".graphship", ".git", ".dvc", "__pycache__", "dvc-remote", "remote.git"}
    files = sorted(
        str(path.relative_to(folder)) for path in folder.rglob("*") if not ours & set(path.relative_to(folder).parts)
    )
    status = run_git(root, "status", "--porcelain") if (root / ".git").exists() else ""
    remote = folder / "remote.git"
    return files, status, run_git(remote, "for-each-ref") if remote.exists() else ""
