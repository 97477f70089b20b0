from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from ci_core.errors import NoCommitYetError, NotADvcProjectError, NotARepositoryError, UnknownRevisionError
from ci_core.testing.projects import make_plain_repository, make_project
from ci_core.versioning.base_revision import find_base
from ci_core.versioning.compare import compare
from ci_core.versioning.git import GitRepository
from ci_core.versioning.revision import StageVersion
from ci_core.versioning.snapshot import snapshot_or_problem, take_snapshot

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.e2e


def test_a_clean_tree_has_the_snapshot_of_its_commit(tmp_path: Path) -> None:
    project = make_project(tmp_path)

    assert take_snapshot(project.root) == take_snapshot(project.root, "HEAD")


def test_the_same_commit_on_two_paths_has_the_same_snapshot(tmp_path: Path) -> None:
    project = make_project(tmp_path)
    clone = project.clone("anders wo ß")

    assert take_snapshot(project.root) == take_snapshot(clone.root)


def test_a_dirty_tree_never_passes_for_its_commit(tmp_path: Path) -> None:
    project = make_project(tmp_path)
    project.write("README.md", "not committed\n")

    snapshot = take_snapshot(project.root)

    assert snapshot.code.commit == project.head()
    assert snapshot.code.dirty is not None
    assert snapshot.code.label.startswith(f"{project.head()[:7]}+dirty.")


def test_another_commit_is_read_without_checking_it_out(tmp_path: Path) -> None:
    project = make_project(tmp_path)
    project.write("uv.lock", "abc")
    project.write(".python-version", "3.12\n")
    project.replace("params.yaml", "rate: 0.001", "rate: 0.002")
    project.commit()

    old, new = take_snapshot(project.root, "HEAD~1"), take_snapshot(project.root, "HEAD")

    assert old.params["params.yaml:train.rate"] == 0.001
    assert new.params["params.yaml:train.rate"] == 0.002
    assert (old.environment.lock_file, new.environment.lock_file) == (None, "uv.lock")
    assert new.environment.python == "3.12"
    assert new.stale == ("train", "evaluate")
    assert project.git("status", "--short") == ""


def test_the_stages_of_a_commit_are_read_as_they_are_declared(tmp_path: Path) -> None:
    project = make_project(tmp_path)
    project.replace("dvc.yaml", "params: [train.steps, train.rate]", "params: [train.steps, {other.yaml: null}]")
    project.replace("dvc.yaml", "cmd: python3 src/evaluate.py", "cmd: [echo a, python3 src/evaluate.py]")
    project.write("other.yaml", "a: 1\n")
    project.commit()

    old, new = take_snapshot(project.root, "HEAD~1"), take_snapshot(project.root, "HEAD")

    assert old.stages[1] == StageVersion(
        name="prepare",
        command="python3 src/prepare.py",
        needs=("data/raw.csv", "src/prepare.py"),
        params=("params.yaml:prepare.keep",),
        makes=("data/prepared",),
    )
    assert [(one.name, one.details) for one in compare(old, new).stages] == [
        ("evaluate", ("the command",)),
        ("train", ("reads other.yaml", "no longer reads params.yaml:train.rate")),
    ]


def test_a_detached_head_and_a_shallow_clone_have_snapshots(tmp_path: Path) -> None:
    project = make_project(tmp_path)
    shallow = project.clone("shallow", depth=1)
    shallow.git("checkout", "-q", "--detach")

    assert take_snapshot(shallow.root) == take_snapshot(project.root)


def test_bad_shapes_are_told_apart(tmp_path: Path) -> None:
    (tmp_path / "nothing").mkdir()
    empty = make_plain_repository(tmp_path / "empty")
    plain = make_plain_repository(tmp_path / "plain", {"a": "a"})

    with pytest.raises(NotARepositoryError):
        take_snapshot(tmp_path / "nothing")
    with pytest.raises(NoCommitYetError):
        take_snapshot(empty.root)
    with pytest.raises(NotADvcProjectError):
        take_snapshot(plain.root)
    with pytest.raises(UnknownRevisionError):
        take_snapshot(plain.root, "v9")


def test_a_base_that_a_shallow_clone_lacks_is_said_in_the_comparison(tmp_path: Path) -> None:
    project = make_project(tmp_path)
    project.write("README.md", "more\n")
    project.commit()
    project.git("push", "-q")
    shallow = project.clone("shallow", depth=1)

    base, problem = snapshot_or_problem(shallow.root, "HEAD~1")
    diff = compare(base, take_snapshot(shallow.root), base_problem=problem)

    assert diff.base is None
    assert diff.base_problem is not None
    assert diff.base_problem.startswith(
        "the base `HEAD~1` could not be read: there is no commit `HEAD~1` in this clone"
    )
    assert "the clone is shallow" in diff.base_problem


def test_a_change_is_compared_with_where_it_began(tmp_path: Path) -> None:
    project = make_project(tmp_path)
    began = project.head()
    project.git("checkout", "-q", "-b", "change")
    project.write("a.txt", "a\n")
    project.commit()
    git = GitRepository(project.root)

    assert find_base(git).commit == began
    project.git("checkout", "-q", "main")
    assert find_base(git).commit == began


def test_what_dvc_shows_as_metrics_or_plots_is_told_from_data(tmp_path: Path) -> None:
    project = make_project(tmp_path)
    project.replace(
        "dvc.yaml",
        "    plots: [{plots/errors.csv: {cache: false, x: x, y: error, title: Errors}}]\n",
        "    outs: [{plots: {cache: false}}]\n",
    )
    project.write(
        "dvc.yaml", (project.root / "dvc.yaml").read_text() + "plots:\n- plots/errors.csv: {x: x, y: error}\n"
    )
    commit = project.commit()

    for revision in (None, commit):
        outputs = take_snapshot(project.root, revision).outputs

        assert {file.path for file in outputs if file.is_result} == {"metrics.json", "plots"}
        assert {file.path for file in outputs if not file.is_result} == {"data/prepared", "models/model.json"}
