"""Say now and then what a run is busy with, so that a silent job does not look dead.

CI systems end jobs that print nothing for a while, and people do, too. Used by ``graphship run`` and ``graphship ci``
where there is no terminal that could show a bar.
"""

from __future__ import annotations

import threading
import time
from typing import TYPE_CHECKING, Final, Self

from ci_core.printable import one_line
from ci_core.reports.text import number, plural, seconds, size

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import TracebackType

    from ci_core.pipelines.spec import Activity

EVERY_S: Final = 30.0
"""Seconds of silence after which a line is said: half of the shortest patience of a CI system that we know of, and a
log of ten hours has 1,200 such lines."""
_WHAT: Final = 120
"""Characters of what goes on; a stage's command may be a whole script."""
_SHOWN: Final = 80
"""Characters that are told of a line without an end, such as a progress bar."""


class Heartbeat:
    """Says a line whenever nothing was said for a while.

    Use it as a context manager; a thread of its own speaks.

    Args:
        tell: says a line; called from another thread.
        every_s: seconds of silence before it speaks.
        clock: seconds that only grow.
    """

    def __init__(
        self, tell: Callable[[str], None], *, every_s: float = EVERY_S, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._tell, self._every_s, self._clock = tell, every_s, clock
        self._lock = threading.Lock()
        self._is_over = threading.Event()
        self._activity: Activity | None = None
        self._since = self._spoken = clock()
        self._thread = threading.Thread(target=self._beat, name="heartbeat", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._is_over.set()
        self._thread.join()

    def on_activity(self, activity: Activity) -> None:
        """Note what the run is busy with now."""
        with self._lock:
            if self._activity is None or activity.what != self._activity.what:
                self._since = self._clock()
            self._activity = activity

    def spoken(self) -> None:
        """Note that somebody said something."""
        with self._lock:
            self._spoken = self._clock()

    def due(self) -> str | None:
        """Return the line that is due, once; None as long as none is."""
        with self._lock:
            now = self._clock()
            if self._activity is None or now - self._spoken < self._every_s:
                return None
            self._spoken = now
            what = one_line(self._activity.what, max_chars=_WHAT)
            return f"{what}: {', '.join([f'{seconds(now - self._since)} so far', *facts(self._activity)])}"

    def _beat(self) -> None:
        while not self._is_over.wait(max(self._every_s - (self._clock() - self._spoken), 0.01)):
            line = self.due()
            if line is not None:
                self._tell(line)


def facts(activity: Activity) -> list[str]:
    """Return how far an activity is, as far as it is known."""
    found = []
    if activity.files_total is not None:
        found.append(f"{number(activity.files_done)} of {plural(activity.files_total, 'file')}")
    if activity.bytes_done:
        found.append(size(activity.bytes_done))
    if activity.shows:
        found.append(f"shows `{activity.shows[-_SHOWN:].strip()}`")
    return found
