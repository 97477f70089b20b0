"""Copy what DVC keeps of any commit out of its cache, without touching the work tree.

Copies, and no links: who gets them may write to them, and the cache must not change.
"""

from __future__ import annotations

import contextlib
import posixpath
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from ci_core.errors import MissingObjectsError
from ci_core.versioning._dvc_parse import old_locks_understood
from ci_core.versioning._dvc_remote import overlap, stores
from ci_core.versioning._dvc_session import translated

if TYPE_CHECKING:
    from collections.abc import Collection

    from ci_core.types import CommitId
    from ci_core.versioning.dvc import DvcProject

_FICLONE: Final = 0x40049409


def copy_tracked(dvc: DvcProject, commit: CommitId, paths: Collection[str], into: Path) -> tuple[str, ...]:
    """Write the files that DVC keeps below `paths` at `commit` to the same paths below `into`; return those written.

    What the cache lacks is fetched into it. Paths that DVC does not track are left out.

    Args:
        dvc: the project.
        commit: whose files.
        paths: files and folders, relative to the project.
        into: a folder, made when needed.

    Raises:
        NotADvcProjectError: there is no DVC project at that commit.
        MissingObjectsError: something is in neither the cache nor the remote; each is named by path and size.
        DataRemoteError: the remote cannot be reached or refuses.
    """
    copied: list[str] = []
    doing, remote = "fetch files of another commit", dvc.remote()
    with translated(doing, path=str(dvc.root), remote=remote):
        opened = stores(dvc.repo)
    with old_locks_understood(), dvc.session(doing, revision=commit, remote=remote) as repo:
        outs = [(dvc.path_of(repo, out.fs_path), out) for out in repo.index.outs if out.use_cache and out.hash_info]
        for path, out in outs:
            if path is None or not any(overlap(path, wanted) for wanted in paths):
                continue
            for file, source in _cached_files(repo, path, out, remote, opened.get(out.hash_name)):
                if any(overlap(file, wanted) for wanted in paths):
                    _copy(source, into / file)
                    copied.append(file)
    return tuple(sorted(copied))


def _cached_files(repo: Any, path: str, out: Any, remote: str | None, store: Any) -> list[tuple[str, Path]]:
    """Return the files of an output and where the cache has each; what it lacks is fetched first."""
    files = _files(path, out)
    if files is None and store is not None:
        _fetch(repo, store, {out.hash_info})
        files = _files(path, out)
    lacking = {file.digest for file in files or () if not file.source.exists()}
    if lacking and store is not None:
        _fetch(repo, store, lacking)
    lost = [(file.name, file.size_bytes) for file in files or () if not file.source.exists()]
    if files is None or lost:
        place = "the DVC cache" if remote is None else f"the DVC remote `{remote}`"
        hint = "push them from a clone that has them: `dvc push`"
        raise MissingObjectsError(place=place, files=lost or [(path, out.meta.size)], hint=hint)
    return [(file.name, file.source) for file in files]


def _fetch(repo: Any, store: Any, digests: set[Any]) -> None:
    from dvc_data.hashfile.db import get_index

    index = get_index(store)  # a note of what the remote is believed to hold
    index.clear()
    index.close()
    repo.cloud.pull(digests, odb=store)


@dataclass(frozen=True, slots=True, kw_only=True)
class _File:
    name: str
    size_bytes: int | None
    digest: Any
    """DVC's ``HashInfo``."""
    source: Path
    """Where the cache has it, or would."""


def _files(path: str, out: Any) -> list[_File] | None:
    """Return the files of an output; None when the list of a folder's files is not in the cache."""

    def file(name: str, size_bytes: int | None, digest: Any) -> _File:
        source = Path(out.cache.oid_to_path(digest.value))
        return _File(name=name, size_bytes=size_bytes, digest=digest, source=source)

    if not out.is_dir_checksum:
        return [file(path, out.meta.size, out.hash_info)]
    tree = out.get_obj()
    if tree is None:
        return None
    return [file(posixpath.join(path, *key), meta.size if meta else None, digest) for key, meta, digest in tree]


def _copy(source: Path, target: Path) -> None:
    """Copy a file: as a clone that shares its blocks where the file system can, else byte by byte."""
    target.parent.mkdir(parents=True, exist_ok=True)
    with source.open("rb") as reader, target.open("wb") as writer:
        with contextlib.suppress(OSError, ImportError):
            import fcntl  # not on every platform

            fcntl.ioctl(writer.fileno(), _FICLONE, reader.fileno())
            return
        shutil.copyfileobj(reader, writer, 1 << 20)
