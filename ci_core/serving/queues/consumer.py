"""Takes messages out of a queue and runs the steps behind it.

A message is acknowledged when its steps have ended, so a process that dies loses none that a lasting broker keeps. One
message is worked on at a time unless the queue says otherwise: then messages of one process come in the order in which
they were put, but for those that failed and come again later.
"""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING, Any, Final

from ci_core.errors import SharedStreamError
from ci_core.serving.access_log import printable
from ci_core.serving.crashes import encodable, is_being_cancelled, text_of
from ci_core.serving.problems import DependencyError, RequestError
from ci_core.serving.queues.base import Failure
from ci_core.serving.queues.message import read_message

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterable

    from ci_core.serving.event import Event
    from ci_core.serving.queues.base import Broker, Delivery, Queue

logger = logging.getLogger(__name__)

_TAKE_WAIT_S: Final = 0.5
_FIRST_WAIT_S: Final = 0.1
_LONGEST_WAIT_S: Final = 5.0
_DEPTH_EVERY_S: Final = 2.0
_ERROR_CHARS: Final = 4096
"""Of an exception's text that a dead letter keeps: it may quote a whole body."""


class Consumer:
    """Works off one queue, on the loop of the server.

    Args:
        broker: that keeps the messages.
        queue: to take them from.
        run: the steps behind the queue, called with an event that has no deadline: its request is answered.

    Attributes:
        delivered: messages whose steps ended.
        failed: deliveries that failed; each of one message counts.
        dead: messages that were given up.
        depth: messages that are not acknowledged, by any process; a few seconds old.
        problem: why it takes no messages any more, or why one stays undecided until this process ends; or None.
    """

    def __init__(self, broker: Broker, queue: Queue, run: Callable[[Event], Awaitable[Any]]) -> None:
        self.queue = queue
        self.delivered = self.failed = self.dead = self.depth = 0
        self.problem: str | None = None
        self._broker, self._run_steps, self._concurrency = broker, run, queue.concurrency
        self._is_closing = False
        self._at_work: set[asyncio.Task[None]] = set()
        self._tasks: list[asyncio.Task[None]] = []

    def start(self) -> None:
        """Begin to take messages; on the running loop."""
        loop = asyncio.get_running_loop()
        consuming = loop.create_task(self._consume())
        consuming.add_done_callback(self._note_end)
        self._tasks = [consuming, loop.create_task(self._watch_depth())]

    async def close(self, *, drain_s: float) -> None:
        """Take no more messages and end those at work.

        With a broker that does not outlast the process, all that waits is worked off first.

        Args:
            drain_s: how long that may take; what is at work then is stopped, and not acknowledged.
        """
        self._is_closing = True
        if not self._tasks:
            return
        consuming, watching = self._tasks
        watching.cancel()
        await asyncio.wait((consuming,), timeout=drain_s)
        for task in (consuming, *self._at_work):
            task.cancel()
        await asyncio.gather(consuming, watching, *self._at_work, return_exceptions=True)
        self._tasks = []

    async def run_once(self) -> bool:
        """Work off what can be taken now, and return whether there was anything."""
        deliveries = await self._broker.take(self.queue, count=self._concurrency, wait_s=0.0)
        for delivery in deliveries:
            await self._work(delivery)
        return bool(deliveries)

    async def _consume(self) -> None:
        wait_s = _FIRST_WAIT_S
        while not await self._is_done():
            if len(self._at_work) >= self._concurrency:
                await asyncio.wait(self._at_work, return_when=asyncio.FIRST_COMPLETED)
                continue
            try:
                free = self._concurrency - len(self._at_work)
                deliveries = await self._broker.take(self.queue, count=free, wait_s=_TAKE_WAIT_S)
            except SharedStreamError as error:
                self.problem = error.fact
                logger.error("queue is not worked off stream=%s reason=%s", self.queue.stream, printable(error.fact))  # noqa: TRY400 - no traceback: it is the user's to mend
                return
            except DependencyError as error:
                reason = printable(str(error))
                logger.warning("queue cannot be reached stream=%s reason=%s", self.queue.stream, reason)
                await asyncio.sleep(wait_s)
                wait_s = min(2 * wait_s, _LONGEST_WAIT_S)
                continue
            wait_s = _FIRST_WAIT_S
            for delivery in deliveries:
                self._begin(delivery)
            await asyncio.sleep(0)  # sync steps and a broker in memory would never let a request in between
        if self._at_work:
            await asyncio.wait(self._at_work)

    def _note_end(self, consuming: asyncio.Task[None]) -> None:
        error = None if consuming.cancelled() else consuming.exception()
        if error is not None:
            self.problem = f"its consumer ended with a {type(error).__name__}"
            logger.error("queue is not worked off any more stream=%s", self.queue.stream, exc_info=error)

    async def _is_done(self) -> bool:
        if not self._is_closing:
            return False
        return self._broker.is_lasting or await self._broker.depth(self.queue) == 0

    def _begin(self, delivery: Delivery) -> None:
        task = asyncio.get_running_loop().create_task(self._work(delivery))
        self._at_work.add(task)
        task.add_done_callback(self._note_worked)

    def _note_worked(self, task: asyncio.Task[None]) -> None:
        self._at_work.discard(task)
        error = None if task.cancelled() else task.exception()
        if error is not None:  # the broker's fault, or ours; the message is not delivered again while we live
            self.problem = f"a message stays undecided: its broker raised a {type(error).__name__}"
            logger.error("message stays undecided stream=%s", self.queue.stream, exc_info=error)

    async def _work(self, delivery: Delivery) -> None:
        failure = await self._attempt(delivery)
        if failure is None:
            await self._tell(lambda: self._broker.acknowledge(self.queue, delivery))
            self.delivered += 1
            return
        self.failed += 1
        is_dead = await self._tell(lambda: self._broker.fail(self.queue, delivery, failure))
        if is_dead:
            self.dead += 1
        logger.error(
            "message failed stream=%s event=%s step=%s attempt=%d dead=%s error=%s",
            self.queue.stream,
            printable(failure.event_id),
            failure.step,
            delivery.attempt,
            bool(is_dead),
            printable(failure.error),
        )

    async def _attempt(self, delivery: Delivery) -> Failure | None:
        try:
            event = read_message(delivery.payload)
        except ValueError as error:
            return Failure(error=str(error), is_final=True)
        if delivery.attempt > self.queue.max_deliveries:
            # its last delivery was neither acknowledged nor failed: what worked on it is gone, perhaps because of it
            reason = f"the process that worked on it ended, {delivery.attempt - 1} times"
            return Failure(error=reason, event_id=event.id, is_final=True)
        try:
            await self._run_steps(event)
        except (KeyboardInterrupt, GeneratorExit):
            raise
        except BaseException as error:
            if isinstance(error, asyncio.CancelledError) and is_being_cancelled():
                raise
            # `sys.exit()` or a cancelled task of a step's own ends the message as any other failure does
            logger.debug("message failed", exc_info=error)
            return _failed(event, error)
        return None

    async def _tell(self, tell: Callable[[], Awaitable[Any]]) -> Any:
        """Tell the broker how a message fared, however long it cannot be reached; it is delivered twice otherwise."""
        wait_s = _FIRST_WAIT_S
        while True:
            try:
                return await tell()
            except DependencyError as error:
                if self._is_closing:
                    reason = printable(str(error))
                    logger.warning("a message will be delivered again stream=%s reason=%s", self.queue.stream, reason)
                    return None
            await asyncio.sleep(wait_s)
            wait_s = min(2 * wait_s, _LONGEST_WAIT_S)

    async def _watch_depth(self) -> None:
        while True:
            try:
                self.depth = await self._broker.depth(self.queue)
            except DependencyError:
                logger.debug("depth of the queue is unknown stream=%s", self.queue.stream)
            await asyncio.sleep(_DEPTH_EVERY_S)


def _failed(event: Event, error: BaseException) -> Failure:
    """Return why the steps behind a queue did not end; what a step refuses (4xx) is not tried again."""
    text = f"{type(error).__name__}: {text_of(error)}"
    return Failure(
        error=text if len(text) <= _ERROR_CHARS else f"{text[: _ERROR_CHARS - 1]}…",
        step=encodable(event.error.step) if event.error is not None else "",
        event_id=encodable(event.id),
        is_final=isinstance(error, RequestError),
    )


async def work_off(consumers: Iterable[Consumer]) -> None:
    """Work off queues until all are empty: steps behind one may put messages into another. For tests and notebooks."""
    found = True
    while found:
        found = False
        for consumer in consumers:
            while await consumer.run_once():
                found = True
