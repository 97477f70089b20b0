"""Any base: where a change began, in any clone; and one sentence when a base cannot be had."""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING

import pytest

from ci_core.errors import NoCommitYetError
from ci_core.testing.projects import make_plain_repository, make_project
from ci_core.versioning.base_revision import find_base
from ci_core.versioning.compare import compare
from ci_core.versioning.git import GitRepository
from ci_core.versioning.snapshot import snapshot_or_problem, take_snapshot

if TYPE_CHECKING:
    from pathlib import Path

    from ci_core.testing.projects import SampleProject

pytestmark = pytest.mark.e2e


def _with_a_change(folder: Path, *, commits: int = 1) -> tuple[SampleProject, str]:
    """Make a project whose branch ``change`` has some commits of its own, and so has ``main`` since."""
    project = make_project(folder)
    began = project.head()
    project.git("checkout", "-q", "-b", "change")
    for number in range(commits):
        project.write("change.txt", f"{number}\n")
        project.commit()
    project.git("checkout", "-q", "main")
    project.write("main.txt", "main\n")
    project.commit()
    project.git("push", "-q", "--all", "origin")
    return project, began


def _shallow_clone_of_the_change(project: SampleProject) -> GitRepository:
    """Clone as CI systems do: the newest commit of one branch."""
    project.git("-C", str(project.folder), "clone", "-q", "--depth", "1", "--branch", "change",
                project.git_remote.as_uri(), "shallow")  # fmt: skip
    return GitRepository(project.folder / "shallow")


def test_a_shallow_clone_of_one_branch_is_deepened_until_the_base_is_found(tmp_path: Path) -> None:
    project, began = _with_a_change(tmp_path, commits=60)

    git = _shallow_clone_of_the_change(project)

    assert find_base(git, branch="main").commit == began
    assert snapshot_or_problem(git.folder, began)[0] == take_snapshot(project.root, began)


@pytest.mark.parametrize("branch", ["main", None])
def test_a_shallow_clone_whose_remote_is_gone_says_so(tmp_path: Path, branch: str | None) -> None:
    project, _ = _with_a_change(tmp_path)
    git = _shallow_clone_of_the_change(project)
    shutil.rmtree(project.git_remote)

    choice = find_base(git, branch=branch)

    assert choice.commit is None
    assert choice.problem is not None
    assert choice.problem.startswith("there is no base to compare with: this clone has no branch `main`; ")
    assert "origin" in choice.problem
    assert "\n" not in choice.problem


def test_a_history_that_was_cut_off_is_named_when_it_cannot_be_deepened(tmp_path: Path) -> None:
    project, _ = _with_a_change(tmp_path)
    git = _shallow_clone_of_the_change(project)
    git.run("fetch", "--quiet", "--depth", "1", "origin", "+refs/heads/main:refs/remotes/origin/main")
    shutil.rmtree(project.git_remote)

    choice = find_base(git, branch="main")

    assert choice.problem is not None
    assert choice.problem.startswith(
        "there is no base to compare with: `HEAD` and `origin/main` share no commit in this clone, "
        "whose history was cut off; "
    )


def test_branches_without_a_common_commit_have_no_base(tmp_path: Path) -> None:
    project = make_project(tmp_path)
    project.git("checkout", "-q", "--orphan", "alone")
    project.commit()

    choice = find_base(GitRepository(project.root))

    assert choice.problem == "there is no base to compare with: `HEAD` and `origin/main` share no commit"


def test_without_a_remote_the_local_branch_is_taken(tmp_path: Path) -> None:
    project, began = _with_a_change(tmp_path)
    project.git("remote", "remove", "origin")

    assert find_base(GitRepository(project.root), "change").commit == began


def test_the_branch_that_is_checked_out_is_no_base_where_nobody_knows_the_default_one(tmp_path: Path) -> None:
    project, _ = _with_a_change(tmp_path)
    project.git("remote", "remove", "origin")
    project.git("branch", "-m", "main", "trunk")
    project.git("checkout", "-q", "change")

    choice = find_base(GitRepository(project.root))

    assert choice.commit is None
    assert choice.problem == (
        "there is no base to compare with: this clone has no remote `origin`, and neither `main` nor `master` "
        "(`graphship report BASE` names one)"
    )


def test_the_only_branch_of_a_repository_without_a_remote_is_the_base_of_what_is_not_committed(tmp_path: Path) -> None:
    project = make_project(tmp_path)
    project.git("remote", "remove", "origin")
    project.git("branch", "-m", "main", "trunk")

    assert find_base(GitRepository(project.root)).commit == project.head()


def test_the_first_commit_is_its_own_base_and_has_none_before_it(tmp_path: Path) -> None:
    project = make_project(tmp_path)
    git = GitRepository(project.root)

    assert find_base(git).commit == project.head()
    base, problem = snapshot_or_problem(project.root, "HEAD~1")
    assert base is None
    assert problem is not None
    assert problem.startswith("the base `HEAD~1` could not be read: there is no commit `HEAD~1` in this clone")


def test_an_empty_repository_has_nothing_to_compare(tmp_path: Path) -> None:
    empty = make_plain_repository(tmp_path)

    with pytest.raises(NoCommitYetError):
        find_base(GitRepository(empty.root))
    assert snapshot_or_problem(empty.root, "HEAD")[1] is not None


def test_a_base_older_than_graphship_is_read_like_any_other(tmp_path: Path) -> None:
    project = make_project(tmp_path)
    configuration = (project.root / "graphship.yaml").read_text()
    (project.root / "graphship.yaml").unlink()
    project.commit("before graphship came")
    project.write("graphship.yaml", configuration)
    project.commit("graphship comes")

    base, problem = snapshot_or_problem(project.root, "HEAD~1")

    assert problem is None
    assert base is not None
    diff = compare(base, take_snapshot(project.root))
    assert [metric.key for metric in diff.metrics if metric.change != "same"] == []
    assert (diff.params, diff.data, diff.outputs, diff.environment, diff.stages, diff.models) == ((),) * 6


CONFLICT = "<<<<<<< HEAD\na: 1\n=======\nb: 1\n>>>>>>> x\n"
CYCLE = "stages: {a: {cmd: x, deps: [b], outs: [a]}, b: {cmd: x, deps: [a], outs: [b]}}\n"
TWICE = "stages: {a: {cmd: x, outs: [a]}, b: {cmd: x, outs: [a]}}\n"
UNQUOTED = "schema: '2.0'\nstages: {train: {cmd: x, outs: [{path: models/model.json, md5: 1111}]}}\n"
BROKEN = {
    "a conflict": ("dvc.lock", CONFLICT, "`dvc.lock` holds marks of a merge conflict"),
    "a conflict in the pipeline": ("dvc.yaml", CONFLICT, "`dvc.yaml` holds marks of a merge conflict"),
    "a newer lock": ("dvc.lock", "schema: '3.0'\nstages: {}\n", "its schema is `3.0`, and this version of DVC knows"),
    "an empty lock": ("dvc.lock", "", "`dvc.lock` cannot be read; required key not provided @ data['schema']"),
    "an unknown param": ("dvc.yaml", "stages: {a: {cmd: 'echo ${no}'}}\n", "Could not find 'no'"),
    "text": ("dvc.yaml", "stages: text\n", "`dvc.yaml` cannot be read; expected a dictionary"),
    "a cycle": ("dvc.yaml", CYCLE, "both a dependency and an output in stages: dvc.yaml:"),
    "one output twice": ("dvc.yaml", TWICE, "output 'a' is specified in"),
    "an unquoted digest": ("data/raw.csv.dvc", "outs: [{md5: 11, path: raw.csv}]\n", "not a valid value"),
    "an unquoted digest in the lock": ("dvc.lock", UNQUOTED, "DVC could not read the project; AttributeError: 'int'"),
}


@pytest.mark.parametrize(("file", "content", "said"), BROKEN.values(), ids=BROKEN.keys())
def test_a_base_that_is_broken_is_one_sentence_and_never_no_change(
    tmp_path: Path, file: str, content: str, said: str
) -> None:
    project = make_project(tmp_path)
    good = (project.root / file).read_text()
    project.write(file, content)
    project.commit("the broken base")
    project.write(file, good)
    project.commit("mended")

    base, problem = snapshot_or_problem(project.root, "HEAD~1")
    diff = compare(base, take_snapshot(project.root), base_problem=problem)

    assert base is None
    assert problem is not None
    assert said in problem
    assert "\n" not in problem
    assert "../" not in problem
    assert diff.base_problem == problem


def test_a_commit_that_was_deleted_with_its_branch_is_named(tmp_path: Path) -> None:
    project = make_project(tmp_path)
    gone = "1" * 40

    base, problem = snapshot_or_problem(project.root, gone)

    assert base is None
    assert problem is not None
    assert problem.startswith(f"the base `{gone}` could not be read: there is no commit")


def test_a_name_that_is_a_tag_and_a_branch_is_said(tmp_path: Path) -> None:
    project = make_project(tmp_path)
    tagged = project.head()
    project.git("tag", "both")
    project.git("checkout", "-q", "-b", "both")
    project.write("more.txt", "more\n")
    project.commit()

    snapshot = take_snapshot(project.root, "both")

    assert snapshot.code.commit == tagged
    assert snapshot.problems == ("`both` is a tag and a branch: the tag was read",)
    assert take_snapshot(project.root, "main").problems == ()
