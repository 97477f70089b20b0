"""The environment variables of a process that runs the graph of some commit (pure but for paths).

It gets what a program needs to run, by name, and nothing else: no token of the job, no password, no remote's address.
Its home folder is an empty one, since that is where clients of clouds and hosts keep what they log in with; temporary
files go there, too, and are removed with it.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Mapping

_NAMES: Final = frozenset(
    {
        *("PATH", "LANG", "LANGUAGE", "TZ", "LD_LIBRARY_PATH", "LD_PRELOAD", "DYLD_LIBRARY_PATH"),
        *("VIRTUAL_ENV", "CONDA_PREFIX", "CUDA_VISIBLE_DEVICES", "NVIDIA_VISIBLE_DEVICES", "SYSTEMROOT"),
        *("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMEXPR_NUM_THREADS", "MALLOC_ARENA_MAX"),
        *("PYTHONPATH", "PYTHONHOME", "PYTHONUTF8", "PYTHONIOENCODING", "PYTHONWARNINGS", "PYTHONMALLOC"),
        *("PYTHONNOUSERSITE", "PYTHONUSERBASE"),
    }
)
_PREFIXES: Final = ("LC_",)
_FIXED: Final = {
    # sets of texts are then in the same order on both sides, and in every run
    "PYTHONHASHSEED": "0",
    "PYTHONDONTWRITEBYTECODE": "1",
    "PYTHONUNBUFFERED": "1",
}


def scrubbed(
    env: Mapping[str, str], *, home: Path, user_base: str | None, moved: tuple[Path, Path] | None
) -> dict[str, str]:
    """Return the variables for one side.

    Args:
        env: of this process.
        home: an empty folder.
        user_base: where packages of this user are installed (``site.getuserbase()``); None when they are not used.
        moved: the work tree, and where its files of another commit are: entries of ``PYTHONPATH`` below the first are
            led to the second, so that a commit never imports modules of another one.
    """
    kept = {name: value for name, value in env.items() if name in _NAMES or name.startswith(_PREFIXES)}
    if user_base is not None:
        kept.setdefault("PYTHONUSERBASE", user_base)  # else it is looked for in the home folder
    if "PYTHONPATH" in kept:
        kept["PYTHONPATH"] = os.pathsep.join(led(kept["PYTHONPATH"].split(os.pathsep), moved))
    return {**kept, **_FIXED, "HOME": str(home), "TMPDIR": str(home)}


def led(entries: list[str], moved: tuple[Path, Path] | None) -> list[str]:
    """Return entries of Python's search path, those below the first folder of `moved` led to the second; absolute."""
    found = []
    for entry in entries:
        path = Path(entry).absolute()
        is_ours = moved is not None and path.is_relative_to(moved[0]) and "site-packages" not in path.parts
        found.append(str(moved[1] / path.relative_to(moved[0])) if is_ours and moved is not None else str(path))
    return found
