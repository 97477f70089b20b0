"""A request to one model of a graph, while it runs: whether it got there, and an operation's answer, which ends it.

The server and ``graph.test`` give one to the event; the copies of the event share it. Routers write into it. A request
to ``/`` has none.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ci_core.serving.crashes import OperationAnsweredError
from ci_core.serving.problems import ModelNotReachedError

if TYPE_CHECKING:
    from collections.abc import Callable

    from ci_core.serving.event import Event
    from ci_core.serving.spec import GraphSpec

    Run = Callable[..., Any]


class ModelRequest:
    """What is asked of one model.

    Args:
        model: key of it; empty where nobody is told.
        may_miss: whether a step may lead the request past the model, so that the end has to look.

    Attributes:
        is_reached: whether a router went by the path.
    """

    __slots__ = ("_may_miss", "_model", "is_reached")

    def __init__(self, model: str = "", *, may_miss: bool = False) -> None:
        self._model, self._may_miss = model, may_miss
        self.is_reached = False

    def answer(self, run: Run, event: Event) -> Any:
        """Return the answer of a graph without async steps.

        Raises:
            ModelNotReachedError: the answer is not the model's.
            Exception: whatever the graph raises.
        """
        try:
            result = run(event.body, event)
        except OperationAnsweredError as ended:
            return ended.answer
        return self._checked(result, event)

    async def answer_async(self, run: Run, event: Event) -> Any:
        """Return what :meth:`answer` does, awaiting the graph."""
        try:
            result = await run(event.body, event)
        except OperationAnsweredError as ended:
            return ended.answer
        return self._checked(result, event)

    def _checked(self, result: Any, event: Event) -> Any:
        # what a handler answers instead of a step that failed is what the author wants to be answered
        if self._may_miss and not self.is_reached and event.error is None:
            raise ModelNotReachedError(self._model)
        return result


def may_miss_models(spec: GraphSpec) -> bool:
    """Return whether a request to a model may be answered without it: by a branch that a choice took.

    Behind a queue nobody sees whether it gets there: such graphs answer before.
    """
    kinds = {step.kind for one in _with_nested(spec) for step in one.steps}
    return "choice" in kinds and "queue" not in kinds


def _with_nested(spec: GraphSpec) -> list[GraphSpec]:
    nested = [inner for step in spec.steps if step.graph is not None for inner in _with_nested(step.graph)]
    return [spec, *nested]
