"""The queues of one served graph: puts for its queue steps, and a consumer for the steps behind each.

The engine knows queues by a small protocol (``engine/queued.py``); this is it, with a broker behind.
"""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING, Any, Final

from ci_core.serving.functions.wire import WireError
from ci_core.serving.problems import DeadlineError
from ci_core.serving.queues.base import Queue
from ci_core.serving.queues.consumer import Consumer
from ci_core.serving.queues.message import write_message

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from ci_core.serving.event import Event
    from ci_core.serving.metrics import Metrics
    from ci_core.serving.plan import Plan
    from ci_core.serving.queues.base import Broker
    from ci_core.serving.spec import GraphSpec

logger = logging.getLogger(__name__)

PUT_TIMEOUT_S: Final = 2.0
"""How long a put may take: long enough for a broker that is restarted or fails over, short enough for who waits."""


class Queues:
    """The queues of a graph.

    Args:
        spec: of the graph, checked.
        broker: that keeps the messages.

    Attributes:
        is_async: the engine awaits :meth:`put`.
        consumers: one a queue step, once :meth:`start` was called.
    """

    is_async = True

    def __init__(self, spec: GraphSpec, broker: Broker) -> None:
        self.consumers: tuple[Consumer, ...] = ()
        self._broker = broker
        self._queues: dict[str, Queue] = {}
        self._steps: dict[str, str] = {}
        for step in spec.steps:
            if step.queue is None:
                continue
            self._steps[step.queue] = step.name
            self._queues[step.queue] = Queue.of(spec.name, step)

    async def put(self, stream: str, event: Event, body: Any) -> None:
        """Keep `body` and what steps behind the queue may know of `event`.

        Raises:
            OverloadedError: the queue is full.
            DependencyError: the broker cannot be reached.
            DeadlineError: the time of the request is over.
            WireError: the body cannot travel.
        """
        remaining_s = event.remaining_s
        timeout_s = PUT_TIMEOUT_S if remaining_s is None else min(PUT_TIMEOUT_S, remaining_s)
        if timeout_s <= 0:
            raise DeadlineError("the deadline passed before the message was put into its queue")
        try:
            message = write_message(event, body)
        except WireError as error:
            keys = error.keys[1:] if error.keys[:1] == ("body",) else error.keys
            reason = f"{error.reason} (what arrives at the queue `{self._steps[stream]}`)"
            raise WireError(error.kind, reason, keys) from None
        await self._broker.put(self._queues[stream], message, timeout_s=timeout_s)

    def bind(self, plan: Plan) -> None:
        """Make the consumers, which run the steps of `plan`."""
        self.consumers = tuple(
            Consumer(self._broker, queue, _steps_behind(plan, self._steps[stream]))
            for stream, queue in self._queues.items()
        )

    def start(self, plan: Plan) -> None:
        """Begin to take messages; on the running loop, after any fork."""
        self.bind(plan)
        self._extend(plan)
        for consumer in self.consumers:
            consumer.start()

    def _extend(self, plan: Plan) -> None:
        """Let the plan be ready only while somebody takes the messages that it puts."""
        own_unready: Callable[[], dict[str, str]] = plan.unready

        def unready() -> dict[str, str]:
            return own_unready() | {f"queue {stream}": reason for stream, reason in self.unready().items()}

        vars(plan).update(unready=unready)

    async def close(self, *, drain_s: float) -> int:
        """Take no more messages, end those at work, and return how many are lost.

        With a broker in this process, all that waits is worked off first: what steps behind one queue put into another
        too.

        Args:
            drain_s: how long that may take.
        """
        await asyncio.gather(*(consumer.close(drain_s=drain_s) for consumer in self.consumers))
        lost = await self._broker.close()
        if lost:
            logger.error("messages are lost, as their queues end with this process count=%d", lost)
        return lost

    def follow(self, metrics: Metrics) -> None:
        """Let `metrics` tell how the messages fare, once the consumers are bound."""
        # of a broker that all processes share, one of them tells how much waits: numbers are summed over all
        tells_depth = not self._broker.is_lasting or metrics.worker <= 1
        text = "Messages by how they fared: steps ended, a delivery failed, given up."
        for one in self.consumers:
            stream = one.queue.stream
            if tells_depth:
                metrics.follow_gauge(
                    "graphship_queue_depth", "Messages that are not acknowledged.", _reader(one, "depth"), queue=stream
                )
            for result in ("delivered", "failed", "dead"):
                read = _reader(one, result)
                metrics.follow_counter("graphship_queue_messages_total", text, read, queue=stream, result=result)

    def unready(self) -> dict[str, str]:
        """Return stream → why nobody takes its messages."""
        return {one.queue.stream: one.problem for one in self.consumers if one.problem is not None}


def _reader(consumer: Consumer, name: str) -> Callable[[], float]:
    return lambda: float(getattr(consumer, name))


def _steps_behind(plan: Plan, step: str) -> Callable[[Event], Awaitable[Any]]:
    async def run(event: Event) -> Any:
        result = plan.consume(step, event.body, event)
        return await result if plan.is_async else result

    return run
