"""Write a first ``graphship.yaml`` for a repository, from what is in it."""

from __future__ import annotations

import os
import tempfile
from dataclasses import dataclass
from pathlib import Path

from ci_core.config.reader import settings_from_bytes
from ci_core.config.settings import CONFIG_FILE
from ci_core.config.survey import Survey, survey
from ci_core.config.template import render
from ci_core.errors import FileNotWritableError, WouldOverwriteError


@dataclass(frozen=True, slots=True, kw_only=True)
class Initialized:
    """What ``graphship init`` made, or would make."""

    path: Path
    text: str
    found: Survey
    is_written: bool


def init_project(folder: Path, *, force: bool = False, dry_run: bool = False) -> Initialized:
    """Write a commented ``graphship.yaml`` into `folder`.

    The text is read back before it is written: a file with a mistake would be a bug of ours, and is not left behind.

    Args:
        folder: top folder of the project.
        force: whether an existing file is replaced.
        dry_run: whether nothing is written.

    Raises:
        WouldOverwriteError: the file exists, and neither `force` nor `dry_run` is set.
        InvalidDvcFileError: ``dvc.yaml`` cannot be read.
        FileNotWritableError: the folder refuses the file.
    """
    path = folder.resolve() / CONFIG_FILE
    if path.exists() and not (force or dry_run):
        raise WouldOverwriteError(file=CONFIG_FILE)
    found = survey(folder)
    text = render(found)
    settings_from_bytes(text.encode(), root=folder.resolve(), env={})
    if not dry_run:
        _write(path, text)
    return Initialized(path=path, text=text, found=found, is_written=not dry_run)


def _write(path: Path, text: str) -> None:
    """Put the whole text in place at once, or nothing."""
    temporary: Path | None = None
    try:
        descriptor, name = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
        temporary = Path(name)
        with os.fdopen(descriptor, "w", encoding="utf-8", newline="\n") as file:
            file.write(text)
        temporary.chmod(0o644)
        temporary.replace(path)
    except OSError as error:
        if temporary is not None:
            temporary.unlink(missing_ok=True)
        raise FileNotWritableError(path=str(path), reason=error.strerror or str(error)) from error
