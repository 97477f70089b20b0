"""What the code runs on: the lock file and the version of Python (pure; files come through a function).

The lock file is the first of ``lock_files.LOCK_FILES`` that is there. Python's version is what ``.python-version``
names, else what the caller says it runs on.
"""

from __future__ import annotations

import hashlib
import re
from typing import TYPE_CHECKING, Final

from ci_core.lock_files import LOCK_FILES
from ci_core.types import Digest
from ci_core.versioning.revision import EnvironmentVersion

if TYPE_CHECKING:
    from collections.abc import Callable

_PYTHON_VERSION: Final = ".python-version"
LOOKED_FOR: Final = (_PYTHON_VERSION, *LOCK_FILES)
"""The files that are read."""
_VERSION: Final = re.compile(r"\d+\.\d+(\.\d+)?")


def read_environment(read: Callable[[str], bytes | None], *, running: str) -> EnvironmentVersion:
    """Return the lock file and the version of Python of one revision.

    Args:
        read: gives a file's bytes by its path, None when there is no such file.
        running: the version of Python to name when the project names none, such as ``3.11``.
    """
    named = _VERSION.search((read(_PYTHON_VERSION) or b"").decode("utf-8", "replace"))
    python = named[0] if named else running
    for name in LOCK_FILES:
        content = read(name)
        if content is not None:
            digest = Digest(f"sha256:{hashlib.sha256(content).hexdigest()}")
            packages, problem = _packages(name, content)
            return EnvironmentVersion(python=python, lock_file=name, lock=digest, packages=packages, problem=problem)
    return EnvironmentVersion(python=python)


def _packages(name: str, content: bytes) -> tuple[dict[str, str], str | None]:
    """Return the packages of a lock file, or one sentence why it cannot be read."""
    # Imported when there is such a file: it brings `packaging` along.
    from ci_core.versioning.packages import UnreadableLockError, read_packages

    try:
        return read_packages(name, content), None
    except UnreadableLockError as error:
        return {}, f"{name}: {error}"
