"""Data is pushed and pulled, and seen to have arrived."""

from __future__ import annotations

import hashlib
import shutil
from typing import TYPE_CHECKING

import pytest

from ci_core.errors import (
    DataRemoteError,
    MissingObjectsError,
    NoDataRemoteError,
)
from ci_core.testing.projects import make_project
from ci_core.versioning.dvc import DvcProject

if TYPE_CHECKING:
    from pathlib import Path

    from ci_core.testing.projects import SampleProject

pytestmark = pytest.mark.e2e


def test_a_push_sends_and_sees_that_it_is_there(tmp_path: Path) -> None:
    project = make_project(tmp_path)
    shutil.rmtree(project.dvc_remote)
    project.dvc_remote.mkdir()

    sent = DvcProject(project.root).push()

    assert sent.verified == 5
    assert sent.remote == f"storage ({project.dvc_remote})"
    # raw.csv, prepared and its two files, model.json; metrics.json and errors.csv for the run cache
    assert len([path for path in (project.dvc_remote / "files").rglob("*") if path.is_file()]) == 7


def test_a_push_repairs_what_dvc_believes_to_be_there(tmp_path: Path) -> None:
    project = make_project(tmp_path)
    dvc = DvcProject(project.root)
    dvc.push()
    lost = _object(project, "models/model.json")
    lost.unlink()

    assert [path for path, _ in dvc.missing_objects()] == ["models/model.json"]
    dvc.push()

    assert lost.is_file()
    assert dvc.missing_objects() == ()


def test_files_of_a_folder_that_the_remote_lacks_have_the_sizes_that_the_cache_tells(tmp_path: Path) -> None:
    project = make_project(tmp_path)
    train, test = (project.root / "data" / "prepared" / name for name in ("train.csv", "test.csv"))
    project.dvc_remote.rename(tmp_path / "elsewhere")
    project.dvc_remote.mkdir()

    missing = dict(DvcProject(project.root).missing_objects())

    assert missing["data/prepared/train.csv"] == train.stat().st_size
    assert missing["data/prepared/test.csv"] == test.stat().st_size


def test_an_object_that_is_nowhere_is_named_by_path_and_size(tmp_path: Path) -> None:
    project = make_project(tmp_path)
    _object(project, "models/model.json").unlink()
    shutil.rmtree(project.root / ".dvc" / "cache")

    with pytest.raises(MissingObjectsError) as caught:
        DvcProject(project.root).push()

    assert ("models/model.json", 19) in caught.value.files


def test_a_pull_fetches_what_is_asked_for_and_no_more(tmp_path: Path) -> None:
    clone = make_project(tmp_path).clone("größer als")

    fetched = DvcProject(clone.root).pull(["models/model.json", "README.md"])

    assert (fetched.transferred, fetched.verified) == (1, 1)
    assert (clone.root / "models/model.json").is_file()
    assert not (clone.root / "data/raw.csv").exists()
    assert DvcProject(clone.root).pull(["models"]).transferred == 0


def test_a_pull_of_everything_fills_the_work_tree(tmp_path: Path) -> None:
    project = make_project(tmp_path)
    clone = project.clone("fresh")

    DvcProject(clone.root).pull()

    for path in ("data/raw.csv", "data/prepared/train.csv", "data/prepared/test.csv", "models/model.json"):
        assert (clone.root / path).read_bytes() == (project.root / path).read_bytes()


def test_a_pull_that_finds_nothing_names_path_and_size(tmp_path: Path) -> None:
    project = make_project(tmp_path)
    _object(project, "models/model.json").unlink()

    with pytest.raises(MissingObjectsError) as caught:
        DvcProject(project.clone("fresh").root).pull(["models/model.json", "data/raw.csv"])

    assert caught.value.files == (("models/model.json", 19),)


def test_a_file_inside_a_folder_that_is_nowhere_is_named(tmp_path: Path) -> None:
    project = make_project(tmp_path)
    lost = (project.root / "data/prepared/test.csv").read_bytes()
    digest = hashlib.md5(lost, usedforsecurity=False).hexdigest()
    (project.dvc_remote / "files/md5" / digest[:2] / digest[2:]).unlink()

    with pytest.raises(MissingObjectsError) as caught:
        DvcProject(project.clone("fresh").root).pull(["data/prepared"])

    assert caught.value.files == (("data/prepared/test.csv", None),)  # DVC keeps no sizes of files in folders


def test_a_file_that_was_changed_by_hand_survives_a_pull(tmp_path: Path) -> None:
    project = make_project(tmp_path)
    project.write("data/raw.csv", "mine")

    DvcProject(project.root).pull()

    assert (project.root / "data/raw.csv").read_text() == "mine"


def test_without_a_remote_pushing_says_so_and_pulling_uses_the_cache(tmp_path: Path) -> None:
    project = make_project(tmp_path)
    project.write(".dvc/config", "")
    (project.root / "models/model.json").unlink()
    dvc = DvcProject(project.root)

    with pytest.raises(NoDataRemoteError):
        dvc.push()
    dvc.pull(["models/model.json"])

    assert (project.root / "models/model.json").is_file()


def test_without_a_remote_a_pull_of_something_missing_says_so(tmp_path: Path) -> None:
    project = make_project(tmp_path)
    clone = project.clone("fresh")
    clone.write(".dvc/config", "['remote \"archive\"']\n    url = /nowhere\n")

    with pytest.raises(NoDataRemoteError) as caught:
        DvcProject(clone.root).pull(["models/model.json"])

    assert caught.value.remotes == ("archive",)


def test_a_remote_that_is_out_of_reach_is_told(tmp_path: Path) -> None:
    project = make_project(tmp_path)
    project.replace(".dvc/config", "../../dvc-remote", "/dev/null/storage")

    with pytest.raises(DataRemoteError) as caught:
        DvcProject(project.root).push()

    assert caught.value.remote == "storage (/dev/null/storage)"
    assert caught.value.is_temporary


def _object(project: SampleProject, path: str) -> Path:
    """Return where the remote keeps the content of a file."""
    (digest,) = [
        file.digest.removeprefix("md5:")
        for file in DvcProject(project.root).read().outputs
        if file.path == path and file.digest
    ]
    return project.dvc_remote / "files/md5" / digest[:2] / digest[2:]
