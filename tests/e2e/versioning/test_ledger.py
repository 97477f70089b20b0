from __future__ import annotations

import json
import threading
from typing import TYPE_CHECKING

import pytest

from ci_core.errors import PushRejectedError, UnsafeNameError
from ci_core.testing.projects import make_plain_repository, make_project, run_git
from ci_core.versioning.git import GitRepository
from ci_core.versioning.ledger import BRANCH, Ledger

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.e2e


def test_a_ledger_that_does_not_exist_yet_is_empty(tmp_path: Path) -> None:
    ledger = Ledger(GitRepository(make_project(tmp_path).root))

    assert ledger.read("releases/a.json") is None
    assert ledger.read_json("releases/a.json") is None
    assert ledger.read_lines("deployments/staging.jsonl") == ()
    assert ledger.files() == ()


def test_what_was_written_is_read_from_another_clone(tmp_path: Path) -> None:
    project = make_project(tmp_path)
    Ledger(GitRepository(project.root)).update({"releases/ä b.json": b"{}", "profiles/x/y": b"\0\xff"}, "two files")

    ledger = Ledger(GitRepository(project.clone("other").root))

    assert ledger.read("releases/ä b.json") == b"{}"
    assert ledger.read("profiles/x/y") == b"\0\xff"
    assert ledger.files() == ("profiles/x/y", "releases/ä b.json")
    assert ledger.files("profiles") == ("profiles/x/y",)


def test_the_ledger_is_an_orphan_branch_in_our_name(tmp_path: Path) -> None:
    project = make_project(tmp_path)

    commit = Ledger(GitRepository(project.root)).write_json("releases/a.json", {"b": 1, "a": [None]}, "record a")

    assert run_git(project.git_remote, "log", "--format=%H %an <%ae> %cn %s", BRANCH) == (
        f"{commit} graphship <graphship@localhost> graphship record a"
    )
    assert (
        run_git(project.git_remote, "show", f"{BRANCH}:releases/a.json") == '{\n  "a": [\n    null\n  ],\n  "b": 1\n}'
    )


def test_writing_touches_neither_work_tree_nor_index_nor_branches(tmp_path: Path) -> None:
    project = make_project(tmp_path)
    project.write("params.yaml", "changed: 1\n")
    project.write("staged.txt", "staged\n")
    project.git("add", "staged.txt")
    state = [("status", "--short"), ("rev-parse", "HEAD"), ("branch", "--list"), ("diff", "--cached")]
    before = [project.git(*command) for command in state]

    Ledger(GitRepository(project.root)).update({"releases/a.json": b"{}"}, "record a")

    assert [project.git(*command) for command in state] == before
    assert not (project.root / "releases").exists()


def test_other_files_of_the_ledger_stay(tmp_path: Path) -> None:
    ledger = Ledger(GitRepository(make_project(tmp_path).root))
    ledger.update({"releases/a.json": b"a"}, "a")

    ledger.update({"releases/b.json": b"b"}, "b")

    assert [ledger.read(path) for path in ledger.files()] == [b"a", b"b"]


def test_writing_what_is_there_already_makes_no_commit(tmp_path: Path) -> None:
    project = make_project(tmp_path)
    ledger = Ledger(GitRepository(project.root))
    first = ledger.append("deployments/staging.jsonl", [{"release": "a"}], "deployed a")

    second = ledger.append("deployments/staging.jsonl", [{"release": "a"}], "deployed a")

    assert first == second
    assert ledger.read_lines("deployments/staging.jsonl") == ({"release": "a"},)


def test_a_shallow_clone_reads_and_writes_and_stays_shallow(tmp_path: Path) -> None:
    project = make_project(tmp_path)
    Ledger(GitRepository(project.root)).append("monitoring/production.jsonl", [{"n": 1}], "one")
    clone = project.clone("shallow", depth=1)
    git = GitRepository(clone.root)
    git.run("checkout", "--quiet", "--detach")

    Ledger(git).append("monitoring/production.jsonl", [{"n": 2}], "two")

    assert Ledger(GitRepository(project.root)).read_lines("monitoring/production.jsonl") == ({"n": 1}, {"n": 2})


def test_a_full_clone_does_not_become_shallow(tmp_path: Path) -> None:
    project = make_project(tmp_path)
    ledger = Ledger(GitRepository(project.root))
    for number in range(3):
        ledger.append("a.jsonl", [{"n": number}], "more")
    clone = GitRepository(project.clone("full").root)

    Ledger(clone).read("a.jsonl")

    assert not clone.is_shallow()


def test_without_a_remote_the_ledger_lives_in_the_repository(tmp_path: Path) -> None:
    git = GitRepository(make_plain_repository(tmp_path, {"a": "a"}).root)
    Ledger(git).append("a.jsonl", [{"n": 1}], "one")

    Ledger(git).append("a.jsonl", [{"n": 2}], "two")

    assert Ledger(git).read_lines("a.jsonl") == ({"n": 1}, {"n": 2})
    assert git.run("rev-list", "--count", BRANCH).text == "2"


@pytest.mark.parametrize("has_remote", [True, False])
def test_two_writers_at_once_lose_nothing(tmp_path: Path, has_remote: bool) -> None:
    project = make_project(tmp_path)
    if not has_remote:
        project.git("remote", "remove", "origin")
    folders = [project.root, project.clone("other").root if has_remote else project.root]
    together = threading.Barrier(2)

    def write(folder: Path, name: str) -> None:
        ledger = Ledger(GitRepository(folder))
        together.wait()
        for number in range(5):
            ledger.append("deployments/staging.jsonl", [{"by": name, "n": number}], f"{name} {number}")

    writers = [threading.Thread(target=write, args=(folder, f"w{i}")) for i, folder in enumerate(folders)]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join()

    lines = Ledger(GitRepository(project.root)).read_lines("deployments/staging.jsonl")
    assert len(lines) == 10
    for name in ("w0", "w1"):
        assert [line["n"] for line in lines if line["by"] == name] == [0, 1, 2, 3, 4]


def test_a_change_is_applied_again_to_what_another_writer_left(tmp_path: Path) -> None:
    project = make_project(tmp_path)
    seen: list[bytes | None] = []
    pauses: list[float] = []

    def change(old: bytes | None) -> bytes:
        seen.append(old)
        if len(seen) == 1:  # another writer comes between our look and our push
            Ledger(GitRepository(project.root)).update({"n.json": b"1"}, "theirs")
        return json.dumps(json.loads(old or b"0") + 1).encode()

    Ledger(GitRepository(project.root), sleep=pauses.append, chance=lambda: 0.5).update({"n.json": change}, "ours")

    assert seen == [None, b"1"]
    assert Ledger(GitRepository(project.root)).read("n.json") == b"2"
    assert pauses == [0.05]


def test_somebody_who_is_always_faster_ends_in_an_error_not_in_a_loop(tmp_path: Path) -> None:
    project = make_project(tmp_path)
    other = Ledger(GitRepository(project.root))
    count = iter(range(100))

    def change(_old: bytes | None) -> bytes:
        other.update({"theirs": str(next(count)).encode()}, "theirs")
        return b"ours"

    ledger = Ledger(GitRepository(project.root), sleep=lambda _seconds: None)
    with pytest.raises(PushRejectedError) as caught:
        ledger.update({"n.json": change}, "ours")

    assert caught.value.reason == "moved"


def test_a_remote_that_declines_is_not_asked_again(tmp_path: Path) -> None:
    project = make_project(tmp_path)
    hook = project.git_remote / "hooks" / "pre-receive"
    hook.write_text("#!/bin/sh\nexit 1\n")
    hook.chmod(0o755)
    pauses: list[float] = []

    with pytest.raises(PushRejectedError) as caught:
        Ledger(GitRepository(project.root), sleep=pauses.append).update({"a": b"a"}, "a")

    assert caught.value.reason == "hook"
    assert pauses == []


@pytest.mark.parametrize("path", ["../x", "/etc/passwd", "a//b", "a/./b", "", "a\nb", ".git/config"])
def test_a_path_that_leaves_the_ledger_is_refused(tmp_path: Path, path: str) -> None:
    project = make_plain_repository(tmp_path, {"a": "a"})

    with pytest.raises(UnsafeNameError):
        Ledger(GitRepository(project.root)).update({path: b"x"}, "x")

    assert project.git("for-each-ref", BRANCH) == ""
