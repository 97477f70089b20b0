"""The HTTP side of a function's process; the doors are those of a served graph.

``POST /segments/<name>`` runs a segment, ``GET /segments`` tells what there is, and health and metrics are where every
server of ours has them. It is meant for the callers of one graph and not for the public: who can reach it may run its
steps with any body.
"""

from __future__ import annotations

import logging
from time import perf_counter
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote

import orjson

from ci_core.serving import metrics as prometheus
from ci_core.serving.access_log import printable
from ci_core.serving.functions.client import DIGEST_HEADER, SEGMENTS_PATH
from ci_core.serving.functions.models import about

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from ci_core.serving.functions.host import FunctionHost
    from ci_core.serving.functions.split import Segment
    from ci_core.serving.limits import Limits
    from ci_core.serving.metrics import Metrics
    from ci_core.serving.plan import Plan
    from ci_core.serving.problems import HttpError
    from ci_core.serving.server import Answer

logger = logging.getLogger(__name__)

_BINARY = [("content-type", "application/x-msgpack")]


class FunctionApplication:
    """Answers the callers of one function.

    Args:
        host: that runs the segments.
        segments: of the function.
        plans: of the segments, by name.
        metrics: that calls are counted in.
        limits: of one call.

    Attributes:
        is_draining: set when the process was told to stop.
        in_flight: calls being read or answered; counted by the doors.
    """

    is_async = True

    def __init__(
        self,
        host: FunctionHost,
        segments: Sequence[Segment],
        plans: Mapping[str, Plan],
        *,
        metrics: Metrics,
        limits: Limits,
    ) -> None:
        self.limits = limits
        self.is_draining = False
        self.in_flight = 0
        self._host, self._plans, self._metrics = host, plans, metrics
        self._digests = {segment.name: segment.digest for segment in segments}
        self._pages: dict[str, Callable[[], Answer]] = {
            "/livez": lambda: _json(200, {"status": "alive"}),
            "/readyz": self._readiness,
            "/metrics": self._metrics_page,
            SEGMENTS_PATH: self._about,
        }

    def admit(self, path: str, url_chars: int, headers: Mapping[str, str]) -> HttpError | None:
        """Refuse nothing by its head: callers are ours."""

    async def handle_async(self, method: str, path: str, headers: Mapping[str, str], body: bytes) -> Answer:
        """Answer one request; never raises."""
        started = perf_counter()
        try:
            page = self._pages.get(path)
            if page is not None:
                return page()
            answer = await self._call(method, path, headers, body)
        except Exception:
            logger.exception("call failed path=%s", printable(path))
            answer = _json(500, {"error": "the call could not be answered"})
        if self.is_draining:
            answer[1].append(("connection", "close"))
        self._metrics.count_request(answer[0], perf_counter() - started)
        return answer

    def handle(self, method: str, path: str, headers: Mapping[str, str], body: bytes) -> Answer:
        """Answer nothing: it :attr:`is_async`."""
        raise NotImplementedError

    def refuse(self, error: HttpError, method: str, path: str) -> Answer:
        """Answer a request that a door refuses."""
        del method, path
        return _json(error.status, {"error": error.message})

    async def _call(self, method: str, path: str, headers: Mapping[str, str], body: bytes) -> Answer:
        name = unquote(path.removeprefix(f"{SEGMENTS_PATH}/"))
        if not path.startswith(f"{SEGMENTS_PATH}/") or name not in self._digests:
            return _json(404, {"error": f"there is no segment `{name:.200}` here"})
        if method != "POST":
            return _json(405, {"error": "a segment takes POST"})
        if headers.get(DIGEST_HEADER, "") != self._digests[name]:
            return _json(409, {"error": f"the segment `{name}` here is of another release"})
        try:
            return 200, list(_BINARY), await self._host.answer(name, body)
        except ValueError as error:
            return _json(400, {"error": str(error)})

    def _unready(self) -> dict[str, str]:
        return {key: reason for plan in self._plans.values() for key, reason in plan.unready().items()}

    def _readiness(self) -> Answer:
        unready = self._unready()
        is_ready = not (self.is_draining or unready)
        return _json(200 if is_ready else 503, {"ready": is_ready, "models": unready})

    def _about(self) -> Answer:
        models = {key: about(model) for plan in self._plans.values() for key, model in plan.models.items()}
        reason = "; ".join(f"model `{key}`: {why}" for key, why in self._unready().items())
        return _json(200, {"segments": list(self._digests), "models": models, "reason": reason})

    def _metrics_page(self) -> Answer:
        return 200, [("content-type", prometheus.CONTENT_TYPE)], self._metrics.text().encode()


def _json(status: int, value: Any) -> Answer:
    return status, [("content-type", "application/json")], orjson.dumps(value)
