from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

import pytest

from ci_core.errors import (
    GitRemoteError,
    NoCommitYetError,
    NotARepositoryError,
    PushRejectedError,
    UnknownRevisionError,
    UnsafeNameError,
)
from ci_core.testing.projects import make_plain_repository, make_project, run_git
from ci_core.types import CommitId
from ci_core.versioning.git import ChangedFile, GitRepository
from ci_core.versioning.git_history import merge_base

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.e2e


def test_a_folder_outside_git_is_named(tmp_path: Path) -> None:
    with pytest.raises(NotARepositoryError) as caught:
        GitRepository(tmp_path)

    assert caught.value.where == (str(tmp_path),)


def test_a_repository_without_a_commit_has_no_head(tmp_path: Path) -> None:
    project = make_plain_repository(tmp_path)

    with pytest.raises(NoCommitYetError):
        GitRepository(project.root).head()


def test_a_detached_head_has_a_commit_and_no_branch(tmp_path: Path) -> None:
    project = make_project(tmp_path)
    project.git("checkout", "-q", "--detach")

    repository = GitRepository(project.root)

    assert repository.head() == project.head()
    assert repository.branch() is None


def test_a_clean_tree_has_no_dirty_digest(tmp_path: Path) -> None:
    assert GitRepository(make_project(tmp_path).root).dirty_digest() is None


def test_the_dirty_digest_covers_tracked_untracked_and_removed_files(tmp_path: Path) -> None:
    project = make_plain_repository(tmp_path, {"a.txt": "one\n", "b.txt": "two\n", ".gitignore": "*.log\n"})
    repository = GitRepository(project.root)
    project.write("a.txt", "ONE\n")
    (project.root / "b.txt").unlink()
    project.write("neu ü.txt", "new\n")
    project.write("ignored.log", "noise\n")

    digest = repository.dirty_digest()

    one, new = hashlib.sha256(b"ONE\n").hexdigest(), hashlib.sha256(b"new\n").hexdigest()
    expected = f"a.txt\0file {one}\nb.txt\0removed\nneu ü.txt\0file {new}\n"
    assert digest == "sha256:" + hashlib.sha256(expected.encode()).hexdigest()


def test_the_dirty_digest_does_not_depend_on_what_is_staged(tmp_path: Path) -> None:
    project = make_plain_repository(tmp_path, {"a.txt": "one\n"})
    repository = GitRepository(project.root)
    project.write("a.txt", "two\n")
    project.write("b.txt", "three\n")
    unstaged = repository.dirty_digest()

    project.git("add", "--all")

    assert repository.dirty_digest() == unstaged


def test_an_unknown_revision_suggests_a_branch(tmp_path: Path) -> None:
    repository = GitRepository(make_project(tmp_path).root)

    with pytest.raises(UnknownRevisionError) as caught:
        repository.resolve("origin/mian")

    assert caught.value.hint == "did you mean `origin/main`?"
    assert not caught.value.is_shallow


def test_an_unknown_revision_in_a_shallow_clone_says_that_the_clone_is_shallow(tmp_path: Path) -> None:
    project = make_project(tmp_path)
    project.write("README.md", "second\n")
    project.commit()
    project.git("push", "-q")
    repository = GitRepository(project.clone("shallow", depth=1).root)

    with pytest.raises(UnknownRevisionError) as caught:
        repository.resolve("HEAD~1")

    assert caught.value.is_shallow
    assert "git fetch --unshallow" in (caught.value.hint or "")


@pytest.mark.parametrize("name", ["--upload-pack=touch x", "-rf", "a\nb", ""])
def test_a_revision_that_git_would_misread_is_refused(tmp_path: Path, name: str) -> None:
    repository = GitRepository(make_plain_repository(tmp_path, {"a": "a"}).root)

    with pytest.raises(UnsafeNameError):
        repository.resolve(name)


def test_a_shallow_clone_is_deepened_until_the_merge_base_is_found(tmp_path: Path) -> None:
    project = make_project(tmp_path)
    base = project.head()
    project.git("checkout", "-q", "-b", "change")
    project.write("a.txt", "a\n")
    project.commit()
    project.git("push", "-q", "origin", "change")
    project.git("checkout", "-q", "main")
    project.write("b.txt", "b\n")
    project.commit()
    project.git("push", "-q")
    shallow = project.clone("shallow", depth=1)
    repository = GitRepository(shallow.root)
    repository.fetch("+refs/heads/change:refs/remotes/origin/change")

    assert merge_base(repository, "origin/change", "HEAD") in {None, base}
    assert merge_base(repository, "origin/change", "HEAD", remote="origin") == base


def test_histories_that_share_nothing_have_no_merge_base(tmp_path: Path) -> None:
    project = make_plain_repository(tmp_path, {"a": "a"})
    project.git("checkout", "-q", "--orphan", "other")
    project.write("b", "b")
    project.commit()

    assert merge_base(GitRepository(project.root), "main", "other") is None


def test_a_file_is_read_at_a_revision_relative_to_the_given_folder(tmp_path: Path) -> None:
    project = make_plain_repository(tmp_path, {"models/deep/ä b.txt": "old\n"})
    project.write("models/deep/ä b.txt", "new\n")
    project.commit()
    repository = GitRepository(project.root / "models")

    assert repository.read_file("HEAD~1", "deep/ä b.txt") == b"old\n"
    assert repository.read_file("HEAD", "deep/ä b.txt") == b"new\n"
    assert repository.read_file("HEAD", "absent.txt") is None


def test_changed_files_are_told_with_their_kind_and_former_name(tmp_path: Path) -> None:
    project = make_plain_repository(tmp_path, {"a": "a\n", "gone": "b\n", "old name": "0\n1\n2\n3\n"})
    project.write("a", "A\n")
    (project.root / "gone").unlink()
    (project.root / "old name").rename(project.root / "new name")
    project.write("ü", "new\n")
    project.commit()

    changed = GitRepository(project.root).changed_files("HEAD~1", "HEAD")

    assert changed == (
        ChangedFile(path="a", change="modified"),
        ChangedFile(path="gone", change="removed"),
        ChangedFile(path="new name", change="renamed", old_path="old name"),
        ChangedFile(path="ü", change="added"),
    )


def test_a_commit_takes_the_given_paths_and_nothing_else(tmp_path: Path) -> None:
    project = make_plain_repository(tmp_path, {"a": "a\n", "b": "b\n", "gone": "x\n", "[x]": "glob\n"})
    repository = GitRepository(project.root)
    project.write("a", "A\n")
    project.write("b", "B\n")
    project.write("new ü", "n\n")
    (project.root / "gone").unlink()
    project.git("add", "b")

    commit = repository.commit(["a", "new ü", "gone", "[x]", "never there"], "change a\n\nwhy")

    assert commit == project.head()
    assert project.git("show", "--format=%an <%ae> %cn <%ce>%n%B", "--name-status", "-z", "HEAD").split("\n", 1)[0] == (
        "graphship <graphship@localhost> graphship <graphship@localhost>"
    )
    assert {file.path for file in repository.changed_files("HEAD~1", "HEAD")} == {"a", "new ü", "gone"}
    assert project.git("status", "--short") == "M  b"


def test_nothing_to_commit_makes_no_commit(tmp_path: Path) -> None:
    project = make_plain_repository(tmp_path, {"a": "a\n"})
    before = project.head()

    assert GitRepository(project.root).commit(["a"], "nothing") is None
    assert project.head() == before


def test_a_commit_does_not_run_the_repositorys_hooks(tmp_path: Path) -> None:
    project = make_plain_repository(tmp_path, {"a": "a\n"})
    hook = project.write(".git/hooks/pre-commit", "#!/bin/sh\nexit 1\n")
    hook.chmod(0o755)
    project.write("a", "A\n")

    assert GitRepository(project.root).commit(["a"], "change a") == project.head()


def test_a_push_moves_the_branch_of_the_remote(tmp_path: Path) -> None:
    project = make_project(tmp_path)
    project.write("a", "a\n")
    head = project.commit()
    repository = GitRepository(project.root)

    repository.push("HEAD", "refs/heads/main")

    assert repository.remote_head("refs/heads/main") == head


def test_a_push_is_rejected_when_the_branch_moved(tmp_path: Path) -> None:
    project = make_project(tmp_path)
    other = project.clone("other")
    other.write("a", "theirs\n")
    other.commit()
    other.git("push", "-q")
    project.write("b", "ours\n")
    project.commit()

    with pytest.raises(PushRejectedError) as caught:
        GitRepository(project.root).push("HEAD", "refs/heads/main")

    assert caught.value.reason == "moved"
    assert caught.value.is_temporary


def test_a_lease_replaces_a_branch_only_when_it_is_where_we_saw_it(tmp_path: Path) -> None:
    project = make_project(tmp_path)
    seen = CommitId(project.head())
    repository = GitRepository(project.root)
    repository.push("HEAD", "refs/heads/retrain", lease="absent")
    project.git("commit", "-q", "--amend", "-m", "another root")

    with pytest.raises(PushRejectedError) as caught:
        repository.push("HEAD", "refs/heads/retrain", lease="absent")
    repository.push("HEAD", "refs/heads/retrain", lease=seen)

    assert caught.value.reason == "moved"
    assert repository.remote_head("refs/heads/retrain") == project.head()


def test_a_hook_that_declines_a_push_is_quoted(tmp_path: Path) -> None:
    project = make_project(tmp_path)
    hook = project.git_remote / "hooks" / "pre-receive"
    hook.write_text("#!/bin/sh\necho 'only signed commits here' >&2\nexit 1\n")
    hook.chmod(0o755)
    project.write("a", "a\n")
    project.commit()

    with pytest.raises(PushRejectedError) as caught:
        GitRepository(project.root).push("HEAD", "refs/heads/main")

    assert caught.value.reason == "hook"
    assert not caught.value.is_temporary
    assert any("only signed commits here" in line for line in caught.value.known)


def test_a_remote_that_is_not_there_is_told_without_credentials(tmp_path: Path) -> None:
    project = make_project(tmp_path)
    project.git("remote", "set-url", "origin", "http://user:secret@127.0.0.1:1/x.git")

    with pytest.raises(GitRemoteError) as caught:
        GitRepository(project.root).fetch()

    assert "secret" not in str(vars(caught.value))
    assert caught.value.where == ("http://***@127.0.0.1:1/x.git",)
    assert caught.value.is_temporary


def test_a_remote_that_would_run_a_program_is_refused(tmp_path: Path) -> None:
    project = make_project(tmp_path)
    project.git("remote", "set-url", "origin", f"ext::sh -c touch% {tmp_path / 'pwned'}")

    with pytest.raises(GitRemoteError):
        GitRepository(project.root).fetch()

    assert not (tmp_path / "pwned").exists()


def test_the_default_branch_is_the_remotes(tmp_path: Path) -> None:
    project = make_project(tmp_path)
    project.git("checkout", "-q", "-b", "work")
    run_git(project.git_remote, "branch", "-m", "main", "trunk")

    assert GitRepository(project.root).default_branch() == "trunk"
    assert GitRepository(project.clone("fresh").root).default_branch() == "trunk"


def test_without_a_remote_the_default_branch_is_a_known_name(tmp_path: Path) -> None:
    project = make_plain_repository(tmp_path, {"a": "a"})
    project.git("checkout", "-q", "-b", "work")

    assert GitRepository(project.root).default_branch() == "main"


def test_paths_with_blanks_and_letters_of_any_kind_work(tmp_path: Path) -> None:
    project = make_project(tmp_path / "größer als", name="mein projekt")

    repository = GitRepository(project.root)

    assert repository.top == project.root
    assert repository.head() == project.head()
