"""The seam between a graph and its queues: what a queue step does, and what runs when a message is taken out."""

from __future__ import annotations

from contextvars import ContextVar
from typing import TYPE_CHECKING, Any, Final, Protocol

from ci_core.serving.event import Event
from ci_core.serving.steps.adapt import CallableStep

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Mapping

    from ci_core.serving.spec import StepSpec

    Run = Callable[..., Any]
    Waiting = list[tuple[str, Any, Event]]


class QueueBinding(Protocol):
    """Puts what arrives at queue steps into streams; whoever takes it out calls ``plan.consume``."""

    is_async: bool
    """Whether :meth:`put` must be awaited."""

    def put(self, stream: str, event: Event, body: Any) -> Any:
        """Keep `body`, and of `event` what the steps behind the queue need; raise when it cannot be kept.

        Args:
            stream: name that the queue step has under ``queue``.
            event: of the request.
            body: that arrived at the queue step.
        """
        ...


KEPT_HEADERS: Final = ("traceparent", "tracestate", "content-type")
"""Headers that go through a queue; cookies, credentials and whatever else a client sent stay behind."""

_waiting: ContextVar[Waiting] = ContextVar("graphship_waiting")
"""What the queue steps of this event put, when no broker takes it."""


def queue_step(spec: StepSpec, queues: QueueBinding | None) -> CallableStep:
    """Return the callable of a queue step; it passes its body on, for pictures and answers that lie before it.

    Args:
        spec: of the step.
        queues: where messages go; None keeps them until the answer is there: see :func:`inline`.
    """
    stream = str(spec.queue)
    if queues is None:

        def keep(body: Any, event: Event) -> Any:
            _waiting.get().append((spec.name, body, _carrier(event, body)))
            return body

        return CallableStep(name=spec.name, call=keep, wants_event=True)
    put = queues.put
    if not queues.is_async:

        def put_now(body: Any, event: Event) -> Any:
            put(stream, event, body)
            return body

        return CallableStep(name=spec.name, call=put_now, wants_event=True)

    async def put_async(body: Any, event: Event) -> Any:
        await put(stream, event, body)
        return body

    return CallableStep(name=spec.name, call=put_async, wants_event=True, is_async=True)


def kept_headers(event: Event) -> dict[str, str]:
    """Return what of an event's headers goes through a queue."""
    return {name: event.headers[name] for name in KEPT_HEADERS if name in event.headers} | {"x-event-id": event.id}


def _carrier(event: Event, body: Any) -> Event:
    """Return the event that a message makes of `event`; it has no deadline, as the request is answered by then."""
    carrier = Event(
        body,
        id=event.id,
        path=event.path,
        method=event.method,
        headers=kept_headers(event),
        time=event.time,
        content_type=event.content_type,
    )
    carrier.key = event.key
    return carrier


def inline(run: Run, behind: Mapping[str, Run]) -> Run:
    """Return `run` followed by the steps behind the queues that it put something into: what tests and notebooks want.

    Args:
        run: of the request.
        behind: name of a queue step → the steps behind it.
    """

    def run_all(body: Any, event: Event | None = None) -> Any:
        waiting: Waiting = []
        token = _waiting.set(waiting)
        try:
            answer = run(body, event)
            for queue, message, carrier in waiting:  # grows while it is worked off: a queue may lie behind a queue
                behind[queue](message, carrier)
        finally:
            _waiting.reset(token)
        return answer

    return run_all


def inline_async(run: Run, behind: Mapping[str, Run]) -> Callable[..., Coroutine[Any, Any, Any]]:
    """Do the same for runs that must be awaited."""

    async def run_all(body: Any, event: Event | None = None) -> Any:
        waiting: Waiting = []
        token = _waiting.set(waiting)
        try:
            answer = await run(body, event)
            for queue, message, carrier in waiting:
                await behind[queue](message, carrier)
        finally:
            _waiting.reset(token)
        return answer

    return run_all
