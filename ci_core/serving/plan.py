"""A checked graph as one flat function: what the server calls for every request.

Steps are called directly, one after the other; nothing is queued and no thread is crossed. A graph whose steps are all
sync never touches an event loop: its plan is a plain function. No source text is generated or evaluated.
"""

from __future__ import annotations

import inspect
from contextlib import ExitStack
from typing import TYPE_CHECKING, Any, Protocol, cast

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from ci_core.serving.event import Event
    from ci_core.serving.metrics import Metrics
    from ci_core.serving.models.shelf import GraphModel
    from ci_core.serving.threads import Threads

    Run = Callable[..., Any]


class Plan(Protocol):
    """A compiled graph; ``plan(body)`` returns the answer, or an awaitable of it when :attr:`is_async`.

    Made by ``Graph.compile``. A step's exception reaches the caller as it was raised, with a note that names the step;
    ``event.error`` tells it too.

    A plan is a function with attributes rather than an object with ``__call__``: that would cost every event as much as
    two steps that do nothing.
    """

    name: str
    """Of the graph."""
    models: Mapping[str, GraphModel]
    """Every model of the graph, and of the graphs in it, by the key of its route; then routers that are models."""
    steps: tuple[str, ...]
    """Names of all steps in the order they run, those of a nested graph as ``outer/inner``, handlers last."""
    is_async: bool
    """Whether the graph has a step that must be awaited."""
    run: Run
    """The plan itself: ``run(body, event)``."""
    run_in_time: Run
    """For an event that has a deadline: looks at the clock after every step, which :attr:`run` does not in a graph
    without async steps and without a time limit of its own."""

    def __call__(self, body: Any, event: Event | None = None) -> Any:
        """Run one event through the graph.

        Args:
            body: of the request.
            event: that carries it; one is made when a step asks for it.

        Returns:
            The responder's result; awaitable when :attr:`is_async`. A graph whose ends all lie behind queues answers
            ``{"id": event.id}``.

        Raises:
            RequestError: a step refuses the request.
            DeadlineError: the deadline passed; see :attr:`run_in_time`.
            Exception: whatever a step raises and no error handler takes.
        """
        ...

    def consume(self, queue: str, body: Any, event: Event | None = None) -> Any:
        """Run the steps behind the queue step `queue`, up to the next queue; awaitable when :attr:`is_async`.

        Raises:
            KeyError: there is no such queue step.
            Exception: whatever a step raises and no error handler takes.
        """
        ...

    def start(self) -> None:
        """Begin what steps, routers and models own: sessions, connections, threads. Once, after any fork."""
        ...

    def close(self) -> None:
        """End it again; no request may be in flight any more."""
        ...

    def unready(self) -> dict[str, str]:
        """Return key of model → why it cannot answer yet; empty when all are ready."""
        ...

    def follow(self, metrics: Metrics) -> None:
        """Let `metrics` tell how what the plan owns fares; after :meth:`start`."""
        ...


def make_plan(
    run: Run,
    run_in_time: Run,
    *,
    name: str,
    models: Mapping[str, GraphModel],
    steps: tuple[str, ...],
    is_async: bool,
    behind: Mapping[str, Run],
    life: Life,
) -> Plan:
    """Turn `run` into a plan.

    Args:
        run: a function that nothing else uses; it gets the attributes.
        run_in_time: the same for events with a deadline.
        name: of the graph.
        models: by key.
        steps: names of all steps.
        is_async: whether `run` returns awaitables.
        behind: name of a queue step → what runs the steps behind it.
        life: of what the plan owns.
    """

    def consume(queue: str, body: Any, event: Event | None = None) -> Any:
        return behind[queue](body, event)

    run.__qualname__ = run.__name__ = f"plan of graph {name}"
    run.__doc__ = Plan.__call__.__doc__
    vars(run).update(name=name, models=models, steps=steps, is_async=is_async, run=run)
    vars(run).update(run_in_time=run_in_time, consume=consume)
    vars(run).update(start=life.start, close=life.close, unready=life.unready, follow=life.follow)
    return cast("Plan", run)


class Life:
    """Begin and end of what a plan owns.

    Args:
        resources: steps and routers, in their order; those with ``start()`` or ``close()`` are called.
        models: by key.
        threads: of steps that wait.
    """

    def __init__(self, resources: Sequence[Any], models: Mapping[str, GraphModel], threads: Threads) -> None:
        unique = {id(one): one for one in (*models.values(), *resources)}
        self._resources, self._models, self._threads = tuple(unique.values()), models, threads
        self._ending: ExitStack | None = None
        """What ends what was started; None before and after."""

    def start(self) -> None:
        """Start the models, then the steps; the second call does nothing.

        Raises:
            Exception: what one of them raises; it and those that had started are closed.
        """
        if self._ending is not None:
            return
        with ExitStack() as ending:
            ending.callback(self._threads.close)
            for one in self._resources:
                ending.callback(_call_if_there, one, "close")  # may have begun half, too
                _call_if_there(one, "start")
            self._ending = ending.pop_all()

    def close(self) -> None:
        """Close what was started, the last first."""
        if self._ending is not None:
            ending, self._ending = self._ending, None
            ending.close()  # goes on when one raises

    def follow(self, metrics: Metrics) -> None:
        """Let `metrics` tell of calls that are stuck, and of those resources that have something to tell."""
        metrics.follow_gauge(
            "graphship_stuck_calls", "Calls that took too long, were given up, and have not come back.", self._stuck
        )
        for one in self._resources:
            # only what is ours: a step of a user may follow something else
            if any("follow" in vars(cls) for cls in type(one).__mro__ if cls.__module__.startswith("ci_core.serving.")):
                one.follow(metrics)

    def _stuck(self) -> float:
        return self._threads.stuck

    def unready(self) -> dict[str, str]:
        """Return key of model → why it cannot answer yet; models that keep no state are ready once they are loaded."""
        return {
            key: getattr(model, "reason", None) or str(state)
            for key, model in self._models.items()
            if (state := getattr(model, "state", "ready")) != "ready" and getattr(model, "delays_readiness", True)
        }


def _call_if_there(resource: Any, method: str) -> None:
    found = getattr(resource, method, None)
    if callable(found) and not inspect.isclass(resource):
        found()
