"""Join what is known of the present activity from several sides into one value for who watches."""

from __future__ import annotations

import threading
from dataclasses import replace
from typing import TYPE_CHECKING

from ci_core.masking import SHAPES_ONLY
from ci_core.pipelines.spec import Activity

if TYPE_CHECKING:
    from ci_core.masking import Masker
    from ci_core.pipelines.base import OnActivity


class Watch:
    """The present activity; told anew whenever something of it changes, from any thread.

    Args:
        on_activity: told the activity, by one thread at a time.
        masker: knows the secrets, which a command or an address may hold.
    """

    def __init__(self, on_activity: OnActivity, masker: Masker = SHAPES_ONLY) -> None:
        self._on_activity, self._masker = on_activity, masker
        self._lock = threading.Lock()
        self._activity: Activity | None = None
        self._bytes = self._bytes_before = 0

    def begin(self, what: str, *, is_command: bool = False) -> None:
        """Begin another activity."""
        with self._lock:
            self._bytes_before = self._bytes
            self._tell(Activity(what=self._masker.text(what), is_command=is_command))

    def progress(self, files_done: int, files_total: int | None, bytes_done: int) -> None:
        """Note how far it is; `bytes_done` counts from the beginning of the watch."""
        with self._lock:
            self._bytes = bytes_done
            if self._activity is not None:
                moved = bytes_done - self._bytes_before
                self._tell(replace(self._activity, files_done=files_done, files_total=files_total, bytes_done=moved))

    def shows(self, text: str) -> None:
        """Note what a stage printed on a line that has no end yet, without secrets."""
        with self._lock:
            # The pipe is emptied a little after the program has ended.
            if self._activity is not None and self._activity.is_command and text != self._activity.shows:
                self._tell(replace(self._activity, shows=text))

    def _tell(self, activity: Activity) -> None:
        self._activity = activity
        self._on_activity(activity)
