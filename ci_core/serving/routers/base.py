"""What all routers share: rows in, answers out, and paths that name a model win.

A kind says which models get which rows (``choose``) and what becomes of their answers (``merge``); both are free of
calls, so that sync and async models go through the same code.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

from ci_core.serving.crashes import OperationAnsweredError
from ci_core.serving.model_path import BY_NAME, BY_TENSOR, INFER, MODELS_PREFIX, ModelPath, parse_model_path
from ci_core.serving.problems import RequestError, UnknownModelError
from ci_core.serving.routers.members import Members, Share
from ci_core.serving.table import Table

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping, Sequence

    import numpy as np
    from numpy.typing import NDArray

    from ci_core.serving.base import ModelCall, Row
    from ci_core.serving.event import Event
    from ci_core.serving.routers.face import RouterAsModel
    from ci_core.serving.threads import Threads

_MEANS_INFER = BY_TENSOR | BY_NAME | {""}
_REMEMBERED_PATHS = 256
_DICTS = {dict}
_NOBODY: tuple[str | None, str] = (None, INFER)


class WorkingRouter:
    """A router, ready to be called.

    Args:
        name: of its step.
        members: its models.
        known: the models of the whole graph, looked at when a path names none of these.

    Attributes:
        call: ``call(body, event)``; to be awaited when :attr:`is_async`.
        is_async: whether a model, or the router's own code, is async.
        model: the router as a model, for all kinds but ``single``.
        main: key of the model that stands for the router where there can be one only.
    """

    is_a_model: ClassVar[bool] = True
    """Whether a path may name the router instead of one of its models."""
    reads_columns_only: ClassVar[bool] = True
    """Whether it looks at nothing of a row that its settings do not name."""
    asks_several: ClassVar[bool] = True
    """Whether it may ask more than one model for an event."""
    ignores_failures = False
    """Whether it goes on without models that failed."""

    def __init__(self, name: str, members: Members, known: Collection[str] = ()) -> None:
        self.name, self.members = name, members
        self.keys = tuple(members.models)
        self.main = self.keys[0]
        self.model: RouterAsModel | None = None
        self._known = known
        # models of files change no rows
        self._may_change_rows = frozenset(key for key, model in members.models.items() if not model.route.is_file)
        self._paths: dict[str, tuple[str | None, str]] = {}
        self.settle()

    def settle(self) -> None:
        """Choose how it is called; again when more of its models have become async, before they are started."""
        self.is_async = self.must_be_async or self.members.threads is not None
        self.call: Callable[[Any, Event], Any] = self.answer_async if self.is_async else self.answer

    @property
    def must_be_async(self) -> bool:
        """Whether it awaits something."""
        return self.has_async_code or any(model.is_async for model in self.members.models.values())

    def isolate(self) -> None:
        """Call its models in threads of their own; before they are started."""
        for model in self.members.models.values():
            model.isolate()
        self.settle()

    def ask_in(self, threads: Threads) -> None:
        """Ask models that wait for something side by side, each in one of `threads`, where there may be several."""
        if self.asks_several and len(self.keys) > 1:
            self.members.threads = threads
            self.settle()

    @property
    def has_async_code(self) -> bool:
        """Whether the router itself awaits something, beside its models."""
        return False

    @property
    def operations(self) -> tuple[str, ...]:
        """What the router as a model can be asked beside ``infer``: what all of its models can."""
        first, *others = (model.operations for model in self.members.models.values())
        return tuple(one for one in first if all(one in operations for operations in others))

    @property
    def output_columns(self) -> Mapping[str, str]:
        """Field of the answers → kind, when all of its models answer with the same; else empty."""
        first, *others = (model.output_columns for model in self.members.models.values())
        return first if all(one == first for one in others) else {}

    def choose(self, rows: list[Row], body: Any, event: Event) -> Sequence[Share]:
        """Return which models get which rows.

        Args:
            rows: at least one.
            body: that they came as.
            event: that carries them.
        """
        raise NotImplementedError

    def merge(
        self, shares: Sequence[Share], outcomes: Sequence[ModelCall | Exception], rows: list[Row], operation: str
    ) -> ModelCall:
        """Return what the models said as one call: one answer a row.

        Args:
            shares: as chosen.
            outcomes: one a share; exceptions only when :attr:`ignores_failures`.
            rows: of the request.
            operation: that was asked for.
        """
        raise NotImplementedError

    def apart(self, shares: list[Share]) -> list[Share]:
        """Return shares of the same rows so that a user's model, which may change its own, changes no other's."""
        if self._may_change_rows:
            for share in shares:
                if share.key in self._may_change_rows:
                    share.rows = [row.copy() for row in share.rows]
        return shares

    def after(self, rows: list[Row], event: Event) -> None:
        """Do what remains to be done when the answer is made."""

    async def after_async(self, rows: list[Row], event: Event) -> None:
        """Do what :meth:`after` does, without stopping the loop."""
        self.after(rows, event)

    def answer(self, body: Any, event: Event) -> Any:
        """Return one answer for one row, a list of answers for a list of rows."""
        rows = rows_of(body)
        named, operation = self.asked_for_by(event)
        if not rows:
            return []
        if named is not None:
            answers = self.members.ask(Share(named, rows), event, operation).answers
        else:
            answers = self.route(rows, body, event, operation).answers
        answer = answers[0] if isinstance(body, dict) else answers
        return answer if operation == INFER else ended_by(answer, event)

    async def answer_async(self, body: Any, event: Event) -> Any:
        """Return what :meth:`answer` does, awaiting models that are async."""
        rows = rows_of(body)
        named, operation = self.asked_for_by(event)
        if not rows:
            return []
        if named is not None:
            answers = (await self.members.ask_async(Share(named, rows), event, operation)).answers
        else:
            answers = (await self.route_async(rows, body, event, operation)).answers
        answer = answers[0] if isinstance(body, dict) else answers
        return answer if operation == INFER else ended_by(answer, event)

    def route(self, rows: list[Row], body: Any, event: Event, operation: str) -> ModelCall:
        """Return what the models that the router chooses say of `rows`."""
        shares = self.choose(rows, body, event)
        outcomes = self.members.ask_all(shares, event, operation, ignores_failures=self.ignores_failures)
        merged = self._merged(shares, outcomes, rows, operation)
        if operation == INFER:
            self.after(rows, event)
        return merged

    async def route_async(self, rows: list[Row], body: Any, event: Event, operation: str) -> ModelCall:
        """Return what :meth:`route` does, awaiting models that are async."""
        shares = self.choose(rows, body, event)
        outcomes = await self.members.ask_all_async(shares, event, operation, ignores_failures=self.ignores_failures)
        merged = self._merged(shares, outcomes, rows, operation)
        if operation == INFER:
            await self.after_async(rows, event)
        return merged

    def _merged(
        self, shares: Sequence[Share], outcomes: Sequence[ModelCall | Exception], rows: list[Row], operation: str
    ) -> ModelCall:
        if self.ignores_failures and all(isinstance(outcome, Exception) for outcome in outcomes):
            raise next(outcome for outcome in outcomes if isinstance(outcome, Exception))
        return self.merge(shares, outcomes, rows, operation)

    def asked_for_by(self, event: Event) -> tuple[str | None, str]:
        """Return what :meth:`asked_for` says of the event's path; let the event know that the model is reached."""
        found = self.asked_for(event.path)
        if event.asked is not None and found is not _NOBODY:
            event.asked.is_reached = True
        return found

    def asked_for(self, path: str) -> tuple[str | None, str]:
        """Return the key of the model that a path names, None when the router is to choose, and the operation.

        Raises:
            UnknownModelError: there is no such model in the graph.
        """
        if not path.startswith(MODELS_PREFIX):
            return _NOBODY
        found = self._paths.get(path)
        if found is None:
            found = self._find(parse_model_path(path))
            if len(self._paths) < _REMEMBERED_PATHS:
                self._paths[path] = found
        return found

    def _find(self, asked: ModelPath | None) -> tuple[str | None, str]:
        if asked is None:
            return _NOBODY
        operation = INFER if asked.operation in _MEANS_INFER else asked.operation
        if self.is_a_model and asked.model == self.name and asked.version is None:
            return None, operation
        try:
            return asked.find(self.keys), operation
        except UnknownModelError:
            if _is_found(asked, self._known):  # the path is for another router of the graph
                return _NOBODY
            raise

    def score(self, columns: Mapping[str, Sequence[Any] | NDArray[Any]]) -> NDArray[np.float64]:
        """Return one output a row of a table, shape ``(n_rows,)``; see ``ci_core.serving.base.Model.score``."""
        return self.members.models[self.main].score(columns)

    def start(self) -> None:
        """Begin what needs a life of its own."""

    def close(self) -> None:
        """End it."""


def ended_by(answer: Any, event: Event) -> Any:
    """Return the answer of an operation other than ``infer``, or end the run with it where somebody waits for it.

    The steps after a router expect predictions.

    Raises:
        OperationAnsweredError: the event is a request to a model.
    """
    if event.asked is not None:
        raise OperationAnsweredError(answer)
    return answer


def _is_found(asked: ModelPath, known: Collection[str]) -> bool:
    try:
        asked.find(known)
    except UnknownModelError:
        return False
    return True


def rows_of(body: Any) -> list[Row]:
    """Return a body as rows.

    Raises:
        RequestError: it is neither an object nor a list of objects.
    """
    if type(body) is list and set(map(type, body)) == _DICTS:  # most often, and of many rows in half the time
        return body
    rows = body.rows() if type(body) is Table else body if isinstance(body, list) else [body]
    for index, row in enumerate(rows):
        if not isinstance(row, dict):
            raise RequestError(f"row {index}: expected an object of columns, found {type(row).__name__}")
    return rows
