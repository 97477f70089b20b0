"""How the steps of a graph fare; what the engine tells."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

from ci_core.serving.metrics.exposition import labels_text

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from ci_core.serving.metrics import Metrics
    from ci_core.serving.metrics.registry import Registry
    from ci_core.serving.metrics.series import Counter, Histogram

EDGES_S = (0.000001, 0.00001, 0.0001, 0.001, 0.01, 0.1, 1.0, 10.0)
"""A step in Python may take a microsecond, one that asks a service a second."""
TIMED_EVERY = 8
"""Of so many events one has its steps timed: two readings of the clock a step would be the dearest of all metrics."""
_TIME_HELP = f"Time in a step, of one event in {TIMED_EVERY}: the count is not that of all calls."
_CALLS, _CALLS_HELP = "graphship_step_calls_total", "Calls of a step, those that raised among them."


@dataclass(slots=True)
class StepCalls:
    """How often the steps of one program were called, those that raised among them; the engine counts here."""

    each: list[int]
    """Of each step, beside the events that called all of them."""
    whole: int = 0
    """Events that called all of them once: what most graphs do, and what costs one addition an event."""


class StepMetrics:
    """A ``StepObserver``.

    Args:
        registry: of the metrics.
        counts_events: whether events are counted here.
    """

    def __init__(self, registry: Registry, *, counts_events: bool = True) -> None:
        self._registry = registry
        self._step = 1.0 if counts_events else 0.0
        self._events = registry.counter("graphship_events_total", "Events that the graph was called with.")
        self._turn = 0
        self._seconds: list[Histogram] = []
        self._errors: list[Counter] = []
        self._steps: list[str] = []
        self._calls: dict[int, list[tuple[StepCalls, int]]] = {}

    def describe(self, steps: Iterable[str]) -> None:
        """Make the series of the steps, in the order of the numbers that the engine calls them by."""
        for step in steps:
            labels = labels_text({"step": step})
            self._seconds.append(self._registry.histogram("graphship_step_seconds", _TIME_HELP, EDGES_S, labels))
            self._errors.append(
                self._registry.counter("graphship_step_errors_total", "Calls of a step that raised.", labels)
            )
            self._registry.counter(_CALLS, _CALLS_HELP, labels)
            self._steps.append(step)

    def follow(self, metrics: Metrics) -> None:
        """Let `metrics` tell of the calls that this process counts, in plain numbers, as cells cost more."""
        for number, step in enumerate(self._steps):
            metrics.follow_counter(_CALLS, _CALLS_HELP, partial(self._calls_of, number), step=step)

    def _calls_of(self, step: int) -> float:
        return sum(calls.each[index] + calls.whole for calls, index in self._calls.get(step, ()))

    def calls_of(self, steps: Sequence[int]) -> StepCalls:
        """Return what the calls of `steps` are counted in; a step may be in several programs."""
        calls = StepCalls([0] * len(steps))
        for index, step in enumerate(steps):
            self._calls.setdefault(step, []).append((calls, index))
        return calls

    def wants_times(self) -> bool:
        """Count an event, and return whether its steps are to be timed."""
        events = self._events
        events.values[events.first] += self._step
        turn = self._turn
        if turn:
            self._turn = turn - 1
            return False
        self._turn = TIMED_EVERY - 1
        return True

    def took(self, step: int, seconds: float) -> None:
        """Count one timed call."""
        self._seconds[step].observe(seconds)

    def failed(self, step: int) -> None:
        """Count one call that raised."""
        self._errors[step].inc()
