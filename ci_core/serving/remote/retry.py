"""Which failed call may be made once more, and when; pure."""

from __future__ import annotations

from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING, Final

from ci_core.serving.remote.failures import CallError

if TYPE_CHECKING:
    from collections.abc import Callable

PASSING_STATUSES: Final = frozenset({429, 502, 503, 504})
"""Answers that say "not now"."""

_MAX_WAIT_S: Final = 30.0
_DELAY_DIGITS: Final = 9


def may_repeat(outcome: CallError | int, *, is_repeatable: bool) -> bool:
    """Whether a call that ended so may be made once more.

    Args:
        outcome: why there is no answer, or the status of the answer.
        is_repeatable: whether the service may do twice what it is asked.
    """
    if isinstance(outcome, CallError):
        return outcome.may_pass and (is_repeatable or not outcome.may_have_arrived)
    return is_repeatable and outcome in PASSING_STATUSES


def backoff_s(attempt: int, first_wait_s: float, random: Callable[[], float]) -> float:
    """Return how long to wait after a failed attempt: anything up to a bound that doubles, at most 30 s.

    "Full jitter": callers that failed together do not come back together. Source: Marc Brooker, "Exponential Backoff
    And Jitter", AWS Architecture Blog, 2015.

    Args:
        attempt: 0 for the first one.
        first_wait_s: bound of the first wait.
        random: returns numbers in [0, 1).
    """
    # beyond 2**64 no wait is below the limit; a float would overflow far later
    bound_s: float = min(_MAX_WAIT_S, first_wait_s * 2.0 ** min(attempt, 64))
    return random() * bound_s


def retry_after_s(value: str | None, now: datetime) -> float | None:
    """Return the seconds that a ``Retry-After`` header asks for (RFC 9110, section 10.2.3); None when it asks nothing.

    Args:
        value: of the header: seconds or a date; anything else is passed over.
        now: with time zone.
    """
    text = (value or "").strip()
    if text.isascii() and text.isdigit():
        return float(text[:_DELAY_DIGITS])
    try:
        date = parsedate_to_datetime(text)
    except (ValueError, OverflowError):
        return None
    if date.tzinfo is None:
        date = date.replace(tzinfo=UTC)
    return max(0.0, (date - now).total_seconds())
