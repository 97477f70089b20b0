"""The example projects: what their histories hold, and that their clones are complete."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from ci_core.versioning.base_revision import find_base
from ci_core.versioning.dvc import DvcProject
from ci_core.versioning.git import GitRepository
from ci_core.versioning.snapshot import take_snapshot
from examples.build import SOURCES, build

if TYPE_CHECKING:
    from pathlib import Path

    from examples.build import Example

pytestmark = pytest.mark.e2e


def test_a_fresh_clone_has_every_commit_with_nothing_stale_and_nothing_unreadable(example: Example) -> None:
    clone = example.repository.clone("fresh")

    snapshots = [take_snapshot(example.at(clone), commit) for commit in example.commits.values()]

    assert [snapshot.stale for snapshot in snapshots] == [()] * len(snapshots)
    assert [snapshot.problems for snapshot in snapshots] == [()] * len(snapshots)
    assert all(snapshot.metrics and snapshot.params and snapshot.data for snapshot in snapshots)


def test_the_remote_has_every_object_of_the_change(example: Example) -> None:
    clone = example.repository.clone("of-the-change")
    clone.git("checkout", "-q", "change")

    DvcProject(example.at(clone)).pull()

    assert clone.git("status", "--short") == ""
    assert take_snapshot(example.at(clone)) == take_snapshot(example.at(clone), "HEAD")


def test_the_change_began_before_main_went_on(example: Example) -> None:
    git = GitRepository(example.root)

    assert find_base(git, "change").commit == example.commits["more-data"]
    assert git.head() == example.commits["main"]
    assert git.resolve("change") == example.commits["change"]


def test_an_example_has_few_words_and_a_small_configuration(example: Example) -> None:
    readme = (SOURCES / example.name / "README.md").read_text(encoding="utf-8")
    configuration = (example.root / "graphship.yaml").read_text(encoding="utf-8")

    assert len(readme.splitlines()) <= 25
    assert len(configuration.splitlines()) <= 8


def test_a_destination_that_holds_something_is_refused(tmp_path: Path) -> None:
    (tmp_path / "mine.txt").write_text("mine")

    with pytest.raises(FileExistsError):
        build("one-stage", tmp_path)
