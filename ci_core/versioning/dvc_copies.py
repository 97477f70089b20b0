"""Copy what DVC keeps of any commit to a folder, without touching the work tree.

Copies, and no links: who gets them may write to them, and the cache must not change.
"""

from __future__ import annotations

import contextlib
import shutil
import tempfile
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Final, TypeVar

from ci_core.errors import DvcFailedError
from ci_core.versioning import _dvc_read
from ci_core.versioning._dvc_parse import old_locks_understood
from ci_core.versioning._dvc_remote import overlap
from ci_core.versioning.data_files import Absent, DataFiles, Version

if TYPE_CHECKING:
    from collections.abc import Collection

    from ci_core.types import CommitId
    from ci_core.versioning.dvc import DvcProject

_Found = TypeVar("_Found")

_FICLONE: Final = 0x40049409
"""The system call of Linux that clones a file, see ioctl_ficlone(2)."""


def copy_tracked(dvc: DvcProject, commit: CommitId, paths: Collection[str], into: Path) -> tuple[str, ...]:
    """Write the files that DVC knows below `paths` at `commit` to the same paths below `into`; return those written.

    What the cache lacks is fetched into it, see :class:`~ci_core.versioning.data_files.DataFiles`. Paths that DVC does
    not track are left out.

    Args:
        dvc: the project.
        commit: whose files.
        paths: files and folders, relative to the project.
        into: a folder, made when needed.

    Raises:
        NotADvcProjectError: there is no DVC project at that commit.
        DvcFailedError: something is in neither the cache nor the remote; it is named.
        DataRemoteError: the remote cannot be reached or refuses.
    """
    with old_locks_understood(), dvc.session("list the files of another commit", revision=commit) as repo:
        data, outputs = _dvc_read.tracked_files(repo, dvc.prefix)
    wanted = [file for file in (*data, *outputs) if any(overlap(file.path, path) for path in paths)]
    copied: list[str] = []
    with tempfile.TemporaryDirectory(prefix="graphship-") as scratch:
        found = DataFiles(dvc, Path(scratch))
        for file in wanted:
            version = Version(path=file.path, digest=file.digest, size_bytes=file.size_bytes, commit=commit)
            for name, source in _sources(found, version, paths):
                _copy(source, name, into)
                copied.append(name)
    return tuple(sorted(copied))


def _sources(found: DataFiles, version: Version, paths: Collection[str]) -> list[tuple[str, Path]]:
    """Return path and content of the files of a version that lie below `paths`."""
    if not version.is_folder:
        ((_, source),) = _there(version, found.files(version))
        return [(version.path, source)]
    members = _there(version, found.members(version))
    chosen = [member for member in members if any(overlap(f"{version.path}/{member[0]}", path) for path in paths)]
    return [(f"{version.path}/{name}", source) for name, source in _there(version, found.files(version, chosen))]


def _there(version: Version, found: _Found | Absent) -> _Found:
    if isinstance(found, Absent):
        raise DvcFailedError(
            doing=f"bring `{version.path}` of {(version.commit or '')[:7]}", message=f"it {found.reason}"
        )
    return found


def _copy(source: Path, name: str, into: Path) -> None:
    """Copy a file: as a clone that shares its blocks where the file system can, else byte by byte.

    A name, or a link that Git keeps, which leads out of the folder is left out.
    """
    target = into / name
    if ".." in PurePosixPath(name).parts or not target.parent.resolve().is_relative_to(into.resolve()):
        return
    target.parent.mkdir(parents=True, exist_ok=True)
    target.unlink(missing_ok=True)  # rather than written through, if it is a link
    with source.open("rb") as reader, target.open("wb") as writer:
        with contextlib.suppress(OSError, ImportError):
            import fcntl  # not on every platform

            fcntl.ioctl(writer.fileno(), _FICLONE, reader.fileno())
            return
        shutil.copyfileobj(reader, writer, 1 << 20)
