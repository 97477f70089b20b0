"""Digest and size of what DVC keeps at a path, be it tracked by itself or a part of a folder that is.

DVC records a folder as a whole; what is in it is told by the folder's list, which is looked for in the cache, the work
tree and Git, and fetched if need be. Called for the models of each snapshot, and for those that a serving graph loads.
"""

from __future__ import annotations

import hashlib
import json
import tempfile
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from ci_core.errors import GraphshipError
from ci_core.types import Digest
from ci_core.versioning.data_files import MOST_FILES, Absent, DataFiles, Version
from ci_core.versioning.folder_lists import UnreadableListError, entries

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator, Mapping

    from ci_core.types import CommitId
    from ci_core.versioning.dvc import DvcProject
    from ci_core.versioning.folder_lists import Entry
    from ci_core.versioning.revision import RegisteredModel, TrackedFile


@dataclass(frozen=True, slots=True, kw_only=True)
class Content:
    """What is known of a path."""

    digest: Digest | None = None
    """As DVC gives it; of a folder inside of a folder that of its list, as if DVC kept it by itself."""
    size_bytes: int | None = None
    problem: str | None = None
    """Why there is no digest; None, too, when the stage that makes it has not run."""


def with_dvc_content(
    models: Iterable[RegisteredModel],
    dvc: DvcProject,
    tracked: Iterable[TrackedFile],
    *,
    commit: CommitId | None,
    git_commit: CommitId,
) -> tuple[RegisteredModel, ...]:
    """Return the models, with digest and size of those that DVC keeps; arguments as of :func:`contents`."""
    models = tuple(models)
    paths = {model.path for model in models if model.path}
    found = contents(paths, dvc, tracked, commit=commit, git_commit=git_commit)
    return tuple(
        replace(model, digest=known.digest, size_bytes=known.size_bytes, problem=known.problem)
        if model.path and (known := found.get(model.path))
        else model
        for model in models
    )


def contents(
    paths: Collection[str],
    dvc: DvcProject,
    tracked: Iterable[TrackedFile],
    *,
    commit: CommitId | None,
    git_commit: CommitId,
) -> dict[str, Content]:
    """Return what is known of those paths that DVC keeps by themselves or inside of a folder.

    Args:
        paths: relative to the project.
        dvc: the project.
        tracked: all that DVC keeps there.
        commit: where it is from; None for the work tree.
        git_commit: in which Git may keep a folder (``cache: false``): `commit`, or what is checked out.
    """
    keepers = {file.path: file for file in tracked}
    found, inside = dict[str, Content](), dict[str, list[str]]()
    for path in sorted(paths):
        if path in keepers:
            found[path] = Content(digest=keepers[path].digest, size_bytes=keepers[path].size_bytes)
        elif (keeper := next((folder for folder in _folders(path) if folder in keepers), None)) is not None:
            inside.setdefault(keeper, []).append(path)
    if inside:
        with tempfile.TemporaryDirectory(prefix="graphship-") as scratch:
            data = DataFiles(dvc, Path(scratch))
            for folder, wanted in inside.items():
                found |= _inside(data, keepers[folder], wanted, commit, git_commit)
    return found


def _folders(path: str) -> Iterator[str]:
    """Yield the folders that a path lies in, the nearest first."""
    while "/" in path:
        path = path.rpartition("/")[0]
        yield path


def _inside(
    data: DataFiles, folder: TrackedFile, wanted: list[str], commit: CommitId | None, git_commit: CommitId
) -> dict[str, Content]:
    if folder.digest is None:
        return dict.fromkeys(wanted, Content())
    version = Version(path=folder.path, digest=folder.digest, size_bytes=folder.size_bytes, commit=commit)
    try:
        members = _members(data, version, wanted, git_commit)
    except _UnknownListError as error:
        return dict.fromkeys(wanted, Content(problem=str(error)))
    countable = [entry for path in wanted if len(members[path]) <= MOST_FILES for entry in members[path]]
    sizes = data.sizes(version, countable) if countable else {}
    return {path: _content(version, path, members[path], sizes) for path in wanted}


class _UnknownListError(Exception):
    """The list of a folder cannot be had; the text is a sentence."""


def _members(data: DataFiles, version: Version, wanted: list[str], git_commit: CommitId) -> dict[str, list[Entry]]:
    """Return for each path the entries of the list that are this file, or lie in this folder.

    Raises:
        _UnknownListError: there is no list, or it is damaged.
    """
    what = f"the list of files in `{version.path}`"
    if not version.is_folder:
        raise _UnknownListError(f"it is not there: `{version.path}`, which DVC keeps, is a file")
    try:
        listed = data.folder_list(version, git_commit)
    except GraphshipError as error:
        raise _UnknownListError(f"{what} cannot be had: {error.fact}") from error
    if isinstance(listed, Absent):
        raise _UnknownListError(f"{what} {listed.reason}")
    names = {path.removeprefix(f"{version.path}/"): path for path in wanted}
    members: dict[str, list[Entry]] = {path: [] for path in wanted}
    try:
        for name, oid in entries(listed):
            for place in (name, *_folders(name)):
                if place in names:
                    members[names[place]].append((name, oid))
    except (UnreadableListError, OSError) as error:
        raise _UnknownListError(f"{what} cannot be read: {error}") from error
    return members


def _content(version: Version, path: str, members: list[Entry], sizes: Mapping[str, int]) -> Content:
    if not members:
        return Content(problem=f"it is not in the folder `{version.path}`, which DVC keeps")
    known = [sizes[oid] for _, oid in members if oid in sizes]
    size = sum(known) if len(known) == len(members) else None
    name = path.removeprefix(f"{version.path}/")
    if members[0][0] == name:
        return Content(digest=Digest(f"md5:{members[0][1]}"), size_bytes=size)
    # as DVC writes lists
    below = [{"md5": oid, "relpath": file.removeprefix(f"{name}/")} for file, oid in sorted(members)]
    whole = hashlib.md5(json.dumps(below).encode(), usedforsecurity=False).hexdigest()
    return Content(digest=Digest(f"md5:{whole}.dir"), size_bytes=size)
