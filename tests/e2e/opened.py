"""A project in a folder, opened as the command line opens it, with a console that nobody reads."""

from __future__ import annotations

import io
import os
from typing import TYPE_CHECKING

from ci_core.ci.plain import PlainConsole
from ci_core.cli._project import open_project

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from ci_core.operations.project import Project


def opened(root: Path, env: Mapping[str, str] | None = None) -> Project:
    """Return the project in a folder with its adapters."""
    return open_project(root, dict(os.environ if env is None else env), PlainConsole(io.StringIO()))
