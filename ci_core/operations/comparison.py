"""Compare two revisions of a project in everything that a reviewer wants to know.

Called by ``graphship diff``, ``graphship report`` and the report on a change request. Nothing is run but, unless it is
left out, the requests through both serving graphs, each in a process of its own.
"""

from __future__ import annotations

from contextlib import nullcontext
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Literal

from ci_core.errors import GraphshipError
from ci_core.operations.data_diff import compare_content, with_folders
from ci_core.operations.graph_models import changed_models, unknown_contents
from ci_core.operations.ignored_columns import ignored_columns
from ci_core.versioning.base_revision import find_base
from ci_core.versioning.compare import compare
from ci_core.versioning.snapshot import snapshot_or_problem, take_snapshot

if TYPE_CHECKING:
    from collections.abc import Collection

    from ci_core.behaviour.spec import Behaviour
    from ci_core.monitoring.table_diff import TableDiff
    from ci_core.operations.project import Project
    from ci_core.serving.spec import GraphSpec
    from ci_core.types import CommitId
    from ci_core.versioning.difference import ModelDiff, SnapshotDiff
    from ci_core.versioning.plots import Plot
    from ci_core.versioning.revision import Snapshot

Part = Literal["tables", "graph", "behaviour", "plots"]
"""What costs more than reading two snapshots, and may be left out."""
_SHOWN_FILES = 5
PARTS: tuple[Part, ...] = ("tables", "graph", "behaviour", "plots")


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparison:
    """Two revisions side by side."""

    base: Snapshot | None
    """None when it could not be read; ``diff.base_problem`` says why."""
    head: Snapshot
    commit: CommitId | None
    """What `head` is of: None for the work tree."""
    diff: SnapshotDiff
    tables: tuple[TableDiff, ...] = ()
    behaviour: Behaviour | None = None
    graph_models: tuple[ModelDiff, ...] = ()
    """Models that the graphs load, that differ, and that ``diff`` does not know."""
    base_plots: tuple[Plot, ...] | None = None
    head_plots: tuple[Plot, ...] | None = None
    """None when they are left out, or could not be read: that is not the same as none declared."""
    base_graph: GraphSpec | None = None
    head_graph: GraphSpec | None = None
    """The serving graphs; None when neither side has one, or it could not be loaded; one without steps when only the
    other side has one."""
    problems: tuple[str, ...] = ()
    """What could not be read beside the snapshots, one sentence each."""


def compare_named(
    project: Project, base: str | None, head: str | None, *, without: Collection[Part] = ()
) -> Comparison:
    """Return what differs between two revisions as a person names them.

    Args:
        project: the project and its adapters.
        base: a revision, which must be readable; None for where the work on `head` began, and for the reason if that
            cannot be read.
        head: a revision; None for the work tree.
        without: parts to leave out.

    Raises:
        GraphshipError: a revision that was named, or the head, cannot be read.
    """
    commit = None if head is None else project.git.resolve(head)
    old: Snapshot | None
    if base is not None:
        old, problem = take_snapshot(project.root, base, dvc=project.dvc, git=project.git), None
    else:
        old, problem = base_snapshot(project, head or "HEAD")
    return compare_revisions(project, old, commit, base_problem=problem, without=without)


def base_snapshot(project: Project, head: str, *, branch: str | None = None) -> tuple[Snapshot | None, str | None]:
    """Return the snapshot of where the work on `head` began, or one sentence on why there is none.

    Args:
        project: the project and its adapters.
        head: a revision.
        branch: the branch it will be merged into; the default branch by default.
    """
    chosen = find_base(project.git, head, branch=branch)
    if chosen.commit is None:
        return None, chosen.problem
    base, problem = snapshot_or_problem(project.root, chosen.commit, dvc=project.dvc, git=project.git)
    if base is not None and chosen.note is not None:
        base = replace(base, problems=(*base.problems, chosen.note))
    return base, problem


def compare_revisions(
    project: Project,
    base: Snapshot | None,
    head: CommitId | None,
    *,
    base_problem: str | None = None,
    head_graph: GraphSpec | None = None,
    without: Collection[Part] = (),
) -> Comparison:
    """Return what differs from `base` to `head`.

    Args:
        project: the project and its adapters.
        base: the older side; None when it could not be read.
        head: a commit, which is not checked out for it; None for the work tree.
        base_problem: why `base` is None, one sentence.
        head_graph: the head's serving graph, when it is loaded already.
        without: parts to leave out. Without ``behaviour`` the graphs are loaded all the same; without ``graph``
            neither happens.

    Raises:
        GraphshipError: the head cannot be read.
    """
    base_commit = base.code.commit if base is not None else None
    with project.dvc.standing_still() if head is None else nullcontext():
        after = take_snapshot(project.root, head, dvc=project.dvc, git=project.git)
        head_plots, head_problem = (None, None) if "plots" in without else _plots(project, head, "head")
    diff = compare(base, after, gates=project.settings.gates.metrics, base_problem=base_problem)
    tables: tuple[TableDiff, ...] = ()
    if base_commit is not None and "tables" not in without:
        diff = with_folders(project.dvc, diff)
        ignored = ignored_columns(project, base_commit, head)
        found = compare_content(project.dvc, diff, base=base_commit, head=head, ignore=ignored.decided)
        tables = ignored.noted(found)
    behaviour = _behaviour(project, base_commit, head, without)
    graphs = (behaviour.base_graph, head_graph or behaviour.head_graph) if behaviour else (None, head_graph)
    models = changed_models(project, graphs, base=base, head=after, commit=head) if base is not None else ()
    if behaviour is not None and head_graph is not None:  # it can be loaded, if not without the secrets of this job
        behaviour = replace(behaviour, head_failure=None, head_exit_code=None)
    base_plots, base_plots_problem = None, None
    if base_commit is not None and "plots" not in without:
        base_plots, base_plots_problem = _plots(project, base_commit, "base")
    return Comparison(
        base=base,
        head=after,
        commit=head,
        diff=diff,
        tables=tables,
        behaviour=behaviour,
        graph_models=models,
        base_graph=graphs[0],
        head_graph=graphs[1],
        base_plots=base_plots,
        head_plots=head_plots,
        problems=(
            *(problem for problem in (_unrecorded(after), base_plots_problem, head_problem) if problem),
            *unknown_contents(models),
        ),
    )


def _behaviour(
    project: Project, base: CommitId | None, head: CommitId | None, without: Collection[Part]
) -> Behaviour | None:
    """Load the graphs, and ask them unless that is left out; the head's also when there is no base to compare with."""
    if "graph" in without:
        return None
    # Imported when it is wanted: it comes with a fifth of what this program consists of.
    from ci_core.operations.behaviour import compare_behaviour

    return compare_behaviour(project, base=base, head=head, sends="behaviour" not in without)


def _unrecorded(head: Snapshot) -> str | None:
    """Return which data of the work tree no commit names: what is said of it is not said of the commit."""
    files = [f"`{file.path}`" for file in (*head.data, *head.outputs) if file.is_unrecorded]
    if not files:
        return None
    shown = ", ".join(files[:_SHOWN_FILES]) + (
        f" and {len(files) - _SHOWN_FILES} more" if len(files) > _SHOWN_FILES else ""
    )
    return (
        f"the work tree holds other data than its commit names: {shown}; `dvc checkout` brings back what is recorded, "
        "`dvc add` or `graphship run` records what is there"
    )


def _plots(project: Project, revision: CommitId | None, side: str) -> tuple[tuple[Plot, ...] | None, str | None]:
    """Return the plots of a side, or why they cannot be had: no reason to keep the rest of the report back."""
    try:
        return project.dvc.plots(revision), None
    except GraphshipError as error:
        return None, f"no plots of the {side}: {error.fact}"
