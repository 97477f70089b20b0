"""The clones that CI systems make: cut off, of one branch, without files; and the base of a change found in them.

The remote is a repository behind HTTP that gives out commits by name, as hosts do, unless a test says otherwise.
"""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING

import pytest

from ci_core.testing.projects import SampleProject, make_project, run_git
from ci_core.types import CommitId, GitCredentials
from ci_core.versioning.base_revision import find_base
from ci_core.versioning.git import GitRepository
from ci_core.versioning.git_history import fetch_files, merge_base
from ci_core.versioning.snapshot import take_snapshot
from tests.servers.git_http import BareRepository
from tests.servers.git_server import admit, basic, git_server, served_copy

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.e2e

HOUR = 3600
NOON = 1_700_000_000


class History:
    """A remote whose commits have times of their own, one hour apart in the order in which they are made."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.bare = BareRepository(folder / "remote.git")
        self.made = 0
        self.first = self.commit("main")

    def commit(self, branch: str, *parents: str) -> CommitId:
        """Put a commit on top of a branch, or of other parents."""
        self.made += 1
        at = f"{NOON + self.made * HOUR} +0000"
        env = {"GIT_COMMITTER_DATE": at, "GIT_AUTHOR_DATE": at}
        blob = self.bare.git("hash-object", "-w", "--stdin", stdin=f"{self.made}\n")
        tree = self.bare.git("mktree", stdin=f"100644 blob {blob}\tfile-{self.made}\n")
        tip = self.bare.branches().get(branch)
        flags = [flag for parent in parents or ([tip] if tip else []) for flag in ("-p", parent)]
        made = CommitId(self.bare.git("commit-tree", tree, *flags, "-m", f"commit {self.made}", env=env))
        self.bare.move(f"refs/heads/{branch}", made)
        return made

    def commits(self, branch: str, count: int) -> CommitId:
        """Put some commits on top of a branch; return the newest."""
        for _ in range(count):
            newest = self.commit(branch)
        return newest

    def branch(self, name: str, at: str) -> None:
        self.bare.move(f"refs/heads/{name}", at)

    def check_out(self, ref: str, *, depth: int = 1, name: str = "clone") -> GitRepository:
        """Clone as GitHub's checkout action does: one commit, detached, and no branch."""
        root = self.folder / name
        run_git(self.folder, "init", "-q", name)
        run_git(root, "remote", "add", "origin", self.bare.folder.as_uri())
        commit = self.bare.git("rev-parse", ref)
        run_git(root, "fetch", "-q", "--no-tags", f"--depth={depth}", "origin", f"+{commit}:refs/remotes/pull/7/head")
        run_git(root, "checkout", "-q", "--detach", "refs/remotes/pull/7/head")
        return GitRepository(root)


def _commits_here(git: GitRepository) -> int:
    listed = git.run("cat-file", "--batch-all-objects", "--batch-check=%(objecttype)").text
    return listed.split("\n").count("commit")


@pytest.fixture
def history(tmp_path: Path) -> History:
    return History(tmp_path)


def test_one_commit_is_deepened_to_where_the_branches_parted_and_no_further(history: History) -> None:
    history.commits("main", 300)
    began = history.bare.branches()["main"]
    history.branch("change", began)
    history.commits("change", 10)
    history.commits("main", 5)
    history.branch("unrelated", history.first)
    history.commits("unrelated", 20)
    git = history.check_out("change")

    choice = find_base(git, branch="main")

    assert (choice.commit, choice.note) == (began, None)
    assert _commits_here(git) < 120
    assert git.run("for-each-ref", "--format=%(refname)").text.split("\n") == [
        "refs/remotes/origin/main",
        "refs/remotes/pull/7/head",
    ]


def test_the_commit_that_a_host_makes_for_a_change_request_is_read_like_any_other(history: History) -> None:
    began = history.commits("main", 60)
    history.branch("change", began)
    head = history.commits("change", 3)
    newest = history.commits("main", 3)
    history.commit("merge-of-7", newest, head)

    git = history.check_out("merge-of-7")

    assert find_base(git, head, branch="main").commit == began
    assert find_base(git, "HEAD", branch="main").commit == newest


def test_an_older_common_commit_does_not_hide_the_newer_one_behind_a_cut(history: History) -> None:
    old = history.commits("main", 3)
    history.branch("side", old)
    history.commit("side")
    newer = history.commits("main", 80)
    history.branch("change", newer)
    long_way = history.commits("change", 40)
    history.commit("change", history.bare.branches()["side"], long_way)  # merges what left long ago
    history.commits("main", 2)
    git = history.check_out("change", depth=6)
    git.fetch("+refs/heads/main:refs/remotes/origin/main")

    assert merge_base(git, "origin/main", "HEAD", remote="origin") == newer


def test_a_cut_that_is_older_than_the_common_commit_is_left(history: History) -> None:
    began = history.commits("main", 30)
    history.branch("change", began)
    history.commits("change", 3)
    git = history.check_out("change", depth=10)
    history.branch("main", history.commits("main", 3))
    before = _commits_here(git)

    assert find_base(git, branch="main").commit == began
    assert _commits_here(git) <= before + 3 + 50


def test_a_base_branch_whose_commit_is_here_already_is_not_cut_off(history: History) -> None:
    began = history.commits("main", 10)
    history.branch("change", began)
    history.commits("change", 2)
    git = history.check_out("change", depth=8)

    assert find_base(git, branch="main").commit == began
    assert git.run("rev-list", "--count", "HEAD").text == "8"


def test_a_remote_that_gives_out_branches_only_is_asked_for_branches(history: History) -> None:
    began = history.commits("main", 5)
    history.branch("change", began)
    history.commits("change", 2)
    git = history.check_out("change")
    git.run("config", "protocol.version", "0")
    history.bare.git("config", "uploadpack.allowAnySHA1InWant", "false")

    assert find_base(git, branch="main").commit == began


def test_a_base_that_was_pushed_over_is_looked_up_anew(history: History) -> None:
    old = history.commits("main", 5)
    git = history.check_out("main", depth=100)
    git.fetch("+refs/heads/main:refs/remotes/origin/main")
    history.branch("main", history.first)
    new = history.commits("main", 2)
    history.branch("change", new)
    history.commits("change", 1)
    git.fetch("+refs/heads/change:refs/remotes/origin/change")

    assert git.resolve("refs/remotes/origin/main") == old
    assert find_base(git, "origin/change", branch="main").commit == new
    assert find_base(git, old, branch="main").commit == history.first


def test_a_change_that_was_squashed_begins_where_it_began(history: History) -> None:
    began = history.commits("main", 2)
    history.branch("change", began)
    head = history.commits("change", 2)
    history.commit("main")  # what a squash makes: the same files, and no tie

    assert find_base(history.check_out("change"), head, branch="main").commit == began


def test_a_branch_that_was_deleted_after_its_merge_is_still_compared(history: History) -> None:
    began = history.commits("main", 2)
    history.branch("change", began)
    head = history.commits("change", 2)
    git = history.check_out("change")
    history.bare.move("refs/heads/change", None)
    history.commit("main", began, head)

    assert find_base(git, branch="main").commit == head
    assert find_base(git, head, branch="change").problem == (
        "there is no base to compare with: this clone has no branch `change`; the remote `origin` was not reached to "
        "fetch `change`: it has no such branch"
    )


def test_a_remote_that_is_gone_leaves_what_the_clone_knew_with_a_note(history: History) -> None:
    began = history.commits("main", 2)
    history.branch("change", began)
    history.commits("change", 2)
    git = history.check_out("change", depth=100)
    git.fetch("+refs/heads/main:refs/remotes/origin/main")
    shutil.rmtree(history.bare.folder)

    choice = find_base(git, branch="main")

    assert choice.commit == began
    assert (choice.note or "").startswith("the base is that of `origin/main` as this clone knew it: the remote")
    assert find_base(git).note is None, "nobody asked for the newest"


def test_a_tag_and_a_branch_of_the_person_that_are_called_like_the_base_do_not_stand_for_it(tmp_path: Path) -> None:
    project = make_project(tmp_path)
    began = project.head()
    project.git("checkout", "-q", "-b", "change")
    for name in ("one", "two"):
        project.write(f"{name}.txt", name)
        project.commit()
    for name in ("main", "origin/main"):
        project.git("tag", name, "HEAD~1")
    project.git("update-ref", "refs/heads/origin/main", "HEAD~1")

    git = GitRepository(project.root)

    assert find_base(git).commit == began
    assert find_base(git, branch="main").commit == began
    assert git.default_branch() == "main"


def test_a_branch_with_the_name_of_a_tag_is_still_checked_out_afterwards(tmp_path: Path) -> None:
    project = make_project(tmp_path)
    project.write("more.txt", "more\n")
    project.commit()
    project.git("tag", "main", "HEAD~1")
    git, head = GitRepository(project.root), project.head()

    with git.detached():
        project.write("more.txt", "even more\n")
        git.commit(["more.txt"], "aside")

    assert git.branch() == "main"
    assert git.head() == head
    assert project.git("symbolic-ref", "HEAD") == "refs/heads/main"


def _partial_clone(project: SampleProject, bare: BareRepository, *options: str) -> SampleProject:
    bare.git("config", "uploadpack.allowFilter", "true")
    run_git(project.folder, "clone", "-q", *options, bare.folder.as_uri(), "partial")
    return SampleProject(folder=project.folder, root=project.folder / "partial")


@pytest.mark.parametrize("options", [("--filter=blob:none",), ("--filter=blob:none", "--depth=1")])
def test_the_base_of_a_clone_without_files_is_read_as_in_any_other(tmp_path: Path, options: tuple[str, ...]) -> None:
    project = make_project(tmp_path)
    base = project.head()
    project.replace("params.yaml", "steps: 3", "steps: 4")
    project.replace("metrics.json", "mae", "mse")
    project.commit()
    project.git("push", "-q", "origin", "HEAD:refs/heads/change")
    bare = served_copy(tmp_path / "served.git", project.git_remote)
    partial = _partial_clone(project, bare, *options, "--branch", "change")
    git = GitRepository(partial.root)

    choice = find_base(git, branch="main")
    shutil.rmtree(bare.folder)

    assert choice.commit == base
    assert take_snapshot(partial.root, base) == take_snapshot(project.root, base)


def test_what_a_clone_lacks_of_a_commit_is_fetched_in_one_request_with_the_header(tmp_path: Path) -> None:
    project = make_project(tmp_path)
    bare = served_copy(tmp_path / "served.git", project.git_remote)
    partial = _partial_clone(project, bare, "--filter=blob:none", "--no-checkout")
    authorization = basic("planted-4711")
    with git_server(bare, admit(authorization)) as server:
        partial.git("remote", "set-url", "origin", server.url)
        credentials = GitCredentials(url=server.root, header=f"Authorization: {authorization}")
        git = GitRepository(partial.root, credentials=credentials)

        fetch_files(git, git.head())

        posts = [request for request in server.requests if request.method == "POST"]
        assert len(posts) <= 2
    assert git.run("rev-list", "--objects", "--missing=print", "HEAD").text.count("?") == 0


def test_a_clone_with_all_files_asks_the_remote_for_none(tmp_path: Path) -> None:
    project = make_project(tmp_path)
    shutil.rmtree(project.git_remote)
    git = GitRepository(project.root)

    fetch_files(git, git.head())

    assert git.run("status", "--short").text == ""
