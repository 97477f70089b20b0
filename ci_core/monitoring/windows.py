"""Which stretches of the events' own time are judged, and when one is complete (pure).

Windows start at multiples of their length since 1970-01-01 UTC, so that every run, on whatever machine, cuts alike.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from ci_core.monitoring.spec import Window

if TYPE_CHECKING:
    from collections.abc import Iterable

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def window_at(index: int, length: timedelta) -> Window:
    """Return the window number `index` since 1970-01-01."""
    start = _EPOCH + index * length
    return Window(start=start, end=start + length)


def window_index(time: datetime, length: timedelta) -> int:
    """Return the number of the window that holds `time` (aware)."""
    return (time - _EPOCH) // length


def is_complete(window: Window, now: datetime) -> bool:
    """Tell whether no further event of the window is to be expected: its end is not after `now`."""
    return window.end <= now


def to_judge(indices: Iterable[int], length: timedelta, *, judged: Iterable[Window], now: datetime) -> list[Window]:
    """Return the complete windows that hold events and are not judged yet, in order of time.

    Args:
        indices: numbers of the windows that hold events; a window without any is nothing to judge.
        length: of a window.
        judged: windows that have a verdict; one that overlaps another of a different length counts as its own.
        now: the present, aware.
    """
    known = {(window.start, window.end) for window in judged}
    windows = [window_at(index, length) for index in sorted(set(indices))]
    return [window for window in windows if is_complete(window, now) and (window.start, window.end) not in known]
