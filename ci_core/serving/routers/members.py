"""The models behind one router: called, timed, and told to the observer."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from time import monotonic, perf_counter
from typing import TYPE_CHECKING

from ci_core.serving.base import ANSWER, ModelCall
from ci_core.serving.crashes import failure_of
from ci_core.serving.model_path import INFER
from ci_core.serving.problems import DeadlineError, RequestError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from ci_core.serving.base import ModelObserver, Role, Row
    from ci_core.serving.event import Event
    from ci_core.serving.models.served import ServedModel
    from ci_core.serving.table import Table
    from ci_core.serving.threads import Threads


@dataclass(slots=True)  # not frozen: that would double the cost of making one
class Share:
    """What one model is asked.

    Attributes:
        key: of the model.
        rows: that it gets, at least one.
        positions: of `rows` among all; None when it gets all of them.
        n_all: how many there are in all, when there are positions.
        role: of the call, see ``ModelObserver``.
    """

    key: str
    rows: list[Row]
    positions: list[int] | None = None
    role: Role = ANSWER
    n_all: int = 0


class Members:
    """The models of a router, by key in the order of its routes.

    Args:
        models: as they are.
        observe: told of every call and every failure, by the thread that makes the call.

    Attributes:
        are_read: whether anybody reads the columns of their calls.
        threads: that models which are not async are asked in, side by side; None: one after the other, right here.
    """

    __slots__ = ("_observe", "are_read", "models", "threads")

    def __init__(self, models: Mapping[str, ServedModel], observe: ModelObserver) -> None:
        self.models = models
        self._observe = observe
        self.threads: Threads | None = None
        self.are_read = getattr(observe, "reads_columns", True)
        if not self.are_read:
            for model in models.values():
                model.ignore_calls()

    def observe_call(self, event: Event, key: str, call: ModelCall, seconds: float) -> None:
        """Tell of a call that was made of calls of the members."""
        self._observe.answered(event, key, call, seconds)

    def observe_failure(self, event: Event, key: str, error: Exception) -> None:
        """Tell of a failure."""
        self._observe.failed(event, key, error)

    def told_failure(self, event: Event, key: str, raised: BaseException) -> Exception:
        """Tell of a call that raised, and return what that means for the request.

        Raises:
            BaseException: `raised` itself, when it orders us to stop; that the time is over is the model's failure.
        """
        if isinstance(raised, asyncio.CancelledError) and event.deadline is not None and monotonic() >= event.deadline:
            self._observe.failed(event, key, DeadlineError("the deadline passed"))
            raise raised
        error = failure_of(raised)
        self._observe.failed(event, key, error)
        return error

    def call(
        self, key: str, rows: list[Row] | Table, event: Event, deadline: float | None, role: Role = ANSWER
    ) -> ModelCall:
        """Return what a model says of `rows`.

        Raises:
            Exception: whatever the model raises.
        """
        started = perf_counter()
        try:
            call = self.models[key].call(rows, deadline)
        except BaseException as raised:  # noqa: BLE001 - raised again, as what it means for the request
            raise self.told_failure(event, key, raised)  # noqa: B904 - it has its cause
        self._observe.answered(event, key, call, perf_counter() - started, role)
        return call

    async def call_async(self, key: str, rows: list[Row] | Table, event: Event, role: Role = ANSWER) -> ModelCall:
        """Return what a model says of `rows`, awaited when the model is async; see :meth:`call`."""
        model = self.models[key]
        started = perf_counter()
        try:
            if model.is_async:
                call = await model.call_async(rows, event.deadline)
            else:
                call = model.call(rows, event.deadline)
        except BaseException as raised:  # noqa: BLE001 - raised again, as what it means for the request
            raise self.told_failure(event, key, raised)  # noqa: B904 - it has its cause
        self._observe.answered(event, key, call, perf_counter() - started, role)
        return call

    def ask(self, share: Share, event: Event, operation: str) -> ModelCall:
        """Return what a model says of its share; answers only, of operations other than ``infer``."""
        if operation == INFER:
            return self.call(share.key, share.rows, _event_of(share, event), event.deadline, share.role)
        try:
            answers = self.models[share.key].operate(operation, share.rows, event.deadline)
        except BaseException as raised:  # noqa: BLE001 - raised again, as what it means for the request
            raise self.told_failure(event, share.key, raised)  # noqa: B904 - it has its cause
        return ModelCall(answers=answers, columns={}, outputs=())

    async def ask_async(self, share: Share, event: Event, operation: str) -> ModelCall:
        """Return what a model says of its share; see :meth:`ask`."""
        if self.threads is not None and not self.models[share.key].is_async:
            # its own copy of the event: a call that is given up goes on with it
            call: ModelCall = await self.threads.run(self.ask, share, event.with_body(event.body), operation)
            return call
        if operation == INFER:
            return await self.call_async(share.key, share.rows, _event_of(share, event), share.role)
        try:
            answers = await self.models[share.key].operate_async(operation, share.rows, event.deadline)
        except BaseException as raised:  # noqa: BLE001 - raised again, as what it means for the request
            raise self.told_failure(event, share.key, raised)  # noqa: B904 - it has its cause
        return ModelCall(answers=answers, columns={}, outputs=())

    def ask_all(
        self, shares: Sequence[Share], event: Event, operation: str, *, ignores_failures: bool
    ) -> list[ModelCall | Exception]:
        """Return what each model says of its share.

        Args:
            shares: one a model.
            event: that is answered.
            operation: that is asked for.
            ignores_failures: put the exception of a model that failed into its place. That a model refuses the request
                is raised all the same: it is the client's to mend.
        """
        outcomes: list[ModelCall | Exception] = []
        for share in shares:
            try:
                outcomes.append(self.ask(share, event, operation))
            except RequestError:
                raise
            except Exception as error:
                if not ignores_failures:
                    raise
                outcomes.append(error)
        return outcomes

    async def ask_all_async(
        self, shares: Sequence[Share], event: Event, operation: str, *, ignores_failures: bool
    ) -> list[ModelCall | Exception]:
        """Return what each model says of its share, those that are async or in threads side by side.

        What is raised is what :meth:`ask_all` raises: the failure of the first share that has one. Those after it have
        been asked, and are left alone.
        """
        if len(shares) == 1 and not ignores_failures:
            return [await self.ask_async(shares[0], event, operation)]
        running: dict[int, asyncio.Task[ModelCall]] = {
            index: asyncio.create_task(self.ask_async(share, event, operation))
            for index, share in enumerate(shares)
            if self.threads is not None or self.models[share.key].is_async
        }
        outcomes: list[ModelCall | Exception] = []
        try:
            if running:
                await asyncio.sleep(0)  # so that they have begun before the others, which stop the loop
            here = {
                index: self._ask_or_error(share, event, operation)
                for index, share in enumerate(shares)
                if index not in running
            }
            for index in range(len(shares)):
                outcome = here[index] if index in here else await _end_of(running[index])
                if isinstance(outcome, Exception) and (not ignores_failures or isinstance(outcome, RequestError)):
                    raise outcome
                outcomes.append(outcome)
        finally:
            for task in running.values():
                task.cancel()  # one that has failed, too: it would complain that nobody asked how
        return outcomes

    def _ask_or_error(self, share: Share, event: Event, operation: str) -> ModelCall | Exception:
        try:
            return self.ask(share, event, operation)
        except Exception as error:  # noqa: BLE001 - raised by the caller, if it is to be
            return error


async def _end_of(task: asyncio.Task[ModelCall]) -> ModelCall | Exception:
    try:
        return await task
    except Exception as error:  # noqa: BLE001 - raised by the caller, if it is to be
        return error


def _event_of(share: Share, event: Event) -> Event:
    """Return the event that a model is observed with: one that knows the ids of the model's rows, and of no others."""
    if share.positions is None:
        return event
    part, known = event.with_body(event.body), event.rows
    if known is None or len(known) != share.n_all:  # a step before made other rows
        part.rows = tuple([(position, None) for position in share.positions])
    else:
        part.rows = tuple([known[position] for position in share.positions])
    return part
