"""Queues of serving graphs: brokers that keep messages, and the consumer that runs the steps behind a queue."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ci_core.serving.queues.base import DeadLetter, Delivery, Failure, Queue
from ci_core.serving.queues.memory import MemoryBroker

if TYPE_CHECKING:
    from ci_core.serving.queues.redis_streams import RedisBroker


def broker_of(url: str | None) -> MemoryBroker | RedisBroker:
    """Return the broker at `url`; the one inside this process for None.

    Raises:
        QueueUrlError: no broker of ours has such an address.
        MissingExtraError: its client is not installed.
    """
    if not url:
        return MemoryBroker()
    from ci_core.serving.queues.redis_streams import RedisBroker

    return RedisBroker(url)


__all__ = ["DeadLetter", "Delivery", "Failure", "MemoryBroker", "Queue", "broker_of"]
