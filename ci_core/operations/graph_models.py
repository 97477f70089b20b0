"""Models that serving graphs load and no snapshot names: inside of folders that DVC keeps as one, or kept by Git."""

from __future__ import annotations

import posixpath
from dataclasses import replace
from typing import TYPE_CHECKING

from ci_core.versioning.difference import ModelDiff
from ci_core.versioning.dvc_contents import with_dvc_content
from ci_core.versioning.git_artifacts import with_content
from ci_core.versioning.revision import RegisteredModel

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable

    from ci_core.operations.project import Project
    from ci_core.serving.spec import GraphSpec
    from ci_core.types import CommitId
    from ci_core.versioning.difference import Change
    from ci_core.versioning.revision import Snapshot


def changed_models(
    project: Project,
    graphs: tuple[GraphSpec | None, GraphSpec | None],
    *,
    base: Snapshot,
    head: Snapshot,
    commit: CommitId | None,
) -> tuple[ModelDiff, ...]:
    """Return what differs of models that graphs load, as models without a name, sorted by path.

    Left out are those that DVC keeps by themselves and those that are artifacts on both sides: what differs between the
    snapshots has them.

    Args:
        project: the project and its adapters.
        graphs: of base and head, as far as they are known.
        base: the older side.
        head: the newer side.
        commit: what `head` is of: None for the work tree.
    """
    before, after = (frozenset(map(posixpath.normpath, graph.models)) if graph else frozenset() for graph in graphs)
    tracked = {file.path for side in (base, head) for file in (*side.data, *side.outputs)}
    artifacts = {model.path for model in base.models} & {model.path for model in head.models}
    paths = sorted((before | after) - tracked - artifacts)
    if not paths:
        return ()
    olds = _at(project, paths, base, base.code.commit, loaded=before)
    news = _at(project, paths, head, commit, loaded=after)
    return tuple(
        ModelDiff(name="", change=_change(old, new), old=old, new=new)
        for old, new in zip(olds, news, strict=True)
        if (old.digest, old.problem) != (new.digest, new.problem)
    )


def unknown_contents(models: Iterable[ModelDiff]) -> tuple[str, ...]:
    """Return what is not known of such models, one sentence each."""
    sides = ((side, model) for one in models for side, model in (("base", one.old), ("head", one.new)) if model)
    return tuple(f"{side}: model `{model.path}`: {model.problem}" for side, model in sides if model.problem)


def _at(
    project: Project, paths: list[str], side: Snapshot, commit: CommitId | None, *, loaded: Collection[str]
) -> tuple[RegisteredModel, ...]:
    """Return what is at some paths; that one is not there is no problem where no graph loads it."""
    files = (*side.data, *side.outputs)
    models = [RegisteredModel(name="", path=path) for path in paths]
    known = with_dvc_content(models, project.dvc, files, commit=commit, git_commit=side.code.commit)
    known = with_content(known, project.git, commit, tracked=files)
    return tuple(model if model.path in loaded else replace(model, problem=None) for model in known)


def _change(old: RegisteredModel, new: RegisteredModel) -> Change:
    if old.problem or new.problem or (old.digest and new.digest):
        return "changed"
    return "added" if new.digest else "removed"
