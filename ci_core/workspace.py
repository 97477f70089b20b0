"""The folder ``.graphship`` of a project: logs, reports and captures that Git must not see."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from ci_core.errors import FileNotWritableError

if TYPE_CHECKING:
    from pathlib import Path

WORKSPACE: Final = ".graphship"


def write_whole(path: Path, text: str) -> None:
    """Write a file so that a reader finds the old text or the new one, never a part."""
    beside = path.with_name(f".{path.name}.part")
    beside.write_text(text, encoding="utf-8")
    beside.replace(path)


def workspace_folder(root: Path, *parts: str) -> Path:
    """Return a folder below the project's ``.graphship``, made when needed; Git ignores all that is in it.

    Args:
        root: the project's folder.
        parts: names of nested folders.

    Raises:
        FileNotWritableError: it cannot be made: often an earlier run as another user owns it.
    """
    top = root / WORKSPACE
    folder = top.joinpath(*parts)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        ignore = top / ".gitignore"
        if not ignore.exists():
            ignore.write_text("*\n", encoding="utf-8")
    except OSError as error:
        raise FileNotWritableError(path=str(folder), reason=error.strerror or str(error)) from error
    return folder
