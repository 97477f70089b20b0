"""The remote step that stands for a segment in the graph of the caller."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from ci_core.serving.engine.failures import mark_step
from ci_core.serving.functions.calls import read_reply, write_request
from ci_core.serving.problems import DeadlineError, DependencyError

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from ci_core.serving.event import Event
    from ci_core.serving.functions.split import Segment

    Send = Callable[[Segment, bytes, float], Awaitable[bytes]]

LONGEST_CALL_S: Final = 600.0
"""How long a call may take whose request has no deadline."""


class RemoteSegment:
    """Calls the steps of a segment in the process of its function.

    Args:
        segment: to call.
        send: ``await send(segment, request, timeout_s)`` gives the reply; it raises what says that there is none.

    Attributes:
        is_graph: failures name the step inside that raised them.
    """

    is_graph = True

    def __init__(self, segment: Segment, send: Send) -> None:
        self._segment, self._send = segment, send

    async def do_event(self, event: Event) -> Any:
        """Return what the steps make of the event's body.

        Raises:
            DeadlineError: the time of the request is over.
            WireError: the body cannot travel.
            DependencyError: the function cannot be reached, or speaks another language.
            HttpError: a step inside raised it.
            RemoteStepError: a step inside raised something else.
        """
        name, function = self._segment.name, self._segment.function
        remaining_s = event.remaining_s
        if remaining_s is not None and remaining_s <= 0:
            raise DeadlineError(f"the time was over before the function `{function}` was called")
        request = write_request(event, event.body, segment=name, function=function)
        reply = await self._send(self._segment, request, LONGEST_CALL_S if remaining_s is None else remaining_s)
        try:
            body, failure, step = read_reply(reply, event)
        except ValueError as error:
            raise DependencyError(f"the function `{function}` does not answer as a function of ours") from error
        if failure is None:
            return body
        if step:
            mark_step(failure, step)
        raise failure
