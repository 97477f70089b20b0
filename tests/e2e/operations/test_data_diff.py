"""Content of tables of two revisions, from a real DVC project's cache, work tree and Git."""

from __future__ import annotations

import shutil
import sys
from typing import TYPE_CHECKING

import pytest

from ci_core.operations.comparison import compare_named
from ci_core.testing.projects import SampleProject, make_project
from ci_core.types import CommitId
from ci_core.versioning.dvc import DvcProject
from tests.e2e.opened import opened
from tests.e2e.operations.data_project import kept_by_git, tables, with_new_raw_data

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.e2e


def test_a_changed_csv_is_compared_from_the_cache_with_neither_revision_checked_out(tmp_path: Path) -> None:
    project, base, head = with_new_raw_data(tmp_path, "x,y,city\n1,2,Rome\n2,,Oslo\n")
    shutil.rmtree(project.root / "data")

    (table,) = tables(project, base, head)

    assert (table.path, table.problem, table.old_rows, table.new_rows) == ("data/raw.csv", None, 40, 2)
    assert [(column.name, column.change, column.new_missing) for column in table.columns] == [
        ("x", "same", 0.0),
        ("y", "same", 0.5),
        ("city", "added", 0.0),
    ]


def _with_changed_reference(folder: Path, old: str | None, new: str) -> tuple[SampleProject, CommitId, CommitId]:
    """Commit two versions of `data/a.csv` and `data/b.csv`, with `monitor.ignore` of each; None: no settings at all."""
    project = make_project(folder)
    commits = []
    for rows, ignore in (("1,2\n" * 5, old), ("3,4\n", new)):
        for name in "ab":
            (project.root / f"data/{name}.csv").unlink(missing_ok=True)
            project.write(f"data/{name}.csv", f"x,y\n{rows}")
        DvcProject(project.root).add(["data/a.csv", "data/b.csv"])
        settings = project.root / "graphship.yaml"
        settings.unlink(missing_ok=True)
        if ignore is not None:
            settings.write_text(f"name: p\nmonitor: {{reference: ./data/a.csv, ignore: [{ignore}]}}\n")
        commits.append(CommitId(project.commit()))
    return project, commits[0], commits[1]


def _notes(project: SampleProject, base: CommitId, head: CommitId | None) -> dict[str, list[str]]:
    found = compare_named(opened(project.root), base, head, without=("behaviour", "plots"))
    return {table.path: [column.note for column in table.columns] for table in found.tables}


def test_columns_that_monitoring_ignores_are_ignored_in_its_reference_and_nowhere_else(tmp_path: Path) -> None:
    notes = _notes(*_with_changed_reference(tmp_path, "x", "x"))

    assert notes == {"data/a.csv": ["ignored", ""], "data/b.csv": ["", ""]}


@pytest.mark.parametrize("is_committed", [True, False])
def test_a_change_cannot_choose_which_columns_are_ignored(tmp_path: Path, *, is_committed: bool) -> None:
    project, base, head = _with_changed_reference(tmp_path, "x", "y")

    notes = _notes(project, base, head if is_committed else None)

    assert notes["data/a.csv"] == [
        "ignored; the base's `monitor.ignore` names it, head's does not",
        "compared: head's `monitor.ignore` names it, the base's does not",
    ]


def test_without_settings_at_the_base_heads_columns_are_ignored(tmp_path: Path) -> None:
    notes = _notes(*_with_changed_reference(tmp_path, None, "y"))

    assert notes["data/a.csv"] == ["", "ignored"]


def test_a_file_that_was_changed_and_never_added_is_read_from_the_work_tree(tmp_path: Path) -> None:
    project = make_project(tmp_path)
    (project.root / "data/raw.csv").unlink()
    project.write("data/raw.csv", "x,y\n1,2\n")

    (table,) = tables(project, CommitId(project.head()), None)

    assert (table.problem, table.old_rows, table.new_rows) == (None, 40, 1)


def test_a_small_table_that_git_keeps_is_read_from_git(tmp_path: Path) -> None:
    project = make_project(tmp_path)
    base, head = kept_by_git(project, "kept.csv", [{"kept.csv": "x\n1\n2\n"}, {"kept.csv": "x\n1\n"}])
    (project.root / "kept.csv").unlink()
    shutil.rmtree(project.root / ".dvc/cache")

    (table,) = tables(project, base, head)

    assert (table.path, table.problem, table.old_rows, table.new_rows) == ("kept.csv", None, 2, 1)


def test_an_added_table_tells_its_rows_and_columns(tmp_path: Path) -> None:
    project = make_project(tmp_path)
    base = CommitId(project.head())
    project.write("data/more.jsonl", '{"a": 1, "b": "x"}\n{"a": 2}\n')
    DvcProject(project.root).add(["data/more.jsonl"])
    head = CommitId(project.commit())

    (table,) = tables(project, base, head)

    assert (table.path, table.old_rows, table.new_rows, table.problem) == ("data/more.jsonl", None, 2, None)
    assert [(column.name, column.change, column.new_type, column.new_missing) for column in table.columns] == [
        ("a", "added", "BIGINT", 0.0),
        ("b", "added", "VARCHAR", 0.5),
    ]


def test_the_layout_of_dvc_2_is_found(tmp_path: Path) -> None:
    project, base, head = with_new_raw_data(tmp_path, "x,y\n1,2\n")
    cache = project.root / ".dvc/cache"
    for path in (cache / "files/md5").iterdir():
        path.rename(cache / path.name)

    (table,) = tables(project, base, head)

    assert (table.problem, table.old_rows, table.new_rows) == (None, 40, 1)


# --- limits ---------------------------------------------------------------------------------------------------------


def test_tables_beyond_the_limit_are_named_with_the_reason(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    project = make_project(tmp_path)
    base = CommitId(project.head())
    names = [f"data/t{number}.csv" for number in range(4)]
    for name in names:
        project.write(name, "x\n1\n")
    DvcProject(project.root).add(names)
    head = CommitId(project.commit())
    monkeypatch.setattr("ci_core.operations.data_diff.MOST_TABLES", 2)

    found = tables(project, base, head)

    limit = "2 tables are, and no more"
    assert [(table.path, table.problem) for table in found] == list(zip(names, [None, None, limit, limit], strict=True))


def test_without_duckdb_tables_are_named_and_the_rest_goes_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    project, base, head = with_new_raw_data(tmp_path, "x,y\n1,2\n")
    monkeypatch.setitem(sys.modules, "duckdb", None)
    for module in ("table_content", "table_version"):
        monkeypatch.delitem(sys.modules, f"ci_core.monitoring.{module}", raising=False)
    monkeypatch.delitem(sys.modules, "ci_core.monitoring.duckdb", raising=False)

    found = compare_named(opened(project.root), base, head, without=("behaviour", "plots"))

    assert [(table.path, table.old_rows) for table in found.tables] == [("data/raw.csv", None)]
    problem = found.tables[0].problem or ""
    assert problem.startswith("this needs the library `duckdb`, which is not installed; pip install ")
    assert "[monitor]" in problem
    assert found.diff.data[0].new_bytes == 8
