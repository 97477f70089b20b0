"""How the log of a serving process looks, unless the user's code sets logging up itself: that always wins.

One line a record on standard error, ``2026-03-01T09:30:00.125+00:00 ERROR ci_core.serving.server request failed
path=/ step=score …``; below it, where there is one, a traceback that begins where the user's code does.
"""

from __future__ import annotations

import logging
import sys
import sysconfig
import traceback
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from types import TracebackType

_ACCESS = "ci_core.serving.access"
_OURS = str(Path(__file__).parent) + "/"
_STANDARD = tuple(sysconfig.get_path(name) + "/" for name in ("stdlib", "platstdlib"))
_INSTALLED = ("site-packages/", "dist-packages/")
"""Folders inside that of the standard library that are not of it."""


class LogFormatter(logging.Formatter):
    """Time, level, logger and message in one line; tracebacks without the engine that called the user's code."""

    def __init__(self) -> None:
        super().__init__("%(asctime)s %(levelname)s %(name)s %(message)s")

    def formatTime(self, record: logging.LogRecord, datefmt: str | None = None) -> str:  # noqa: N802 - of the base class
        """Return the time of a record: ISO 8601, UTC, as in the access log."""
        del datefmt
        return datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds")

    def formatException(self, ei: Any) -> str:  # noqa: N802 - of the base class
        """Return the traceback of an exception, from the user's first frame on."""
        kind, error, frames = ei
        return render_traceback(kind, error, frames)


def render_traceback(kind: type[BaseException], error: BaseException, frames: TracebackType | None) -> str:
    """Return a traceback, and those of its causes, without the frames before the first one of the user's code.

    One that has no frame of the user's is left whole: the fault is then ours.
    """
    told = traceback.TracebackException(kind, error, frames)
    for one in _with_causes(told):
        for place, frame in enumerate(one.stack):
            if _is_users(frame.filename):
                del one.stack[:place]
                break
    return "".join(told.format()).rstrip("\n")


def users_frames(frames: TracebackType | None) -> TracebackType | None:
    """Return the frames of a traceback from the first one of the user's code on; all of them when it has none."""
    rest = frames
    while rest is not None and not _is_users(rest.tb_frame.f_code.co_filename):
        rest = rest.tb_next
    return rest or frames


def _with_causes(told: traceback.TracebackException | None) -> Iterator[traceback.TracebackException]:
    if told is not None:
        yield told
        for one in (told.__cause__, told.__context__, *(told.exceptions or ())):
            yield from _with_causes(one)


def _is_users(file: str) -> bool:
    """Whether a file is neither ours nor of Python itself: the user's, or of a library that a step uses directly."""
    if file.startswith((_OURS, "<frozen ")):
        return False
    return any(folder in file for folder in _INSTALLED) or not file.startswith(_STANDARD)


def _handler() -> logging.Handler:
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(LogFormatter())
    return handler


def set_up_logs() -> None:
    """Let records that nobody handles look as ours do: before the user's code runs, which may set up what it wants."""
    logging.lastResort = _handler()


@contextmanager
def own_logs() -> Iterator[Callable[[], None]]:
    """Do so as long as the context lasts; give what is called once the user's code is loaded.

    If that has set nothing up, ours is: a step that calls ``logging.warning()``, and not a logger, would otherwise set
    logging up in passing.
    """
    root, handler, before = logging.getLogger(), _handler(), logging.lastResort
    logging.lastResort = handler

    def settle() -> None:
        if not root.handlers:
            root.addHandler(handler)

    try:
        yield settle
    finally:
        root.removeHandler(handler)
        logging.lastResort = before


def log_access() -> None:
    """Let the access log go to standard output, a line a request, apart from all other logs."""
    logger = logging.getLogger(_ACCESS)
    if logger.handlers:  # the user's
        return
    handler = logging.StreamHandler(sys.stdout)
    handler.setFormatter(logging.Formatter("%(message)s"))
    logger.addHandler(handler)
    logger.setLevel(logging.INFO)
    logger.propagate = False
