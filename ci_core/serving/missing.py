"""Which values stand for none: one answer for steps and models of all kinds."""

from __future__ import annotations

from typing import Any


def is_missing(value: Any) -> bool:
    """Whether a value stands for none: null or NaN."""
    return value is None or bool(value != value)  # noqa: PLR0124 - only NaN differs from itself
