"""One model answers; the others get the same rows afterwards, and only captures and metrics hear of it."""

from __future__ import annotations

import logging
import threading
import time
from collections import deque
from typing import TYPE_CHECKING, Any

from ci_core.serving.base import SHADOW, ModelCall
from ci_core.serving.problems import OverloadedError
from ci_core.serving.routers.base import WorkingRouter
from ci_core.serving.routers.members import Members, Share

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping, Sequence

    from ci_core.serving.base import Row
    from ci_core.serving.event import Event
    from ci_core.serving.metrics import Metrics

logger = logging.getLogger(__name__)

_FINISH_S = 5.0
"""How long what waits may take when the server ends."""


class ShadowRouter(WorkingRouter):
    """See ``Router.shadow``.

    The shadows run in a thread of their own. A model that is also asked by its path must be fit for two threads.

    Args:
        name: of its step.
        members: its models.
        known: the models of the whole graph.
        live: key of the model that answers.
        waiting: requests that may wait.
        serving: whether requests come from a server; else the shadows run before the answer is given back.
    """

    def __init__(
        self,
        name: str,
        members: Members,
        known: Collection[str] = (),
        *,
        live: str,
        waiting: int = 256,
        serving: bool = False,
    ) -> None:
        super().__init__(name, members, known)
        self.main = live
        self._shadows = tuple(key for key in self.keys if key != live)
        self._background = Background(self._ask_shadows, waiting) if serving else None

    @property
    def output_columns(self) -> Mapping[str, str]:
        """Those of the model that answers."""
        return self.members.models[self.main].output_columns

    @property
    def dropped(self) -> int:
        """Requests that the shadows did not get, because too many waited."""
        return self._background.dropped if self._background is not None else 0

    @property
    def operations(self) -> tuple[str, ...]:
        """What the live model can be asked."""
        return self.members.models[self.main].operations

    def choose(self, rows: list[Row], body: Any, event: Event) -> Sequence[Share]:
        """Return the live model."""
        del body, event
        return [Share(self.main, rows)]

    def merge(
        self, shares: Sequence[Share], outcomes: Sequence[ModelCall | Exception], rows: list[Row], operation: str
    ) -> ModelCall:
        """Return what the live model said."""
        del shares, rows, operation
        return next(outcome for outcome in outcomes if isinstance(outcome, ModelCall))

    def after(self, rows: list[Row], event: Event) -> None:
        """Give the rows to the shadows."""
        if self._background is None:
            self._ask_shadows(rows, event)
        elif not self._background.put(rows, event):
            for key in self._shadows:
                self.members.observe_failure(event, key, OverloadedError("too many requests wait for the shadows"))

    def _ask_shadows(self, rows: list[Row], event: Event) -> None:
        for key in self._shadows:
            try:
                self.members.call(key, rows, event, None, SHADOW)
            except Exception as error:  # no client hears of it; the observer was told
                logger.debug("shadow failed model=%s event=%s", key, event.id, exc_info=error)

    def follow(self, metrics: Metrics) -> None:
        """Let `metrics` tell what the shadows did not get."""
        text = "Requests that the shadows of a router did not get, because too many waited."
        metrics.follow_counter("graphship_shadow_dropped_total", text, lambda: self.dropped, router=self.name)

    def start(self) -> None:
        """Start the thread of the shadows."""
        if self._background is not None:
            self._background.start()

    def close(self) -> None:
        """Finish what waits, for a few seconds, and end the thread."""
        if self._background is not None:
            self._background.close()


class Background:
    """A bounded queue of requests and the thread that works it off.

    Args:
        work: called with rows and event; must not raise.
        limit: requests that may wait.

    Attributes:
        dropped: requests that met a full queue, or that were left when the thread had to end.
    """

    def __init__(self, work: Callable[[list[Row], Event], None], limit: int) -> None:
        self.dropped = 0
        self._work, self._limit = work, limit
        self._queue: deque[tuple[list[Row], Event]] = deque()
        self._change = threading.Condition()
        self._ends_at: float | None = None
        self._thread: threading.Thread | None = None

    def put(self, rows: list[Row], event: Event) -> bool:
        """Return whether there was room for a request."""
        with self._change:
            if len(self._queue) >= self._limit:
                self.dropped += 1
                return False
            self._queue.append((rows, event))
            self._change.notify()
        return True

    def start(self) -> None:
        """Start the thread, once."""
        if self._thread is None:
            self._ends_at = None
            self._thread = threading.Thread(target=self._run, name="graphship-shadow", daemon=True)
            self._thread.start()

    def close(self) -> None:
        """Let the thread finish what waits, for a few seconds; a call that hangs is left behind."""
        with self._change:
            self._ends_at = time.monotonic() + _FINISH_S
            self._change.notify()
        if self._thread is not None:
            self._thread.join(_FINISH_S + 1.0)
            self._thread = None

    def _run(self) -> None:
        while True:
            with self._change:
                while not self._queue and self._ends_at is None:
                    self._change.wait()
                if self._ends_at is not None and (not self._queue or time.monotonic() > self._ends_at):
                    self.dropped += len(self._queue)
                    return
                rows, event = self._queue.popleft()
            self._work(rows, event)
