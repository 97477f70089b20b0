"""The retrain branch on a real remote: whose commits are on it, and who may replace it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from ci_core.errors import PushRejectedError
from ci_core.hosts.marker import Run
from ci_core.operations.retrain_branch import look_at_branch, replace_branch
from ci_core.retrain.branch import StandingBranch, commit_message
from ci_core.testing.projects import SampleProject, make_project, run_git
from ci_core.types import CommitId
from ci_core.versioning.git import GitRepository

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.e2e

NAME = "graphship/retrain/sample/staging"
COMMIT = ("commit", "-q", "--allow-empty")
MESSAGE = commit_message("Retrain sample", "It won.", evidence="3f2a9c1be07d:1f0c2a9b", run=Run(id=7))


def _ours(project: SampleProject, content: str = "new data\n") -> tuple[GitRepository, CommitId]:
    """Commit as a run does, aside; the work tree is put back."""
    git = GitRepository(project.root)
    with git.detached():
        project.write("data.txt", content)
        commit = git.commit(["data.txt"], MESSAGE)
    assert commit is not None
    return git, commit


def _pushed(project: SampleProject) -> tuple[GitRepository, CommitId]:
    git, commit = _ours(project)
    assert replace_branch(git, StandingBranch(name=NAME), commit) == commit
    return git, commit


def _by_a_person(project: SampleProject, *commands: tuple[str, ...]) -> str:
    """Let a person work on the branch in a clone and push it; return the branch's newest commit."""
    person = project.clone("person")
    person.git("checkout", "-q", NAME)
    for command in commands:
        person.git(*command)
    person.git("push", "-q", "--force", "origin", NAME)
    return person.head()


def _subjects(branch: StandingBranch) -> list[str]:
    return [commit.subject for commit in branch.of_others]


def test_a_branch_that_is_not_there_has_no_commits(tmp_path: Path) -> None:
    git = GitRepository(make_project(tmp_path).root)

    assert look_at_branch(git, NAME) == StandingBranch(name=NAME)


def test_what_a_run_pushed_is_ours(tmp_path: Path) -> None:
    git, commit = _pushed(make_project(tmp_path))

    assert look_at_branch(git, NAME) == StandingBranch(name=NAME, head=commit)


@pytest.mark.parametrize(
    ("commands", "named"),
    [
        ([(*COMMIT, "-m", "tune ü \"it\" 'so'")], ["tune ü \"it\" 'so'"]),
        ([(*COMMIT, "--amend", "--no-edit")], ["Retrain sample"]),
        ([(*COMMIT, "-m", "mine", "--author", "graphship <graphship@localhost>")], ["mine"]),
        ([(*COMMIT, "-m", "mine\n\nGraphship-Retrain: a:b")], ["mine"]),
        ([(*COMMIT, "-m", "one"), (*COMMIT, "-m", "two")], ["two", "one"]),
    ],
    ids=["commit", "amended", "our author", "our line", "two"],
)  # fmt: skip
def test_commits_of_a_person_are_named_newest_first(
    tmp_path: Path, commands: list[tuple[str, ...]], named: list[str]
) -> None:
    project = make_project(tmp_path)
    git, commit = _pushed(project)
    head = _by_a_person(project, *commands)

    branch = look_at_branch(git, NAME, settled={commit})

    assert branch.head == head
    assert _subjects(branch) == named
    assert branch.of_others[0].author in {"Test Person", "graphship"}


def test_a_merge_that_a_person_made_is_named_and_what_it_brought_is_not(tmp_path: Path) -> None:
    project = make_project(tmp_path)
    git, commit = _pushed(project)
    project.write("other.txt", "other\n")
    project.commit("work on main")
    project.git("push", "-q")
    _by_a_person(project, ("merge", "-q", "--no-ff", "-m", "update the branch", "origin/main"))

    assert _subjects(look_at_branch(git, NAME, settled={commit})) == ["update the branch"]


def test_a_branch_that_was_merged_however_is_free(tmp_path: Path) -> None:
    project = make_project(tmp_path)
    git, _ = _pushed(project)
    head = CommitId(_by_a_person(project, (*COMMIT, "-m", "tune")))
    project.write("data.txt", "new data\n")
    project.commit("squashed")

    assert _subjects(look_at_branch(git, NAME)) == ["tune"]
    assert look_at_branch(git, NAME, settled={head}).of_others == ()
    project.git("fetch", "-q")
    project.git("merge", "-q", "--no-edit", f"origin/{NAME}")
    assert look_at_branch(git, NAME).of_others == ()


@pytest.mark.parametrize("commits_on_main", [0, 60])
def test_a_clone_of_one_commit_sees_the_same(tmp_path: Path, commits_on_main: int) -> None:
    project = make_project(tmp_path)
    _pushed(project)
    _by_a_person(project, (*COMMIT, "-m", "tune"))
    for number in range(commits_on_main):
        project.git(*COMMIT, "-m", f"main {number}")
    project.git("push", "-q")
    shallow = GitRepository(project.clone("shallow", depth=1).root)

    assert _subjects(look_at_branch(shallow, NAME)) == ["tune"]


def test_a_tag_of_the_same_name_is_not_the_branch(tmp_path: Path) -> None:
    project = make_project(tmp_path)
    git, commit = _pushed(project)
    project.git("tag", NAME, "HEAD")
    project.git("push", "-q", "origin", f"refs/tags/{NAME}")

    assert look_at_branch(git, NAME).head == commit


def test_of_two_runs_that_saw_the_same_the_second_pushes_nothing(tmp_path: Path) -> None:
    project = make_project(tmp_path)
    git, first = _ours(project, "one\n")
    _, second = _ours(project, "two\n")
    seen = look_at_branch(git, NAME)

    assert replace_branch(git, seen, first) == first
    assert replace_branch(git, seen, second) is None
    assert git.remote_head(f"refs/heads/{NAME}") == first


def test_a_person_who_pushes_while_a_run_trains_is_not_overwritten(tmp_path: Path) -> None:
    project = make_project(tmp_path)
    git, _ = _pushed(project)
    seen = look_at_branch(git, NAME)
    theirs = _by_a_person(project, (*COMMIT, "-m", "tune"))
    _, commit = _ours(project, "newer\n")

    assert replace_branch(git, seen, commit) is None
    assert git.remote_head(f"refs/heads/{NAME}") == theirs


def test_the_same_content_is_not_pushed_twice(tmp_path: Path) -> None:
    project = make_project(tmp_path)
    git, commit = _pushed(project)
    with git.detached():
        project.write("data.txt", "new data\n")
        again = git.commit(["data.txt"], MESSAGE.replace("It won.", "A run that was cancelled came so far."))
    assert again is not None
    assert again != commit

    assert replace_branch(git, look_at_branch(git, NAME), again) == commit
    assert git.remote_head(f"refs/heads/{NAME}") == commit


def test_a_branch_that_is_refused_for_another_reason_is_an_error(tmp_path: Path) -> None:
    project = make_project(tmp_path)
    hook = project.git_remote / "hooks" / "pre-receive"
    hook.write_text("#!/bin/sh\necho 'error: GH006: Protected branch update failed' >&2\nexit 1\n")
    hook.chmod(0o755)
    git, commit = _ours(project)

    with pytest.raises(PushRejectedError) as caught:
        replace_branch(git, StandingBranch(name=NAME), commit)

    assert caught.value.reason == "protected"
    assert run_git(project.git_remote, "branch", "--list", "graphship/*") == ""
