"""Whether two graphs are the same byte for byte, so that nothing need be asked of them."""

from __future__ import annotations

import filecmp
import os
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING

from ci_core.lock_files import LOCK_FILES

if TYPE_CHECKING:
    from collections.abc import Collection


@dataclass(frozen=True, slots=True, kw_only=True)
class Files:
    """The files of one side."""

    root: Path
    """The project's folder."""
    graph: str
    """As ``graphship.yaml`` names it."""
    names: frozenset[str]
    """What Git knows of the project: relative to it, with ``/``. What DVC keeps is told by its ``.dvc`` files."""
    needs: frozenset[str]
    """Models and data files that the graph names."""


def are_identical(base: Files, head: Files) -> bool:
    """Whether code, models and data of two graphs are the same.

    Compared are all files of the folder that the graph is in, all Python files of the project, wherever they are, since
    the graph may import them, the lock files, and what the graphs name.
    """
    if base.graph != head.graph:
        return False
    names = _compared(base)
    return names == _compared(head) and all(
        filecmp.cmp(base.root / name, head.root / name, shallow=False) for name in sorted(names)
    )


def _compared(side: Files) -> frozenset[str]:
    folder = PurePosixPath(side.graph.partition(":")[0]).parent.as_posix()
    prefix = None if folder == "." else f"{folder}/"
    code = {
        name
        for name in side.names
        if name.endswith(".py") or name in LOCK_FILES or (prefix is not None and name.startswith(prefix))
    }
    named = {file for need in side.needs for file in _expanded(side.root, need)}
    return frozenset(name for name in code | named if (side.root / name).is_file())


def _expanded(root: Path, need: str) -> Collection[str]:
    """Return a file, or the files below a folder."""
    name = PurePosixPath(need).as_posix()
    if not (root / name).is_dir():
        return [name]
    return [
        (Path(place) / file).relative_to(root).as_posix() for place, _, files in os.walk(root / name) for file in files
    ]
