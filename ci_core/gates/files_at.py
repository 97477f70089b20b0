"""Read files of one version of a project: the work tree, or a commit that need not be checked out.

Git's files come from Git, DVC's from the work tree or DVC's cache. Nothing is fetched for a gate: what is not here is
told to be missing.
"""

from __future__ import annotations

import contextlib
import io
import json
import os
import posixpath
import tomllib
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO, Final, cast

from ci_core.yaml_source import parse_yaml

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ci_core.types import CommitId, JsonValue
    from ci_core.versioning.dvc import DvcProject
    from ci_core.versioning.git import GitRepository

_MOST_FILES: Final = 100_000
"""Of a folder; a folder of models has tens."""
_MAX_METRICS_BYTES: Final = 10_000_000


class FilesAt:
    """The files of a project at one commit.

    Args:
        git: the repository; its folder is the project's.
        dvc: the DVC project of the same folder.
        commit: None for the work tree.
    """

    def __init__(self, git: GitRepository, dvc: DvcProject, commit: CommitId | None) -> None:
        self._git, self._dvc, self._commit = git, dvc, commit

    def read(self, path: str) -> bytes | None:
        """Return the bytes of a file that Git keeps; None when it keeps none of that name."""
        if self._commit is not None:
            return self._git.read_file(self._commit, path)
        try:
            return (self._git.folder / path).read_bytes()
        except OSError:
            return None

    def open(self, path: str) -> BinaryIO | None:
        """Open a file for reading; None when it is not here.

        Raises:
            GraphshipError: DVC cannot read the project at this commit.
            OSError: it is here and cannot be read.
        """
        if self._commit is None and (file := self._git.folder / path).is_file():
            return file.open("rb")
        if self._commit is not None and (data := self._git.read_file(self._commit, path)) is not None:
            return cast("BinaryIO", io.BytesIO(data))
        with self._kept(path) as (repo, info):
            cached = _cached(repo, info)
        return cached.open("rb") if cached else None

    def size(self, path: str) -> int | None:
        """Return the bytes of a file, as DVC's records have them when the file itself is not here; None: no such file.

        Raises:
            GraphshipError: DVC cannot read the project at this commit.
        """
        if self._commit is None and (file := self._git.folder / path).is_file():
            return file.stat().st_size
        with self._kept(path) as (_repo, info):
            size = info.get("size")
        return size if isinstance(size, int) else None

    def inside(self, folder: str) -> tuple[str, ...]:
        """Return the files in a folder, as paths of the project, sorted.

        Raises:
            GraphshipError: DVC cannot read the project at this commit.
        """
        here = self._git.folder / folder
        if self._commit is None and here.is_dir():
            found = (posixpath.join(top, name) for top, _folders, names in os.walk(here) for name in names)
            return tuple(sorted(os.path.relpath(path, self._git.folder) for path in islice(found, _MOST_FILES)))
        with self._session(folder) as (repo, root):
            try:
                names = islice(repo.dvcfs.find(root + folder), _MOST_FILES)
                return tuple(sorted(str(name).removeprefix(root) for name in names))
            except FileNotFoundError:
                return ()

    def results(self) -> frozenset[str]:
        """Return the files that stages declare as metrics or plots.

        Raises:
            GraphshipError: DVC cannot read the project at this commit.
        """
        with self._session("dvc.yaml") as (repo, _root):
            declared = [out.fs_path for out in repo.index.outs if out.metric or out.plot]
            return frozenset(filter(None, (self._dvc.path_of(repo, path) for path in declared)))

    def values(self, file: str) -> JsonValue:
        """Return what a metrics file holds, lists too, which DVC leaves out; None when it cannot be read.

        Raises:
            GraphshipError: DVC cannot read the project at this commit.
        """
        opened = self.open(file)
        if opened is None:
            return None
        with opened:
            data = opened.read(_MAX_METRICS_BYTES)
        with contextlib.suppress(ValueError, RecursionError):
            if file.endswith((".yaml", ".yml")):
                return parse_yaml(data, file=file).value
            if file.endswith(".toml"):
                return cast("JsonValue", tomllib.loads(data.decode()))
            return cast("JsonValue", json.loads(data))
        return None

    @contextlib.contextmanager
    def _session(self, path: str) -> Iterator[tuple[Any, str]]:
        """Give DVC's repository at the commit, and where the project lies in it, with ``/`` at its end."""
        with self._dvc.session(f"read `{path}`", revision=self._commit) as repo:
            yield repo, f"/{self._dvc.prefix}/".replace("//", "/")

    @contextlib.contextmanager
    def _kept(self, path: str) -> Iterator[tuple[Any, dict[str, Any]]]:
        """Give DVC's repository and what it knows of a file; nothing of one that it does not know."""
        with self._session(path) as (repo, root):
            try:
                info = repo.dvcfs.info(root + path)
            except FileNotFoundError:
                info = {}
            yield repo, info


def at_key(value: JsonValue, key: str) -> JsonValue:
    """Return the value at a dotted key; names may hold dots themselves. None when there is none.

    >>> at_key({"cv": {"roc.auc": [1]}}, "cv.roc.auc")
    [1]
    """
    if not isinstance(value, dict):
        return None
    if key in value:
        return cast("JsonValue", value[key])
    for end in (place for place, character in enumerate(key) if character == "."):
        if key[:end] in value and (found := at_key(value[key[:end]], key[end + 1 :])) is not None:
            return found
    return None


def _cached(repo: Any, info: dict[str, Any]) -> Path | None:
    """Return where DVC's cache has the content of a file; None when it has not."""
    for name, store in (("md5", repo.cache.local), ("md5-dos2unix", repo.cache.legacy)):
        digest = info.get(name) or info.get("md5")
        if isinstance(digest, str) and (path := Path(store.oid_to_path(digest))).is_file():
            return path
    return None
