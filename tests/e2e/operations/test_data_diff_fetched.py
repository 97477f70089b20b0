"""What a comparison of tables needs and the cache lacks is fetched, within limits, or told."""

from __future__ import annotations

import hashlib
import shutil
import threading
from contextlib import contextmanager
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING

import pytest

from ci_core.monitoring.table_diff import TableDiff
from ci_core.testing.projects import make_project
from ci_core.types import CommitId
from ci_core.versioning.dvc import DvcProject
from tests.e2e.operations.data_project import tables, with_changed_parts, with_new_raw_data

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

pytestmark = pytest.mark.e2e


def test_what_the_cache_lacks_is_fetched_and_only_that(tmp_path: Path) -> None:
    project, base, head = with_new_raw_data(tmp_path, "x,y\n1,2\n")
    DvcProject(project.root).push()
    shutil.rmtree(project.root / ".dvc/cache")

    (table,) = tables(project, base, head)

    assert (table.problem, table.old_rows, table.new_rows) == (None, 40, 1)
    objects = [path for path in (project.root / ".dvc/cache").rglob("*") if path.is_file()]
    assert len(objects) == 2


def test_an_object_in_neither_cache_nor_remote_is_told_with_its_size(tmp_path: Path) -> None:
    project, base, head = with_new_raw_data(tmp_path, "x,y\n1,2\n")
    shutil.rmtree(project.root / ".dvc/cache")
    shutil.rmtree(project.dvc_remote)

    (table,) = tables(project, base, head)

    assert table == TableDiff(
        path="data/raw.csv",
        problem="base's version is in neither the cache nor the remote (239 B)",
    )


def test_an_object_that_was_damaged_in_the_remote_is_not_compared(tmp_path: Path) -> None:
    project, base, head = with_new_raw_data(tmp_path, "x,y\n1,2\n")
    shutil.rmtree(project.root / ".dvc/cache")
    digest = hashlib.md5(b"x,y\n1,2\n", usedforsecurity=False).hexdigest()
    place = project.dvc_remote / "files/md5" / digest[:2] / digest[2:]
    place.parent.mkdir(parents=True, exist_ok=True)
    place.write_text("x,y\n9,9\n")

    (table,) = tables(project, base, head)

    assert table.problem is not None
    assert table.problem.startswith("head's version is in neither the cache nor the remote")


def test_what_is_too_large_to_fetch_for_a_comparison_is_told_and_not_fetched(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    project, base, head = with_new_raw_data(tmp_path, "x,y\n1,2\n")
    DvcProject(project.root).push()
    shutil.rmtree(project.root / ".dvc/cache")
    monkeypatch.setattr("ci_core.versioning.data_files.MOST_FETCHED_BYTES", 100)

    (table,) = tables(project, base, head)

    assert table.problem == "base's version is not in the cache and too large to fetch for a comparison (239 B)"
    assert not [path for path in (project.root / ".dvc/cache").rglob("*") if path.is_file() and "runs" not in str(path)]


def test_the_size_of_a_folder_that_is_too_large_to_fetch_is_what_the_remote_says(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    project, base, _ = with_changed_parts(tmp_path, {"a.csv": "x\n1\n"}, {"a.csv": "x\n" + "1\n" * 200})
    pointer = (project.root / "data/parts.dvc").read_text()
    project.write("data/parts.dvc", pointer.replace("size: 402", "size: 4"))
    head = CommitId(project.commit())
    shutil.rmtree(project.dvc_remote)
    shutil.move(project.root / ".dvc/cache", project.dvc_remote)
    monkeypatch.setattr("ci_core.versioning.data_files.MOST_FETCHED_BYTES", 300)

    (table,) = tables(project, base, head)

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

    found = tables(project, base, head)

    limit = "head's version is not in the cache, and enough was fetched for one comparison (4 B)"
    assert [(table.path, table.problem) for table in found] == list(zip(names, [None, None, limit], strict=True))


def test_what_the_remote_tells_no_size_of_is_not_fetched(tmp_path: Path) -> None:
    project, base, head = with_new_raw_data(tmp_path, "x,y\n1,2\n")
    DvcProject(project.root).push()
    shutil.rmtree(project.root / ".dvc/cache")
    with _served_without_sizes(project.dvc_remote) as url:
        project.write(".dvc/config", f"[core]\n    remote = web\n['remote \"web\"']\n    url = {url}\n")

        (table,) = tables(project, base, head)

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


def test_without_a_remote_what_the_cache_lacks_is_told(tmp_path: Path) -> None:
    project, base, head = with_new_raw_data(tmp_path, "x,y\n1,2\n")
    shutil.rmtree(project.root / ".dvc/cache")
    project.write(".dvc/config", "")

    (table,) = tables(project, base, head)

    assert table.problem is not None
    assert table.problem.startswith("base's version is not in the cache, and there is no default DVC remote (239 B)")


# --- limits ---------------------------------------------------------------------------------------------------------


def test_what_an_output_keeps_in_a_remote_of_its_own_is_fetched_from_there(tmp_path: Path) -> None:
    project, base, head = with_new_raw_data(tmp_path, "x,y\n1,2\n")
    DvcProject(project.root).push()
    project.dvc_remote.rename(tmp_path / "own")
    project.write(".dvc/config", f"[core]\n    remote = none\n['remote \"none\"']\n    url = {tmp_path / 'none'}\n"
                  f"['remote \"own\"']\n    url = {tmp_path / 'own'}\n")  # fmt: skip
    pointer = (project.root / "data/raw.csv.dvc").read_text()
    project.write("data/raw.csv.dvc", f"{pointer.rstrip()}\n  remote: own\n")
    shutil.rmtree(project.root / ".dvc/cache")

    (table,) = tables(project, base, head)

    assert (table.problem, table.old_rows, table.new_rows) == (None, 40, 1)
