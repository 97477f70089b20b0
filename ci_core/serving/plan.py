"""A checked graph as one flat function: what the server calls for every request.

Steps are called directly, one after the other; nothing is queued and no thread is crossed. A graph whose steps are all
sync never touches an event loop: its plan is a plain function. No source text is generated or evaluated.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ci_core.serving.event import Event, StepFailure
from ci_core.serving.execution import branches, branches_async, chain, chain_async, operations
from ci_core.serving.spec import REQUEST

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from ci_core.serving.base import Model
    from ci_core.serving.spec import GraphSpec
    from ci_core.serving.steps.adapt import CallableStep
    from ci_core.serving.topology import Topology


class Plan:
    """A compiled graph; ``plan(body)`` returns the answer, or an awaitable of it when :attr:`is_async`.

    Made by ``Graph.compile``. A step's exception reaches the caller as it was raised, with a note that names the step;
    ``event.error`` tells it too.

    Attributes:
        name: of the graph.
        models: every model of the graph by the name of its route; loaded.
        is_async: whether the graph has an async step.
    """

    __slots__ = ("_run", "is_async", "models", "name")

    def __init__(
        self, *, name: str, run: Callable[[Any, Event | None], Any], models: Mapping[str, Model], is_async: bool
    ) -> None:
        self.name = name
        self._run = run
        self.models = models
        self.is_async = is_async

    def __call__(self, body: Any, event: Event | None = None) -> Any:
        """Run one event through the graph.

        Args:
            body: of the request.
            event: that carries it; one is made when a step asks for it.

        Returns:
            The responder's result; awaitable when the graph has an async step.

        Raises:
            RequestError: a step refuses the request.
            Exception: whatever a step raises and no error handler takes.
        """
        return self._run(body, event)


@dataclass(frozen=True, slots=True, kw_only=True)
class FailureHandling:
    """What happens when a step raises."""

    graph: str
    handlers: Mapping[str, CallableStep]
    """Step → the step that takes its failures."""

    def __call__(self, step: str, error: Exception, body: Any, event: Event | None) -> Any:
        """Return what the handler of `step` makes of its failure; raise the error again when there is none.

        Args:
            step: that failed.
            error: that it raised.
            body: that it got.
            event: whose flow ends here.
        """
        if event is None:
            event = Event(body)
        event.error = StepFailure(step=step, exception=error)
        handler = self.handlers.get(step)
        if handler is None:
            error.add_note(f"in step `{step}` of graph `{self.graph}`")
            raise error
        return handler.call(body, event) if handler.wants_event else handler.call(body)


def build_plan(
    spec: GraphSpec, topology: Topology, steps: Mapping[str, CallableStep], models: Mapping[str, Model]
) -> Plan:
    """Return the plan of a checked graph.

    Args:
        spec: of the graph.
        topology: from ``topology.check(spec)``.
        steps: the callable of every step by name, handlers too.
        models: loaded, by the name of their route.
    """
    handlers = {
        step.name: steps[handler]
        for step in spec.steps
        if step.name in topology.order and (handler := step.on_error or spec.on_error) is not None
    }
    on_error = FailureHandling(graph=spec.name, handlers=handlers)
    is_async = any(step.is_async for step in steps.values())
    if _is_chain(spec, topology):
        in_order = tuple(steps[name] for name in topology.order)
        run = chain_async(in_order, on_error) if is_async else chain(in_order, on_error)
    else:
        flow = operations(spec, topology, steps)
        answer = 1 + topology.order.index(topology.responder)
        run = branches_async(flow, answer, on_error) if is_async else branches(flow, answer, on_error)
    return Plan(name=spec.name, run=run, models=models, is_async=is_async)


def _is_chain(spec: GraphSpec, topology: Topology) -> bool:
    after = {step.name: step.after for step in spec.steps}
    before = (REQUEST, *topology.order)
    return all(after[name] == (previous,) for previous, name in zip(before, topology.order, strict=False))
