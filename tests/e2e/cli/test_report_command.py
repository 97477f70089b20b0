"""``graphship report``: the files it leaves, and what it says beside the report."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from ci_core.testing.projects import make_project
from tests.e2e.by_command import graphship

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.e2e


def test_a_report_ends_with_the_page_to_open_and_has_its_other_files_beside_it(tmp_path: Path) -> None:
    project = make_project(tmp_path)
    project.replace("params.yaml", "rate: 0.001", "rate: 0.0012")
    folder = project.root / ".graphship" / "report"

    done = graphship(project, "report")

    assert (done.returncode, done.stderr) == (0, f"report-path: {folder / 'report.html'}\n")
    assert sorted(file.name for file in folder.iterdir()) == ["junit.xml", "report.html", "report.json", "report.md"]


def test_without_a_page_the_report_ends_with_its_data(tmp_path: Path) -> None:
    project = make_project(tmp_path)
    project.replace("params.yaml", "rate: 0.001", "rate: 0.0012")

    done = graphship(project, "report", "--without", "html", "--output", "out")

    assert (done.returncode, done.stderr) == (0, "report-path: out/report.json\n")


@pytest.mark.parametrize("command", ["report", "diff"])
def test_who_asks_for_changes_on_the_default_branch_is_told_to_name_a_base(command: str, tmp_path: Path) -> None:
    project = make_project(tmp_path)
    said = (
        "notice: the base that was found is the commit that is checked out, and the work tree is as it was committed: "
        f"there is nothing to compare; name a base, as in `graphship {command} HEAD~1`\n"
    )

    unchanged = graphship(project, command)
    project.write("README.md", "more\n")
    changed = graphship(project, command)
    project.commit()
    named = graphship(project, command, "HEAD~1")

    assert said in unchanged.stderr
    assert "nothing to compare" not in changed.stderr + named.stderr


def test_a_report_in_place_of_a_file_is_refused_before_anything_is_compared(tmp_path: Path) -> None:
    project = make_project(tmp_path)

    done = graphship(project, "report", "no-such-commit", "--output", "params.yaml/report")

    assert done.returncode == 2
    assert done.stderr.splitlines() == [
        "error[file-not-writable]: the file cannot be written: not a directory",
        "  --> params.yaml/report",
        "",
        "hint: check the owner and the rights of its folder",
    ]
