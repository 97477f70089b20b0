"""One call as a remote step makes it: limited, timed, repeated where that is safe, and failing in the engine's words.

The order for each attempt: the breaker, a place among the calls in flight, the time that is left, the call.
"""

from __future__ import annotations

import asyncio
import logging
import random
import time
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final, Protocol

from ci_core.serving.problems import (
    DeadlineError,
    DependencyError,
    DependencyTimeoutError,
    HttpError,
    OverloadedError,
    RequestError,
)
from ci_core.serving.remote.breaker import Breaker
from ci_core.serving.remote.failures import CallError, CallTimeoutError, MalformedAnswerError, NotConnectedError
from ci_core.serving.remote.gate import Gate
from ci_core.serving.remote.loops import PerLoop
from ci_core.serving.remote.retry import backoff_s, may_repeat, retry_after_s

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from ci_core.serving.remote.breaker import State
    from ci_core.serving.remote.connection import Answer

_logger = logging.getLogger(__name__)

_OK: Final = range(200, 300)
_REDIRECTS: Final = range(300, 400)
_REFUSALS: Final = range(400, 500)
_FIRST_FAULT: Final = 500


class Client(Protocol):
    """What makes the calls: :class:`ci_core.serving.remote.client.HttpClient`."""

    async def request(
        self,
        method: str,
        target: str,
        *,
        timeout_s: float,
        headers: bytes = b"",
        body: bytes | None = None,
        is_repeatable: bool | None = None,
    ) -> Answer:
        """Return the answer, whatever its status; raise CallError when there is none."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class CallRules:
    """What a step's calls may cost, and which of them may be repeated."""

    service: str
    """What messages call the service: ``host:port``."""
    is_repeatable: bool
    """Whether the service may be asked twice for the same."""
    timeout_s: float = 10.0
    """Of one attempt."""
    retries: int = 2
    """Attempts after the first one."""
    retry_wait_s: float = 0.1
    """Bound of the wait before the first retry; each next one is twice as long."""
    pass_statuses: frozenset[int] = frozenset()
    """Refusals of the service (4xx) that are told to the client as they are."""
    max_in_flight: int = 64
    max_waiting: int = 256
    breaker_failures: int = 5
    breaker_wait_s: float = 10.0


@dataclass(frozen=True, slots=True, kw_only=True)
class CallState:
    """How the calls of one step are doing, in this process; for metrics."""

    in_flight: int
    waiting: int
    attempts: int
    """Since the process started, as the next three."""
    retries: int
    failures: int
    """Attempts that the service failed."""
    times_opened: int
    """How often the breaker opened."""
    breaker: State


class Caller:
    """Makes the calls of one step.

    Args:
        client: of the service.
        rules: of the step.
        clock: the clock of ``event.deadline``.
        sleep: waits between attempts.
        draw: random numbers in [0, 1).
    """

    def __init__(
        self,
        client: Client,
        rules: CallRules,
        *,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], Awaitable[Any]] = asyncio.sleep,
        draw: Callable[[], float] = random.random,
    ) -> None:
        self.rules = rules
        self.breaker = Breaker(failures=rules.breaker_failures, wait_s=rules.breaker_wait_s, clock=clock)
        self._client, self._clock, self._sleep, self._draw = client, clock, sleep, draw
        self._gates = PerLoop(lambda: Gate(places=rules.max_in_flight, max_waiting=rules.max_waiting))
        self._attempts = self._retries = self._failures = 0

    @property
    def state(self) -> CallState:
        """How the calls are doing now."""
        gates = [gate for _, gate in self._gates.items()]
        return CallState(
            in_flight=sum(gate.inside for gate in gates),
            waiting=sum(gate.waiting for gate in gates),
            attempts=self._attempts,
            retries=self._retries,
            failures=self._failures,
            times_opened=self.breaker.times_opened,
            breaker=self.breaker.state,
        )

    async def call(
        self, method: str, target: str, *, headers: bytes, body: bytes | None, deadline: float | None
    ) -> Answer:
        """Return an answer with a status of success.

        Args:
            method: of the request.
            target: path and query.
            headers: lines; ``x-request-timeout-ms`` is added.
            body: of the request.
            deadline: on the clock, or None.

        Raises:
            RequestError: the service refused with one of the statuses that are passed on.
            DependencyError: the service failed, refused, redirected, or cannot be reached.
            DependencyTimeoutError: it did not answer in time.
            DeadlineError: there was no time left to ask it.
            OverloadedError: too many calls wait, or the breaker is open.
        """
        attempt = 0
        while True:
            outcome = await self._attempt(method, target, headers, body, deadline)
            if not isinstance(outcome, CallError) and outcome.status in _OK:
                return outcome
            wait_s = self._wait_before_next(attempt, outcome, deadline)
            if wait_s is None:
                raise self._failure(outcome, attempt + 1)
            attempt += 1
            self._retries += 1
            await self._sleep(wait_s)

    async def _attempt(
        self, method: str, target: str, headers: bytes, body: bytes | None, deadline: float | None
    ) -> Answer | CallError:
        """Call once; return the answer, or why there is none."""
        self._refuse_when_open()
        gate = self._gates.get()
        if not gate.try_enter():
            await self._wait_in_line(gate, deadline)
        try:
            budget_s = self._budget_s(deadline)
            self._refuse_when_open()  # it may have opened while this call stood in line
            began = self.breaker.enter()
            self._attempts += 1
            # rounded up: 0 would mean that there is no time at all
            timed = b"%bx-request-timeout-ms: %d\r\n" % (headers, int(budget_s * 1000) + 1)
            try:
                answer = await self._client.request(
                    method,
                    target,
                    headers=timed,
                    body=body,
                    timeout_s=budget_s,
                    is_repeatable=self.rules.is_repeatable,
                )
            except CallError as error:
                self._note_error(error, began, budget_s)
                return error
            except BaseException:
                self.breaker.abandoned(began)
                raise
            self._note_status(answer.status, began)
            return answer
        finally:
            gate.leave()

    # what stands before a call

    def _refuse_when_open(self) -> None:
        breaker = self.breaker
        if breaker.refuses:
            raise OverloadedError(
                f"`{self.rules.service}` failed {breaker.failures_in_row} times in a row and is left alone for a while",
                retry_after_s=max(1.0, breaker.rest_s),
            )

    async def _wait_in_line(self, gate: Gate, deadline: float | None) -> None:
        limit_s = self._budget_s(deadline)
        if gate.is_full:
            raise OverloadedError(f"too many calls wait for `{self.rules.service}`")
        try:
            await gate.enter(limit_s)
        except TimeoutError:
            self._budget_s(deadline)
            raise OverloadedError(f"no call to `{self.rules.service}` could begin within {limit_s:g} s") from None

    def _budget_s(self, deadline: float | None) -> float:
        """Return how long an attempt may take."""
        if deadline is None:
            return self.rules.timeout_s
        rest_s = deadline - self._clock()
        if rest_s <= 0:
            raise DeadlineError(f"the deadline passed before `{self.rules.service}` could be asked")
        return min(self.rules.timeout_s, rest_s)

    # what follows from its outcome

    def _note_error(self, error: CallError, began: int, budget_s: float) -> None:
        # A client who gives us no time must not make the service look dead to everybody.
        if isinstance(error, CallTimeoutError) and budget_s < self.rules.timeout_s:
            self.breaker.abandoned(began)
        else:
            self._note_failure(began)

    def _note_status(self, status: int, began: int) -> None:
        if status >= _FIRST_FAULT:
            self._note_failure(began)
        else:
            self.breaker.succeeded(began)

    def _note_failure(self, began: int) -> None:
        self._failures += 1
        if self.breaker.failed(began):
            _logger.warning(
                "circuit breaker opened service=%s failures=%d wait_s=%g",
                self.rules.service,
                self.breaker.failures_in_row,
                self.rules.breaker_wait_s,
            )

    def _wait_before_next(self, attempt: int, outcome: Answer | CallError, deadline: float | None) -> float | None:
        """Return how long to wait before the next attempt; None: there is none."""
        ended = outcome if isinstance(outcome, CallError) else outcome.status
        if (
            attempt >= self.rules.retries
            or not may_repeat(ended, is_repeatable=self.rules.is_repeatable)
            or self.breaker.refuses
        ):
            return None
        wait_s = backoff_s(attempt, self.rules.retry_wait_s, self._draw)
        wait_s = max(wait_s, _asked_wait_s(outcome) or 0.0)
        longest_s = self.rules.timeout_s if deadline is None else deadline - self._clock()
        return wait_s if wait_s < longest_s else None

    def _failure(self, outcome: Answer | CallError, attempts: int) -> HttpError:
        service = f"`{self.rules.service}`"
        after = f" ({attempts} attempts)" if attempts > 1 else ""
        if isinstance(outcome, CallTimeoutError):
            return DependencyTimeoutError(f"{service} did not answer in time{after}")
        if isinstance(outcome, CallError):
            return DependencyError(_explanation(outcome, service) + after)
        if outcome.status in _REDIRECTS:
            return DependencyError(f"{service} answered {outcome.status}, a redirect, and redirects are not followed")
        fact = f"{service} answered {outcome.status}{after}"
        asked_s = _asked_wait_s(outcome)
        if outcome.status in _REFUSALS and outcome.status in self.rules.pass_statuses:
            return RequestError(fact, status=outcome.status, retry_after_s=asked_s)
        return DependencyError(fact, retry_after_s=asked_s)


def _explanation(error: CallError, service: str) -> str:
    if isinstance(error, NotConnectedError):
        return f"cannot connect to {service}: {error}"
    if isinstance(error, MalformedAnswerError):
        return f"the answer of {service} cannot be read: {error}"
    return f"{service} gave no answer: {error}"


def _asked_wait_s(outcome: Answer | CallError) -> float | None:
    if isinstance(outcome, CallError):
        return None
    return retry_after_s(outcome.header("retry-after"), datetime.now(UTC))
