"""One model answers; the others get the same rows afterwards, and only captures and metrics hear of it."""

from __future__ import annotations

import asyncio
import logging
import threading
import time
from collections import deque
from typing import TYPE_CHECKING, Any

from ci_core.serving.access_log import printable
from ci_core.serving.base import SHADOW, ModelCall
from ci_core.serving.problems import OverloadedError
from ci_core.serving.routers.base import WorkingRouter
from ci_core.serving.routers.members import Members, Share
from ci_core.serving.routers.size import size_of

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping, Sequence

    from ci_core.serving.base import Row
    from ci_core.serving.event import Event
    from ci_core.serving.metrics import Metrics
    from ci_core.serving.threads import Threads

logger = logging.getLogger(__name__)

_FINISH_S = 5.0
"""How long what waits may take when the server ends."""
_MOST_BYTES = 64 * 1024 * 1024
"""Memory of the rows that may wait: 256 requests of 256 KB; a server's largest request would take 4 GB as often."""


class ShadowRouter(WorkingRouter):
    """See ``Router.shadow``.

    The shadows run in a thread of their own. A model that is also asked by its path must be fit for two threads.

    Args:
        name: of its step.
        members: its models.
        known: the models of the whole graph.
        live: key of the model that answers.
        waiting: requests that may wait; fewer when they are large.
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
        return self.apart([Share(self.main, rows)])

    def merge(
        self, shares: Sequence[Share], outcomes: Sequence[ModelCall | Exception], rows: list[Row], operation: str
    ) -> ModelCall:
        """Return what the live model said."""
        del shares, rows, operation
        return next(outcome for outcome in outcomes if isinstance(outcome, ModelCall))

    def after(self, rows: list[Row], event: Event) -> None:
        """Give the rows to the shadows, with an event of their own: steps after this one may change the other."""
        own = event.with_body(rows)
        if self._background is None:
            self._ask_shadows(rows, own)
        elif not self._background.put(rows, own):
            for key in self._shadows:
                self.members.observe_failure(own, key, OverloadedError("too many requests wait for the shadows"))

    async def after_async(self, rows: list[Row], event: Event) -> None:
        """Do what :meth:`after` does; without a server the shadows are awaited."""
        if self._background is None and self.members.threads is not None:
            await self._ask_side_by_side(self.members.threads, rows, event.with_body(rows))
        else:
            self.after(rows, event)

    def _ask_shadows(self, rows: list[Row], event: Event) -> None:
        threads = self.members.threads
        if threads is not None and len(self._shadows) > 1:
            asyncio.run(self._ask_side_by_side(threads, rows, event))
            return
        for key in self._shadows:
            self._ask_shadow(key, rows, event)

    async def _ask_side_by_side(self, threads: Threads, rows: list[Row], event: Event) -> None:
        calls = [threads.run(self._ask_shadow, key, rows, event) for key in self._shadows]
        for key, outcome in zip(self._shadows, await asyncio.gather(*calls, return_exceptions=True), strict=True):
            if isinstance(outcome, OverloadedError):  # no thread was there for it
                self.members.observe_failure(event, key, outcome)

    def _ask_shadow(self, key: str, rows: list[Row], event: Event) -> None:
        try:
            (share,) = self.apart([Share(key, rows)])
            self.members.call(key, share.rows, event, None, SHADOW)
        except Exception as error:  # no client hears of it; the observer was told
            logger.debug("shadow failed model=%s event=%s", key, printable(event.id), exc_info=error)

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
        most_bytes: memory that their rows may take, beside those of one request, which may wait whatever it takes.

    Attributes:
        dropped: requests that met a full queue, or that were left when the thread had to end.
    """

    def __init__(self, work: Callable[[list[Row], Event], None], limit: int, most_bytes: int = _MOST_BYTES) -> None:
        self.dropped = 0
        self._work, self._limit, self._most_bytes = work, limit, most_bytes
        self._queue: deque[tuple[list[Row], Event, int]] = deque()
        self._bytes = 0
        self._change = threading.Condition()
        self._ends_at: float | None = None
        self._thread: threading.Thread | None = None

    def put(self, rows: list[Row], event: Event) -> bool:
        """Return whether there was room for a request."""
        with self._change:
            is_full = len(self._queue) >= self._limit
            # counted only while others wait: most often none does, and to look at every value takes its time
            size = size_of(rows, self._most_bytes) if self._queue and not is_full else 0
            if is_full or self._bytes + size > self._most_bytes:
                self.dropped += 1
                return False
            self._queue.append((rows, event, size))
            self._bytes += size
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
                rows, event, size = self._queue.popleft()
                self._bytes -= size
            self._work(rows, event)
            del rows, event  # the next wait may be long, and bodies are large
