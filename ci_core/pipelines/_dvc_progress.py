"""Hear how far DVC is with what it transfers and hashes, and keep it from drawing that itself.

All bars of DVC hang on one class of fsspec. While somebody listens, its calls come here instead.
"""

from __future__ import annotations

import contextlib
import logging
import threading
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    OnProgress = Callable[[int, int | None, int], None]
    """Told files done, files in all when that is known, and bytes done."""

_DRAWING: Final = ("dvc.progress", "dvc_data.callbacks")
"""Loggers by whose level DVC decides whether to draw a bar."""
_TOLD: Final = "graphship_told"
"""Name under which a callback of DVC's keeps the bytes that were counted already."""


@contextlib.contextmanager
def heard(on_progress: OnProgress) -> Iterator[None]:
    """Tell what DVC transfers and hashes inside the ``with`` block.

    Args:
        on_progress: called from several threads, one at a time.

    Raises:
        Exception: whatever `on_progress` raised, after the block. DVC would take it for a file that could not be
            stored, and lose that file without a word.
    """
    from fsspec.callbacks import TqdmCallback  # type: ignore[import-untyped] # comes with DVC

    tally = _Tally(on_progress)
    call = TqdmCallback.call
    loggers = [logging.getLogger(name) for name in _DRAWING]
    levels = [logger.level for logger in loggers]
    TqdmCallback.call = lambda callback, *_, **__: tally.take(callback)
    for logger in loggers:
        logger.setLevel(logging.CRITICAL)
    try:
        yield
    finally:
        TqdmCallback.call = call
        for logger, level in zip(loggers, levels, strict=True):
            logger.setLevel(level)
    if tally.problem is not None:
        raise tally.problem


class _Tally:
    def __init__(self, on_progress: OnProgress) -> None:
        self._on_progress = on_progress
        self._lock = threading.Lock()
        self._files: Any = None
        """DVC's callback that counts files now; it counts anew for each thing it does."""
        self._total = 0
        self._bytes = 0
        self.problem: Exception | None = None

    def take(self, callback: Any) -> None:
        with self._lock:
            try:
                self._take(callback)
            except Exception as error:  # noqa: BLE001 - raised when DVC is done
                self.problem = self.problem or error

    def _take(self, callback: Any) -> None:
        options = callback._tqdm_kwargs  # noqa: SLF001 - where fsspec keeps what the bar counts
        if options.get("bytes"):
            # Not getattr: a callback answers to every name.
            self._bytes += callback.value - vars(callback).get(_TOLD, 0)
            setattr(callback, _TOLD, callback.value)
        elif str(options.get("unit", "")).startswith("file") and callback.size:
            if callback is not self._files:
                self._files, self._total = callback, 0
            self._total = max(self._total, callback.size)
        else:
            return
        done = min(self._files.value, self._total) if self._files is not None else 0
        self._on_progress(done, self._total or None, self._bytes)
