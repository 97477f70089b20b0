"""``graphship run`` as a user meets it: a process of its own, piped or on a terminal."""

from __future__ import annotations

import json
import os
import pty
import re
import select
import shutil
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from ci_core.testing.golden import assert_golden
from ci_core.testing.projects import make_project
from tests.e2e.by_command import graphship

if TYPE_CHECKING:
    from ci_core.testing.projects import SampleProject

pytestmark = pytest.mark.e2e

GOLDEN = Path(__file__).parents[2] / "golden/pipelines"

LOUD = """\
import os, subprocess, sys
print("on standard output", flush=True)
print("on standard error", file=sys.stderr, flush=True)
grandchild = "import os; os.write(1, b'a grandchild on 1\\\\n'); os.write(2, b'and on 2\\\\n')"
subprocess.run([sys.executable, "-c", grandchild])
os.system("echo from a shell")
"""


def on_a_terminal(project: SampleProject, *arguments: str) -> tuple[int, str]:
    """Run the command on a terminal of 100 columns; return its exit code and all that was written there."""
    child, terminal = pty.fork()
    if child == 0:
        os.chdir(project.root)
        environment = {**os.environ, "TERM": "xterm-256color", "COLUMNS": "100"}
        os.execve(sys.executable, [sys.executable, "-m", "ci_core", "run", *arguments], environment)
    written = b""
    while select.select([terminal], [], []):
        try:
            piece = os.read(terminal, 65536)
        except OSError:  # Linux says so that the other side is gone
            break
        written += piece
    os.close(terminal)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), written.decode()


def said(written: str) -> str:
    """Return what stays on a terminal: without colours, and without what was overwritten or erased."""
    lines, row, column = [""], 0, 0
    for found in re.finditer(r"\x1b\[(\??[\d;]*)([A-Za-z])|\r|\n|[^\x1b\r\n]+", written):
        piece, count, code = found[0], found[1], found[2]
        if piece == "\r":
            column = 0
        elif piece == "\n":
            row += 1
            lines += [""] * (row + 1 - len(lines))
        elif code == "K":
            lines[row] = ""
        elif code == "A":
            row -= int(count or 1)
        elif code is None:
            lines[row] = lines[row][:column].ljust(column) + piece + lines[row][column + len(piece) :]
            column += len(piece)
    return "\n".join(line.rstrip() for line in lines)


def timeless(text: str, project: SampleProject) -> str:
    same_width = re.sub(r"\b[\d.]+ m?s\b(?: (?= ))*", "<time>", text)
    return same_width.replace(str(project.folder), "<folder>")


def test_json_is_all_there_is_on_standard_output_though_stages_and_their_children_print(tmp_path: Path) -> None:
    project = make_project(tmp_path / "größer als")
    project.write("src/train.py", LOUD + (project.root / "src/train.py").read_text())

    done = graphship(project, "run", "--json", "--push")

    assert done.returncode == 0, done.stderr
    run = json.loads(done.stdout)
    assert [(stage["name"], stage["outcome"]) for stage in run["stages"]] == [
        ("prepare", "skipped"),
        ("train", "ran"),
        ("evaluate", "skipped"),
    ]
    assert run["push"]["verified"] == 5
    assert [line for line in done.stderr.splitlines() if line.startswith("  ")] == [
        "  on standard output",
        "  on standard error",
        "  a grandchild on 1",
        "  and on 2",
        "  from a shell",
        "  slope 2.6978",
    ]


def test_what_dvc_itself_prints_stays_off_standard_output(tmp_path: Path) -> None:
    project = make_project(tmp_path)
    project.replace("params.yaml", "rate: 0.001", "rate: 0.0012")
    script = (
        "import sys, os; sys.argv = ['graphship', 'run', '--json']\n"
        "from dvc.stage import Stage\n"
        "save = Stage.save\n"
        "def loud(self, *a, **k):\n"
        "    print('DVC prints'); os.write(1, b'a library in C prints\\n'); os.system('echo its child prints')\n"
        "    return save(self, *a, **k)\n"
        "Stage.save = loud\n"
        "from ci_core.cli import main; main()\n"
    )

    done = subprocess.run([sys.executable, "-c", script], cwd=project.root, capture_output=True, text=True, check=False)

    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["failure"] is None
    for words in ("DVC prints", "a library in C prints", "its child prints"):
        assert words in done.stderr


def test_a_run_reads_well(tmp_path: Path) -> None:
    project = make_project(tmp_path)
    project.replace("params.yaml", "keep: 40", "keep: 38")

    done = graphship(project, "run", "--push")

    assert done.returncode == 0
    shown = f"--- standard output\n{done.stdout}--- standard error\n{done.stderr}"
    assert_golden(GOLDEN / "run.txt", timeless(shown, project))


def test_nothing_to_do_is_one_line(tmp_path: Path) -> None:
    done = graphship(make_project(tmp_path), "run")

    assert (done.returncode, done.stdout, done.stderr) == (0, "nothing is stale\n", "")


def test_a_failing_stage_ends_with_three_and_its_lines_are_shown_once(tmp_path: Path) -> None:
    project = make_project(tmp_path)
    project.write("src/train.py", "for n in range(30):\n    print('line', n)\nraise SystemExit(3)\n")

    done = graphship(project, "run")

    assert done.returncode == 3
    assert done.stderr.count("line 29\n") == 1
    shown = f"--- standard output\n{done.stdout}--- standard error\n{done.stderr}"
    assert_golden(GOLDEN / "run_failed.txt", timeless(shown, project))


def test_the_json_of_a_failed_run_has_the_last_lines(tmp_path: Path) -> None:
    project = make_project(tmp_path)
    project.write("src/train.py", "for n in range(30):\n    print('line', n)\nraise SystemExit(3)\n")

    done = graphship(project, "run", "--json")

    failure = json.loads(done.stdout)["failure"]
    assert done.returncode == 3
    assert (failure["stage"], failure["exit_code"]) == ("train", 3)
    assert failure["last_lines"] == [f"line {n}" for n in range(10, 30)]


def test_a_dry_run_lists_what_is_stale_and_runs_nothing(tmp_path: Path) -> None:
    project = make_project(tmp_path)
    project.replace("params.yaml", "rate: 0.001", "rate: 0.0012")

    done = graphship(project, "run", "--dry-run")

    assert done.returncode == 0, done.stderr
    assert done.stdout == (
        "these stages would run:\n  train     param `train.rate` changed\n  evaluate  follows a stale stage\n"
    )
    assert project.git("status", "--short") == " M params.yaml"


def test_a_dry_run_as_json_lists_the_same(tmp_path: Path) -> None:
    project = make_project(tmp_path)
    project.replace("params.yaml", "rate: 0.001", "rate: 0.0012")

    done = graphship(project, "run", "--dry-run", "--json")

    assert json.loads(done.stdout) == [
        {"name": "train", "reasons": ["param `train.rate` changed"]},
        {"name": "evaluate", "reasons": []},
    ]


def test_on_a_terminal_each_line_is_there_once_and_the_moving_line_is_gone(tmp_path: Path) -> None:
    project = make_project(tmp_path)
    project.write("src/train.py", "for n in range(3):\n    print('line', n)\nraise ValueError('no [b]rows[/b]')\n")

    status, written = on_a_terminal(project)

    assert status == 3
    assert_golden(GOLDEN / "run_failed_terminal.txt", timeless(said(written), project))


def test_a_push_without_a_remote_is_refused_before_hours_of_training(tmp_path: Path) -> None:
    project = make_project(tmp_path)
    project.write(".dvc/config", "")
    project.replace("params.yaml", "rate: 0.001", "rate: 0.0012")

    done = graphship(project, "run", "--push")

    assert done.returncode == 2
    assert done.stderr.startswith("error[no-data-remote]: no default DVC remote is configured\n")
    assert not (project.root / ".graphship/logs/train.log").exists()


def test_a_push_to_a_remote_out_of_reach_is_refused_before_hours_of_training(tmp_path: Path) -> None:
    project = make_project(tmp_path)
    project.replace(".dvc/config", "../../dvc-remote", "s3://bucket/storage")  # its library is not installed
    project.replace("params.yaml", "rate: 0.001", "rate: 0.0012")

    done = graphship(project, "run", "--push")

    assert done.returncode == 5
    assert "error[data-remote]: the DVC remote `storage (s3://bucket/storage)` did not let us look" in done.stderr
    assert not (project.root / ".graphship/logs/train.log").exists()


def test_data_that_nobody_has_ends_with_five_by_path_and_size(tmp_path: Path) -> None:
    project = make_project(tmp_path)
    clone = project.clone("fresh")
    shutil.rmtree(project.dvc_remote / "files")
    clone.replace("params.yaml", "keep: 40", "keep: 30")

    done = graphship(clone, "run")

    assert done.returncode == 5
    assert "`data/raw.csv` (239 bytes)" in done.stderr
