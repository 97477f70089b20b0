"""What is read of a DVC project, and what cannot be read."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING

import pytest

from ci_core.errors import (
    DvcBusyError,
    DvcFailedError,
    InvalidDvcFileError,
    NoPipelineError,
    NotADvcProjectError,
)
from ci_core.testing.projects import make_plain_repository, make_project
from ci_core.types import CommitId, Digest
from ci_core.versioning.dvc import DvcProject
from ci_core.versioning.revision import TrackedFile

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.e2e


def test_params_and_metrics_equal_those_of_plain_dvc_at_every_revision(tmp_path: Path) -> None:
    import dvc.api

    project = make_project(tmp_path)
    first = CommitId(project.head())
    project.replace("params.yaml", "rate: 0.001", "rate: 0.002")
    project.write("metrics.json", '{"mae": 1.5, "deep": {"er": {"auc": 0.75}}, "list": ["a"], "text": "good"}')
    second = CommitId(project.commit())

    ours = {revision: DvcProject(project.root).read(revision) for revision in (first, second)}

    for revision, state in ours.items():
        metrics = dvc.api.metrics_show(repo=str(project.root), rev=revision)
        params = dvc.api.params_show(repo=str(project.root), rev=revision)
        assert _nested(state.metrics) == metrics
        assert _nested(state.params) == params
    assert ours[second].metrics["metrics.json:deep.er.auc"] == 0.75


def test_data_and_outputs_are_told_with_the_digests_and_sizes_that_dvc_recorded(tmp_path: Path) -> None:
    project = make_project(tmp_path)
    lock = (project.root / "dvc.lock").read_text()

    state = DvcProject(project.root).read(CommitId(project.head()))

    assert [(file.path, file.size_bytes, file.files) for file in state.data] == [("data/raw.csv", 239, None)]
    assert [(file.path, file.files) for file in state.outputs] == [
        ("data/prepared", 2),
        ("metrics.json", None),
        ("models/model.json", None),
        ("plots/errors.csv", None),
    ]
    for file in state.outputs:
        assert file.digest is not None
        assert f"md5: {file.digest.removeprefix('md5:')}" in lock
        assert f"size: {file.size_bytes}" in lock


def test_a_file_that_was_changed_in_the_work_tree_is_told_as_it_is(tmp_path: Path) -> None:
    project = make_project(tmp_path)
    recorded = DvcProject(project.root).read().data
    project.write("data/raw.csv", "abc")

    (changed,) = DvcProject(project.root).read().data

    # the md5 of "abc": RFC 1321, appendix A.5
    digest = Digest("md5:900150983cd24fb0d6963f7d28e17f72")
    assert changed == TrackedFile(path="data/raw.csv", digest=digest, size_bytes=3, is_unrecorded=True)
    assert DvcProject(project.root).read(CommitId(project.head())).data == recorded


def test_a_clone_without_data_reads_the_same_as_the_project_it_came_from(tmp_path: Path) -> None:
    project = make_project(tmp_path)

    assert DvcProject(project.clone("fresh").root).read() == DvcProject(project.root).read()


def test_a_metrics_file_that_is_gone_or_broken_is_said(tmp_path: Path) -> None:
    project = make_project(tmp_path)
    (project.root / "metrics.json").unlink()
    gone = DvcProject(project.root).read()
    project.write("metrics.json", "{broken")
    broken = DvcProject(project.root).read()

    assert gone.metrics == {}
    assert gone.problems == ("metrics.json: it is not there",)
    assert len(broken.problems) == 1
    assert broken.problems[0].startswith("metrics.json: JSON file structure is corrupted (Expecting property name")


def test_stale_stages_say_why_and_those_behind_them_follow(tmp_path: Path) -> None:
    project = make_project(tmp_path)
    first = CommitId(project.head())
    project.replace("params.yaml", "keep: 40", "keep: 30")
    project.replace("src/evaluate.py", "import csv", "import csv  # read")
    project.replace("dvc.yaml", "python3 src/train.py", "python3 -B src/train.py")
    second = CommitId(project.commit())
    dvc = DvcProject(project.root)

    expected = [
        ("prepare", ("param `prepare.keep` changed",)),
        ("train", ("its command changed",)),
        ("evaluate", ("`src/evaluate.py` changed",)),
    ]
    assert [(stage.name, stage.reasons) for stage in dvc.stale()] == expected
    assert [(stage.name, stage.reasons) for stage in dvc.stale(second)] == expected
    assert dvc.stale(first) == ()


def test_data_that_was_not_fetched_makes_nothing_stale(tmp_path: Path) -> None:
    assert DvcProject(make_project(tmp_path).clone("fresh").root).stale() == ()


def test_new_data_makes_its_stage_stale_even_before_it_is_added(tmp_path: Path) -> None:
    project = make_project(tmp_path)
    project.write("data/raw.csv", "x,y\n1,3\n2,6\n")

    (first, *_rest) = DvcProject(project.root).stale()

    assert (first.name, first.reasons) == ("prepare", ("`data/raw.csv` changed",))


def test_added_data_names_the_files_that_git_must_commit(tmp_path: Path) -> None:
    project = make_project(tmp_path)
    project.write("data/raw.csv", "x,y\n1,3\n2,6\n")
    project.write("data/more.csv", "x,y\n")

    files = DvcProject(project.root).add(["data/raw.csv", "data/more.csv"])

    assert files == ("data/.gitignore", "data/more.csv.dvc", "data/raw.csv.dvc")
    assert project.git("status", "--short").splitlines() == [
        " M data/.gitignore",
        " M data/raw.csv.dvc",
        "?? data/more.csv.dvc",
    ]


def test_plots_are_read_with_their_rows_at_any_revision(tmp_path: Path) -> None:
    project = make_project(tmp_path)
    first = CommitId(project.head())
    project.write("plots/errors.csv", "x,error\n1,2.5\n")
    dvc = DvcProject(project.root)

    (old,), (new,) = dvc.plots(first), dvc.plots()

    assert old.id == new.id == "plots/errors.csv"
    assert new.properties == {"x": "x", "y": "error", "title": "Errors"}
    assert new.sources[0].rows == ({"x": "1", "error": "2.5"},)
    assert len(old.sources[0].rows) == 20


def test_a_commit_that_was_read_once_is_read_the_same_after_a_fetch(tmp_path: Path) -> None:
    clone = make_project(tmp_path).clone("fresh")
    dvc, commit = DvcProject(clone.root), CommitId(clone.head())
    before = dvc.read(commit)

    dvc.pull()

    assert dvc.read(commit) == before
    assert dvc.plots(commit) == DvcProject(clone.root).plots(commit)


def test_the_work_tree_is_read_anew_each_time_but_inside_a_block_where_it_stands_still(tmp_path: Path) -> None:
    project = make_project(tmp_path)
    dvc = DvcProject(project.root)
    names = [stage.name for stage in dvc.read().stages]

    with dvc.standing_still():
        dvc.read()
        project.replace("dvc.yaml", "  train:", "  fit:")
        inside = [stage.name for stage in dvc.read().stages]
    after = [stage.name for stage in dvc.read().stages]

    assert inside == names
    assert after == sorted("fit" if name == "train" else name for name in names)


def test_a_project_in_a_sub_folder_of_the_dvc_root_has_paths_of_its_own(tmp_path: Path) -> None:
    project = make_project(tmp_path)
    project.write(
        "team ä/dvc.yaml", "stages:\n  one:\n    cmd: echo 1 > out.txt\n    params: [a]\n    outs: [out.txt]\n"
    )
    project.write("team ä/params.yaml", "a: {b: 1}\n")
    project.commit()
    dvc = DvcProject(project.root / "team ä")

    state = dvc.read()

    assert state.params == {"params.yaml:a.b": 1}
    assert [file.path for file in state.outputs] == ["out.txt"]
    assert state.data == ()
    assert [(stage.name, stage.reasons) for stage in state.stale] == [("one", ("it has never run",))]
    assert dvc.read(CommitId(project.head())).outputs == state.outputs


def test_a_folder_without_dvc_is_told(tmp_path: Path) -> None:
    project = make_plain_repository(tmp_path, {"a": "a"})

    with pytest.raises(NotADvcProjectError):
        DvcProject(project.root).read()


def test_a_commit_from_before_dvc_came_is_told_with_its_name(tmp_path: Path) -> None:
    project = make_project(tmp_path)
    now = project.head()
    project.git("checkout", "-q", "--orphan", "before")
    project.git("rm", "-rfq", "--cached", ".")
    project.git("add", "graphship.yaml")
    project.git("commit", "-q", "-m", "before")
    before = CommitId(project.head())
    project.git("checkout", "-qf", now)

    with pytest.raises(NotADvcProjectError) as caught:
        DvcProject(project.root).read(before)

    assert caught.value.revision == before


def test_a_project_without_a_pipeline_is_told(tmp_path: Path) -> None:
    project = make_project(tmp_path)
    (project.root / "dvc.yaml").unlink()
    (project.root / "dvc.lock").unlink()

    with pytest.raises(NoPipelineError):
        DvcProject(project.root).stale()


def test_marks_of_a_merge_conflict_are_recognized(tmp_path: Path) -> None:
    project = make_project(tmp_path)
    lock = (project.root / "dvc.lock").read_text()
    project.write("dvc.lock", f"<<<<<<< HEAD\n{lock}=======\n{lock}>>>>>>> other\n")

    with pytest.raises(InvalidDvcFileError) as caught:
        DvcProject(project.root).read()

    assert caught.value.file == "dvc.lock"
    assert caught.value.is_conflict


def test_a_broken_pipeline_file_is_named_with_its_revision(tmp_path: Path) -> None:
    project = make_project(tmp_path)
    project.write("dvc.yaml", "stages:\n  train:\n    comd: python3 x.py\n")
    commit = CommitId(project.commit())

    with pytest.raises(InvalidDvcFileError) as caught:
        DvcProject(project.root).read(commit)

    assert caught.value.file == "dvc.yaml"
    assert caught.value.where == (f"dvc.yaml at `{commit}`",)


def test_a_lock_that_another_process_holds_is_waited_for_and_then_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import dvc.lock
    import zc.lockfile  # type: ignore[import-untyped] # ships no types

    monkeypatch.setattr(dvc.lock, "DEFAULT_TIMEOUT", 0.06)
    project = make_project(tmp_path)
    (project.root / ".dvc" / "tmp").mkdir(exist_ok=True)

    with contextlib.closing(zc.lockfile.LockFile(str(project.root / ".dvc" / "tmp" / "lock"))):
        with pytest.raises(DvcBusyError) as caught:
            DvcProject(project.root).read()
        at_a_commit = DvcProject(project.root).read(CommitId(project.head()))

    assert caught.value.is_temporary
    assert at_a_commit.metrics


def test_a_refusal_of_dvc_is_told_in_its_words(tmp_path: Path) -> None:
    project = make_project(tmp_path)

    with pytest.raises(DvcFailedError) as caught:
        DvcProject(project.root).add(["never-there.csv"])

    assert "never-there.csv" in " ".join(caught.value.known)


def _nested(flat: object) -> dict[str, object]:
    """Return ``file:a.b`` → value as nested dicts without the file's name, as DVC's API gives it."""
    assert isinstance(flat, dict)
    result: dict[str, object] = {}
    for key, value in flat.items():
        *folders, last = key.partition(":")[2].split(".")
        inner = result
        for folder in folders:
            inner = inner.setdefault(folder, {})  # type: ignore[assignment] # folders are dicts
        inner[last] = value
    return result
