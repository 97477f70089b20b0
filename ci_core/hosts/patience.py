"""How long and how often a host is asked: one policy for all adapters.

* A **read** that was not answered is asked again, after 1, 2 and 4 seconds.
* A **write** that was not answered is never repeated here, since it may have been done: after the same pause the error
  goes up to ``hosts/upsert.py``, which looks before it writes again. The client libraries' own repeating is off.
* A **limit** ("too many requests") means that nothing was done: reads and writes wait as long as the host asks, or a
  minute and then twice that where it does not say, and are asked again.

All pauses of one run come out of one budget. What does not fit into it is raised at once, so that a limit that ends in
40 minutes costs the job nothing.
"""

from __future__ import annotations

import random
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final, TypeVar

from ci_core.errors import HostAnswerError, HostLimitError, HostUnreachableError

if TYPE_CHECKING:
    from collections.abc import Callable

T = TypeVar("T")

_PAUSES_S: Final = (1.0, 2.0, 4.0)
"""Between attempts at one read."""
_SILENT_LIMIT_S: Final = 60.0
"""What GitHub asks of those who were told no time."""
_JITTER: Final = 0.1
"""Part of a pause by which it is longer at random: jobs that were turned away together do not come back together."""


def _nobody(_text: str) -> None: ...


@dataclass(slots=True, kw_only=True)
class Patience:
    """The budget of one run, and what is left of it."""

    budget_s: float = 120.0
    say: Callable[[str], None] = _nobody
    """Told, in one line, what is waited for and how long."""
    sleep: Callable[[float], None] = time.sleep
    spent_s: float = field(default=0.0, init=False)
    _failures: int = field(default=0, init=False)
    """Writes in a row that were not answered."""

    def read(self, once: Callable[[], T]) -> T:
        """Return what `once` returns, asking again where that may help.

        Raises:
            HostError: the last one.
        """
        for pause in _PAUSES_S:
            try:
                return self._within_limits(once)
            except (HostUnreachableError, HostAnswerError) as error:
                if not self._pause(pause, f"{error.fact}; asking again"):
                    raise
        return self._within_limits(once)

    def write(self, once: Callable[[], T]) -> T:
        """Return what `once` returns; it is asked again only when the host says that it did nothing.

        Raises:
            HostError: an unanswered write, after a pause: look before you write again.
        """
        try:
            done = self._within_limits(once)
        except (HostUnreachableError, HostAnswerError) as error:
            pause = _PAUSES_S[min(self._failures, len(_PAUSES_S) - 1)]
            self._failures += 1
            self._pause(pause, f"{error.fact}; looking whether it was done")
            raise
        self._failures = 0
        return done

    def _within_limits(self, once: Callable[[], T]) -> T:
        silent = _SILENT_LIMIT_S
        while True:
            try:
                return once()
            except HostLimitError as error:
                wait = silent if error.wait_s is None else max(error.wait_s, 1.0)
                if not self._pause(wait, error.fact):
                    raise HostLimitError(
                        host=error.host, action=error.action, wait_s=error.wait_s, waited_s=self.spent_s
                    ) from error
                silent *= 2

    def _pause(self, seconds: float, why: str) -> bool:
        """Wait, if the budget allows it; return whether it did."""
        wait = seconds * (1 + random.uniform(0, _JITTER))  # noqa: S311 - spreads load, protects nothing
        if self.spent_s + wait > self.budget_s:
            return False
        self.say(f"{why} (waiting {seconds:.0f} s)")
        self.spent_s += wait
        self.sleep(wait)
        return True
