"""Register a version of a model: name, commit and version are found, then one tag ``churn@v1.2.0`` is written."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ci_core.errors import (
    DirtyWorkTreeError,
    InvalidArtifactNameError,
    InvalidVersionError,
    NotADvcProjectError,
    SeveralModelsError,
    UnknownNameError,
    VersionTakenError,
)
from ci_core.operations.registry import WantedTag, check_fetched, write_tag
from ci_core.versioning import registry
from ci_core.versioning.registry_grammar import FIRST_VERSION, RegistryTag, as_version, bump, is_artifact, version_order

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

    from ci_core.operations.project import Project
    from ci_core.operations.registry import RegistryChange, TagOptions
    from ci_core.types import CommitId
    from ci_core.versioning.git_tags import GitTag
    from ci_core.versioning.registry_grammar import Part
    from ci_core.versioning.registry_state import Artifact


def register(
    project: Project,
    name: str | None = None,
    *,
    version: str | None = None,
    part: Part | None = None,
    revision: str | None = None,
    options: TagOptions,
) -> RegistryChange:
    """Register a version of a model at a commit.

    Args:
        project: the project.
        name: the model's name, in full or, when it is the only one of that name, without its folder; None for the
            project's only model, or for the project itself when it declares none.
        version: the version; None for the next one.
        part: what of the newest version grows; None for ``patch``, and ``v0.0.1`` when there is no version yet.
        revision: the commit; None for the one that is checked out, whose work tree must be clean.
        options: how the tag is written.

    Raises:
        InvalidVersionError: `version` is not one.
        DirtyWorkTreeError: the version would not be what is in the work tree.
        UnknownNameError, SeveralModelsError, InvalidArtifactNameError: it is not clear what is registered.
        VersionTakenError: the version, or the commit, is registered otherwise already.
        GraphshipError: as ``check_fetched``, ``check_results`` and ``write_tag`` raise.
    """
    chosen = None if version is None else as_version(version)
    if version is not None and chosen is None:
        raise InvalidVersionError(version=version)
    if revision is None and project.git.dirty_digest() is not None:
        raise DirtyWorkTreeError(path=str(project.root))
    commit = project.git.head() if revision is None else project.git.resolve(revision)
    full = _full_name(project, name, commit)
    on_remote = check_fetched(project, full, options)

    def plan(tags: Sequence[GitTag]) -> WantedTag:
        return plan_version(
            registry.read_artifact(full, tags), commit, version=chosen, part=part, taken={tag.name for tag in tags}
        )

    return write_tag(project, full, commit, plan, options=options, on_remote=on_remote)


def plan_version(
    artifact: Artifact, commit: CommitId, *, version: str | None, part: Part | None, taken: Collection[str]
) -> WantedTag:
    """Return the tag of a version (pure).

    Args:
        artifact: what stands already.
        commit: what gets the version.
        version: the one that is asked for; None for the next.
        part: what of the newest version grows.
        taken: names of tags that there are, of any kind.

    Raises:
        VersionTakenError: the version, or the commit, is registered otherwise already.
    """
    standing = artifact.version_of(commit)
    if standing is not None and version in {None, standing}:
        return _wanted(artifact, standing, stands=True)
    following = _following(artifact, part, taken)
    if version is None:
        return _wanted(artifact, following)
    there = artifact.versions.get(version) or artifact.withdrawn.get(version)
    hint = f"take another one, such as `{following}`"
    if version in artifact.withdrawn:
        reason = "this version was withdrawn"
    elif there is not None:
        reason = f"this version stands for `{there[:12]}`"
    elif _tag(artifact, version).text in taken:
        reason = "there is a tag of that name, which is not of the registry"
    elif standing is not None:
        reason = f"it is `{standing}` already, and a commit has one version"
        hint = f"withdraw the other first: `gto deprecate {artifact.name} {standing}`"
    else:
        return _wanted(artifact, version)
    raise VersionTakenError(name=artifact.name, version=version, commit=commit, reason=reason, hint=hint)


def _following(artifact: Artifact, part: Part | None, taken: Collection[str]) -> str:
    newest = artifact.newest() or max(artifact.withdrawn, key=version_order, default=None)
    version = bump(newest or "v0.0.0", part or "patch") if newest or part else FIRST_VERSION
    while version in artifact.withdrawn or version in artifact.versions or _tag(artifact, version).text in taken:
        version = bump(version, part or "patch")
    return version


def _tag(artifact: Artifact, version: str) -> RegistryTag:
    return RegistryTag(name=artifact.name, action="register", version=version)


def _wanted(artifact: Artifact, version: str, *, stands: bool = False) -> WantedTag:
    message = f"Registering artifact {artifact.name} version {version}"
    return WantedTag(tag=_tag(artifact, version), version=version, message=message, stands=stands)


def _full_name(project: Project, name: str | None, commit: CommitId) -> str:
    """Return the full name of the model that is meant; `commit` says which are declared."""
    try:
        declared = sorted(registry.full_name(project.git, one) for one in project.dvc.artifacts(commit))
    except NotADvcProjectError:
        declared = []
    if name is None and len(declared) > 1:
        raise SeveralModelsError(names=declared)
    if name is None:
        full = declared[0] if declared else project.settings.name
    else:
        alike = [full for full in declared if full.endswith((f"/{name}", f":{name}"))]
        full = alike[0] if len(alike) == 1 and name not in declared else name
        known = sorted({*declared, *registry.read_names(project.git), project.settings.name})
        if full not in known:
            where = "`artifacts` of dvc.yaml, and tags of the registry"
            raise UnknownNameError(kind="model", name=name, known_names=known, where=where)
    if not is_artifact(full):
        raise InvalidArtifactNameError(name=full)
    return full
