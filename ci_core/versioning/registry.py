"""The registry of models, kept in Git tags as GTO keeps it: read for a commit, and written.

``registered_models`` is called for each snapshot; ``read_artifacts``, ``next_counter`` and what writes, by
``operations/registry.py``. What a tag means stands in ``registry_grammar.py``, what all of them come to in
``registry_state.py``. Lightweight tags are no part of the registry, as for GTO; their names are taken all the same.
"""

from __future__ import annotations

import posixpath
import re
from dataclasses import dataclass
from types import MappingProxyType
from typing import TYPE_CHECKING, Final

from ci_core.errors import GitFailedError
from ci_core.versioning.git_tags import GitTag, has_no_tags_on_purpose, list_tags, tags_before
from ci_core.versioning.registry_grammar import artifact_in_tag, parse_tag
from ci_core.versioning.registry_state import Artifact, TagEvent, artifacts
from ci_core.versioning.revision import RegisteredModel

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping, Sequence

    from ci_core.types import CommitId
    from ci_core.versioning.git import GitRepository
    from ci_core.versioning.registry_grammar import RegistryTag
    from ci_core.versioning.revision import DeclaredArtifact

_ALL: Final = ("refs/tags/**/*[@#]*", "refs/tags/**/*[@#]*/**")
"""Tags that may be of the registry: hardly any other name has such a character, so Git opens none in vain."""
_SHOWN: Final = 3
"""Tags that a sentence names."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RegisteredModels:
    """What the registry has for one commit."""

    models: tuple[RegisteredModel, ...] = ()
    """Sorted by name."""
    problems: tuple[str, ...] = ()
    """What could not be read, one sentence each."""


def registered_models(
    git: GitRepository, commit: CommitId, declared: Sequence[DeclaredArtifact] = ()
) -> RegisteredModels:
    """Return the models that a commit knows, with the versions and stages that tags give them.

    A version counts when its tag is on this commit or on one that it comes from; a stage is what it is now. Models
    that only tags know are listed when one of their tags is on such a commit, and when their folder is in the project.

    Args:
        git: the repository, opened in the project's folder.
        commit: the commit of the snapshot.
        declared: what the ``dvc.yaml`` files of that commit name.
    """
    named = {full_name(git, artifact): artifact for artifact in declared}
    try:
        tags = list_tags(git, *_ALL)
    except GitFailedError as error:  # a tag whose object is gone: the rest of the snapshot can be read all the same
        models = tuple(_model(name, named[name], None, ()) for name in sorted(named))
        reason = next(iter(error.known), error.fact)
        return RegisteredModels(models=models, problems=(f"versions and stages of models: {reason}",))
    if not tags and not named:
        return RegisteredModels()
    before = tags_before(git, commit, *_ALL) if tags else frozenset()
    visible = {tag.commit for tag in tags if tag.commit and tag.name in before}
    known = artifacts(events(tags))
    prefix = _folder(git)
    names = {name for name, artifact in known.items() if _is_within(name, prefix) and artifact.commits & visible}
    models = tuple(_model(name, named.get(name), known.get(name), visible) for name in sorted({*named, *names}))
    problems = [*_unseen(git, commit, models, has_tags=bool(tags)), *_odd_tags(tags, {*named, *known})]
    return RegisteredModels(models=models, problems=tuple(problems))


def full_name(git: GitRepository, artifact: DeclaredArtifact) -> str:
    """Return what the registry calls an artifact: its folder is relative to the top of the repository."""
    folder = posixpath.normpath(posixpath.join(_folder(git), artifact.folder))
    return artifact.name if folder == "." else f"{folder}:{artifact.name}"


def tags_of(name: str) -> tuple[str, ...]:
    """Return the patterns of all tags of one artifact."""
    in_tag = artifact_in_tag(name)
    return f"refs/tags/{in_tag}@*", f"refs/tags/{in_tag}#*", f"refs/tags/{in_tag}#*/**"


def read_names(git: GitRepository) -> frozenset[str]:
    """Return the names of all artifacts that tags know."""
    return frozenset(event.tag.name for event in events(list_tags(git, *_ALL)))


def read_artifact(name: str, tags: Iterable[GitTag]) -> Artifact:
    """Return all that the given tags say of one artifact; nothing is known of a name without tags."""
    nothing: Mapping[str, CommitId] = MappingProxyType({})
    return artifacts(event for event in events(tags) if event.tag.name == name).get(name) or Artifact(
        name=name,
        versions=nothing,
        withdrawn=nothing,
        stages=MappingProxyType({}),
        commits=frozenset(),
        is_deprecated=False,
    )


def next_counter(name: str, tags: Iterable[GitTag]) -> int:
    """Return the number of the next stage tag of an artifact: one more than any of its tags has."""
    parsed = (parse_tag(tag.name) for tag in tags)
    return max((tag.counter for tag in parsed if tag and tag.name == name and tag.counter is not None), default=0) + 1


def newest_assignment(name: str, stage: str, commit: CommitId, tags: Iterable[GitTag]) -> RegistryTag:
    """Return the newest tag that assigns a stage to a commit, which must be among `tags`."""
    wanted = (name, stage, "assign", commit)
    found = (one for one in events(tags) if (one.tag.name, one.tag.stage, one.tag.action, one.commit) == wanted)
    return max(found, key=lambda one: one.order).tag


def events(tags: Iterable[GitTag]) -> list[TagEvent]:
    """Return what annotated tags of the registry's form say."""
    return [
        TagEvent(tag=parsed, commit=tag.commit, at=tag.at)
        for tag in tags
        if tag.commit is not None and (parsed := parse_tag(tag.name)) is not None
    ]


def _model(
    name: str, declared: DeclaredArtifact | None, known: Artifact | None, visible: Collection[CommitId]
) -> RegisteredModel:
    version = known.newest(visible) if known else None
    return RegisteredModel(
        name=name,
        path=declared.path if declared else None,
        type=declared.type if declared else None,
        description=declared.description if declared else None,
        labels=declared.labels if declared else (),
        version=version,
        version_commit=known.versions[version] if known and version else None,
        stages=MappingProxyType({stage: now.label for stage, now in known.stages.items()} if known else {}),
        is_deprecated=known.is_deprecated if known else False,
    )


def _folder(git: GitRepository) -> str:
    folder = git.folder.relative_to(git.top.resolve()).as_posix()
    return "" if folder == "." else folder


def _is_within(name: str, prefix: str) -> bool:
    folder, _, _ = name.rpartition(":")
    return not prefix or folder == prefix or folder.startswith(f"{prefix}/")


def _unseen(
    git: GitRepository, commit: CommitId, models: Iterable[RegisteredModel], *, has_tags: bool
) -> Iterable[str]:
    """Say when a clone may lack the tags, or the history that leads to them: then nothing is called unregistered."""
    unsure = [model.name for model in models if model.version_commit != commit]
    if not unsure:
        return
    if git.is_shallow():
        yield (
            f"versions of {_listed(unsure)} on older commits are not seen, since this clone is shallow: "
            "fetch the whole history with its tags, `git fetch --unshallow --tags`"
        )
    elif not has_tags and has_no_tags_on_purpose(git):
        yield (
            f"versions and stages of {_listed(unsure)} are not known, since this clone was made without tags: "
            "`git fetch --tags`"
        )


def _odd_tags(tags: Iterable[GitTag], names: Collection[str]) -> Iterable[str]:
    """Name tags that begin like one of a known model and are none."""
    odd, light = [], []
    for tag in tags:
        parsed = parse_tag(tag.name)
        if (
            parsed is None
            and not tag.name.endswith("@created")
            and re.split("[@#]", tag.name, maxsplit=1)[0].replace("=", ":") in names
        ):
            odd.append(tag.name)
        elif parsed is not None and tag.commit is None:
            light.append(tag.name)
    if odd:
        yield f"{_listed(odd)}: not of the form of a registry tag, such as `churn@v1.2.0` or `churn#production#3`"
    if light:
        yield f"{_listed(light)}: not an annotated tag on a commit (`git tag -a`), so the registry has nothing of it"


def _listed(names: Sequence[str]) -> str:
    more = f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else ""
    return ", ".join(f"`{name}`" for name in names[:_SHOWN]) + more
