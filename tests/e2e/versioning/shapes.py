"""Both ways to read a project of an odd shape: from the work tree, and from a commit that is not checked out."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ci_core.testing.projects import SampleProject, make_project
from ci_core.types import CommitId
from ci_core.versioning.dvc import DvcProject
from ci_core.versioning.snapshot import take_snapshot

if TYPE_CHECKING:
    from pathlib import Path

    from ci_core.versioning.plots import Plot
    from ci_core.versioning.revision import Snapshot

PARAMS = {"params.yaml:prepare.keep": 40, "params.yaml:train.rate": 0.001, "params.yaml:train.steps": 3}

METRICS = {"metrics.json:mae": 6.345633, "metrics.json:test.rows": 20}


def both(project: SampleProject) -> list[Snapshot]:
    """Return the snapshot of the work tree, and that of the same files in a commit, read from another one."""
    before = take_snapshot(project.root)
    commit = project.commit()
    project.git("checkout", "-q", "HEAD~1")
    return [before, take_snapshot(project.root, commit)]


def both_plots(project: SampleProject) -> list[tuple[Plot, ...]]:
    """Return the plots of the work tree, and those of the same files in a commit, read from another one."""
    dvc = DvcProject(project.root)
    before = dvc.plots()
    commit = CommitId(project.commit())
    project.git("checkout", "-q", "HEAD~1")
    return [before, dvc.plots(commit)]


def append(project: SampleProject, path: str, text: str) -> None:
    """Write `text` behind what a file of the work tree has."""
    project.write(path, (project.root / path).read_text() + text)


def with_cached_metrics(folder: Path) -> SampleProject:
    """Make a project whose metrics and plot are in DVC's cache and remote alone."""
    project = make_project(folder)
    project.replace("dvc.yaml", "[{metrics.json: {cache: false}}]", "[metrics.json]")
    project.replace("dvc.yaml", "{cache: false, x: x,", "{x: x,")
    dvc = DvcProject(project.root)
    project.git("rm", "-q", "--cached", "metrics.json", "plots/errors.csv")
    with dvc.session("commit") as repo:
        repo.commit(force=True)
    dvc.push()
    project.commit()
    project.git("push", "-q")
    return project
