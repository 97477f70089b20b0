"""Whether two graphs are the same byte for byte, so that nothing need be asked of them."""

from __future__ import annotations

import filecmp
import os
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING

from ci_core.deploy.bundle import git_files

if TYPE_CHECKING:
    from collections.abc import Collection

    from ci_core.behaviour.side import Place

_IGNORED = frozenset({"__pycache__", ".git", ".dvc", ".graphship"})
_LOCK_FILES = ("pylock.toml", "uv.lock", "poetry.lock", "pdm.lock", "requirements.lock", "requirements.txt")


def are_identical(base: Place, head: Place, *, needs: Collection[str]) -> bool:
    """Whether code, models and data of two graphs are the same.

    Compared are all files of the folder that the graph is in, all Python files of the project, wherever they are, since
    the graph may import them, the lock files, and what the graphs name.

    Args:
        base: a folder that holds the files of the base's commit.
        head: the work tree, or a folder that holds the files of the head's commit.
        needs: models and data files that the graphs name.
    """
    if (base.graph, base.time_column) != (head.graph, head.time_column):
        return False
    folder = PurePosixPath(base.graph.partition(":")[0]).parent.as_posix()
    sides = [_files(place, folder, needs) for place in (base, head)]
    return sides[0] == sides[1] and all(
        filecmp.cmp(base.root / name, head.root / name, shallow=False) for name in sorted(sides[0])
    )


def _files(place: Place, folder: str, needs: Collection[str]) -> set[str]:
    # the work tree's as Git sees it; a folder of ours holds nothing else
    names = git_files(place.root, ".") if place.moved is None else _walk(place.root)
    prefix = "" if folder == "." else f"{folder}/"
    found = {
        name
        for name in names
        if (name.endswith(".py") or name in _LOCK_FILES or (prefix and name.startswith(prefix)))
        and (place.root / name).is_file()
    }
    return found | {file for need in needs for file in _expand(place.root, need)}


def _expand(root: Path, need: str) -> list[str]:
    name = PurePosixPath(need).as_posix()
    path = root / name
    return [f"{name}/{file}" for file in _walk(path)] if path.is_dir() else [name] if path.is_file() else []


def _walk(root: Path) -> list[str]:
    found = []
    for place, folders, files in os.walk(root):
        folders[:] = [name for name in folders if name not in _IGNORED]
        found += [(Path(place) / name).relative_to(root).as_posix() for name in files]
    return found
