"""Content of tables and folders of two revisions, from a real DVC project's cache, work tree, Git and remote."""

from __future__ import annotations

import hashlib
import io
import json
import os
import shutil
import subprocess
import sys
import threading
from contextlib import contextmanager
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING

import pytest

from ci_core.ci.plain import PlainConsole
from ci_core.cli._project import open_project
from ci_core.monitoring.table_diff import TableDiff
from ci_core.operations.comparison import compare_named
from ci_core.operations.data_diff import compare_content, with_folders
from ci_core.testing.projects import SampleProject, make_project
from ci_core.types import CommitId
from ci_core.versioning.compare import compare
from ci_core.versioning.dvc import DvcProject
from ci_core.versioning.git import GitRepository
from ci_core.versioning.git_folders import dvc_list, files_of
from ci_core.versioning.snapshot import take_snapshot

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path

    from ci_core.operations.project import Project
    from ci_core.versioning.difference import SnapshotDiff

pytestmark = pytest.mark.e2e


def _with_new_raw_data(folder: Path, rows: str) -> tuple[SampleProject, CommitId, CommitId]:
    project = make_project(folder)
    base = CommitId(project.head())
    (project.root / "data/raw.csv").unlink()
    project.write("data/raw.csv", rows)
    DvcProject(project.root).add(["data/raw.csv"])
    return project, base, CommitId(project.commit())


def _difference(project: SampleProject, base: str, head: str | None) -> tuple[DvcProject, SnapshotDiff]:
    dvc = DvcProject(project.root)
    return dvc, compare(take_snapshot(project.root, base, dvc=dvc), take_snapshot(project.root, head, dvc=dvc))


def _tables(project: SampleProject, base: CommitId, head: CommitId | None) -> tuple[TableDiff, ...]:
    dvc, diff = _difference(project, base, head)
    return compare_content(dvc, diff, base=base, head=head)


def test_a_changed_csv_is_compared_from_the_cache_with_neither_revision_checked_out(tmp_path: Path) -> None:
    project, base, head = _with_new_raw_data(tmp_path, "x,y,city\n1,2,Rome\n2,,Oslo\n")
    shutil.rmtree(project.root / "data")

    (table,) = _tables(project, base, head)

    assert (table.path, table.problem, table.old_rows, table.new_rows) == ("data/raw.csv", None, 40, 2)
    assert [(column.name, column.change, column.new_missing) for column in table.columns] == [
        ("x", "same", 0.0),
        ("y", "same", 0.5),
        ("city", "added", 0.0),
    ]


def _opened(project: SampleProject) -> Project:
    return open_project(project.root, dict(os.environ), PlainConsole(io.StringIO()))


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
    opened = _opened(project)
    found = compare_named(opened, base, head, without=("behaviour", "plots"))
    return {table.path: [column.note for column in table.columns] for table in found.tables}


_FEW = "fewer than 500 rows: not judged"


def test_columns_that_monitoring_ignores_are_ignored_in_its_reference_and_nowhere_else(tmp_path: Path) -> None:
    notes = _notes(*_with_changed_reference(tmp_path, "x", "x"))

    assert notes == {"data/a.csv": ["ignored", _FEW], "data/b.csv": [_FEW, _FEW]}


@pytest.mark.parametrize("is_committed", [True, False])
def test_a_change_cannot_choose_which_columns_are_ignored(tmp_path: Path, *, is_committed: bool) -> None:
    project, base, head = _with_changed_reference(tmp_path, "x", "y")

    notes = _notes(project, base, head if is_committed else None)

    assert notes["data/a.csv"] == [
        "ignored; the base's `monitor.ignore` names it, head's does not",
        f"{_FEW}; compared: head's `monitor.ignore` names it, the base's does not",
    ]


def test_without_settings_at_the_base_heads_columns_are_ignored(tmp_path: Path) -> None:
    notes = _notes(*_with_changed_reference(tmp_path, None, "y"))

    assert notes["data/a.csv"] == [_FEW, "ignored"]


def test_what_the_cache_lacks_is_fetched_and_only_that(tmp_path: Path) -> None:
    project, base, head = _with_new_raw_data(tmp_path, "x,y\n1,2\n")
    DvcProject(project.root).push()
    shutil.rmtree(project.root / ".dvc/cache")

    (table,) = _tables(project, base, head)

    assert (table.problem, table.old_rows, table.new_rows) == (None, 40, 1)
    objects = [path for path in (project.root / ".dvc/cache").rglob("*") if path.is_file()]
    assert len(objects) == 2


def test_an_object_in_neither_cache_nor_remote_is_told_with_its_size(tmp_path: Path) -> None:
    project, base, head = _with_new_raw_data(tmp_path, "x,y\n1,2\n")
    shutil.rmtree(project.root / ".dvc/cache")
    shutil.rmtree(project.dvc_remote)

    (table,) = _tables(project, base, head)

    assert table == TableDiff(
        path="data/raw.csv",
        problem="base's version is in neither the cache nor the remote (239 B)",
    )


def test_an_object_that_was_damaged_in_the_remote_is_not_compared(tmp_path: Path) -> None:
    project, base, head = _with_new_raw_data(tmp_path, "x,y\n1,2\n")
    shutil.rmtree(project.root / ".dvc/cache")
    digest = hashlib.md5(b"x,y\n1,2\n", usedforsecurity=False).hexdigest()
    place = project.dvc_remote / "files/md5" / digest[:2] / digest[2:]
    place.parent.mkdir(parents=True, exist_ok=True)
    place.write_text("x,y\n9,9\n")

    (table,) = _tables(project, base, head)

    assert table.problem is not None
    assert table.problem.startswith("head's version is in neither the cache nor the remote")


def test_a_file_that_was_changed_and_never_added_is_read_from_the_work_tree(tmp_path: Path) -> None:
    project = make_project(tmp_path)
    (project.root / "data/raw.csv").unlink()
    project.write("data/raw.csv", "x,y\n1,2\n")

    (table,) = _tables(project, CommitId(project.head()), None)

    assert (table.problem, table.old_rows, table.new_rows) == (None, 40, 1)


def test_a_small_table_that_git_keeps_is_read_from_git(tmp_path: Path) -> None:
    project = make_project(tmp_path)
    base, head = _kept_by_git(project, "kept.csv", [{"kept.csv": "x\n1\n2\n"}, {"kept.csv": "x\n1\n"}])
    (project.root / "kept.csv").unlink()
    shutil.rmtree(project.root / ".dvc/cache")

    (table,) = _tables(project, base, head)

    assert (table.path, table.problem, table.old_rows, table.new_rows) == ("kept.csv", None, 2, 1)


def _kept_by_git(
    project: SampleProject, output: str, versions: Sequence[Mapping[str, str]]
) -> tuple[CommitId, CommitId]:
    """Commit two versions of a stage's output with ``cache: false``; nothing of it is ever in a cache."""
    stage = f"\n  keep:\n    cmd: cp -r src/{output} {output}\n    deps: [src]\n"
    stage += f"    outs: [{{{output}: {{cache: false}}}}]\n"
    project.write("dvc.yaml", (project.root / "dvc.yaml").read_text().rstrip() + stage)
    commits = []
    for files in versions:
        shutil.rmtree(project.root / "src", ignore_errors=True)
        for name, content in files.items():
            project.write(f"src/{name}", content)
        subprocess.run([sys.executable, "-m", "dvc", "repro", "-q", "keep"], cwd=project.root, check=True)
        commits.append(CommitId(project.commit()))
    return commits[0], commits[1]


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
    dvc, diff = _difference(project, base, head)

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
    dvc, diff = _difference(project, base, None)

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

    assert _tables(project, base, head) == ()


def _with_changed_parts(
    folder: Path, old: Mapping[str, str], new: Mapping[str, str]
) -> tuple[SampleProject, CommitId, CommitId]:
    """Commit two versions of the folder `data/parts`, which DVC keeps."""
    project = make_project(folder)
    commits = []
    for files in (old, new):
        shutil.rmtree(project.root / "data/parts", ignore_errors=True)
        for name, content in files.items():
            project.write(f"data/parts/{name}", content)
        DvcProject(project.root).add(["data/parts"])
        commits.append(CommitId(project.commit()))
    return project, commits[0], commits[1]


def test_a_folder_of_which_no_version_can_be_had_is_told_as_it_may_be_a_table(tmp_path: Path) -> None:
    project, base, head = _with_changed_parts(tmp_path, {"a.csv": "x,y\n1,2\n"}, {"a.csv": "x\n1\n"})
    shutil.rmtree(project.root / ".dvc/cache")

    (table,) = _tables(project, base, head)

    assert table == TableDiff(
        path="data/parts",
        problem="base's version is in neither the cache nor the remote (8 B); "
        "head's version is in neither the cache nor the remote (4 B)",
    )


def test_a_folder_that_was_a_table_and_is_none_any_more_is_told(tmp_path: Path) -> None:
    project, base, head = _with_changed_parts(
        tmp_path, {"a.csv": "x,y\n1,2\n"}, {"a.csv": "x\n1\n", "README.txt": "now it is no table"}
    )

    (table,) = _tables(project, base, head)

    assert table == TableDiff(path="data/parts", problem="head's version has files that are not of one table")


def test_a_folder_of_other_files_that_was_empty_is_no_table(tmp_path: Path) -> None:
    project, base, head = _with_changed_parts(tmp_path, {".keep": ""}, {"a.png": "picture"})

    assert _tables(project, base, head) == ()


def test_an_added_table_tells_its_rows_and_columns(tmp_path: Path) -> None:
    project = make_project(tmp_path)
    base = CommitId(project.head())
    project.write("data/more.jsonl", '{"a": 1, "b": "x"}\n{"a": 2}\n')
    DvcProject(project.root).add(["data/more.jsonl"])
    head = CommitId(project.commit())

    (table,) = _tables(project, base, head)

    assert (table.path, table.old_rows, table.new_rows, table.problem) == ("data/more.jsonl", None, 2, None)
    assert [(column.name, column.change, column.new_type, column.new_missing) for column in table.columns] == [
        ("a", "added", "BIGINT", 0.0),
        ("b", "added", "VARCHAR", 0.5),
    ]


def test_a_list_of_a_folder_with_names_that_lead_out_is_told_and_nothing_is_opened(tmp_path: Path) -> None:
    project = make_project(tmp_path)
    project.write("data/parts/a.csv", "x,y\n1,2\n")
    DvcProject(project.root).add(["data/parts"])
    base = CommitId(project.commit())
    secret = hashlib.md5(b"secret", usedforsecurity=False).hexdigest()
    listed = json.dumps([{"md5": secret, "relpath": "../../../../etc/passwd.csv"}])
    oid = hashlib.md5(listed.encode(), usedforsecurity=False).hexdigest()
    place = project.root / ".dvc/cache/files/md5" / oid[:2] / f"{oid[2:]}.dir"
    place.parent.mkdir(parents=True, exist_ok=True)
    place.write_text(listed)
    pointer = (project.root / "data/parts.dvc").read_text()
    old = next(line.split()[-1] for line in pointer.splitlines() if "md5:" in line)
    project.write("data/parts.dvc", pointer.replace(old, f"{oid}.dir"))
    head = CommitId(project.commit())

    (table,) = _tables(project, base, head)

    assert table.problem is not None
    assert "head's version is in neither the cache nor the remote" in table.problem


def test_a_digest_that_is_a_path_is_refused(tmp_path: Path) -> None:
    project, base, _ = _with_new_raw_data(tmp_path, "x,y\n1,2\n")
    pointer = (project.root / "data/raw.csv.dvc").read_text()
    old = next(line.split()[-1] for line in pointer.splitlines() if "md5:" in line)
    project.write("data/raw.csv.dvc", pointer.replace(old, "../../../../../etc/passwd"))
    head = CommitId(project.commit())

    (table,) = _tables(project, base, head)

    assert table.problem == "head's version has no digest that DVC could have given"


def test_a_link_in_the_cache_that_leads_out_of_it_is_not_followed(tmp_path: Path) -> None:
    project, base, head = _with_new_raw_data(tmp_path, "x,y\n1,2\n")
    outside = tmp_path / "outside.csv"
    outside.write_text("password\nsecret\n")
    digest = hashlib.md5(b"x,y\n1,2\n", usedforsecurity=False).hexdigest()
    place = project.root / ".dvc/cache/files/md5" / digest[:2] / digest[2:]
    place.unlink()
    place.symlink_to(outside)

    (table,) = _tables(project, base, head)

    assert table.problem is not None
    assert "secret" not in str(table)


def test_the_layout_of_dvc_2_is_found(tmp_path: Path) -> None:
    project, base, head = _with_new_raw_data(tmp_path, "x,y\n1,2\n")
    cache = project.root / ".dvc/cache"
    for path in (cache / "files/md5").iterdir():
        path.rename(cache / path.name)

    (table,) = _tables(project, base, head)

    assert (table.problem, table.old_rows, table.new_rows) == (None, 40, 1)


def test_what_is_too_large_to_fetch_for_a_comparison_is_told_and_not_fetched(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    project, base, head = _with_new_raw_data(tmp_path, "x,y\n1,2\n")
    DvcProject(project.root).push()
    shutil.rmtree(project.root / ".dvc/cache")
    monkeypatch.setattr("ci_core.versioning.data_files.MOST_FETCHED_BYTES", 100)

    (table,) = _tables(project, base, head)

    assert table.problem == "base's version is not in the cache and too large to fetch for a comparison (239 B)"
    assert not [path for path in (project.root / ".dvc/cache").rglob("*") if path.is_file() and "runs" not in str(path)]


def test_the_size_of_a_folder_that_is_too_large_to_fetch_is_what_the_remote_says(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    project, base, _ = _with_changed_parts(tmp_path, {"a.csv": "x\n1\n"}, {"a.csv": "x\n" + "1\n" * 200})
    pointer = (project.root / "data/parts.dvc").read_text()
    project.write("data/parts.dvc", pointer.replace("size: 402", "size: 4"))
    head = CommitId(project.commit())
    shutil.rmtree(project.dvc_remote)
    shutil.move(project.root / ".dvc/cache", project.dvc_remote)
    monkeypatch.setattr("ci_core.versioning.data_files.MOST_FETCHED_BYTES", 300)

    (table,) = _tables(project, base, head)

    assert table.problem == "head's version is not in the cache and too large to fetch for a comparison (402 B)"


def test_what_is_fetched_for_one_comparison_has_a_limit_in_all(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    project = make_project(tmp_path)
    base = CommitId(project.head())
    names = [f"data/t{number}.csv" for number in range(3)]
    for number, name in enumerate(names):
        project.write(name, f"x\n{number}\n")
    DvcProject(project.root).add(names)
    head = CommitId(project.commit())
    DvcProject(project.root).push()
    shutil.rmtree(project.root / ".dvc/cache")
    monkeypatch.setattr("ci_core.versioning.data_files.MOST_FETCHED_IN_ALL_BYTES", 10)

    found = _tables(project, base, head)

    limit = "head's version is not in the cache, and enough was fetched for one comparison (4 B)"
    assert [(table.path, table.problem) for table in found] == list(zip(names, [None, None, limit], strict=True))


def test_what_the_remote_tells_no_size_of_is_not_fetched(tmp_path: Path) -> None:
    project, base, head = _with_new_raw_data(tmp_path, "x,y\n1,2\n")
    DvcProject(project.root).push()
    shutil.rmtree(project.root / ".dvc/cache")
    with _served_without_sizes(project.dvc_remote) as url:
        project.write(".dvc/config", f"[core]\n    remote = web\n['remote \"web\"']\n    url = {url}\n")

        (table,) = _tables(project, base, head)

    reason = "version is not in the cache, and the remote does not say how large it is"
    assert table.problem == f"base's {reason} (239 B)"


@contextmanager
def _served_without_sizes(folder: Path) -> Iterator[str]:
    class Handler(SimpleHTTPRequestHandler):
        def send_header(self, keyword: str, value: str) -> None:
            if keyword.lower() != "content-length":
                super().send_header(keyword, value)

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(Handler, directory=str(folder)))
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def test_a_link_of_the_work_tree_that_leads_out_of_the_repository_is_not_followed(tmp_path: Path) -> None:
    project = make_project(tmp_path)
    outside = tmp_path / "outside.csv"
    outside.write_text("password\nsecret\n")
    (project.root / "data/raw.csv").unlink()
    (project.root / "data/raw.csv").symlink_to(outside)

    (table,) = _tables(project, CommitId(project.head()), None)

    assert table.problem is not None
    assert "secret" not in str(table)


def test_without_a_remote_what_the_cache_lacks_is_told(tmp_path: Path) -> None:
    project, base, head = _with_new_raw_data(tmp_path, "x,y\n1,2\n")
    shutil.rmtree(project.root / ".dvc/cache")
    project.write(".dvc/config", "")

    (table,) = _tables(project, base, head)

    assert table.problem is not None
    assert table.problem.startswith("base's version is not in the cache, and there is no default DVC remote (239 B)")


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
    dvc, diff = _difference(project, base, head)

    (file,) = with_folders(dvc, diff).data

    assert file.folder is not None
    assert file.folder.problem == "base's version is in neither the cache nor the remote"


# --- folders that Git keeps -----------------------------------------------------------------------------------------


def _with_folder_in_git(folder: Path) -> tuple[SampleProject, CommitId, CommitId]:
    project = make_project(folder)
    old = {"parts/a.csv": "x,y\n1,2\n", "parts/b.csv": "x,y\n3,4\n"}
    new = {"parts/a.csv": "x,y\n1,2\n5,6\n", 'parts/sub/é "b.csv': "x,y\n3,4\n"}
    return project, *_kept_by_git(project, "parts", [old, new])


def test_a_folder_that_git_keeps_is_compared_from_both_commits(tmp_path: Path) -> None:
    project, base, head = _with_folder_in_git(tmp_path)
    shutil.rmtree(project.root / "parts")
    shutil.rmtree(project.root / ".dvc/cache")
    dvc, diff = _difference(project, base, head)

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

    dvc, diff = _difference(project, base, head)

    (file,) = with_folders(dvc, diff).outputs

    assert file.folder is not None
    assert file.folder.problem == "base's version is too large to read from Git"


# --- limits ---------------------------------------------------------------------------------------------------------


def test_what_an_output_keeps_in_a_remote_of_its_own_is_fetched_from_there(tmp_path: Path) -> None:
    project, base, head = _with_new_raw_data(tmp_path, "x,y\n1,2\n")
    DvcProject(project.root).push()
    project.dvc_remote.rename(tmp_path / "own")
    project.write(".dvc/config", f"[core]\n    remote = none\n['remote \"none\"']\n    url = {tmp_path / 'none'}\n"
                  f"['remote \"own\"']\n    url = {tmp_path / 'own'}\n")  # fmt: skip
    pointer = (project.root / "data/raw.csv.dvc").read_text()
    project.write("data/raw.csv.dvc", f"{pointer.rstrip()}\n  remote: own\n")
    shutil.rmtree(project.root / ".dvc/cache")

    (table,) = _tables(project, base, head)

    assert (table.problem, table.old_rows, table.new_rows) == (None, 40, 1)


def test_tables_beyond_the_limit_are_named_with_the_reason(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    project = make_project(tmp_path)
    base = CommitId(project.head())
    names = [f"data/t{number}.csv" for number in range(4)]
    for name in names:
        project.write(name, "x\n1\n")
    DvcProject(project.root).add(names)
    head = CommitId(project.commit())
    monkeypatch.setattr("ci_core.operations.data_diff.MOST_TABLES", 2)

    found = _tables(project, base, head)

    limit = "not compared: 2 tables are, and no more"
    assert [(table.path, table.problem) for table in found] == list(zip(names, [None, None, limit, limit], strict=True))


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
    dvc, diff = _difference(project, base, head)

    (table,) = compare_content(dvc, diff, base=base, head=head)
    (file,) = with_folders(dvc, diff).data

    assert table.problem == "head's version has more than 3 files (20 B)"
    assert file.folder is not None
    assert (file.folder.problem, file.folder.added) == (None, 4)


def test_without_duckdb_tables_are_named_and_the_rest_goes_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    project, base, head = _with_new_raw_data(tmp_path, "x,y\n1,2\n")
    monkeypatch.setitem(sys.modules, "duckdb", None)
    for module in ("table_content", "table_version"):
        monkeypatch.delitem(sys.modules, f"ci_core.monitoring.{module}", raising=False)
    monkeypatch.delitem(sys.modules, "ci_core.monitoring.duckdb", raising=False)

    found = compare_named(_opened(project), base, head, without=("behaviour", "plots"))

    assert [(table.path, table.old_rows) for table in found.tables] == [("data/raw.csv", None)]
    problem = found.tables[0].problem or ""
    assert problem.startswith("not compared: this needs the library `duckdb`, which is not installed; pip install ")
    assert "[monitor]" in problem
    assert found.diff.data[0].new_bytes == 8
