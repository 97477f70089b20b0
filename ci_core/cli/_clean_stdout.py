"""Keep standard output for the one answer of a command, whatever libraries and their children print."""

from __future__ import annotations

import contextlib
import os
import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator


@contextlib.contextmanager
def stdout_kept_clean() -> Iterator[None]:
    """Send what is printed to standard output inside the ``with`` block to standard error.

    Both ways to it are turned: Python's stream, and the file descriptor that C code and child processes print to.
    """
    sys.stdout.flush()
    try:
        kept = os.dup(1)
    except OSError:  # closed by whoever started us: nobody can print to it
        with contextlib.redirect_stdout(sys.stderr):
            yield
        return
    try:
        os.dup2(2, 1)
        with contextlib.redirect_stdout(sys.stderr):
            yield
    finally:
        sys.stderr.flush()
        os.dup2(kept, 1)
        os.close(kept)
