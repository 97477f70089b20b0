"""The requests that wait for one model in one event loop, and which of them share its next call."""

from __future__ import annotations

import math
from collections import deque
from typing import TYPE_CHECKING, Any

from ci_core.serving.problems import DeadlineError

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Callable, Hashable

    from ci_core.serving.base import Row

NEVER = math.inf
_MARGIN = 1.5
"""Calls are planned to take this many times what they take undisturbed, where a deadline depends on it."""


class Pending:
    """A request that waits: for a call of the model with `rows`, or for another operation of it, `work`.

    Args:
        rows: of the request; empty when there is `work`.
        n_rows: that count for limits.
        deadline: on the clock; None for never.
        answer: awaited by whoever asked.
        shape: what requests that share a call have in common.
        work: runs the operation.
    """

    __slots__ = ("answer", "deadline", "n_rows", "rows", "shape", "work")

    def __init__(
        self,
        rows: list[Row],
        n_rows: int,
        deadline: float | None,
        answer: asyncio.Future[Any],
        *,
        shape: Hashable,
        work: Callable[[], Any] | None = None,
    ) -> None:
        self.rows, self.n_rows, self.answer, self.shape, self.work = rows, n_rows, answer, shape, work
        self.deadline = NEVER if deadline is None else deadline

    def tell(self, outcome: Any) -> None:
        """Give whoever asked an answer, or the exception that it is; those who left hear nothing."""
        answer = self.answer
        if answer.done():
            return
        if not isinstance(outcome, Exception):
            answer.set_result(outcome)
        elif isinstance(outcome, StopIteration):  # no future can carry it
            error = RuntimeError("the model raised StopIteration")
            error.__cause__ = outcome
            answer.set_exception(error)
        else:
            answer.set_exception(outcome)


class Waiting:
    """A queue for each shape; the first queue is next.

    Attributes:
        rows: that wait.
        requests: that wait.
    """

    def __init__(self) -> None:
        self.rows = 0
        self.requests = 0
        self._queues: dict[Hashable, deque[Pending]] = {}

    def __bool__(self) -> bool:
        return bool(self._queues)

    @property
    def earliest_deadline(self) -> float:
        """Of those that wait; `NEVER` when none has one."""
        return min((pending.deadline for queue in self._queues.values() for pending in queue), default=NEVER)

    def add(self, pending: Pending) -> None:
        """Put a request at the end."""
        queue = self._queues.get(pending.shape)
        if queue is None:
            queue = self._queues[pending.shape] = deque()
        queue.append(pending)
        self.rows += pending.n_rows
        self.requests += 1

    def remove(self, pending: Pending) -> bool:
        """Take a request out, and return whether it was there."""
        queue = self._queues.get(pending.shape)
        if queue is None or pending not in queue:
            return False
        queue.remove(pending)
        if not queue:
            del self._queues[pending.shape]
        self._left(pending)
        return True

    def empty(self) -> list[Pending]:
        """Take out all."""
        all_of_them = [pending for queue in self._queues.values() for pending in queue]
        self._queues.clear()
        self.rows = self.requests = 0
        return all_of_them

    def take(self, now: float, most_rows: float, expected_s: Callable[[int], float]) -> list[Pending]:
        """Take out the requests of one call; those that are too late already are told so.

        Args:
            now: on the clock.
            most_rows: of one call, unless its first request has more.
            expected_s: duration of a call of so many rows.
        """
        taken: list[Pending] = []
        while self._queues and not taken:
            shape, queue = next(iter(self._queues.items()))
            self._take_from(queue, taken, now, most_rows, expected_s)
            del self._queues[shape]
            if queue:
                self._queues[shape] = queue  # the others first
        return taken

    def _take_from(
        self,
        queue: deque[Pending],
        taken: list[Pending],
        now: float,
        most_rows: float,
        expected_s: Callable[[int], float],
    ) -> None:
        rows, earliest = 0, NEVER
        while queue:
            pending = queue[0]
            n_rows, deadline = pending.n_rows, pending.deadline
            if deadline <= now or pending.answer.done():
                self._left(queue.popleft())
                pending.tell(too_late())
                continue
            # one that is late anyway does not keep the others few
            if deadline < earliest and ends_at(now, expected_s(n_rows)) <= deadline:
                earliest = deadline
            if taken:
                is_late = earliest < NEVER and ends_at(now, expected_s(rows + n_rows)) > earliest
                if is_late or rows + n_rows > most_rows:
                    break
            taken.append(queue.popleft())
            rows += n_rows
        self.rows -= rows
        self.requests -= len(taken)

    def _left(self, pending: Pending) -> None:
        self.rows -= pending.n_rows
        self.requests -= 1


def ends_at(begins: float, expected_s: float) -> float:
    """Return when a call should be over at the latest."""
    return begins + _MARGIN * expected_s


def too_late() -> DeadlineError:
    """Return what a request is told whose time is over before its call began."""
    return DeadlineError("the deadline passed while the request waited for the model")
