"""The files of a commit in a folder of their own, without touching the work tree, the index or the list of work trees.

Git writes them out of an index that is thrown away afterwards, so filters (Git LFS, line ends) apply as in a checkout,
and a run that is killed leaves nothing behind in the repository. Submodules stay empty.
"""

from __future__ import annotations

import os
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Final

from ci_core.errors import NotADvcProjectError
from ci_core.versioning.dvc_copies import copy_tracked

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable

    from ci_core.types import CommitId
    from ci_core.versioning.dvc import DvcProject
    from ci_core.versioning.git import GitRepository

MOST_FILES: Final = 20_000
MOST_BYTES: Final = 500_000_000
"""Of a project, as Git keeps it. Of a larger one the folder of the graph is written, all Python files, and what the
graph names."""


class CommitTree:
    """The files of one commit below a folder.

    Args:
        git: of the project's folder.
        dvc: of the same.
        commit: whose files.
        folder: gets them, at the places that they have in the repository; empty or not there.
    """

    def __init__(self, git: GitRepository, dvc: DvcProject, commit: CommitId, folder: Path) -> None:
        self._git, self._dvc, self._commit = git, dvc, commit
        self.top = folder
        """Stands for the top folder of the work tree."""
        self.root = folder / git.folder.relative_to(git.top.resolve())
        """Stands for the project's folder."""
        self._sizes = self._list()

    @property
    def names(self) -> frozenset[str]:
        """The files that Git keeps of the project."""
        return frozenset(self._sizes)

    def write(self, code_folder: str) -> None:
        """Write what Git keeps of the project; of a large one see :data:`MOST_FILES`.

        Args:
            code_folder: of the graph, relative to the project; ``.`` for its top.

        Raises:
            GitFailedError: Git refuses.
        """
        names: Collection[str] = self._sizes
        if len(names) > MOST_FILES or sum(self._sizes.values()) > MOST_BYTES:
            is_top = code_folder == "."
            names = [name for name in names if name.endswith(".py") or (not is_top and _is_in(name, code_folder))]
        self._check_out(names)

    def bring(self, paths: Iterable[str]) -> None:
        """Write files and folders from Git and from DVC; those that neither knows are left out.

        Raises:
            DvcFailedError: DVC's cache and remote lack what is needed.
            GraphshipError: the DVC project of that commit cannot be read.
        """
        wanted = {PurePosixPath(path).as_posix() for path in paths}
        self._check_out([name for name in self._sizes if any(_is_in(name, path) for path in wanted)])
        absent = {path for path in wanted if not (self.root / path).is_file()}
        if absent:
            try:
                copy_tracked(self._dvc, self._commit, absent, self.root)
            except NotADvcProjectError:
                return  # then Git keeps all there is

    def _list(self) -> dict[str, int]:
        """Return the files of the project with their sizes; submodules are left out."""
        found = {}
        for line in self._git.run("ls-tree", "-r", "-l", "-z", self._commit).names:
            about, _, name = line.partition("\t")
            size = about.split()[3]
            if size != "-":
                found[name] = int(size)
        return found

    def _check_out(self, names: Collection[str]) -> None:
        names = [name for name in names if not os.path.lexists(self.root / name)]
        if not names:
            return
        self.root.mkdir(parents=True, exist_ok=True)
        env = {"GIT_INDEX_FILE": f"{self.top}.index"}
        self._git.run("read-tree", self._commit, env=env)
        listed = b"".join(os.fsencode(name) + b"\0" for name in names)
        self._git.run("checkout-index", "-z", "--stdin", f"--prefix={self.top}/", stdin=listed, env=env)
        Path(f"{self.top}.index").unlink(missing_ok=True)


def _is_in(name: str, folder: str) -> bool:
    return folder in {"", "."} or name == folder or name.startswith(f"{folder}/")
