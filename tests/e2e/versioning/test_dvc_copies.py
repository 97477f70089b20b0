from __future__ import annotations

import shutil
from typing import TYPE_CHECKING

import pytest

from ci_core.errors import DvcFailedError, NotADvcProjectError
from ci_core.testing.projects import make_plain_repository, make_project
from ci_core.types import CommitId
from ci_core.versioning.dvc import DvcProject
from ci_core.versioning.dvc_copies import copy_tracked

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.e2e


def test_files_and_folders_are_those_of_the_commit(tmp_path: Path) -> None:
    project = make_project(tmp_path)
    first = CommitId(project.head())
    expected = (project.root / "data/raw.csv").read_text()
    project.write("data/raw.csv", "x,y\n1,2\n")
    DvcProject(project.root).add(["data/raw.csv"])
    project.commit()

    copied = copy_tracked(DvcProject(project.root), first, ["data/raw.csv", "data/prepared"], tmp_path / "into")

    assert copied == ("data/prepared/test.csv", "data/prepared/train.csv", "data/raw.csv")
    assert (tmp_path / "into/data/raw.csv").read_text() == expected
    assert (tmp_path / "into/data/prepared/train.csv").read_text().startswith("1,")
    assert (project.root / "data/raw.csv").read_text() == "x,y\n1,2\n"


def test_one_file_of_a_folder_is_copied_alone_and_others_are_left_out(tmp_path: Path) -> None:
    project = make_project(tmp_path)

    copied = copy_tracked(
        DvcProject(project.root),
        CommitId(project.head()),
        ["data/prepared/train.csv", "src/train.py", "../outside", "/etc/hosts"],
        tmp_path / "into",
    )

    assert copied == ("data/prepared/train.csv",)


def test_copies_can_be_written_without_changing_the_cache(tmp_path: Path) -> None:
    project = make_project(tmp_path)
    cached = {path: path.read_bytes() for path in (project.root / ".dvc/cache").rglob("*") if path.is_file()}
    copy_tracked(DvcProject(project.root), CommitId(project.head()), ["models/model.json"], tmp_path / "into")
    copy = tmp_path / "into/models/model.json"

    copy.write_text("spoiled")

    assert not copy.is_symlink()
    assert copy.stat().st_nlink == 1
    assert {path: path.read_bytes() for path in cached} == cached


def test_what_the_cache_lacks_is_fetched_from_the_remote(tmp_path: Path) -> None:
    project = make_project(tmp_path)
    clone = project.clone("fresh")

    copied = copy_tracked(
        DvcProject(clone.root), CommitId(clone.head()), ["models/model.json", "data/prepared"], tmp_path / "into"
    )

    assert copied == ("data/prepared/test.csv", "data/prepared/train.csv", "models/model.json")
    assert not (clone.root / "models/model.json").exists()


def test_what_nobody_has_is_named(tmp_path: Path) -> None:
    project = make_project(tmp_path)
    shutil.rmtree(project.root / ".dvc/cache")
    shutil.rmtree(project.dvc_remote)

    with pytest.raises(DvcFailedError) as caught:
        copy_tracked(DvcProject(project.root), CommitId(project.head()), ["data/raw.csv"], tmp_path / "into")

    assert caught.value.fact == f"DVC could not bring `data/raw.csv` of {project.head()[:7]}"
    assert caught.value.known == ("it is in neither the cache nor the remote",)


def test_names_and_links_that_lead_out_of_the_folder_are_left_out(tmp_path: Path) -> None:
    project = make_project(tmp_path)
    (outside := tmp_path / "outside").mkdir()
    (tmp_path / "into").mkdir()
    (tmp_path / "into/data").symlink_to(outside)
    (tmp_path / "into/models").mkdir()
    (tmp_path / "into/models/model.json").symlink_to(outside / "model.json")

    copy_tracked(
        DvcProject(project.root), CommitId(project.head()), ["data/raw.csv", "models/model.json"], tmp_path / "into"
    )

    assert list(outside.iterdir()) == []
    assert not (tmp_path / "into/models/model.json").is_symlink()


def test_a_commit_without_dvc_is_told(tmp_path: Path) -> None:
    project = make_project(tmp_path)
    project.git("checkout", "-q", "--orphan", "bare")
    project.git("rm", "-rfq", "--cached", ".")
    project.git("add", "graphship.yaml")
    project.git("commit", "-q", "-m", "without DVC")
    before = CommitId(project.head())

    with pytest.raises(NotADvcProjectError):
        copy_tracked(DvcProject(project.root), before, ["data/raw.csv"], tmp_path / "into")
    with pytest.raises(NotADvcProjectError):
        copy_tracked(DvcProject(make_plain_repository(tmp_path / "q").root), before, ["x"], tmp_path / "into")
