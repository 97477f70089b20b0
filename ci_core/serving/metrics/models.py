"""How the models of a graph fare; what routers tell."""

from __future__ import annotations

from bisect import bisect_left
from typing import TYPE_CHECKING

from ci_core.serving.metrics.exposition import labels_text
from ci_core.serving.problems import HttpError

if TYPE_CHECKING:
    from collections.abc import Iterable

    from ci_core.serving.base import ModelCall, Role
    from ci_core.serving.event import Event
    from ci_core.serving.metrics.registry import Registry

EDGES_S = (0.00005, 0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1.0, 10.0)
"""From fifty microseconds, what a linear model takes, to ten seconds."""
_SUM = len(EDGES_S) + 1
_SERVER_ERROR = 500


class ModelMetrics:
    """A ``ModelObserver``."""

    reads_columns = False

    def __init__(self, registry: Registry) -> None:
        self._registry = registry
        self._models: dict[str, _ModelSeries] = {}

    def describe(self, models: Iterable[str]) -> None:
        """Make the series of the models, so that they are there before the first call."""
        for model in models:
            self._of(model)

    def answered(self, event: Event, model: str, call: ModelCall, seconds: float, role: Role = "answer") -> None:
        """Count one call."""
        del event, role
        series = self._models.get(model) or self._of(model)
        rows, latency = series.rows, series.seconds
        values, first = latency.values, latency.first
        values[rows.first] += len(call.answers)
        values[first + bisect_left(EDGES_S, seconds)] += 1.0
        values[first + _SUM] += seconds

    def failed(self, event: Event, model: str, error: Exception) -> None:
        """Count one call that raised."""
        del event
        series = self._models.get(model) or self._of(model)
        is_refusal = isinstance(error, HttpError) and error.status < _SERVER_ERROR
        (series.refused if is_refusal else series.failed).inc()

    def _of(self, model: str) -> _ModelSeries:
        series = self._models[model] = _ModelSeries(self._registry, model)
        return series


class _ModelSeries:
    __slots__ = ("failed", "refused", "rows", "seconds")

    def __init__(self, registry: Registry, model: str) -> None:
        labels, name = labels_text({"model": model}), "graphship_model_errors_total"
        text = "Calls that raised: for a fault of the request, or of the model."
        self.rows = registry.counter("graphship_model_rows_total", "Rows that a model answered.", labels)
        self.seconds = registry.histogram("graphship_model_seconds", "Time of a model's calls.", EDGES_S, labels)
        self.refused = registry.counter(name, text, labels_text({"model": model, "fault": "request"}))
        self.failed = registry.counter(name, text, labels_text({"model": model, "fault": "model"}))
