"""Put the parts of a snapshot together: Git says which commit, DVC what is in it."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from ci_core.errors import GraphshipError
from ci_core.versioning.dvc import DvcProject
from ci_core.versioning.dvc_contents import with_dvc_content
from ci_core.versioning.environment import LOOKED_FOR, read_environment
from ci_core.versioning.git import GitRepository
from ci_core.versioning.git_artifacts import with_content
from ci_core.versioning.registry import registered_models
from ci_core.versioning.revision import CodeVersion, Snapshot

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from ci_core.types import CommitId


def take_snapshot(
    root: Path, rev: str | None = None, *, dvc: DvcProject | None = None, git: GitRepository | None = None
) -> Snapshot:
    """Return the exact versions of everything at a commit, without checking it out, or in the work tree.

    Args:
        root: the project's folder.
        rev: a revision; None for the work tree, which is marked dirty when it differs from its commit.
        dvc: the project's DVC side when it is open already.
        git: the project's Git side when it is open already; its folder is `root`.

    Raises:
        NotARepositoryError, NoCommitYetError: there is nothing that has a version.
        UnknownRevisionError: there is no such revision in this clone.
        NotADvcProjectError: there is no DVC project, here or at that revision.
        InvalidDvcFileError: a file of DVC's cannot be understood.
    """
    git = git or GitRepository(root)
    commit = git.head() if rev is None else git.resolve(rev)
    at = None if rev is None else commit
    project = dvc or DvcProject(root)
    state = project.read(at)

    environment = read_environment(
        _reader(git, root, at),
        running=f"{sys.version_info.major}.{sys.version_info.minor}",
    )
    registered = registered_models(git, commit, state.artifacts)
    tracked = (*state.data, *state.outputs)
    models = with_dvc_content(registered.models, project, tracked, commit=at, git_commit=commit)
    return Snapshot(
        code=CodeVersion(commit=commit, dirty=git.dirty_digest() if rev is None else None),
        data=state.data,
        outputs=state.outputs,
        params=state.params,
        metrics=state.metrics,
        environment=environment,
        stages=state.stages,
        models=with_content(models, git, at, tracked=tracked),
        stale=tuple(stage.name for stage in state.stale),
        problems=(
            *state.problems,
            *([environment.problem] if environment.problem else []),
            *registered.problems,
            *(f"artifact `{model.name}`, `{model.path}`: {model.problem}" for model in models if model.problem),
            *([] if rev is None else _ambiguities(git, rev)),
        ),
    )


def _reader(git: GitRepository, root: Path, commit: CommitId | None) -> Callable[[str], bytes | None]:
    """Return what gives a file of the project, of the work tree or of a commit, by its path; None for one not there.

    Git is asked once which of the files a snapshot looks for are in the commit, and then only for those.
    """
    if commit is None:
        return lambda path: (root / path).read_bytes() if (root / path).is_file() else None
    present = set(git.run("ls-tree", "--name-only", "-z", commit, "--", *LOOKED_FOR).names)
    return lambda path: git.read_file(commit, path) if path in present else None


def _ambiguities(git: GitRepository, rev: str) -> list[str]:
    """Say when a name is that of a tag and of a branch: Git takes the tag."""
    refs = git.run("for-each-ref", "--format=%(refname)", f"refs/tags/{rev}", f"refs/heads/{rev}", check=False).text
    both = {f"refs/tags/{rev}", f"refs/heads/{rev}"} <= set(refs.split("\n"))
    return [f"`{rev}` is a tag and a branch: the tag was read"] if both else []


def snapshot_or_problem(
    root: Path, rev: str, *, dvc: DvcProject | None = None, git: GitRepository | None = None
) -> tuple[Snapshot | None, str | None]:
    """Return the snapshot of a revision that is only wanted for comparison, or one sentence why it cannot be had.

    A head must be readable; a base that is not (cut off by a shallow clone, older than the DVC project, a broken file)
    is told in the report and leaves the rest of the work to be done.
    """
    try:
        return take_snapshot(root, rev, dvc=dvc, git=git), None
    except GraphshipError as error:
        reasons = (error.fact, *error.known[:1], *([error.hint] if error.hint else []))
        return None, f"the base `{rev}` could not be read: {'; '.join(reasons)}"
