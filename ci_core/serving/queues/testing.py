"""Test a graph with its queues as they are served: messages are written and read, failures tried again, without waits.

``graph.test`` runs the steps behind a queue right after the answer, and raises what they raise. Here failures end where
they end in production::

    queued = QueuedGraph(graph)
    queued.test({"amount": 3})
    assert [letter.error for letter in queued.dead_letters("scored")] == ["ValueError: no"]
"""

from __future__ import annotations

import weakref
from typing import TYPE_CHECKING, Any

from ci_core.serving.own_loop import OwnLoop
from ci_core.serving.queues.binding import Queues
from ci_core.serving.queues.consumer import work_off
from ci_core.serving.queues.memory import MemoryBroker
from ci_core.serving.trial import Trial

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ci_core.serving.graph import Graph
    from ci_core.serving.queues.base import DeadLetter


class QueuedGraph:
    """A graph whose queues live in this process.

    Args:
        graph: steps are constructed and models loaded here.

    Raises:
        GraphshipError: see ``Graph.compile``.

    Example:
        >>> from ci_core.serving import Graph
        >>> def store(body):
        ...     raise ValueError("no room")
        >>> graph = Graph("stored")
        >>> doubled = graph.to(lambda body: 2 * body, "double").respond()
        >>> _ = doubled.queue("doubled", max_deliveries=2).to(store, "store")
        >>> queued = QueuedGraph(graph)
        >>> queued.test(4)
        8
        >>> [(letter.error, letter.step, letter.attempts) for letter in queued.dead_letters("doubled")]
        [('ValueError: no room', 'store', 2)]
    """

    def __init__(self, graph: Graph) -> None:
        self._broker = MemoryBroker(retry_wait=lambda _attempt: 0.0)
        self._queues = Queues(graph.spec, self._broker)
        plan = graph.compile(queues=self._queues)
        weakref.finalize(plan, plan.close)
        self._queues.bind(plan)
        self._loop = OwnLoop(self)
        self._trial = Trial(graph.spec, plan, self._loop)

    def test(
        self, body: Any = None, path: str = "/", *, method: str = "POST", headers: Mapping[str, str] | None = None
    ) -> Any:
        """Return the answer to one event, once all messages that it led to are worked off or given up.

        Args:
            body: what a client would post, already parsed.
            path: which routers look at.
            method: of the request.
            headers: of the request; names in any case.

        Raises:
            Exception: what ``Graph.test`` raises, from steps before a queue.
        """
        try:
            return self._trial.answer(body, path, method=method, headers=headers)
        finally:  # a step after the put may have failed: the message is there all the same
            self._loop.run(work_off(self._queues.consumers))

    def dead_letters(self, stream: str) -> list[DeadLetter]:
        """Return the messages of a stream that were given up, oldest first."""
        letters: list[DeadLetter] = self._loop.run(self._broker.dead_letters(stream))
        return letters
