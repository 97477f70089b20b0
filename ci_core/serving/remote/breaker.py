"""A circuit breaker: a service that keeps failing is left alone for a while; pure but for the clock it is given."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Callable

State: TypeAlias = Literal["closed", "open", "half-open"]


class Breaker:
    """Opens after failures in a row; after a while it lets one call through, whose outcome decides.

    A call asks :meth:`enter` and tells its outcome with what it got. Calls that began before the breaker opened change
    nothing when they end.

    Args:
        failures: in a row that open it; 0: it never opens.
        wait_s: how long it stays open.
        clock: seconds that never go back.

    Attributes:
        failures_in_row: since the last success.
        times_opened: since the process started.
    """

    def __init__(self, *, failures: int, wait_s: float, clock: Callable[[], float]) -> None:
        self.failures_in_row = 0
        self.times_opened = 0
        self._max_failures = failures
        self._wait_s = wait_s
        self._clock = clock
        self._opened_at: float | None = None
        self._is_probing = False

    @property
    def state(self) -> State:
        """``closed``: all go through; ``open``: none does; ``half-open``: the next one, or one on its way, decides."""
        if self._opened_at is None:
            return "closed"
        return "half-open" if self._is_probing or self.rest_s == 0 else "open"

    @property
    def rest_s(self) -> float:
        """Seconds until a call may be tried; 0 when it may be now, unless one is being tried."""
        if self._opened_at is None:
            return 0.0
        return max(0.0, self._opened_at + self._wait_s - self._clock())

    @property
    def refuses(self) -> bool:
        """Whether a call would be refused now."""
        return self._opened_at is not None and (self._is_probing or self.rest_s > 0)

    def enter(self) -> int:
        """Begin a call that :attr:`refuses` would let through; return what its end is told with."""
        if self._opened_at is not None:
            self._is_probing = True
        return self.times_opened

    def succeeded(self, began: int) -> None:
        """End a call that the service answered."""
        if began != self.times_opened:
            return
        self.failures_in_row = 0
        self._opened_at, self._is_probing = None, False

    def failed(self, began: int) -> bool:
        """End a call that the service failed; return whether this opened the breaker."""
        if began != self.times_opened:
            return False
        self.failures_in_row += 1
        if not self._is_probing and (self._max_failures == 0 or self.failures_in_row < self._max_failures):
            return False
        self._opened_at, self._is_probing = self._clock(), False
        self.times_opened += 1
        return True

    def abandoned(self, began: int) -> None:
        """End a call that says nothing about the service: it was cancelled, or given too little time."""
        if began == self.times_opened:
            self._is_probing = False
