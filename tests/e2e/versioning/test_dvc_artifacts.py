"""Models that `artifacts` of dvc.yaml name and DVC keeps: by themselves, and inside of folders that it keeps as one."""

from __future__ import annotations

import hashlib
import shutil
from typing import TYPE_CHECKING

import pytest

from ci_core.testing.projects import SampleProject, make_project
from ci_core.versioning.dvc import DvcProject
from ci_core.versioning.snapshot import take_snapshot
from tests.e2e.by_command import graphship

if TYPE_CHECKING:
    from pathlib import Path

    from ci_core.versioning.revision import RegisteredModel

pytestmark = pytest.mark.e2e

# `md5sum` of "one\n" and "two\n"
ONE, TWO = "md5:5bbf5a52328e7439ae6e719dfe712200", "md5:c193497a1a06b2c72230e6146ff47080"


def with_artifact(folder: Path, path: str, files: dict[str, str], *, add: str = "weights") -> SampleProject:
    """Return a project with an artifact at `path`, whose `files` DVC keeps in the folder `add`."""
    project = make_project(folder)
    project.write("dvc.yaml", (project.root / "dvc.yaml").read_text() + f"artifacts:\n  late: {{path: '{path}'}}\n")
    keep(project, files, add=add)
    return project


def keep(project: SampleProject, files: dict[str, str], *, add: str = "weights") -> None:
    for name, content in files.items():
        project.write(name, content)
    dvc = DvcProject(project.root)
    dvc.add([add])
    dvc.push()
    project.commit()
    project.git("push", "-q", "origin", "main")


def model(project: SampleProject, rev: str | None = None) -> RegisteredModel:
    (found,) = take_snapshot(project.root, rev).models
    return found


def shown(project: SampleProject, *command: str) -> str:
    """Return what a command prints, with every run of blanks as one."""
    done = graphship(project, *command)
    done.check_returncode()
    return " ".join(done.stdout.split())


def test_a_file_inside_a_folder_has_digest_and_size_at_each_commit_and_in_the_work_tree(tmp_path: Path) -> None:
    files = {"weights/late.bin": "one\n", "weights/deep/other.bin": "other\n"}
    project = with_artifact(tmp_path, "weights/late.bin", files)
    keep(project, {"weights/late.bin": "two\n"})
    project.write("weights/late.bin", "one\n")

    found = [model(project, rev) for rev in ("HEAD~1", "HEAD", None)]

    assert [(one.digest, one.size_bytes, one.problem) for one in found] == [
        (ONE, 4, None),
        (TWO, 4, None),
        (ONE, 4, None),
    ]


def test_a_folder_inside_a_folder_has_the_digest_that_dvc_would_give_it(tmp_path: Path) -> None:
    names = ["a é.bin", "deep/b.bin", "deep.bin"]
    project = with_artifact(tmp_path, "weights/late", {f"weights/late/{name}": f"{name}\n" for name in names})
    project.write("weights/lately.bin", "of another name\n")
    shutil.copytree(project.root / "weights/late", project.root / "alone")
    keep(project, {}, add="alone")
    alone = next(file for file in take_snapshot(project.root, "HEAD").data if file.path == "alone")

    found = model(project, "HEAD")

    assert (found.digest, found.size_bytes) == (alone.digest, alone.size_bytes)
    assert model(project) == found


@pytest.mark.parametrize(("path", "is_folder"), [("weights", True), ("models/model.json", False)])
def test_what_dvc_keeps_by_itself_has_the_recorded_digest_and_size(
    tmp_path: Path, path: str, *, is_folder: bool
) -> None:
    project = with_artifact(tmp_path, path, {"weights/late.bin": "one\n"})
    snapshot = take_snapshot(project.root, "HEAD")
    recorded = next(file for file in (*snapshot.data, *snapshot.outputs) if file.path == path)

    found = model(project, "HEAD")

    assert (found.digest, found.size_bytes) == (recorded.digest, recorded.size_bytes)
    assert (found.digest or "").endswith(".dir") is is_folder


def test_a_folder_that_git_keeps_for_dvc_is_looked_into(tmp_path: Path) -> None:
    project = make_project(tmp_path)
    pipeline = "stages:\n  make:\n    cmd: mkdir out && echo one > out/late.bin\n    outs: [{out: {cache: false}}]\n"
    project.write("dvc.yaml", pipeline + "artifacts:\n  late: {path: out/late.bin}\n")
    shown(project, "run")
    project.git("add", "--all")
    project.commit()

    assert [(model(project, rev).digest, model(project, rev).size_bytes) for rev in ("HEAD", None)] == [(ONE, 4)] * 2


def test_a_folder_of_which_git_and_dvc_keep_parts_changes_with_each(tmp_path: Path) -> None:
    project = with_artifact(
        tmp_path, "late", {"late/weights.bin": "one\n", "late/words.json": "{}\n"}, add="late/weights.bin"
    )
    first = model(project, "HEAD")
    keep(project, {"late/weights.bin": "other\n"}, add="late/weights.bin")
    second = model(project, "HEAD")
    project.write("late/words.json", "[]\n")
    project.commit()
    third = model(project, "HEAD")

    assert [one.size_bytes for one in (first, second, third)] == [4 + 3, 6 + 3, 6 + 3]
    assert len({one.digest for one in (first, second, third)}) == 3
    assert model(project) == third


def test_a_clone_without_data_learns_both_from_the_remote_and_fetches_the_list_alone(tmp_path: Path) -> None:
    project = with_artifact(tmp_path, "weights/late.bin", {"weights/late.bin": "one\n", "weights/b.bin": "b\n"})
    clone = project.clone("clone")

    found = model(clone, "HEAD")

    assert (found.digest, found.size_bytes, found.problem) == (ONE, 4, None)
    cached = [file for file in (clone.root / ".dvc/cache/files").rglob("*") if file.is_file()]
    assert [file.name.endswith(".dir") for file in cached] == [True]


def test_a_remote_without_the_file_leaves_the_size_unknown(tmp_path: Path) -> None:
    project = with_artifact(tmp_path, "weights/late.bin", {"weights/late.bin": "one\n"})
    oid = ONE.removeprefix("md5:")
    (project.dvc_remote / "files/md5" / oid[:2] / oid[2:]).unlink()

    found = model(project.clone("clone"), "HEAD")

    assert (found.digest, found.size_bytes, found.problem) == (ONE, None, None)


def without_lists(project: SampleProject) -> SampleProject:
    """Return a clone of a project whose remote has lost the lists of all folders."""
    for lost in (project.dvc_remote / "files/md5").rglob("*.dir"):
        lost.unlink()
    return project.clone("clone")


def test_a_list_that_is_nowhere_is_told_in_a_sentence(tmp_path: Path) -> None:
    clone = without_lists(with_artifact(tmp_path, "weights/late.bin", {"weights/late.bin": "one\n"}))

    snapshot = take_snapshot(clone.root, "HEAD")

    (found,) = snapshot.models
    told = "the list of files in `weights` is in neither the cache nor the remote"
    assert (found.digest, found.size_bytes, found.problem) == (None, None, told)
    assert f"artifact `late`, `weights/late.bin`: {told}" in snapshot.problems


def test_a_damaged_list_is_told_in_a_sentence(tmp_path: Path) -> None:
    project = with_artifact(tmp_path, "weights/late.bin", {"weights/late.bin": "one\n"})
    folder = next(file for file in take_snapshot(project.root, "HEAD").data if file.path == "weights")
    oid = str(folder.digest).removeprefix("md5:")
    listed = project.root / ".dvc/cache/files/md5" / oid[:2] / oid[2:]
    listed.chmod(0o644)
    listed.write_text("[{]")

    found = model(project, "HEAD")

    assert found.digest is None
    assert found.problem == "the list of files in `weights` cannot be read: its list of files is cut short or damaged"


@pytest.mark.parametrize(
    ("path", "add", "told"),
    [
        ("weights/gone.bin", "weights", "it is not in the folder `weights`, which DVC keeps"),
        ("weights/a.bin/late.bin", "weights/a.bin", "it is not there: `weights/a.bin`, which DVC keeps, is a file"),
    ],
)
def test_a_file_that_is_not_in_the_folder_is_told(tmp_path: Path, path: str, add: str, told: str) -> None:
    project = with_artifact(tmp_path, path, {"weights/a.bin": "one\n"}, add=add)

    assert (model(project, "HEAD").digest, model(project, "HEAD").problem) == (None, told)


def test_the_report_has_a_row_for_a_model_inside_a_folder(tmp_path: Path) -> None:
    project = with_artifact(tmp_path, "weights/late.bin", {"weights/late.bin": "one\n", "weights/b.bin": "b\n"})
    keep(project, {"weights/late.bin": "two!\n"})
    new = hashlib.md5(b"two!\n", usedforsecurity=False).hexdigest()

    said = shown(project, "diff", "HEAD~1", "HEAD", "--without", "behaviour")

    assert "Changed: 1 data file, 1 model." in said
    assert f"changed weights/late.bin {ONE[:12]} 4 B md5:{new[:8]} 5 B +1 B" in said


def test_the_report_says_which_side_of_a_model_is_not_known(tmp_path: Path) -> None:
    project = with_artifact(tmp_path, "weights/late.bin", {"weights/late.bin": "one\n"})
    old = next(file.digest for file in take_snapshot(project.root, "HEAD").data if file.path == "weights")
    keep(project, {"weights/late.bin": "two\n"})
    oid = str(old).removeprefix("md5:")
    (project.dvc_remote / "files/md5" / oid[:2] / oid[2:]).unlink()

    said = shown(project.clone("clone"), "diff", "HEAD~1", "HEAD", "--without", "behaviour")

    assert "base: artifact late, weights/late.bin: the list of files in weights is in neither the cache nor" in said
    assert f"changed weights/late.bin not known {TWO[:12]} 4 B" in said


def test_a_model_that_dvc_keeps_by_itself_stands_among_the_models_alone(tmp_path: Path) -> None:
    project = with_artifact(tmp_path, "late.bin", {"late.bin": "one\n"}, add="late.bin")
    keep(project, {"late.bin": "two\n"}, add="late.bin")

    said = shown(project, "diff", "HEAD~1", "HEAD", "--without", "behaviour")

    assert "Changed: 1 model." in said
    assert said.count("late.bin") == 1


def test_a_data_set_that_is_an_artifact_stays_among_the_data(tmp_path: Path) -> None:
    project = make_project(tmp_path)
    artifact = "artifacts:\n  raw: {path: data/raw.csv, type: dataset}\n"
    project.write("dvc.yaml", (project.root / "dvc.yaml").read_text() + artifact)
    project.commit()
    keep(project, {"data/raw.csv": "x,y\n1,2\n"}, add="data/raw.csv")

    said = shown(project, "diff", "HEAD~1", "HEAD", "--without", "behaviour")

    assert "Changed: 1 data file." in said
    assert "Models" not in said


def test_a_model_that_a_stage_makes_now_was_not_removed(tmp_path: Path) -> None:
    project = with_artifact(tmp_path, "late.bin", {"late.bin": "one\n"}, add="late.bin")
    (project.root / "late.bin.dvc").unlink()
    project.replace("dvc.yaml", "stages:\n", "stages:\n  make:\n    cmd: echo two > late.bin\n    outs: [late.bin]\n")
    shown(project, "run")
    project.commit()

    said = shown(project, "diff", "HEAD~1", "HEAD", "--without", "behaviour")

    assert "1 model" in said
    assert f"changed late.bin {ONE[:12]} 4 B {TWO[:12]} 4 B" in said
