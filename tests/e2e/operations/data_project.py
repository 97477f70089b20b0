"""A DVC project of which one revision has other data, and what is told of its tables."""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING

from ci_core.operations.data_diff import compare_content
from ci_core.testing.projects import SampleProject, make_project
from ci_core.types import CommitId
from ci_core.versioning.compare import compare
from ci_core.versioning.dvc import DvcProject
from ci_core.versioning.snapshot import take_snapshot

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from ci_core.monitoring.table_diff import TableDiff
    from ci_core.versioning.difference import SnapshotDiff


def with_new_raw_data(folder: Path, rows: str) -> tuple[SampleProject, CommitId, CommitId]:
    """Commit other rows of `data/raw.csv`."""
    project = make_project(folder)
    base = CommitId(project.head())
    (project.root / "data/raw.csv").unlink()
    project.write("data/raw.csv", rows)
    DvcProject(project.root).add(["data/raw.csv"])
    return project, base, CommitId(project.commit())


def difference(project: SampleProject, base: str, head: str | None) -> tuple[DvcProject, SnapshotDiff]:
    """Return the open project, too: what it read is kept for the next question."""
    dvc = DvcProject(project.root)
    return dvc, compare(take_snapshot(project.root, base, dvc=dvc), take_snapshot(project.root, head, dvc=dvc))


def tables(project: SampleProject, base: CommitId, head: CommitId | None) -> tuple[TableDiff, ...]:
    dvc, diff = difference(project, base, head)
    return compare_content(dvc, diff, base=base, head=head)


def kept_by_git(
    project: SampleProject, output: str, versions: Sequence[Mapping[str, str]]
) -> tuple[CommitId, CommitId]:
    """Commit two versions of a stage's output with ``cache: false``; nothing of it is ever in a cache."""
    stage = f"\n  keep:\n    cmd: cp -r src/{output} {output}\n    deps: [src]\n"
    stage += f"    outs: [{{{output}: {{cache: false}}}}]\n"
    project.write("dvc.yaml", (project.root / "dvc.yaml").read_text().rstrip() + stage)
    commits = []
    for files in versions:
        shutil.rmtree(project.root / "src", ignore_errors=True)
        for name, content in files.items():
            project.write(f"src/{name}", content)
        with DvcProject(project.root).session("run a stage") as repo:
            repo.reproduce("keep")
        commits.append(CommitId(project.commit()))
    return commits[0], commits[1]


def with_changed_parts(
    folder: Path, old: Mapping[str, str], new: Mapping[str, str]
) -> tuple[SampleProject, CommitId, CommitId]:
    """Commit two versions of the folder `data/parts`, which DVC keeps."""
    project = make_project(folder)
    commits = []
    for files in (old, new):
        shutil.rmtree(project.root / "data/parts", ignore_errors=True)
        for name, content in files.items():
            project.write(f"data/parts/{name}", content)
        DvcProject(project.root).add(["data/parts"])
        commits.append(CommitId(project.commit()))
    return project, commits[0], commits[1]
