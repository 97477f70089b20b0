"""The command line, run as a user runs it: in a process of its own."""

from __future__ import annotations

import os
import subprocess
import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ci_core.testing.projects import SampleProject


def graphship(project: SampleProject, *arguments: str, **variables: str) -> subprocess.CompletedProcess[str]:
    """Run ``graphship`` in the project's work tree, without colours; `variables` are added to the environment."""
    return subprocess.run(
        [sys.executable, "-m", "ci_core", *arguments],
        cwd=project.root,
        env={**os.environ, "NO_COLOR": "1", **variables},
        capture_output=True,
        text=True,
        check=False,
    )
