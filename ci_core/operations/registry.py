"""Write one tag of GTO's form to the registry of models: what registering a version and promoting have in common.

What stands already is not written again. A tag is only written on a commit whose results can be had by others: its
pipeline is not stale, and the DVC remote has its objects. With ``push`` the tag goes to the remote at once, or neither
clone nor remote keeps it. Used by ``operations/register.py`` and ``operations/promote.py``.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Literal

from ci_core.errors import (
    GitFailedError,
    MissingObjectsError,
    NoPipelineError,
    NotADvcProjectError,
    StalePipelineError,
    TagsNotFetchedError,
)
from ci_core.versioning import registry
from ci_core.versioning.git_tags import create_tag, delete_tag, list_tags, push_tag, remote_tags

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from ci_core.operations.project import Project
    from ci_core.types import CommitId
    from ci_core.versioning.git_tags import GitTag
    from ci_core.versioning.registry_grammar import RegistryTag

REMOTE: Final = "origin"
"""Where ``push`` sends tags."""
_ATTEMPTS: Final = 5
"""Times a tag is planned anew because another process of this clone took its name meanwhile."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TagOptions:
    """How a tag is written."""

    push: bool = False
    force: bool = False
    """Write it although the pipeline is stale, objects are missing, or another commit than the promoted one serves."""
    dry_run: bool = False
    message: str | None = None
    """The tag's text; None for one like GTO's own."""


@dataclass(frozen=True, slots=True, kw_only=True)
class WantedTag:
    """The tag that is to be there."""

    tag: RegistryTag
    version: str | None
    message: str
    stands: bool = False
    """Whether it is there already."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RegistryChange:
    """One tag, and what became of it."""

    tag: str
    """The tag's name: written, to be written, or standing already."""
    name: str
    """The artifact's full name."""
    version: str | None
    """The version that was registered or promoted; None for a promoted commit without one."""
    stage: str | None
    commit: CommitId
    outcome: Literal["written", "unchanged", "planned"]
    """``unchanged``: it stood already. ``planned``: a dry run."""
    pushed_to: str | None
    """The remote that has the tag now; None when it was not to be pushed."""


def write_tag(
    project: Project,
    name: str,
    commit: CommitId,
    plan: Callable[[Sequence[GitTag]], WantedTag],
    *,
    options: TagOptions,
    on_remote: Mapping[str, str],
) -> RegistryChange:
    """Plan the tag from those that there are, write it, and push it when asked to.

    Args:
        project: the project.
        name: the artifact's full name.
        commit: what the tag will be on.
        plan: from all tags of the artifact to the one that is to be there; called again when its name is taken
            meanwhile.
        options: how it is written.
        on_remote: from :func:`check_fetched`.

    Raises:
        PushRejectedError: somebody pushed a tag of that name meanwhile, or may and we may not.
        MissingIdentityError: Git does not know in whose name.
        and as :func:`check_results`, unless forced.
    """
    is_checked = options.force
    text = ""
    for _ in range(_ATTEMPTS):
        wanted = plan(list_tags(project.git, *registry.tags_of(name)))
        text = wanted.tag.text
        if wanted.stands:
            return _standing(project, wanted, commit, options=options, on_remote=on_remote)
        if not is_checked:
            check_results(project, commit)
            is_checked = True
        if options.dry_run:
            return _change(wanted, commit, "planned")
        made = create_tag(project.git, text, commit, options.message or wanted.message)
        if made is not None:
            if options.push:
                _push_or_remove(project, made)
            return _change(wanted, commit, "written", is_pushed=options.push)
    raise GitFailedError(command=f"git tag {text}", message="other processes kept taking the name of the tag")


def check_fetched(project: Project, name: str, options: TagOptions) -> dict[str, str]:
    """Return the remote's tags of an artifact when a tag is to be pushed, and make sure that all of them are here.

    Raises:
        TagsNotFetchedError: some are not, so nobody here knows what the next one is.
        GitRemoteError: the remote was not reached or lets us not in.
    """
    if not options.push:
        return {}
    patterns = registry.tags_of(name)
    there = remote_tags(project.git, patterns, remote=REMOTE)
    here = {tag.name: tag.object for tag in list_tags(project.git, *patterns)}
    missing = sorted(there.keys() - here.keys())
    different = sorted(tag for tag in there.keys() & here.keys() if there[tag] != here[tag])
    if missing or different:
        raise TagsNotFetchedError(remote=REMOTE, name=name, missing=missing, different=different)
    return there


def check_results(project: Project, commit: CommitId) -> None:
    """Make sure that what a commit names was made by it and can be fetched by others.

    Raises:
        StalePipelineError: stages did not run since their inputs moved.
        MissingObjectsError: the DVC remote lacks objects of the commit.
        NoDataRemoteError: there is no DVC remote, and there are objects that belong into it.
    """
    try:
        stale = project.dvc.stale(commit)
    except NotADvcProjectError:  # models that Git keeps have versions too
        return
    except NoPipelineError:
        stale = ()
    if stale:
        raise StalePipelineError(commit=commit, stages=[stage.name for stage in stale])
    missing = project.dvc.missing_objects(commit)
    if missing:
        raise MissingObjectsError(
            place=f"the DVC remote `{project.dvc.remote()}`",
            files=missing,
            hint="`dvc push` from a clone that has them; `--force` writes the tag all the same",
        )


def _standing(
    project: Project, wanted: WantedTag, commit: CommitId, *, options: TagOptions, on_remote: Mapping[str, str]
) -> RegistryChange:
    is_pushed = options.push and not options.dry_run
    if is_pushed and wanted.tag.text not in on_remote:
        push_tag(project.git, wanted.tag.text, remote=REMOTE)
    return _change(wanted, commit, "unchanged", is_pushed=is_pushed)


def _change(
    wanted: WantedTag,
    commit: CommitId,
    outcome: Literal["written", "unchanged", "planned"],
    *,
    is_pushed: bool = False,
) -> RegistryChange:
    return RegistryChange(
        tag=wanted.tag.text,
        name=wanted.tag.name,
        version=wanted.version,
        stage=wanted.tag.stage,
        commit=commit,
        outcome=outcome,
        pushed_to=REMOTE if is_pushed else None,
    )


def _push_or_remove(project: Project, tag: GitTag) -> None:
    try:
        push_tag(project.git, tag.name, remote=REMOTE)
    except BaseException:  # an interrupt, too: what was not pushed must not stand
        delete_tag(project.git, tag)
        raise
