"""The scan of added lines, on real Git repositories."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from ci_core.gates.added_lines import scan_added_lines
from ci_core.gates.evidence import SecretFinding
from ci_core.testing.projects import SampleProject, make_plain_repository
from ci_core.types import CommitId
from ci_core.versioning.git import GitRepository

if TYPE_CHECKING:
    from pathlib import Path

    from ci_core.gates.evidence import SecretScan

pytestmark = pytest.mark.e2e

TOKEN = "ghp_" + "a1B2" * 9


@pytest.fixture
def project(tmp_path: Path) -> SampleProject:
    return make_plain_repository(tmp_path, {"a.py": f"one\nold = '{TOKEN}'\nthree\n", "sub/b.txt": "b\n"})


def scan(project: SampleProject, base: str, *, folder: str = ".", head: str | None = None, **more: int) -> SecretScan:
    git = GitRepository(project.root / folder)
    return scan_added_lines(git, CommitId(base), CommitId(head) if head else None, **more)


def test_only_added_lines_count_and_the_secret_is_not_kept(project: SampleProject) -> None:
    base = project.head()
    project.write("a.py", f"one\nold = '{TOKEN}'\nthree\nnew = '{TOKEN}'\n")
    head = project.commit()

    found = scan(project, base, head=head)

    assert found.findings == (SecretFinding(path="a.py", line=4, kind="a GitHub token"),)
    assert TOKEN not in repr(found)


def test_a_line_that_is_removed_is_no_leak(project: SampleProject) -> None:
    base = project.head()
    project.write("a.py", "one\nthree\n")

    assert scan(project, base).findings == ()


def test_the_work_tree_counts_with_files_that_git_does_not_know_but_not_ignored_ones(project: SampleProject) -> None:
    base = project.head()
    project.write(".gitignore", "ignored\n")
    project.write("ignored", TOKEN)
    project.write("notes.txt", f"\n{TOKEN}")
    project.write("sub/b.txt", f"b\n{TOKEN}\n")

    found = {(one.path, one.line) for one in scan(project, base).findings}

    assert found == {("notes.txt", 2), ("sub/b.txt", 2)}


def test_a_commit_is_read_without_looking_at_the_work_tree(project: SampleProject) -> None:
    base = project.head()
    project.write("a.py", "one\n")
    head = project.commit()
    project.write("a.py", TOKEN)

    assert scan(project, base, head=head).findings == ()


def test_paths_are_relative_to_a_project_in_a_sub_folder_and_what_lies_outside_is_not_its_own(
    project: SampleProject,
) -> None:
    base = project.head()
    project.write("sub/b.txt", TOKEN)
    project.write("sub/new.txt", TOKEN)
    project.write("a.py", f"x\n{TOKEN} {TOKEN}\n")

    assert {one.path for one in scan(project, base, folder="sub").findings} == {"b.txt", "new.txt"}


def test_a_renamed_file_shows_only_what_was_added(project: SampleProject) -> None:
    base = project.head()
    lines = "".join(f"line {number}\n" for number in range(30))
    project.write("long.py", f"{TOKEN}\n{lines}")
    base = project.commit()
    project.git("mv", "long.py", "ünusual\tname.py")
    project.write("ünusual\tname.py", f"{TOKEN}\n{lines}glpat-{'x9-Z' * 5}\n")
    head = project.commit()

    assert scan(project, base, head=head).findings == (
        SecretFinding(path="ünusual\tname.py", line=32, kind="a GitLab token"),
    )


def test_an_attribute_that_calls_a_file_binary_hides_nothing(project: SampleProject) -> None:
    base = project.head()
    project.write(".gitattributes", "*.py binary -diff\n")
    project.write("a.py", f"x\n{TOKEN}\n")

    assert [one.line for one in scan(project, base).findings] == [2]


def test_bytes_that_are_no_text_are_skipped(project: SampleProject) -> None:
    base = project.head()
    (project.root / "image.png").write_bytes(b"\x89PNG\0\0" + TOKEN.encode() + b"\0\n")

    assert scan(project, base).findings == ()


def test_files_beyond_the_bound_are_named_and_small_ones_are_read_first(project: SampleProject) -> None:
    base = project.head()
    project.write("big.csv", "1,2,3\n" * 1000)
    project.write("a.py", TOKEN)
    (project.root / "big.bin").write_bytes(b"\0" * 7000)
    head = project.commit()

    found = scan(project, base, head=head, max_bytes=5000)

    assert found.unread == ("big.csv",)
    assert [one.path for one in found.findings] == ["a.py"]


def test_large_files_that_git_does_not_know_are_named_too(project: SampleProject) -> None:
    base = project.head()
    project.write("big.csv", "1,2,3\n" * 1000)
    (project.root / "big.bin").write_bytes(b"\0" * 7000)

    assert scan(project, base, max_bytes=5000).unread == ("big.csv",)


def test_links_and_odd_names_do_no_harm(project: SampleProject) -> None:
    base = project.head()
    (project.root / "link").symlink_to("/etc/passwd")
    (project.root / "gone").symlink_to("nowhere")
    project.write('quo"te\\ :(glob)*.py', TOKEN)
    head = project.commit()

    assert [one.path for one in scan(project, base, head=head).findings] == ['quo"te\\ :(glob)*.py']
    assert [one.path for one in scan(project, base).findings] == ['quo"te\\ :(glob)*.py']
