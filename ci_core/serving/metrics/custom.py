"""Metrics that steps and models of a project make: ``context.counter("rows_clipped", "Rows that were clipped.")``."""

from __future__ import annotations

import math
import re
from itertools import pairwise
from typing import TYPE_CHECKING, TypeVar

from ci_core.errors import InvalidMetricError
from ci_core.serving.metrics.exposition import labels_text
from ci_core.serving.metrics.registry import Registry
from ci_core.serving.metrics.series import Counter, Family, Gauge, Histogram, Series

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

S = TypeVar("S", bound=Series)
MAX_SERIES = 1000
"""Each is kept, sent and stored for ever; a label with a value for each customer would fill all three."""
LATENCY_EDGES_S = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
_OURS = ("graphship_", "process_")
_NAME = re.compile(r"[a-zA-Z_][a-zA-Z0-9_]*")


class CustomMetrics:
    """Makes metrics in a registry, after checking them.

    Args:
        registry: of the server; None in tests and notebooks, where nobody else sees the numbers.
    """

    def __init__(self, registry: Registry | None = None) -> None:
        self._registry = registry
        self._made: dict[tuple[object, ...], Series] = {}  # name, text and labels as they were given

    def counter(self, name: str, help: str, **labels: str) -> Counter:  # noqa: A002 - Prometheus' own word
        """Return a counter; shown with ``_total`` at the end of its name."""
        made = self._made.get((name, help, *labels.items()))
        if type(made) is not Counter:
            shown = name if name.endswith("_total") else f"{name}_total"
            made = self._make(Counter, name, Family(shown, "counter", help), labels)
        return made

    def gauge(self, name: str, help: str, **labels: str) -> Gauge:  # noqa: A002
        """Return a gauge."""
        made = self._made.get((name, help, *labels.items()))
        if type(made) is not Gauge:
            made = self._make(Gauge, name, Family(name, "gauge", help), labels)
        return made

    def histogram(
        self, name: str, help: str, *, buckets: Sequence[float] = LATENCY_EDGES_S, **labels: str  # noqa: A002
    ) -> Histogram:  # fmt: skip
        """Return a histogram with the upper edges `buckets`, ascending."""
        made = self._made.get((name, help, *labels.items()))
        if type(made) is not Histogram or made.family.edges != buckets:
            made = self._make(Histogram, name, Family(name, "histogram", help, _edges(name, buckets)), labels)
        return made

    def _make(self, cls: type[S], name: str, family: Family, labels: Mapping[str, str]) -> S:
        _check_name(family.name)
        _check_labels(family.name, labels)
        if len(self._made) >= MAX_SERIES:
            raise InvalidMetricError(
                name=family.name,
                reason=f"would be metric number {MAX_SERIES + 1} of this graph, and {MAX_SERIES} is the limit",
                hint="use labels with few values: kinds and reasons, not customers or ids",
            )
        if self._registry is None:
            self._registry = Registry()
        made = self._registry.series(cls, family, labels_text(dict(sorted(labels.items()))))
        self._made[name, family.help, *labels.items()] = made
        return made


def _edges(name: str, buckets: Sequence[float]) -> tuple[float, ...]:
    edges = tuple(float(edge) for edge in buckets)
    if edges[-1:] == (math.inf,):
        edges = edges[:-1]
    if not edges or not all(a < b for a, b in pairwise((-math.inf, *edges, math.inf))):
        raise InvalidMetricError(name=name, reason="has buckets that do not ascend")
    return edges


def _check_name(name: str) -> None:
    if not _NAME.fullmatch(name):
        raise InvalidMetricError(name=name, reason="has a name that is not made of letters, digits and `_`")
    if name.startswith(_OURS):
        raise InvalidMetricError(name=name, reason="begins like the server's own metrics")


def _check_labels(name: str, labels: Mapping[str, str]) -> None:
    for label, value in labels.items():
        if not _NAME.fullmatch(label) or label.startswith("__") or label in {"le", "quantile"}:
            raise InvalidMetricError(name=name, reason=f"has the label `{label}`, which Prometheus does not allow")
        if not isinstance(value, str):
            raise InvalidMetricError(
                name=name, reason=f"has the label `{label}` with the value {value!r}, which is no text"
            )
