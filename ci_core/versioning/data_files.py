"""Find the content of data that DVC knows by its digest: in the cache, the work tree, Git or the remote.

Used by ``operations/data_diff.py`` and ``dvc_contents.py``. Only what is asked for is fetched, and only up to a size.
Links that lead out of the repository, or out of the cache, are refused.
"""

from __future__ import annotations

import contextlib
import hashlib
import itertools
import posixpath
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ci_core.errors import GraphshipError
from ci_core.versioning import _dvc_objects, git_folders
from ci_core.versioning.folder_lists import UnreadableListError, entries
from ci_core.versioning.git import GitRepository

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from ci_core.types import CommitId, Digest
    from ci_core.versioning._dvc_objects import RemoteObject
    from ci_core.versioning.dvc import DvcProject
    from ci_core.versioning.folder_lists import Entry

MOST_FILES = 2000
"""Files of a folder that are looked for one by one."""
MOST_FETCHED_BYTES = 1_000_000_000
"""Size of a file or folder up to which it is fetched when the cache does not have it."""
MOST_FETCHED_IN_ALL_BYTES = 4_000_000_000
"""What is fetched for one comparison, all files together."""
MOST_GIT_BYTES = 64_000_000
"""Size of a file that Git keeps up to which it is read."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Version:
    """One version of a file or folder that DVC knows."""

    path: str
    """Relative to the project."""
    digest: Digest | None
    size_bytes: int | None
    """As recorded."""
    commit: CommitId | None
    """Where it is from; None: the work tree."""

    @property
    def is_folder(self) -> bool:
        """Whether it is a folder that DVC keeps as one."""
        return (self.digest or "").endswith(".dir")


@dataclass(frozen=True, slots=True)
class Absent:
    """Why content cannot be had."""

    reason: str
    """Completes "base's version …": ``is in neither the cache nor the remote``."""
    size_bytes: int | None = None


Files = tuple[tuple[str, "Path"], ...]
"""Name inside the folder (of a single file: its own name) and where its content lies, a file and no link."""


class DataFiles:
    """Finds content for one project.

    Args:
        dvc: the project.
        scratch: a folder of the caller's, for what Git keeps.
    """

    def __init__(self, dvc: DvcProject, scratch: Path) -> None:
        self._dvc, self._scratch = dvc, scratch
        self._made = self._fetched_bytes = 0

    def folder_list(self, version: Version, commit: CommitId | None = None) -> Path | Absent:
        """Return the list of what is in a folder.

        Args:
            version: of the folder.
            commit: in which Git may keep the folder; the version's own by default.
        """
        oid = _dvc_objects.object_id(version.digest)
        if oid is None:
            return Absent("has no digest that DVC could have given")
        return (
            self._cached([oid]).get(oid)
            or self._list_of_work_tree(version, oid)
            or self._list_of_git(version, commit or version.commit)
            or self._fetched(version, [oid])
        )

    def members(self, version: Version) -> list[Entry] | Absent:
        """Return name and object of the first files of a folder, at most one more than :data:`MOST_FILES`."""
        listed = self.folder_list(version)
        if isinstance(listed, Absent):
            return listed
        try:
            return list(itertools.islice(entries(listed), MOST_FILES + 1))
        except (UnreadableListError, OSError) as error:
            return Absent(f"cannot be read: {error}")

    def files(self, version: Version, members: Sequence[Entry] = ()) -> Files | Absent:
        """Return the files of a version.

        Args:
            version: what is wanted.
            members: the wanted files, when it is a folder.
        """
        if version.is_folder:
            return self._files_of_folder(version, members)
        oid = _dvc_objects.object_id(version.digest)
        if oid is None:
            return Absent("was never made" if version.digest is None else "has no digest that DVC could have given")
        name = posixpath.basename(version.path)
        place = self._cached([oid]).get(oid) or self._on_disk(version, version.path) or self._in_git(version)
        place = place or self._fetched(version, [oid])
        return place if isinstance(place, Absent) else ((name, place),)

    def sizes(self, version: Version, members: Sequence[Entry]) -> dict[str, int]:
        """Return the bytes of files of a folder, by their objects, as far as cache, work tree, Git or remote tell them.

        Nothing is fetched for it, and a remote that cannot be reached tells nothing.
        """
        found = {oid: place.stat().st_size for oid, place in self._at_hand(version, members).items()}
        missing = {oid for _, oid in members} - set(found)
        if missing and (remote := self._dvc.remote()):
            with contextlib.suppress(GraphshipError), self._dvc.session("ask for sizes", remote=remote) as repo:
                own = _dvc_objects.remote_of(repo, str(self._dvc.root / version.path))
                told = _dvc_objects.in_remote(repo, missing, own)
                found |= {oid: one.size_bytes for oid, one in told.items() if one.size_bytes is not None}
        return found

    def _at_hand(self, version: Version, members: Sequence[Entry]) -> dict[str, Path]:
        """Return where the content of files of a folder lies, by their objects, as far as it is on this machine."""
        places = self._cached([oid for _, oid in members])
        for name, oid in members:
            if oid not in places and (on_disk := self._on_disk(version, f"{version.path}/{name}")):
                places[oid] = on_disk
        if version.commit is not None and any(oid not in places for _, oid in members):
            places |= self._files_in_git(version, {name: oid for name, oid in members if oid not in places})
        return places

    def _files_of_folder(self, version: Version, members: Sequence[Entry]) -> Files | Absent:
        if len(members) > MOST_FILES:
            return Absent(f"has more than {MOST_FILES:,} files", version.size_bytes)
        places = self._at_hand(version, members)
        if missing := [oid for _, oid in members if oid not in places]:
            fetched = self._fetched(version, missing)
            if isinstance(fetched, Absent):
                return fetched
            places |= self._cached(missing)
        return tuple((name, places[oid]) for name, oid in members)

    def _cached(self, oids: list[str]) -> dict[str, Path]:
        found = ((oid, _dvc_objects.cached(self._dvc.repo, oid)) for oid in oids)
        return {oid: place for oid, place in found if place is not None}

    def _on_disk(self, version: Version, path: str) -> Path | None:
        """Return the file of the work tree; None for a link that leads out of the repository and out of the cache."""
        if version.commit is not None:
            return None
        try:
            place = (self._dvc.root / path).resolve(strict=True)
        except (OSError, ValueError, RuntimeError):
            return None
        inside = any(place.is_relative_to(top) for top in (self._dvc.root, *self._cache_folders()))
        return place if inside and place.is_file() else None

    def _cache_folders(self) -> list[Path]:
        return [_dvc_objects.folder(store) for store in (self._dvc.repo.cache.local, self._dvc.repo.cache.legacy)]

    def _list_of_work_tree(self, version: Version, oid: str) -> Path | None:
        """Make the list of a folder of the work tree that was never added to the cache."""
        if version.commit is not None or not (self._dvc.root / version.path).is_dir():
            return None
        with self._dvc.session(f"list {version.path}") as repo:
            text = _dvc_objects.listed_on_disk(repo, str(self._dvc.root / version.path), oid)
        return None if text is None else self._write(text)

    def _in_git(self, version: Version) -> Path | Absent | None:
        if version.commit is None:
            return None
        git = GitRepository(self._dvc.root)
        said = git.run("cat-file", "-s", f"{version.commit}:./{version.path}", check=False)
        if said.status:
            return None
        if (size := int(said.text)) > MOST_GIT_BYTES:
            return Absent("is too large to read from Git", size)
        content = git.read_file(version.commit, version.path)
        return None if content is None else self._write(content)

    def _list_of_git(self, version: Version, commit: CommitId | None) -> Path | Absent | None:
        """Make the list of a folder that Git keeps; None unless it is the one that DVC recorded."""
        if commit is None:
            return None
        git = GitRepository(self._dvc.root)
        files = git_folders.files_of(git, commit, version.path)
        if not files:
            return None
        if (size := sum(file.size_bytes for file in files.values())) > MOST_GIT_BYTES:
            return Absent("is too large to read from Git", size)
        text = git_folders.dvc_list(git, files)
        is_recorded = f"md5:{hashlib.md5(text, usedforsecurity=False).hexdigest()}.dir" == version.digest
        return self._write(text) if is_recorded else None

    def _files_in_git(self, version: Version, wanted: Mapping[str, str]) -> dict[str, Path]:
        """Return those of some files of a folder that Git has with the content that DVC recorded, by their objects."""
        if version.commit is None:
            return {}
        git = GitRepository(self._dvc.root)
        files = git_folders.files_of(git, version.commit, version.path)
        files = {name: file for name, file in files.items() if name in wanted}
        if sum(file.size_bytes for file in files.values()) > MOST_GIT_BYTES:
            return {}
        return {
            wanted[name]: self._write(content)
            for name, content in git_folders.contents(git, files)
            if hashlib.md5(content, usedforsecurity=False).hexdigest() == wanted[name]
        }

    def _write(self, content: bytes) -> Path:
        self._made += 1
        place = self._scratch / f"content-{self._made}"
        place.write_bytes(content)
        return place.resolve()

    def _fetched(self, version: Version, oids: list[str]) -> Path | Absent:
        """Fetch some objects of a version; return where the first of them is."""
        remote = self._dvc.remote()
        if remote is None:
            return Absent("is not in the cache, and there is no default DVC remote", version.size_bytes)
        try:
            with self._dvc.session(f"fetch {version.path}", remote=remote) as repo:
                own = _dvc_objects.remote_of(repo, str(self._dvc.root / version.path))
                wanted = {oid for oid in oids if _dvc_objects.cached(repo, oid) is None}
                found = _dvc_objects.in_remote(repo, wanted, own)
                lacking = len(wanted) - len(found)
                refused = self._refusal(version, found) if not lacking else None
                if not lacking and refused is None:
                    _dvc_objects.fetch(repo, found)
        except GraphshipError as error:
            reason = "; ".join((error.fact, *error.known[:1]))
            return Absent(f"is not in the cache, and the remote could not give it: {reason}", version.size_bytes)
        if refused is not None:
            return refused
        places = self._cached(oids)
        if missing := lacking or len(set(oids)) - len(places):
            some = "" if len(oids) == 1 else f"in part ({missing:,} of {len(oids):,} files) "
            return Absent(f"is {some}in neither the cache nor the remote", version.size_bytes)
        return places[oids[0]]

    def _refusal(self, version: Version, found: Mapping[str, RemoteObject]) -> Absent | None:
        """Return why objects are not fetched for a comparison; else count them as fetched.

        What the remote says of their size counts: the recorded one is text that anybody may have written.
        """
        sizes = [one.size_bytes for one in found.values() if one.size_bytes is not None]
        if len(sizes) < len(found):
            return Absent("is not in the cache, and the remote does not say how large it is", version.size_bytes)
        size = sum(sizes)
        if size > MOST_FETCHED_BYTES:
            return Absent("is not in the cache and too large to fetch for a comparison", size)
        if self._fetched_bytes + size > MOST_FETCHED_IN_ALL_BYTES:
            return Absent("is not in the cache, and enough was fetched for one comparison", size)
        self._fetched_bytes += size
        return None
