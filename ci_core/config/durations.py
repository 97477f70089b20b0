"""Durations as ``graphship.yaml`` writes them: ``30s``, ``24h``, ``7d`` (pure)."""

from __future__ import annotations

import re
from datetime import timedelta

_UNITS = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days", "w": "weeks"}

DURATION_PATTERN = r"^[0-9]{1,6}(s|m|h|d|w)$"
"""A whole number and one unit. Six digits are 19 years in minutes, and keep ``timedelta`` from overflowing."""


def parse_duration(text: str) -> timedelta:
    """Return the duration that `text` means.

    Args:
        text: a whole number followed by ``s``, ``m``, ``h``, ``d`` or ``w``: ``90s``, ``24h``.

    Raises:
        ValueError: `text` is not of that form; the message says what is expected.
    """
    if not re.fullmatch(DURATION_PATTERN, text):
        raise ValueError("expected a duration such as `30s`, `15m`, `24h`, `7d`")
    return timedelta(**{_UNITS[text[-1]]: int(text[:-1])})


def format_duration(duration: timedelta) -> str:
    """Return `duration`, a whole number of seconds, in its largest unit without a remainder: 86400 s is ``1d``."""
    seconds = int(duration.total_seconds())
    for unit, size in (("d", 86_400), ("h", 3_600), ("m", 60)):
        if seconds and seconds % size == 0:
            return f"{seconds // size}{unit}"
    return f"{seconds}s"
