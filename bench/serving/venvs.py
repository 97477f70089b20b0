"""Environments of the peers: one each, made from the locked list in ``peers/requirements``, never in ``.venv``.

They are made once, in the folder that ``GRAPHSHIP_BENCH`` names (default: ``~/.cache/graphship-bench``), and again when
the list has changed. ``make bench-lock`` writes the lists anew.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

LISTS = Path(__file__).parent / "peers" / "requirements"
PYTHON = "3.11"


class PeerMissingError(Exception):
    """A peer's environment cannot be made here; the message says why."""


def folder() -> Path:
    """Return where the environments are."""
    return Path(os.environ.get("GRAPHSHIP_BENCH") or Path.home() / ".cache" / "graphship-bench")


def binaries(peer: str) -> Path:
    """Return the folder of the programs of a peer's environment, which is made when it is not there.

    Raises:
        PeerMissingError: it cannot be made.
    """
    place = folder() / peer
    wanted = (LISTS / f"{peer}.txt").read_text()
    mark = place / "installed.txt"
    if not mark.is_file() or mark.read_text() != wanted:
        shutil.rmtree(place, ignore_errors=True)
        print(f"installing {peer} into {place}", file=sys.stderr, flush=True)
        _run(peer, ["uv", "venv", "--quiet", "--python", PYTHON, str(place)])
        install = ["uv", "pip", "install", "--quiet", "--compile-bytecode", "--python", str(place / "bin" / "python")]
        _run(peer, [*install, "--requirement", str(LISTS / f"{peer}.txt")])
        mark.write_text(wanted)
    return place / "bin"


def _run(peer: str, command: list[str]) -> None:
    if shutil.which(command[0]) is None:
        raise PeerMissingError(f"{peer}: `{command[0]}` is not on the path; the peers' environments are made with it")
    done = subprocess.run(command, check=False, capture_output=True, text=True)
    if done.returncode:
        raise PeerMissingError(f"{peer}: {done.stderr.strip()[-300:]}")


def version(peer: str, distribution: str | None = None) -> str:
    """Return the locked version of a peer."""
    name = (distribution or peer).lower()
    for line in (LISTS / f"{peer}.txt").read_text().splitlines():
        found, _, number = line.partition("==")
        if found.partition("[")[0] == name:
            return number.split()[0]
    return "?"
