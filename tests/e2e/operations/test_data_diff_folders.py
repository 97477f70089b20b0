"""Folders of two revisions, as tables and as lists of files, kept by DVC or by Git."""

from __future__ import annotations

import hashlib
import shutil
from typing import TYPE_CHECKING

import pytest

from ci_core.monitoring.table_diff import TableDiff
from ci_core.operations.data_diff import compare_content, with_folders
from ci_core.testing.projects import SampleProject, make_project
from ci_core.types import CommitId
from ci_core.versioning.dvc import DvcProject
from ci_core.versioning.git import GitRepository
from ci_core.versioning.git_folders import dvc_list, files_of
from tests.e2e.operations.data_project import difference, kept_by_git, tables, with_changed_parts

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.e2e


def test_a_folder_of_csv_files_is_one_table_and_its_files_are_told(tmp_path: Path) -> None:
    project = make_project(tmp_path)
    project.write("data/parts/a.csv", "x,y\n1,2\n")
    project.write("data/parts/b.csv", "x,y\n3,4\n")
    DvcProject(project.root).add(["data/parts"])
    base = CommitId(project.commit())
    project.write("data/parts/c.csv", "x,y\n5,6\n7,8\n")
    (project.root / "data/parts/a.csv").rename(project.root / "data/parts/d.csv")
    DvcProject(project.root).add(["data/parts"])
    head = CommitId(project.commit())
    dvc, diff = difference(project, base, head)

    (table,) = compare_content(dvc, diff, base=base, head=head)
    (file,) = with_folders(dvc, diff).data

    assert (table.path, table.problem, table.old_rows, table.new_rows) == ("data/parts", None, 2, 4)
    assert file.folder is not None
    assert (file.folder.added, file.folder.removed, file.folder.changed, file.folder.renamed) == (1, 0, 0, 1)
    assert file.folder.examples == ("a.csv → d.csv", "+ c.csv")
    assert (file.folder.old_bytes, file.folder.new_bytes) == (16, 28)


def test_a_folder_of_the_work_tree_that_was_never_added_is_compared(tmp_path: Path) -> None:
    project = make_project(tmp_path)
    project.write("data/parts/a.csv", "x,y\n1,2\n")
    DvcProject(project.root).add(["data/parts"])
    base = CommitId(project.commit())
    project.write("data/parts/b.csv", "x,y\n3,4\n5,6\n")
    dvc, diff = difference(project, base, None)

    (table,) = compare_content(dvc, diff, base=base, head=None)
    (file,) = with_folders(dvc, diff).data

    assert (table.problem, table.old_rows, table.new_rows) == (None, 1, 3)
    assert file.folder is not None
    assert (file.folder.problem, file.folder.examples) == (None, ("+ b.csv",))


def test_a_folder_of_other_files_is_no_table(tmp_path: Path) -> None:
    project = make_project(tmp_path)
    project.write("data/parts/a.csv", "x,y\n1,2\n")
    project.write("data/parts/a.png", "picture")
    DvcProject(project.root).add(["data/parts"])
    base = CommitId(project.commit())
    project.write("data/parts/b.csv", "x,y\n1,2\n")
    DvcProject(project.root).add(["data/parts"])
    head = CommitId(project.commit())

    assert tables(project, base, head) == ()


def test_a_folder_of_which_no_version_can_be_had_is_told_as_it_may_be_a_table(tmp_path: Path) -> None:
    project, base, head = with_changed_parts(tmp_path, {"a.csv": "x,y\n1,2\n"}, {"a.csv": "x\n1\n"})
    shutil.rmtree(project.root / ".dvc/cache")

    (table,) = tables(project, base, head)

    assert table == TableDiff(
        path="data/parts",
        problem="base's version is in neither the cache nor the remote (8 B); "
        "head's version is in neither the cache nor the remote (4 B)",
    )


def test_a_folder_that_was_a_table_and_is_none_any_more_is_told(tmp_path: Path) -> None:
    project, base, head = with_changed_parts(
        tmp_path, {"a.csv": "x,y\n1,2\n"}, {"a.csv": "x\n1\n", "README.txt": "now it is no table"}
    )

    (table,) = tables(project, base, head)

    assert table == TableDiff(path="data/parts", problem="head's version has files that are not of one table")


def test_a_folder_of_other_files_that_was_empty_is_no_table(tmp_path: Path) -> None:
    project, base, head = with_changed_parts(tmp_path, {".keep": ""}, {"a.png": "picture"})

    assert tables(project, base, head) == ()


def test_a_folder_whose_list_is_gone_is_told_and_not_called_equal(tmp_path: Path) -> None:
    project = make_project(tmp_path)
    project.write("data/parts/a.csv", "x,y\n1,2\n")
    DvcProject(project.root).add(["data/parts"])
    base = CommitId(project.commit())
    project.write("data/parts/b.csv", "x,y\n1,2\n")
    DvcProject(project.root).add(["data/parts"])
    head = CommitId(project.commit())
    for path in (project.root / ".dvc/cache").rglob("*.dir"):
        path.unlink()
    dvc, diff = difference(project, base, head)

    (file,) = with_folders(dvc, diff).data

    assert file.folder is not None
    assert file.folder.problem == "base's version is in neither the cache nor the remote"


# --- folders that Git keeps -----------------------------------------------------------------------------------------


def _with_folder_in_git(folder: Path) -> tuple[SampleProject, CommitId, CommitId]:
    project = make_project(folder)
    old = {"parts/a.csv": "x,y\n1,2\n", "parts/b.csv": "x,y\n3,4\n"}
    new = {"parts/a.csv": "x,y\n1,2\n5,6\n", 'parts/sub/é "b.csv': "x,y\n3,4\n"}
    return project, *kept_by_git(project, "parts", [old, new])


def test_a_folder_that_git_keeps_is_compared_from_both_commits(tmp_path: Path) -> None:
    project, base, head = _with_folder_in_git(tmp_path)
    shutil.rmtree(project.root / "parts")
    shutil.rmtree(project.root / ".dvc/cache")
    dvc, diff = difference(project, base, head)

    (table,) = compare_content(dvc, diff, base=base, head=head)
    (file,) = with_folders(dvc, diff).outputs

    assert (table.path, table.problem, table.old_rows, table.new_rows) == ("parts", None, 2, 3)
    assert file.folder is not None
    assert (file.folder.problem, file.folder.examples) == (None, ("~ a.csv", 'b.csv → sub/é "b.csv'))


def test_the_list_of_a_folder_that_git_keeps_is_the_one_that_dvc_recorded(tmp_path: Path) -> None:
    project, _, head = _with_folder_in_git(tmp_path)
    git = GitRepository(project.root)

    listed = dvc_list(git, files_of(git, head, "parts"))

    assert (
        f"md5: {hashlib.md5(listed, usedforsecurity=False).hexdigest()}.dir" in (project.root / "dvc.lock").read_text()
    )


def test_a_folder_that_is_too_large_to_read_from_git_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    project, base, head = _with_folder_in_git(tmp_path)
    shutil.rmtree(project.root / ".dvc/cache")
    monkeypatch.setattr("ci_core.versioning.data_files.MOST_GIT_BYTES", 10)

    dvc, diff = difference(project, base, head)

    (file,) = with_folders(dvc, diff).outputs

    assert file.folder is not None
    assert file.folder.problem == "base's version is too large to read from Git"


# --- limits ---------------------------------------------------------------------------------------------------------


def test_a_folder_of_too_many_files_is_no_table_and_its_files_are_counted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    project = make_project(tmp_path)
    project.write("data/parts/0.csv", "x\n0\n")
    DvcProject(project.root).add(["data/parts"])
    base = CommitId(project.commit())
    for number in range(1, 5):
        project.write(f"data/parts/{number}.csv", f"x\n{number}\n")
    DvcProject(project.root).add(["data/parts"])
    head = CommitId(project.commit())
    monkeypatch.setattr("ci_core.versioning.data_files.MOST_FILES", 3)
    dvc, diff = difference(project, base, head)

    (table,) = compare_content(dvc, diff, base=base, head=head)
    (file,) = with_folders(dvc, diff).data

    assert table.problem == "head's version has more than 3 files (20 B)"
    assert file.folder is not None
    assert (file.folder.problem, file.folder.added) == (None, 4)
