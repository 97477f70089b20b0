"""Compare text with a file that a person has reviewed.

Used by tests whose expected value is a whole page: error messages, reports, manifests, ``--help``. When a change is
wanted, ``GRAPHSHIP_UPDATE_GOLDEN=1 pytest …`` rewrites the files and the difference is reviewed like code.
"""

from __future__ import annotations

import difflib
import os
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

UPDATE_VARIABLE = "GRAPHSHIP_UPDATE_GOLDEN"


def assert_golden(path: Path, text: str, *, env: Mapping[str, str] | None = None) -> None:
    """Assert that the file at `path` holds exactly `text`; one final newline is added to both.

    Args:
        path: the reviewed file, by convention below ``tests/golden/<part>/``.
        text: what the code made; the caller has replaced what changes from run to run (paths, times, ids).
        env: where :data:`UPDATE_VARIABLE` is looked for; the process's environment by default.

    Raises:
        AssertionError: the file is absent or differs; the message is the difference and how to accept it.
    """
    actual = text.rstrip("\n") + "\n"
    if (os.environ if env is None else env).get(UPDATE_VARIABLE) == "1":
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(actual, encoding="utf-8", newline="\n")
        return
    expected = path.read_text(encoding="utf-8") if path.is_file() else ""
    if actual == expected:
        return
    difference = "".join(
        difflib.unified_diff(
            expected.splitlines(keepends=True), actual.splitlines(keepends=True), f"{path} (reviewed)", "what came out"
        )
    )
    raise AssertionError(f"{difference}\nset {UPDATE_VARIABLE}=1 to accept it")
