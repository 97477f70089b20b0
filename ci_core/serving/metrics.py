"""Counters and a latency histogram, and their Prometheus text exposition (format 0.0.4).

Own code: the official client costs two microseconds an observation and a registry of its own.
"""

from __future__ import annotations

from bisect import bisect_left
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ci_core.serving.base import ModelCall
    from ci_core.serving.capture import Capture
    from ci_core.serving.event import Event

_EDGES_S = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
"""Upper edges of the latency histogram: half a millisecond (a served linear model) to ten seconds."""

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"


class Metrics:
    """What one process counted since it started."""

    def __init__(self) -> None:
        self._requests: dict[int, int] = {}
        self._buckets = [0] * (len(_EDGES_S) + 1)
        self._seconds = 0.0
        self._calls: dict[str, int] = {}
        self._rows: dict[str, int] = {}

    def count_request(self, status: int, seconds: float) -> None:
        """Count one answered request."""
        self._requests[status] = self._requests.get(status, 0) + 1
        self._buckets[bisect_left(_EDGES_S, seconds)] += 1
        self._seconds += seconds

    def answered(self, event: Event, model: str, call: ModelCall, seconds: float) -> None:
        """Count one model call; see ``ModelObserver``."""
        del event, seconds
        self._calls[model] = self._calls.get(model, 0) + 1
        self._rows[model] = self._rows.get(model, 0) + len(call.answers)

    def failed(self, event: Event, model: str, error: Exception) -> None:
        """Take note of a failed call; see ``ModelObserver``."""

    def text(self, *, release: str | None, in_flight: int, capture: Capture | None) -> str:
        """Return everything as Prometheus text."""
        lines = [
            *_family(
                "graphship_release_info", "gauge", "The release that is served.", {f'release="{release or ""}"': 1}
            ),
            *_family(
                "graphship_requests_total",
                "counter",
                "Answered requests by status.",
                {f'status="{status}"': count for status, count in sorted(self._requests.items())},
            ),
            *self._histogram(),
            *_family("graphship_requests_in_flight", "gauge", "Requests being answered.", {"": in_flight}),
            *_family("graphship_model_calls_total", "counter", "Calls by model.", _by_model(self._calls)),
            *_family("graphship_model_rows_total", "counter", "Rows answered by model.", _by_model(self._rows)),
        ]
        if capture is not None:
            results = {
                "written": capture.written_rows,
                "dropped": capture.dropped_rows,
                "failed": capture.failed_rows,
            }
            lines += _family(
                "graphship_capture_rows_total",
                "counter",
                "Captured rows: written, dropped for want of room, failed to be written.",
                {f'result="{result}"': count for result, count in results.items()},
            )
        return "\n".join(lines) + "\n"

    def _histogram(self) -> list[str]:
        name = "graphship_request_seconds"
        lines = [f"# HELP {name} Time from the last byte of a request to its answer.", f"# TYPE {name} histogram"]
        total = 0
        for edge, count in zip((*_EDGES_S, "+Inf"), self._buckets, strict=True):
            total += count
            lines.append(f'{name}_bucket{{le="{edge}"}} {total}')
        return [*lines, f"{name}_sum {self._seconds:.6f}", f"{name}_count {total}"]


def _by_model(counts: dict[str, int]) -> dict[str, int]:
    return {f'model="{_escape(model)}"': count for model, count in sorted(counts.items())}


def _family(name: str, kind: str, text: str, values: dict[str, int]) -> list[str]:
    lines = [f"# HELP {name} {text}", f"# TYPE {name} {kind}"]
    return lines + [f"{name}{{{labels}}} {value}" if labels else f"{name} {value}" for labels, value in values.items()]


def _escape(value: str) -> str:
    return value.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
