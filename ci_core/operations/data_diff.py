"""What changed inside the data: tables by their content, folders by their lists.

Runs after two snapshots were compared: only what differs is opened, one file at a time. What cannot be had is told in a
`problem`, and everything else goes on.
"""

from __future__ import annotations

import posixpath
import tempfile
from dataclasses import dataclass, replace
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, ParamSpec, TypeVar

from ci_core.errors import GraphshipError, MissingExtraError
from ci_core.monitoring.table_diff import TableDiff, table_format
from ci_core.reports.text import size
from ci_core.versioning.data_files import Absent, DataFiles, Version
from ci_core.versioning.difference import FolderDiff
from ci_core.versioning.folder_lists import UnreadableListError, folder_difference

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping

    from ci_core.monitoring.table_diff import TableFormat
    from ci_core.types import CommitId
    from ci_core.versioning.data_files import Files
    from ci_core.versioning.difference import FileDiff, SnapshotDiff
    from ci_core.versioning.dvc import DvcProject
    from ci_core.versioning.folder_lists import Entry

MOST_TABLES = 50
"""Tables of one change that are compared; more are named with a problem."""


def with_folders(dvc: DvcProject, diff: SnapshotDiff) -> SnapshotDiff:
    """Return the difference with :attr:`FileDiff.folder` filled for each folder that is on both sides and differs.

    Args:
        dvc: the project.
        diff: what differs between two snapshots of it.
    """
    if not any(map(_is_changed_folder, (*diff.data, *diff.outputs))):
        return diff
    with tempfile.TemporaryDirectory(prefix="graphship-") as scratch:
        data = DataFiles(dvc, Path(scratch))
        base = None if diff.base is None else diff.base.commit
        head = diff.head.commit

        def filled(files: tuple[FileDiff, ...]) -> tuple[FileDiff, ...]:
            return tuple(
                replace(file, folder=_folder(data, file, base, head)) if _is_changed_folder(file) else file
                for file in files
            )

        return replace(diff, data=filled(diff.data), outputs=filled(diff.outputs))


def _is_changed_folder(file: FileDiff) -> bool:
    is_folder = all((digest or "").endswith(".dir") for digest in (file.old_digest, file.new_digest))
    return is_folder and file.old_digest != file.new_digest and not file.is_result


def _folder(data: DataFiles, file: FileDiff, base: CommitId | None, head: CommitId) -> FolderDiff:
    nothing = FolderDiff(old_bytes=file.old_bytes, new_bytes=file.new_bytes)
    lists = []
    # A list is taken only if it is the very one, so it does not matter whether head is a commit or the work tree.
    sides = (("base", _version(file, base, is_old=True), base), ("head", _version(file, None, is_old=False), head))
    for side, version, commit in sides:
        found = _tried(data.folder_list, version, commit)
        if isinstance(found, Absent):
            return replace(nothing, problem=_sentence(side, replace(found, size_bytes=None)))
        lists.append(found)
    try:
        return folder_difference(*lists, old_bytes=file.old_bytes, new_bytes=file.new_bytes)
    except (UnreadableListError, OSError) as error:
        return replace(nothing, problem=str(error))


def compare_content(
    dvc: DvcProject,
    diff: SnapshotDiff,
    *,
    base: CommitId,
    head: CommitId | None,
    ignore: Mapping[str, Collection[str]] = MappingProxyType({}),
) -> tuple[TableDiff, ...]:
    """Compare the content of each table that differs, in the order of `diff`; metrics and plots are none.

    Tables are Parquet, CSV, TSV and JSON-lines files by their names, and folders that hold files of one such kind
    alone. What the cache does not have is fetched, up to a size (``data_files.py``).

    Args:
        dvc: the project.
        diff: what differs between two snapshots of it.
        base: the older commit.
        head: the newer one; None: the work tree.
        ignore: path of a table, relative to the project → columns whose values are not compared.
    """
    ignored = {posixpath.normpath(path): columns for path, columns in ignore.items()}
    files = (file for file in (*diff.data, *diff.outputs) if not file.is_result)
    changed = [file for file in files if file.old_digest != file.new_digest]
    found: list[TableDiff] = []
    with tempfile.TemporaryDirectory(prefix="graphship-") as scratch:
        data = DataFiles(dvc, Path(scratch))
        for file in changed:
            versions = {
                "base": _version(file, base, is_old=True) if file.change != "added" else None,
                "head": _version(file, head, is_old=False) if file.change != "removed" else None,
            }
            if not any(version and _may_be_table(version) for version in versions.values()):
                continue
            if len(found) >= MOST_TABLES:
                found.append(TableDiff(path=file.path, problem=f"{MOST_TABLES} tables are, and no more"))
                continue
            table = _table(data, file.path, versions, ignored.get(file.path, ()))
            found += [] if table is None else [table]
    return tuple(found)


def _may_be_table(version: Version) -> bool:
    return version.is_folder or table_format(version.path) is not None


def _version(file: FileDiff, commit: CommitId | None, *, is_old: bool) -> Version:
    return Version(
        path=(file.old_path or file.path) if is_old else file.path,
        digest=file.old_digest if is_old else file.new_digest,
        size_bytes=file.old_bytes if is_old else file.new_bytes,
        commit=commit,
    )


def _table(
    data: DataFiles, path: str, versions: Mapping[str, Version | None], ignore: Collection[str]
) -> TableDiff | None:
    """Return how a table differs; None when it is known to be none: a folder of other things."""
    there = {side: version for side, version in versions.items() if version is not None}
    looks = {side: _look(data, version) for side, version in there.items()}
    if all(look.is_none for look in looks.values()):
        return None
    absent = {side: look.absent for side, look in looks.items() if look.absent is not None}
    files: dict[str, tuple[TableFormat, Files]] = {}
    for side, look in looks.items():
        if look.format is None or absent:  # then nothing is worth fetching
            continue
        located = _tried(data.files, there[side], look.members)
        if isinstance(located, Absent):
            absent[side] = located
        else:
            files[side] = look.format, located
    if absent:
        reasons = (_sentence(side, absent[side]) for side in there if side in absent)
        return TableDiff(path=path, problem="; ".join(reasons))
    return _compared(path, files, ignore)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Look:
    """What a version's names say: a table, none, or nothing because they cannot be had."""

    format: TableFormat | None = None
    members: tuple[Entry, ...] = ()
    absent: Absent | None = None
    """Why it is no table that could be compared."""
    is_none: bool = False
    """Whether it is known to be no table."""


def _look(data: DataFiles, version: Version) -> _Look:
    """Look at the names of a version; a folder's own notes (``_SUCCESS``, ``.gitkeep``) are no part of a table."""
    if not version.is_folder:
        kind = table_format(version.path)
        reason = "was never made" if version.digest is None else "is no table by its name"
        return _Look(format=kind) if kind else _Look(is_none=True, absent=Absent(reason))
    members = _tried(data.members, version)
    if isinstance(members, Absent):
        return _Look(absent=members)
    visible = tuple(entry for entry in members if not entry[0].rpartition("/")[2].startswith(("_", ".")))
    kinds = {table_format(name) for name, _ in visible}
    if len(kinds) == 1 and None not in kinds:
        return _Look(format=kinds.pop(), members=visible)
    reason = "has files that are not of one table" if visible else "has no files"
    return _Look(is_none=True, absent=Absent(reason))


def _compared(path: str, sides: Mapping[str, tuple[TableFormat, Files]], ignore: Collection[str]) -> TableDiff:
    try:
        from ci_core.monitoring.table_content import compare_versions
        from ci_core.monitoring.table_files import TableFiles
    except ImportError as error:
        missing = MissingExtraError(extra="monitor", module=error.name or "duckdb")
        return TableDiff(path=path, problem=f"{missing.fact}; {missing.hint}")
    old, new = (
        None if side not in sides else TableFiles(kind=sides[side][0], files=sides[side][1])
        for side in ("base", "head")
    )
    return compare_versions(path, old, new, ignore=ignore)


_Args = ParamSpec("_Args")
_Found = TypeVar("_Found")


def _tried(find: Callable[_Args, _Found], *args: _Args.args, **kwargs: _Args.kwargs) -> _Found | Absent:
    """Return what was found, or why a remote, Git or DVC refused: that stops one table, not the comparison."""
    try:
        return find(*args, **kwargs)
    except GraphshipError as error:
        return Absent("; ".join((f"cannot be had: {error.fact}", *error.known[:1])))


def _sentence(side: str, absent: Absent) -> str:
    extent = "" if absent.size_bytes is None else f" ({size(absent.size_bytes)})"
    return f"{side}'s version {absent.reason}{extent}"
