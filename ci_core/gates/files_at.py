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
from typing import TYPE_CHECKING, Any, BinaryIO, Final, cast

from ci_core.yaml_source import parse_yaml

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ci_core.types import CommitId, JsonValue
    from ci_core.versioning.dvc import DvcProject
    from ci_core.versioning.git import GitRepository

_MAX_TEXT_BYTES: Final = 10_000_000
"""Of a file of settings or metrics."""
_MAX_BLOB_BYTES: Final = 200_000_000
"""Of a file in a commit, which Git gives at once; hosts take no larger ones."""


class RefusedFileError(Exception):
    """A file is there and is not read, or cannot be known; the text says why, beginning with "it"."""


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
        """Return the bytes of a text that Git keeps; None when it keeps none of that name, or one beyond 10 MB."""
        if self._commit is not None:
            size = self._blob_size(path)
            return None if size is None or size > _MAX_TEXT_BYTES else self._git.read_file(self._commit, path)
        try:
            with (self._git.folder / path).open("rb") as file:
                data = file.read(_MAX_TEXT_BYTES + 1)
        except OSError:
            return None
        return data if len(data) <= _MAX_TEXT_BYTES else None

    def open(self, path: str) -> BinaryIO | None:
        """Open a file for reading; None when it is not here.

        Raises:
            RefusedFileError: it lies outside the repository, is a link in a commit, or too large.
            GraphshipError: DVC cannot read the project at this commit.
            OSError: it is here and cannot be read.
        """
        with self._session(path) as repo:
            if self._commit is None and (file := self._git.folder / path).is_file():
                return file.open("rb")
            if self._commit is not None and (blob := self._blob(path)) is not None:
                return blob
            cached = self._dvc.cached(repo, self._info(repo, path))
        return cached.open("rb") if cached else None

    def size(self, path: str) -> int | None:
        """Return the bytes of a file, as DVC's records have them when the file itself is not here; None: no such file.

        Raises:
            RefusedFileError: it lies outside the repository, or its size cannot be known.
            GraphshipError: DVC cannot read the project at this commit.
        """
        with self._session(path) as repo:
            if self._commit is None and (file := self._git.folder / path).is_file():
                return file.stat().st_size
            info = self._info(repo, path)
            if isinstance(size := info.get("size"), int):
                return size
            if cached := self._dvc.cached(repo, info):
                return cached.stat().st_size
            if info:
                raise RefusedFileError("it is not in the cache, and its size is not recorded")
        return None

    def inside(self, folder: str, *, most: int) -> tuple[str, ...]:
        """Return the files in a folder, at most so many, as paths of the project, sorted.

        Raises:
            RefusedFileError: it lies outside the repository, or what is in it cannot be known.
            GraphshipError: DVC cannot read the project at this commit.
            OSError: a folder in it cannot be read.
        """
        with self._session(folder) as repo:
            here = self._git.folder / folder
            if self._commit is None and here.is_dir():
                walked = os.walk(here, onerror=_refuse)
                found = (posixpath.join(top, name) for top, _folders, names in walked for name in names)
                return tuple(sorted(os.path.relpath(path, self._git.folder) for path in islice(found, most)))
            try:
                names = islice(repo.dvcfs.find(self._root + folder), most)
                return tuple(sorted(str(name).removeprefix(self._root) for name in names))
            except FileNotFoundError as error:
                raise RefusedFileError("the list of its files is not here") from error

    def results(self) -> frozenset[str]:
        """Return the files that stages declare as metrics or plots.

        Raises:
            GraphshipError: DVC cannot read the project at this commit.
        """
        with self._dvc.session("read `dvc.yaml`", revision=self._commit) as repo:
            declared = [out.fs_path for out in repo.index.outs if out.metric or out.plot]
            return frozenset(filter(None, (self._dvc.path_of(repo, path) for path in declared)))

    def values(self, file: str) -> JsonValue:
        """Return what a metrics file holds, lists too, which DVC leaves out; None when it cannot be read.

        Raises:
            as :meth:`open`.
        """
        opened = self.open(file)
        if opened is None:
            return None
        with opened:
            data = opened.read(_MAX_TEXT_BYTES)
        with contextlib.suppress(ValueError, RecursionError):
            if file.endswith((".yaml", ".yml")):
                return parse_yaml(data, file=file).value
            if file.endswith(".toml"):
                return cast("JsonValue", tomllib.loads(data.decode()))
            return cast("JsonValue", json.loads(data))
        return None

    @property
    def _root(self) -> str:
        """Where the project lies in DVC's file system, with ``/`` at its end."""
        return f"/{self._dvc.prefix}/".replace("//", "/")

    @contextlib.contextmanager
    def _session(self, path: str) -> Iterator[Any]:
        """Give DVC's repository at the commit, when `path` may be read."""
        with self._dvc.session(f"read `{path}`", revision=self._commit) as repo:
            if problem := self._dvc.refusal(repo, path):
                raise RefusedFileError(problem)
            yield repo

    def _info(self, repo: Any, path: str) -> dict[str, Any]:
        """Return what DVC knows of a file; nothing of one that it does not know."""
        try:
            return dict(repo.dvcfs.info(self._root + path))
        except FileNotFoundError:
            return {}

    def _blob(self, path: str) -> BinaryIO | None:
        """Return a file of the commit; None when Git keeps none of that name."""
        size = self._blob_size(path)
        if size is not None and size > _MAX_BLOB_BYTES:
            raise RefusedFileError(
                f"it has {size:,} bytes, and files in Git of more than {_MAX_BLOB_BYTES:,} are not read"
            )
        data = None if size is None else self._git.read_file(str(self._commit), path)
        return None if data is None else io.BytesIO(data)

    def _blob_size(self, path: str) -> int | None:
        told = self._git.run("cat-file", "-s", f"{self._commit}:./{path}", check=False)
        return None if told.status else int(told.text)


def _refuse(error: OSError) -> None:
    raise error


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
