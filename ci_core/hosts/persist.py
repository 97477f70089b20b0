"""Begin a write anew when it failed in a way that may pass."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar

from ci_core.errors import GraphshipError, HostLimitError

if TYPE_CHECKING:
    from collections.abc import Callable

R = TypeVar("R")

_ATTEMPTS = 4
"""How often a write is begun anew after a temporary failure or a lost race; waiting is the adapter's business."""


def persist(once: Callable[[], R]) -> R:
    """Begin anew after a temporary failure: `once` looks before it writes, so nothing is written twice.

    A limit is not begun anew: the adapter has waited as long as the run can afford.
    """
    for _ in range(_ATTEMPTS - 1):
        try:
            return once()
        except GraphshipError as error:
            if not error.is_temporary or isinstance(error, HostLimitError):
                raise
    return once()
