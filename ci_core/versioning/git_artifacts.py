"""The content of models that Git keeps rather than DVC, at a commit or in the work tree.

DVC's own files say nothing of them, so without this a model that a team commits as it is would never seem to change.
A model may be a folder of which Git keeps a part and DVC another.
"""

from __future__ import annotations

import hashlib
import stat
from dataclasses import replace
from typing import TYPE_CHECKING, Final

from ci_core.types import Digest

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from ci_core.types import CommitId
    from ci_core.versioning.git import GitRepository
    from ci_core.versioning.revision import RegisteredModel, TrackedFile

_LITERAL: Final = {"GIT_LITERAL_PATHSPECS": "1"}
_Found = dict[str, tuple[str, int | None]]
"""File, relative to the project → name of its content, and bytes."""
_DVC_NOTES: Final = (".dvc", ".gitignore")
"""What DVC writes beside the files that it keeps."""


def with_content(
    models: Iterable[RegisteredModel], git: GitRepository, commit: CommitId | None, *, tracked: Iterable[TrackedFile]
) -> tuple[RegisteredModel, ...]:
    """Return the models, with digest and size of those whose file or folder Git keeps, or some of whose files.

    Args:
        models: their paths are relative to the folder of `git`.
        git: the repository.
        commit: None for the work tree.
        tracked: what DVC keeps, files and folders; a model that is such, or in such, is left as it is.
    """
    models = tuple(models)
    kept = {file.path: file for file in tracked}
    wanted = {model.path for model in models if model.path and _may_be_gits(model.path, kept)}
    if not wanted:
        return models
    found = _in_work_tree(git, sorted(wanted)) if commit is None else _in_commit(git, commit, sorted(wanted))
    return tuple(_with_content(model, found, kept) if model.path in wanted else model for model in models)


def _may_be_gits(path: str, tracked: Mapping[str, TrackedFile]) -> bool:
    parts = path.split("/")
    if path.startswith(("/", "..")) or path == ".":  # outside of the project, or all of it
        return False
    return not any("/".join(parts[:end]) in tracked for end in range(1, len(parts) + 1))


def _in_commit(git: GitRepository, commit: CommitId, paths: list[str]) -> _Found:
    found: _Found = {}
    for line in git.run("ls-tree", "-r", "-l", "-z", commit, "--", *paths, check=False).names:
        about, _, name = line.partition("\t")
        mode, _, blob, size = about.split()
        if mode in {"100644", "100755"}:  # no links and no submodules
            found[name] = (blob, int(size))
    return found


def _in_work_tree(git: GitRepository, paths: list[str]) -> _Found:
    listing = ("ls-files", "--cached", "--others", "--exclude-standard", "-z", "--", *paths)
    sizes: dict[str, int] = {}
    for name in git.run(*listing, check=False, env=_LITERAL).names:
        try:
            about = (git.folder / name).lstat()
        except OSError:  # removed, and not from Git's index
            continue
        if stat.S_ISREG(about.st_mode) and "\n" not in name:
            sizes[name] = about.st_size
    if not sizes:
        return {}
    folder = git.folder.relative_to(
        git.top.resolve()
    ).as_posix()  # Git takes these names from its top, wherever it runs
    names = "".join(f"{folder}/{name}\n" for name in sizes).encode("utf-8", "surrogateescape")
    blobs = git.run("hash-object", "--stdin-paths", stdin=names).text.split()
    return {name: (blob, sizes[name]) for name, blob in zip(sizes, blobs, strict=True)}


def _with_content(model: RegisteredModel, found: _Found, tracked: Mapping[str, TrackedFile]) -> RegisteredModel:
    path = model.path or ""
    if path in found:
        blob, size = found[path]
        return replace(model, digest=Digest(f"git:{blob}"), size_bytes=size)
    of_dvc = [file for name, file in tracked.items() if name.startswith(f"{path}/")]
    if any(file.digest is None for file in of_dvc):  # a part of it was not made yet
        return model
    inside = {name: content for name, content in found.items() if name.startswith(f"{path}/")}
    if of_dvc:
        inside = {name: content for name, content in inside.items() if not name.endswith(_DVC_NOTES)}
    inside |= {file.path: (str(file.digest), file.size_bytes) for file in of_dvc}
    if not inside:
        return model
    listed = "".join(f"{content} {name}\0" for name, (content, _) in sorted(inside.items()))
    whole = hashlib.sha256(listed.encode("utf-8", "surrogateescape")).hexdigest()
    sizes = [size for _, size in inside.values() if size is not None]
    size_bytes = sum(sizes) if len(sizes) == len(inside) else None
    return replace(model, digest=Digest(f"sha256:{whole}.dir"), size_bytes=size_bytes)
