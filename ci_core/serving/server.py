"""The core of the server: one request in, one answer out. Doors (``doors.py``) bring it to HTTP servers.

``POST /`` takes plain JSON, ``/v2`` speaks the Open Inference Protocol, and the rest is for those who run the service:
``/livez``, ``/readyz``, ``/metrics``, ``/graph``. A fault of the client is a 4xx that says what is wrong; a fault of
ours is a 500 that says in which step and under which event id the log tells more, never how.
"""

from __future__ import annotations

import logging
from time import perf_counter
from typing import TYPE_CHECKING, Any, TypeAlias

import orjson

from ci_core import __version__
from ci_core.serving import metrics as prometheus
from ci_core.serving import protocol
from ci_core.serving.event import Event
from ci_core.serving.identity import EventIdentity
from ci_core.serving.problems import (
    MethodNotAllowedError,
    RequestError,
    UnknownModelError,
    UnknownPathError,
    UnsupportedMediaTypeError,
)
from ci_core.serving.render import mermaid
from ci_core.serving.router import MODELS_PREFIX

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from ci_core.serving.capture import Capture
    from ci_core.serving.metrics import Metrics
    from ci_core.serving.plan import Plan
    from ci_core.serving.spec import GraphSpec

logger = logging.getLogger(__name__)

Headers: TypeAlias = "list[tuple[str, str]]"
Answer: TypeAlias = "tuple[int, Headers, bytes]"
"""Status, headers with names in lower case, body."""

DEFAULT_BODY_LIMIT_BYTES = 8 * 1024 * 1024
_JSON = "application/json"
_UNAVAILABLE = 503
_INTERNAL_ERROR = 500
_ECHO_LIMIT = 256
_JSON_OPTIONS = orjson.OPT_SERIALIZE_NUMPY | orjson.OPT_NON_STR_KEYS


class _Call:
    """A request that goes to the graph, and how its result becomes a body."""

    __slots__ = ("body", "encode", "event")

    def __init__(self, body: Any, event: Event, encode: Callable[[Any], Any]) -> None:
        self.body, self.event, self.encode = body, event, encode


class Application:
    """A served graph.

    Args:
        spec: of the graph.
        plan: compiled from it, its models loaded.
        metrics: that model calls are counted in.
        release: id that answers carry.
        identity: finds an event's id and time.
        capture: started already; None when nothing is captured.

    Attributes:
        is_draining: set when the process was told to stop: answers go on, ``/readyz`` says 503, and clients are asked
            to close their connections.
        in_flight: requests being answered.
    """

    def __init__(
        self,
        spec: GraphSpec,
        plan: Plan,
        *,
        metrics: Metrics,
        release: str | None = None,
        identity: EventIdentity | None = None,
        capture: Capture | None = None,
    ) -> None:
        self.plan = plan
        self.is_async = plan.is_async
        self.capture = capture
        self.is_draining = False
        self.in_flight = 0
        self._spec = spec
        self._metrics = metrics
        self._release = release
        self._identity = identity or EventIdentity()
        self._gets: dict[str, Callable[[], Answer]] = {
            "/livez": lambda: _json(200, {"status": "alive"}),
            "/readyz": self._readiness,
            "/metrics": self._metrics_text,
            "/graph": self._graph,
            "/v2": lambda: _json(200, protocol.server_metadata(__version__)),
            "/v2/health/live": lambda: _json(200, {"live": True}),
            "/v2/health/ready": self._readiness,
            "/v2/models": lambda: _json(200, {"models": list(plan.models)}),
        }

    def handle(self, method: str, path: str, headers: Mapping[str, str], body: bytes) -> Answer:
        """Answer one request of a graph without async steps; never raises.

        Args:
            method: upper case.
            path: without the query.
            headers: names in lower case.
            body: empty when there is none.
        """
        started = perf_counter()
        self.in_flight += 1
        event: Event | None = None
        try:
            call = self._accept(method, path, headers, body)
            if isinstance(call, tuple):
                return self._finish(call, None, started)
            event = call.event
            return self._finish(self._encode(call, self.plan(call.body, event)), event, started)
        except Exception as error:  # noqa: BLE001 - every failure of a request is an answer
            return self._finish(self._failure(error, path, event), event, started)
        finally:
            self.in_flight -= 1

    async def handle_async(self, method: str, path: str, headers: Mapping[str, str], body: bytes) -> Answer:
        """Answer one request of a graph with async steps; never raises. See :meth:`handle`."""
        started = perf_counter()
        self.in_flight += 1
        event: Event | None = None
        try:
            call = self._accept(method, path, headers, body)
            if isinstance(call, tuple):
                return self._finish(call, None, started)
            event = call.event
            return self._finish(self._encode(call, await self.plan(call.body, event)), event, started)
        except Exception as error:  # noqa: BLE001 - every failure of a request is an answer
            return self._finish(self._failure(error, path, event), event, started)
        finally:
            self.in_flight -= 1

    def refuse(self, error: RequestError, path: str) -> Answer:
        """Answer a request that a door refuses before its body was read."""
        return self._finish(self._failure(error, path, None), None, perf_counter())

    def _accept(self, method: str, path: str, headers: Mapping[str, str], body: bytes) -> _Call | Answer:
        """Return the answer of what needs no graph, or what the graph is to be called with."""
        if method == "POST" and path == "/":
            return self._plain(path, headers, body)
        if len(path) > 1:
            path = path.rstrip("/")
        if path.startswith(MODELS_PREFIX):
            return self._model(method, path, headers, body)
        get = self._gets.get(path)
        if get is None:
            if path in {"", "/"}:
                raise MethodNotAllowedError(method, "/", "POST")
            raise UnknownPathError(f"nothing is served at `{path}`; the graph is at `/`, models are below `/v2/models`")
        if method not in {"GET", "HEAD"}:
            raise MethodNotAllowedError(method, path, "GET")
        return get()

    def _plain(self, path: str, headers: Mapping[str, str], body: bytes) -> _Call:
        content_type = _check_content_type(headers)
        if not body:
            raise RequestError("the request has no body; expected a JSON object or a list of objects")
        try:
            value = orjson.loads(body)
        except orjson.JSONDecodeError as error:
            raise RequestError(f"the body is no JSON: {error}") from error
        if not isinstance(value, dict | list):
            raise RequestError(f"expected a JSON object or a list of objects, found {value!r:.40}")
        event = self._event(value, path, headers, content_type)
        return _Call(value, event, lambda answer: answer)

    def _model(self, method: str, path: str, headers: Mapping[str, str], body: bytes) -> _Call | Answer:
        name, *rest = path[len(MODELS_PREFIX) :].split("/")
        if name not in self.plan.models:
            raise UnknownModelError(name, tuple(self.plan.models))
        operation = "/".join(rest)
        if operation in {"", "ready"}:
            if method not in {"GET", "HEAD"}:
                raise MethodNotAllowedError(method, path, "GET")
            return self._readiness() if operation else _json(200, protocol.model_metadata(name, self.plan.models[name]))
        if operation != "infer":
            raise UnknownPathError(f"the model `{name}` has no operation `{operation}`; operations: `infer`, `ready`")
        if method != "POST":
            raise MethodNotAllowedError(method, path, "POST")
        content_type = _check_content_type(headers)
        request = protocol.decode_request(body)
        rows = protocol.rows_of(request, self.plan.models[name].input_columns)
        event = self._event(rows, path, headers, content_type, request.id)
        return _Call(rows, event, lambda answer: protocol.encode_answer(name, request, answer))

    def _event(
        self, body: Any, path: str, headers: Mapping[str, str], content_type: str | None, given_id: str | None = None
    ) -> Event:
        identity = self._identity
        event = Event(
            body,
            path=path,
            headers=headers,
            id=identity.event_id(body, headers) or given_id,
            time=identity.event_time(body, headers),
            content_type=content_type,
        )
        if self.capture is not None and type(body) is list:
            event.rows = identity.rows(body, event)
        return event

    def _encode(self, call: _Call, result: Any) -> Answer:
        return 200, [("content-type", _JSON)], orjson.dumps(call.encode(result), option=_JSON_OPTIONS)

    def _finish(self, answer: Answer, event: Event | None, started: float) -> Answer:
        status, headers, _body = answer
        if self._release is not None:
            headers.append(("x-graphship-release", self._release))
        if event is not None and len(event.id) <= _ECHO_LIMIT and event.id.isascii() and event.id.isprintable():
            headers.append(("x-event-id", event.id))
        if self.is_draining:
            # the client opens its next connection to whoever took over
            headers.append(("connection", "close"))
        self._metrics.count_request(status, perf_counter() - started)
        return answer

    def _failure(self, error: Exception, path: str, event: Event | None) -> Answer:
        details: dict[str, str] = {}
        if isinstance(error, RequestError):
            status, slug, message = error.status, error.slug, error.message
        else:
            step = event.error.step if event is not None and event.error is not None else None
            status, slug = _INTERNAL_ERROR, "step-failed" if step else "internal-error"
            message = f"the step `{step}` failed" if step else "the request could not be answered"
            logger.error("request failed path=%s step=%s event=%s", path, step, event and event.id, exc_info=error)
            details = {"step": step} if step else {}
        if event is not None:
            details["event_id"] = event.id
        if path.startswith("/v2"):  # the protocol wants text under `error`
            return _json(status, {"error": message})
        answer = _json(status, {"error": {"slug": slug, "message": message, **details}})
        if isinstance(error, MethodNotAllowedError):
            answer[1].append(("allow", error.allowed))
        return answer

    def _readiness(self) -> Answer:
        if self.is_draining:
            return _json(_UNAVAILABLE, {"status": "draining", "ready": False})
        return _json(200, {"status": "ready", "ready": True, "release": self._release})

    def _metrics_text(self) -> Answer:
        text = self._metrics.text(release=self._release, in_flight=self.in_flight, capture=self.capture)
        return 200, [("content-type", prometheus.CONTENT_TYPE)], text.encode()

    def _graph(self) -> Answer:
        return _json(
            200,
            {
                "name": self._spec.name,
                "release": self._release,
                "models": {route.name: route.model for step in self._spec.steps for route in step.routes},
                "mermaid": mermaid(self._spec),
            },
        )


def _json(status: int, value: Any) -> Answer:
    return status, [("content-type", _JSON)], orjson.dumps(value)


def _check_content_type(headers: Mapping[str, str]) -> str | None:
    """Return the media type of a body.

    Raises:
        UnsupportedMediaTypeError: it is declared to be something else than JSON.
    """
    declared = headers.get("content-type")
    if declared is None or declared == _JSON:
        return declared
    media_type = declared.partition(";")[0].strip().lower()
    # `curl -d` declares a form whatever it sends
    if media_type in {_JSON, "application/x-www-form-urlencoded", ""} or media_type.endswith("+json"):
        return media_type or None
    raise UnsupportedMediaTypeError(declared)
