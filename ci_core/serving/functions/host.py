"""What runs in the process of a child function: the segments of its steps, each a plan of its own."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from ci_core.serving.access_log import printable
from ci_core.serving.crashes import OperationAnsweredError
from ci_core.serving.functions.calls import read_request, write_failed_reply, write_reply
from ci_core.serving.functions.wire import WireError
from ci_core.serving.problems import HttpError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from ci_core.serving.functions.split import Segment
    from ci_core.serving.plan import Plan

logger = logging.getLogger(__name__)


class FunctionHost:
    """Runs the segments of one function.

    Args:
        segments: of the function.
        plans: compiled from them, by their names.
    """

    def __init__(self, segments: Sequence[Segment], plans: Mapping[str, Plan]) -> None:
        self._segments = {segment.name: segment for segment in segments}
        self._plans = plans

    async def answer(self, name: str, request: bytes) -> bytes:
        """Return the reply to a request for a segment; a step that fails is a reply, too.

        Raises:
            KeyError: there is no such segment.
            ValueError: the request is none of ours.
        """
        segment, plan = self._segments[name], self._plans[name]
        event, has_ended = read_request(request), False
        try:
            result = (plan.run if event.deadline is None else plan.run_in_time)(event.body, event)
            if plan.is_async:
                result = await result
        except OperationAnsweredError as ended:
            result, has_ended = ended.answer, True
        except (Exception, SystemExit) as error:  # noqa: BLE001 - the caller raises it again
            step = event.error.step if event.error is not None else segment.spec.steps[0].name
            _log(segment, step, event.id, error)
            return write_failed_reply(event, error, step=step)
        try:
            return write_reply(event, result, segment=name, function=segment.function, has_ended=has_ended)
        except WireError as error:
            step = segment.spec.steps[-1].name
            _log(segment, step, event.id, error)
            return write_failed_reply(event, error, step=step)


def _log(segment: Segment, step: str, event_id: str, error: BaseException) -> None:
    """The caller knows what is told to the client; only here is it known where in the code it happened."""
    if isinstance(error, HttpError):
        return
    logger.error(
        "step failed function=%s step=%s event=%s", segment.function, step, printable(event_id), exc_info=error
    )
