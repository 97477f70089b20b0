"""What a server counts, as Prometheus reads it: requests, steps, models, captures, and what steps count themselves.

Any worker tells the numbers of all (``cells.py``). Own code: the official client costs two microseconds an observation,
and keeps a folder of files where there are several processes.
"""

from __future__ import annotations

from bisect import bisect_left
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ci_core.serving.metrics.custom import CustomMetrics
from ci_core.serving.metrics.exposition import CONTENT_TYPE, labels_text, render
from ci_core.serving.metrics.models import ModelMetrics
from ci_core.serving.metrics.processes import ProcessMetrics
from ci_core.serving.metrics.registry import Registry
from ci_core.serving.metrics.series import Family
from ci_core.serving.metrics.steps import StepMetrics

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from ci_core.serving.metrics.series import Counter, Gauge, Histogram

EDGES_S = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
"""Upper edges of the requests' latency histogram: half a millisecond (a served linear model) to ten seconds."""
_SUM = len(EDGES_S) + 1


class Metrics:
    """The numbers of a server.

    Args:
        n_workers: processes that will be forked; 0 when this one serves.
        release: id of the release that is served.

    Attributes:
        models: told of model calls.
        steps: told of steps.
        custom: makes the metrics that steps ask for.
        restarts: workers that were replaced; counted by the process that forks them.
        worker: number of the worker that counts here, 1-based; 0 when nothing was forked.
    """

    def __init__(self, *, n_workers: int = 0, release: str | None = None) -> None:
        self._registry = registry = Registry(1 + n_workers)
        self.worker = 0
        self._release = release
        self._processes = ProcessMetrics()
        self._followed: dict[Counter | Gauge, _Followed] = {}
        self._requests: dict[int, Counter] = {}
        self._seconds = registry.histogram(
            "graphship_request_seconds", "Time from the last byte of a request to its answer.", EDGES_S
        )
        self.steps = StepMetrics(registry)
        self.models = ModelMetrics(registry)
        self.custom = CustomMetrics(registry)
        self.restarts = registry.counter("graphship_worker_restarts_total", "Workers that died and were replaced.")

    def count_request(self, status: int, seconds: float) -> None:
        """Count one answered request."""
        counter = self._requests.get(status)
        if counter is None:
            counter = self._requests[status] = self._status(status)
        latency = self._seconds
        values, first = latency.values, latency.first
        values[counter.first] += 1.0
        values[first + bisect_left(EDGES_S, seconds)] += 1.0
        values[first + _SUM] += seconds

    def _status(self, status: int) -> Counter:
        labels = labels_text({"class": f"{status // 100}xx", "status": str(status)})
        return self._registry.counter("graphship_requests_total", "Answered requests by status.", labels)

    def histogram(self, name: str, text: str, edges: Sequence[float], **labels: str) -> Histogram:
        """Return a histogram of the server's own; the same one for the same name and labels."""
        return self._registry.histogram(name, text, tuple(map(float, edges)), labels_text(labels))

    def follow_gauge(self, name: str, text: str, read: Callable[[], float], **labels: str) -> None:
        """Tell what `read` returns: now and then to the other workers, exactly when this one is asked."""
        self._follow(self._registry.gauge(name, text, labels_text(labels)), read)

    def follow_counter(self, name: str, text: str, read: Callable[[], float], **labels: str) -> None:
        """Tell what `read` returns, a number that only grows and was 0 when this process began to serve."""
        self._follow(self._registry.counter(name, text, labels_text(labels)), read)

    def _follow(self, series: Counter | Gauge, read: Callable[[], float]) -> None:
        """Follow `read`; of several for one series the sum is told."""
        self._followed.setdefault(series, _Followed(base=series.value, reads=[])).reads.append(read)

    def publish(self) -> None:
        """Show the other workers the numbers that are only read now and then."""
        for series, one in self._followed.items():
            series.values[series.first] = one.base + sum([read() for read in one.reads])

    def steps_of_segment(self) -> StepMetrics:
        """Return what is told of steps that another process calls: it counts the event there, once."""
        return StepMetrics(self._registry, counts_events=False)

    def bind(self, worker: int) -> None:
        """Count for worker `worker`, 1-based, from now on: called in the worker after the fork."""
        self.worker = worker
        self._registry.bind(worker)
        self._followed.clear()

    def worker_ended(self, worker: int) -> None:
        """Take note, in the process that forks, that a worker ended: it has nothing in flight any more."""
        self._registry.vacate(worker)

    def text(self) -> str:
        """Return the numbers of all processes of the server as Prometheus text."""
        self.publish()
        info = Family("graphship_release_info", "gauge", "The release that is served.")
        families = [
            (info, {labels_text({"release": self._release or ""}): [1.0]}),
            *self._registry.read(),
            *self._processes.read(self._registry.cells.process_ids()),
        ]
        return render(families)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Followed:
    base: float
    """What the predecessor left; of a gauge 0."""
    reads: list[Callable[[], float]]


__all__ = ["CONTENT_TYPE", "CustomMetrics", "Metrics"]
