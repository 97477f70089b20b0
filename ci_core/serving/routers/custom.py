"""Routers that users write: which models, and what becomes of their answers."""

from __future__ import annotations

import inspect
from typing import TYPE_CHECKING, Any, ClassVar

from ci_core.errors import InvalidStepError, quoted
from ci_core.serving.base import MEMBER, ModelCall
from ci_core.serving.engine.guards import in_thread
from ci_core.serving.model_path import INFER
from ci_core.serving.models.answers import ModelAnswerError
from ci_core.serving.routers.base import WorkingRouter
from ci_core.serving.routers.members import Members, Share
from ci_core.serving.routers.parallel import by_row

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping, Sequence

    from ci_core.serving.base import Row
    from ci_core.serving.event import Event
    from ci_core.types import JsonValue


class CustomRouter(WorkingRouter):
    """See ``Router.custom``.

    Args:
        name: of its step.
        members: its models.
        known: the models of the whole graph.
        author: the user's object.

    Raises:
        InvalidStepError: it has no ``choose``.
    """

    reads_columns_only: ClassVar[bool] = False

    def __init__(self, name: str, members: Members, known: Collection[str] = (), *, author: Any) -> None:
        if not callable(getattr(author, "choose", None)):
            raise InvalidStepError(
                step=name,
                reason=f"is a router of the class `{type(author).__name__}`, which has no method `choose`",
                hint="give it `choose(self, body, event, models)`, which returns a model's name, or a list of names",
            )
        self._choose: Callable[..., Any] = author.choose
        self._merge: Callable[..., Any] | None = getattr(author, "merge", None)
        self._author = author
        super().__init__(name, members, known)

    @property
    def output_columns(self) -> Mapping[str, str]:
        """What its class declares under this name; nobody knows what ``merge`` makes of the answers."""
        declared: Mapping[str, str] = getattr(self._author, "output_columns", {})
        return declared

    @property
    def has_async_code(self) -> bool:
        """Whether ``choose`` or ``merge`` is a coroutine function."""
        return inspect.iscoroutinefunction(self._choose) or inspect.iscoroutinefunction(self._merge)

    def route(self, rows: list[Row], body: Any, event: Event, operation: str) -> ModelCall:
        """Return what the models that the author's code chooses say of `rows`."""
        chosen = self._choose(body, event, self.members.models)
        shares = self._shares(chosen, rows)
        calls = self.members.ask_all(shares, event, operation, ignores_failures=False)
        if isinstance(chosen, str):
            return _only(calls)
        answers = _answers(shares, calls)
        if self._merge is None or operation != INFER:
            return _call(by_row(answers, len(rows)))
        return self._checked(self._merge(answers, body), rows)

    async def route_async(self, rows: list[Row], body: Any, event: Event, operation: str) -> ModelCall:
        """Return what :meth:`route` does, awaiting what is async."""
        chosen = await self._choose_async(body, event)
        shares = self._shares(chosen, rows)
        calls = await self.members.ask_all_async(shares, event, operation, ignores_failures=False)
        if isinstance(chosen, str):
            return _only(calls)
        answers = _answers(shares, calls)
        if self._merge is None or operation != INFER:
            return _call(by_row(answers, len(rows)))
        return self._checked(await self._merge_async(self._merge, answers, body), rows)

    async def _choose_async(self, body: Any, event: Event) -> Any:
        threads = self.members.threads
        if threads is None or inspect.iscoroutinefunction(self._choose):
            chosen = self._choose(body, event, self.members.models)
        else:
            choose = in_thread(threads)(lambda body, event: self._choose(body, event, self.members.models))
            chosen = await choose(body, event)
        return await chosen if inspect.isawaitable(chosen) else chosen

    async def _merge_async(self, merge: Callable[..., Any], answers: Mapping[str, list[JsonValue]], body: Any) -> Any:
        threads = self.members.threads
        if threads is None or inspect.iscoroutinefunction(merge):
            merged = merge(answers, body)
        else:
            merged = await threads.run(merge, answers, body)
        return await merged if inspect.isawaitable(merged) else merged

    def _shares(self, chosen: Any, rows: list[Row]) -> list[Share]:
        """Return the chosen models' shares.

        Raises:
            ModelAnswerError: what was chosen is no model of the router.
        """
        names = [chosen] if isinstance(chosen, str) else chosen
        if not isinstance(names, list | tuple) or not names:
            raise ModelAnswerError(f"the router `{self.name}` chose {chosen!r:.80}, not the name of a model or a list")
        for name in names:
            if name not in self.keys:
                raise ModelAnswerError(f"the router `{self.name}` chose {name!r:.80}; its models: {quoted(self.keys)}")
        first, *others = dict.fromkeys(names)
        if not others:
            return [Share(first, rows)]
        return self.apart([Share(first, rows), *(Share(name, rows, role=MEMBER) for name in others)])

    def _checked(self, merged: Any, rows: list[Row]) -> ModelCall:
        if not isinstance(merged, list | tuple):
            kind = "nothing" if merged is None else f"a {type(merged).__name__}"
            raise ModelAnswerError(f"`merge` of the router `{self.name}` returned {kind}, not a list")
        if len(merged) != len(rows):
            raise ModelAnswerError(
                f"`merge` of the router `{self.name}` returned {len(merged)} answers for {len(rows)} rows"
            )
        return _call(merged)

    def start(self) -> None:
        """Start the author's object, if it has a ``start``."""
        self._if_it_has("start")

    def close(self) -> None:
        """Close the author's object, if it has a ``close``."""
        self._if_it_has("close")

    def _if_it_has(self, method: str) -> None:
        function = getattr(self._author, method, None)
        if callable(function):
            function()


def _only(calls: Sequence[ModelCall | Exception]) -> ModelCall:
    return next(call for call in calls if isinstance(call, ModelCall))


def _answers(shares: Sequence[Share], calls: Sequence[ModelCall | Exception]) -> Mapping[str, list[JsonValue]]:
    pairs = zip(shares, calls, strict=True)
    return {share.key: call.answers for share, call in pairs if isinstance(call, ModelCall)}


def _call(answers: Sequence[Any]) -> ModelCall:
    return ModelCall(answers=list(answers), columns={}, outputs=())
