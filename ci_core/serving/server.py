"""The core of the server: one request in, one answer out. Doors (``doors.py``) bring it to HTTP servers.

``POST /`` takes plain JSON, ``/v2`` speaks the Open Inference Protocol (``inference.py``, ``protocol``), and the rest
is for those who run the service (``endpoints.py``). A fault of the client is a 4xx that says what is wrong; a fault of
ours is a 500 that says in which step and under which event id the log tells more, never how.
"""

from __future__ import annotations

import logging
import math
from functools import cached_property
from time import monotonic, perf_counter
from typing import TYPE_CHECKING, Any, TypeAlias

import orjson

from ci_core.serving.access_log import AccessLog, printable
from ci_core.serving.crashes import failure_of
from ci_core.serving.endpoints import ALWAYS_ANSWERED, Pages, json_answer
from ci_core.serving.engine.failures import step_of
from ci_core.serving.event import Event, trace_id_of
from ci_core.serving.identity import ID_FIELD, EventIdentity
from ci_core.serving.inference import Inference
from ci_core.serving.inflate import inflate
from ci_core.serving.json_options import JSON_OPTIONS
from ci_core.serving.limits import Limits
from ci_core.serving.model_path import MODELS_PREFIX
from ci_core.serving.model_request import ModelRequest, may_miss_models
from ci_core.serving.models.served import ServedModel
from ci_core.serving.problems import (
    DeadlineError,
    HeadersTooLargeError,
    HttpError,
    MethodNotAllowedError,
    OverloadedError,
    RequestError,
    UnsupportedMediaTypeError,
    UrlTooLongError,
    shown,
)
from ci_core.serving.schema import InputSchema
from ci_core.serving.signature import Signatures, is_direct
from ci_core.serving.unwritable import (
    MOST_LEVELS,
    UnwritableAnswerError,
    answering_step,
    is_nested_too_deep,
    unwritable,
)

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ci_core.serving.capture import Capture
    from ci_core.serving.metrics import Metrics
    from ci_core.serving.plan import Plan
    from ci_core.serving.protocol import Reply
    from ci_core.serving.spec import GraphSpec

logger = logging.getLogger(__name__)

Headers: TypeAlias = "list[tuple[str, str]]"
Answer: TypeAlias = "tuple[int, Headers, bytes]"
"""Status, headers with names in lower case, body."""

TIMEOUT_HEADER = "x-request-timeout-ms"
"""How long the client will wait for the answer, in milliseconds."""

_JSON = "application/json"
_JSON_HEADER = ("content-type", _JSON)
_BODY_TYPES = frozenset({_JSON, "application/x-www-form-urlencoded", ""})
"""``curl -d`` declares a form whatever it sends."""
_INTERNAL_ERROR = 500


class Application:
    """A served graph.

    Args:
        spec: of the graph.
        plan: compiled from it.
        metrics: that requests are counted in.
        release: id that answers carry.
        identity: finds an event's id and time.
        capture: started already; None when nothing is captured.
        limits: of one request.
        access_log: whether a line of JSON is logged for each request, by ``ci_core.serving.access``.
        input_schema: columns of the plain body, checked before the graph runs, as ``GraphSpec.inputs`` has them; the
            spec's own when None.

    Attributes:
        is_draining: set when the process was told to stop: answers go on, ``/readyz`` says 503, and clients are asked
            to close their connections.
        in_flight: requests being read or answered; counted by the doors.
        signatures: what requests to the models hold, and what their answers will.

    Raises:
        ValueError: `input_schema` has a type that does not exist.
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
        limits: Limits | None = None,
        access_log: bool = False,
        input_schema: Mapping[str, str] | None = None,
    ) -> None:
        self.spec, self.plan, self.metrics, self.release = spec, plan, metrics, release
        self.is_async = plan.is_async
        self.capture = capture
        self.limits = limits or Limits()
        columns = spec.inputs if input_schema is None else input_schema
        self.input_schema = InputSchema(columns) if columns else None
        self.is_draining = False
        self.in_flight = 0
        self._run, self._run_in_time = plan.run, plan.run_in_time
        self._identity = identity or EventIdentity()
        self._time_column = self._identity.time_column
        self._timeout_s = min(
            (limit for limit in (spec.timeout_s, self.limits.request_timeout_s) if limit is not None), default=None
        )
        self._release_header = None if release is None else ("x-graphship-release", release)
        self._access_log = AccessLog(release) if access_log else None
        event_columns = [ID_FIELD, *([self._time_column] if self._time_column else [])]
        self.signatures = Signatures(spec, plan.models, schema=self.input_schema, event_columns=event_columns)
        self._inference = Inference(plan, is_direct=is_direct(spec), signatures=self.signatures)
        self._pages = Pages(self)
        for model in plan.models.values():
            if isinstance(model, ServedModel):
                model.tell_in_flight(lambda: self.in_flight)

    @cached_property
    def _may_miss(self) -> bool:
        """Of the graph as it was written, of which this one may be a part."""
        return may_miss_models(self.spec)

    def handle(self, method: str, path: str, headers: Mapping[str, str], body: bytes) -> Answer:
        """Answer one request of a graph without async steps; raises nothing but orders to stop, see ``crashes.py``.

        Args:
            method: upper case.
            path: without the query.
            headers: names in lower case.
            body: empty when there is none.
        """
        started = perf_counter()
        event: Event | None = None
        try:
            event, rest = self._accept(method, path, headers, body)
            if event is None:
                answer: Answer = rest
            elif event.asked is not None:
                run = self._run if event.deadline is None else self._run_in_time
                answer = _encode(rest, event.asked.answer(run, event))
            elif event.deadline is None:
                answer = _encode(rest, self._run(event.body, event))
            else:
                answer = _encode(rest, self._run_in_time(event.body, event))
        except BaseException as raised:  # noqa: BLE001 - every failure of a request is an answer
            answer = self._failure(self._blamed(failure_of(raised), headers, body, event), path, event)
        return self._finish(method, path, answer, event, started)

    async def handle_async(self, method: str, path: str, headers: Mapping[str, str], body: bytes) -> Answer:
        """Answer one request of a graph with async steps; see :meth:`handle`."""
        started = perf_counter()
        event: Event | None = None
        try:
            event, rest = self._accept(method, path, headers, body)
            if event is None:
                answer: Answer = rest
            elif event.asked is not None:
                answer = _encode(rest, await event.asked.answer_async(self._run, event))
            else:
                answer = _encode(rest, await self._run(event.body, event))
        except BaseException as raised:  # noqa: BLE001 - every failure of a request is an answer
            answer = self._failure(self._blamed(failure_of(raised), headers, body, event), path, event)
        return self._finish(method, path, answer, event, started)

    def admit(self, path: str, url_chars: int, headers: Mapping[str, str]) -> HttpError | None:
        """Return why a request is refused by its head alone, or None; asked by the doors before the body is read."""
        limits = self.limits
        if url_chars > limits.url_chars:
            return UrlTooLongError(limits.url_chars)
        n_bytes = len("".join(headers)) + len("".join(headers.values()))
        if len(headers) > limits.headers or n_bytes > limits.header_bytes:
            return HeadersTooLargeError(limits.headers, limits.header_bytes)
        most = limits.max_in_flight
        if most is not None and self.in_flight >= most and path not in ALWAYS_ANSWERED:
            return OverloadedError(f"{most} requests are being answered; more are not taken", status=429)
        return None

    def refuse(self, error: HttpError, method: str, path: str) -> Answer:
        """Answer a request that a door refuses before its body was read."""
        return self._finish(method, path, self._failure(error, path, None), None, perf_counter())

    def _accept(self, method: str, path: str, headers: Mapping[str, str], body: bytes) -> tuple[Event | None, Any]:
        """Return the event that the graph is to be run with and how its result is written, or None and an answer."""
        if method == "POST" and path == "/":
            return self._plain(path, headers, body), None
        bare = path.rstrip("/")
        if bare.startswith(MODELS_PREFIX):
            return self._model(method, bare, headers, body)
        return None, self._pages.answer(method, path, headers)

    def _plain(self, path: str, headers: Mapping[str, str], body: bytes) -> Event:
        content_type = headers.get("content-type")
        if content_type is not None and content_type != _JSON:
            content_type = media_type(content_type)
        body = self._inflated(headers, body)
        try:
            value = orjson.loads(body)
        except orjson.JSONDecodeError as error:
            if not body:
                raise RequestError("the request has no body; expected a JSON object or a list of objects") from None
            raise RequestError(f"the body is no JSON: {error}") from error
        if type(value) is not dict and type(value) is not list:
            raise RequestError(f"expected a JSON object or a list of objects, found {shown(value)}")
        if self.input_schema is not None:
            self.input_schema.check(value)
        event = self._event(value, path, headers, content_type)
        event.body_bytes = len(body)
        return event

    def _model(
        self, method: str, path: str, headers: Mapping[str, str], body: bytes
    ) -> tuple[Event | None, Answer | Reply]:
        asked = self._inference.find(path)
        if asked.operation in {"", "ready"}:
            return None, self._pages.model(method, path, asked)
        if method != "POST":
            if method == "OPTIONS":
                return None, (204, [("allow", "POST, OPTIONS")], b"")
            raise MethodNotAllowedError(method, path, "POST")
        content_type = headers.get("content-type")
        if content_type is not None and content_type != _JSON:
            content_type = media_type(content_type, also="application/octet-stream")
        body = self._inflated(headers, body)
        request, rows, reply = self._inference.read(asked, body, headers)
        if self.signatures.schema is not None:
            self.signatures.schema.check(rows)
        event = self._event(rows, asked.event_path, headers, content_type, request.id)
        event.body_bytes = len(body)
        event.asked = ModelRequest(asked.key, may_miss=self._may_miss)
        return event, reply

    def _inflated(self, headers: Mapping[str, str], body: bytes) -> bytes:
        encoding = headers.get("content-encoding")
        return body if encoding is None else inflate(body, encoding, self.limits.body_bytes)

    def _event(
        self, body: Any, path: str, headers: Mapping[str, str], content_type: str | None, given_id: str | None = None
    ) -> Event:
        identity = self._identity
        trace = headers.get("traceparent")
        if trace is not None and trace_id_of(trace) is None:  # what is not valid is not passed on
            headers = {name: value for name, value in headers.items() if name not in {"traceparent", "tracestate"}}
        event_id = identity.event_id(body, headers) or given_id
        # without a column of the body the event finds its time itself, if anybody asks
        time = None if self._time_column is None else identity.event_time(body, headers)
        event = Event(body, path, "POST", headers, event_id, time, content_type)
        allowed = headers.get(TIMEOUT_HEADER)
        if allowed is not None or self._timeout_s is not None:
            event.deadline = monotonic() + self._seconds_allowed(allowed)
        if self.capture is not None and type(body) is not dict:
            event.rows = identity.rows(body, event)
        return event

    def _seconds_allowed(self, asked: str | None) -> float:
        limit = math.inf if self._timeout_s is None else self._timeout_s
        if asked is None:
            return limit
        try:
            seconds = float(asked) / 1000
        except ValueError:
            seconds = math.nan
        if not 0 < seconds < math.inf:
            raise RequestError(f"`{TIMEOUT_HEADER}` must be a number of milliseconds above 0, found `{asked:.20}`")
        return min(seconds, limit)

    def _finish(self, method: str, path: str, answer: Answer, event: Event | None, started: float) -> Answer:
        status, headers, body = answer
        if self._release_header is not None:
            headers.append(self._release_header)
        if event is not None:
            event_id = event._id  # noqa: SLF001 - the property would cost a fiftieth of the request
            if event_id.isascii() and event_id.isprintable():
                headers.append(("x-event-id", event_id))
            trace = event.headers.get("traceparent")
            if trace is not None:
                headers.append(("traceparent", trace))
        if self.is_draining:
            # the client opens its next connection to whoever took over
            headers.append(("connection", "close"))
        seconds = perf_counter() - started
        self.metrics.count_request(status, seconds)
        if self._access_log is not None:
            self._access_log.write(method, path, status, len(body), event, seconds)
        return answer

    def _blamed(self, error: Exception, headers: Mapping[str, str], body: bytes, event: Event | None) -> Exception:
        """Return what is told of a failure: the client's fault where its body is so deep that most code fails."""
        if isinstance(error, HttpError) or event is None or event.path != "/":
            return error
        if not is_nested_too_deep(self._inflated(headers, body)):
            return error
        logger.warning("body nested too deep event=%s error=%s", printable(event.id), type(error).__name__)
        return RequestError(f"the body is nested deeper than {MOST_LEVELS} levels, which this graph cannot answer")

    def _failure(self, error: Exception, path: str, event: Event | None) -> Answer:
        step = _failed_step(error, event)
        if isinstance(error, UnwritableAnswerError):
            step = answering_step(self.spec, event)
        headers: Headers = [_JSON_HEADER]
        if isinstance(error, HttpError):
            status, slug, message = error.status, error.slug, error.message
            if error.retry_after_s is not None:
                headers.append(("retry-after", str(max(1, math.ceil(error.retry_after_s)))))
            if isinstance(error, MethodNotAllowedError):
                headers.append(("allow", f"{error.allowed}, OPTIONS"))
        else:
            status, slug = _INTERNAL_ERROR, "step-failed" if step else "internal-error"
            message = f"the step `{step}` failed" if step else "the request could not be answered"
        if status >= _INTERNAL_ERROR:
            _log_failure(error, status, path, step, event)
        if path == "/v2" or path.startswith("/v2/"):  # the protocol wants text under `error`
            return json_answer(status, {"error": _utf8(message)}, headers)
        details = {"slug": slug, "message": _utf8(message)}
        if status >= _INTERNAL_ERROR and step is not None:
            details["step"] = step
        if event is not None:
            details["event_id"] = _utf8(event.id)
        return json_answer(status, {"error": details}, headers)


def media_type(declared: str, *, also: str = "") -> str | None:
    """Return the media type of a body; None when it declares none.

    Raises:
        UnsupportedMediaTypeError: it is declared to be something else than JSON, or `also`.
    """
    name = declared.partition(";")[0].strip().lower()
    if name in _BODY_TYPES or name.endswith("+json") or name == also:
        return name or None
    raise UnsupportedMediaTypeError(declared)


def _encode(reply: Reply | None, result: Any) -> Answer:
    try:
        if reply is None:
            return 200, [_JSON_HEADER], orjson.dumps(result, option=JSON_OPTIONS)
        headers, body = reply.encode(result)
    except TypeError as error:
        raise unwritable(result, error) from error.__cause__
    return 200, headers, body


def _utf8(text: str) -> str:
    """Return `text` without what UTF-8 cannot say: half a surrogate pair of a path that was no UTF-8."""
    return text.encode(errors="replace").decode()


def _failed_step(error: Exception, event: Event | None) -> str | None:
    """Return the step that an error came from; an event tells of failures that were mended, too."""
    if isinstance(error, DeadlineError) and event is not None and event.error is not None:
        return event.error.step if isinstance(event.error.exception, DeadlineError) else None
    return step_of(error)


def _log_failure(error: Exception, status: int, path: str, step: str | None, event: Event | None) -> None:
    event_id = event and printable(event.id)
    trace_id = event and event.trace_id
    if isinstance(error, HttpError):
        text = "request failed path=%s step=%s event=%s trace=%s status=%d slug=%s: %s"
        logger.warning(text, printable(path), step, event_id, trace_id, status, error.slug, printable(error.message))
        return
    text = "request failed path=%s step=%s event=%s trace=%s"
    logger.error(text, printable(path), step, event_id, trace_id, exc_info=error)
