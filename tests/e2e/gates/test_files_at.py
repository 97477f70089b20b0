"""Gates read files of a version inside its repository, and only those of a bearable size."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

from ci_core.gates.files_at import FilesAt, RefusedFileError
from ci_core.types import CommitId
from tests.e2e.opened import opened

if TYPE_CHECKING:
    from ci_core.testing.projects import SampleProject

pytestmark = pytest.mark.e2e


@pytest.mark.parametrize("is_a_commit", [True, False])
def test_a_digest_that_leads_out_of_the_cache_reads_nothing(sample: SampleProject, *, is_a_commit: bool) -> None:
    outside = sample.root.parent / "outside.json"
    outside.write_text('{"cv": [1, 2, 3]}')
    cache = sample.root / ".dvc/cache/files/md5/aa"
    cache.mkdir(parents=True, exist_ok=True)
    steps = os.path.relpath(outside, cache)
    sample.write("folds.json.dvc", f"outs:\n- md5: aa{steps}\n  hash: md5\n  path: folds.json\n")
    head = sample.commit("a digest that is a path")
    project = opened(sample.root)

    files = FilesAt(project.git, project.dvc, CommitId(head) if is_a_commit else None)

    assert files.values("folds.json") is None


@pytest.mark.parametrize("is_a_commit", [True, False])
@pytest.mark.parametrize("path", ["link.json", "../outside.json", "folder/outside.json"])
def test_nothing_outside_the_repository_is_read(sample: SampleProject, path: str, *, is_a_commit: bool) -> None:
    (sample.root.parent / "outside.json").write_text("[1, 2, 3]")
    (sample.root / "link.json").symlink_to("../outside.json")
    (sample.root / "folder").symlink_to("..")
    head = sample.commit("links")
    project = opened(sample.root)
    files = FilesAt(project.git, project.dvc, CommitId(head) if is_a_commit else None)

    for read in (files.values, files.open, files.size):
        with pytest.raises(RefusedFileError, match=r"outside the repository|symbolic link"):
            read(path)


@pytest.mark.parametrize("is_a_commit", [True, False])
def test_a_text_that_is_too_long_is_not_read(
    sample: SampleProject, monkeypatch: pytest.MonkeyPatch, *, is_a_commit: bool
) -> None:
    monkeypatch.setattr("ci_core.gates.files_at._MAX_TEXT_BYTES", 10)
    sample.write("short.yaml", "x" * 10)
    sample.write("long.yaml", "x" * 11)
    head = sample.commit("texts")
    project = opened(sample.root)
    files = FilesAt(project.git, project.dvc, CommitId(head) if is_a_commit else None)

    assert files.read("short.yaml") == b"x" * 10
    assert files.read("long.yaml") is None
