"""The files that a graph names: they lie in the project, and they are there."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ci_core.errors import MissingGraphFileError, OutsideProjectError

if TYPE_CHECKING:
    from pathlib import Path


def leaves_project(path: str) -> bool:
    """Whether the path of a model or data file, as it is written, leads elsewhere than below the project's folder."""
    return path.startswith("/") or ".." in path.split("/") or "\0" in path


def check_file(kind: str, path: str, user: str, root: Path) -> None:
    """Make sure that a file is there, without opening it.

    Args:
        kind: ``model`` or ``data``; for messages.
        path: relative to the project.
        user: what opens it; for messages.
        root: the project's folder, or the bundle's.

    Raises:
        OutsideProjectError: its path leads out of the folder.
        MissingGraphFileError: it does not exist.
    """
    if leaves_project(path):
        raise OutsideProjectError(kind=kind, path=path, user=user)
    file = root / path
    if not file.is_file():
        names = sorted(one.relative_to(root).as_posix() for one in file.parent.glob("*") if one.is_file())
        raise MissingGraphFileError(kind=kind, path=path, user=user, known_names=names)
