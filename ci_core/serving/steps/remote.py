"""Ask another service over HTTP: ``steps.Remote`` once an event, ``steps.BatchRemote`` once an item of a list."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field, fields
from functools import cached_property
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Final

from ci_core.errors import InvalidStepError
from ci_core.serving.problems import HttpError, RequestError
from ci_core.serving.remote.failures import WordError
from ci_core.serving.remote.mapping import ListError
from ci_core.serving.remote.methods import IDEMPOTENT
from ci_core.serving.remote.origin import Origin, parse_origin
from ci_core.serving.remote.request import RequestTemplate, read_request

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Iterable, Mapping, Sequence

    from ci_core.serving.base import Context
    from ci_core.serving.event import Event
    from ci_core.serving.metrics import Metrics
    from ci_core.serving.remote.caller import CallState
    from ci_core.serving.remote.service import RemoteService
    from ci_core.types import JsonValue

_ANSWERS: Final = ("json", "text", "bytes")
_REFUSALS: Final = range(400, 500)
_TEXTS: Final = ("url", "path", "method", "answer")
_SECONDS: Final = {"timeout": 0.001, "retry_wait": 0, "breaker_wait": 0}
_COUNTS: Final = {"retries": 0, "max_in_flight": 1, "max_waiting": 0, "breaker_failures": 0, "max_answer_bytes": 1}
"""Arguments with their least value."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Remote:
    """Send the body, or parts of it, to a service, and go on with its answer.

    One event is one call. A list of rows is sent as it is; where `path`, `query` or `body` name fields it is refused,
    because :class:`BatchRemote` makes a call for each row.

    Failures are told as :mod:`ci_core.serving.problems` says: a service that fails, refuses, redirects or cannot be
    reached is a 502, one that takes too long a 504, one that is left alone for a while, or asked too much, a 503.
    Messages name the service by host and port and never show a path, a query or a header.

    An event's id and trace (``x-event-id``, ``traceparent``, ``tracestate``) travel along, and so does the time that is
    left, as ``x-request-timeout-ms``; an id that no header can hold, as it has other characters than the printable ones
    of ASCII, stays behind. Neither proxies nor cookies are used. A private certificate authority is made
    known to the process by OpenSSL's own ``SSL_CERT_FILE``.

    Example:
        >>> step = Remote("http://features:8080", path="/v1/users/{user.id}", method="GET")
        >>> dict(step.arguments)
        {'url': 'http://features:8080', 'path': '/v1/users/{user.id}', 'method': 'GET'}
    """

    url: str = field(kw_only=False)
    """The service: ``http://host:port``, ``https://host``, with a path before all others if need be, or
    ``unix:/run/features.sock``. It holds no user, password or query."""
    path: str = ""
    """With fields of the body in braces: ``/v1/users/{user.id}``. Values are percent-encoded; one that is empty or has
    a part ``.`` or ``..`` is refused, so that nobody gets elsewhere than the graph meant."""
    method: str = "POST"
    """In capitals."""
    query: Mapping[str, JsonValue] | None = None
    """Names → fields of the body, ``{"id": "user.id"}``, or ``{"value": …}`` for what is always the same."""
    body: JsonValue = None
    """What is sent as JSON: ``"a.b"`` that part of the body; ``{"x": "a.b"}`` an object of parts; True the whole body;
    False nothing. By default the whole body with POST, PUT and PATCH, and nothing with other methods. Bytes are sent
    as they are."""
    headers: Mapping[str, JsonValue] | None = None
    """Names → texts. A secret comes from the environment:
    ``{"authorization": {"env": "FEATURES_TOKEN", "prefix": "Bearer "}}``."""
    forward_headers: Sequence[str] = ()
    """Names of headers of the request to the graph that are passed on."""
    answer: str = "json"
    """``json``, ``text`` or ``bytes``: what the answer becomes. An empty JSON answer is None."""
    timeout: float = 10.0
    """Seconds for one attempt, from connecting to the end of the answer; never beyond the event's deadline."""
    retries: int = 2
    """Attempts after the first, for what is safe to repeat: connection errors, time-outs, 429, 502, 503 and 504 with
    GET, HEAD, PUT, DELETE, OPTIONS; with others only what was never sent. 2: one hiccup and its echo."""
    retry_wait: float = 0.1
    """Seconds: bound of the random wait before the first retry; each next bound is twice as large. A ``Retry-After`` of
    the service is kept, and a wait that would not end before the deadline is not begun."""
    repeatable: bool = False
    """Whether POST and PATCH may be repeated too, because the service does not mind being asked twice."""
    pass_statuses: Sequence[int] = ()
    """Refusals (4xx) of the service that the client of the graph is told with the same status, such as 404."""
    max_in_flight: int = 64
    """Calls at a time, in one process."""
    max_waiting: int = 256
    """Calls that wait for their turn; one more is refused with 503. 256: four times those in flight."""
    breaker_failures: int = 5
    """Failed attempts in a row after which the service is left alone; 0: never."""
    breaker_wait: float = 10.0
    """Seconds that the service is left alone; then one call tries it."""
    max_answer_bytes: int = 8 * 1024 * 1024
    """The largest answer that is read."""
    context: Context | None = field(default=None, repr=False)
    """Given by the engine when the graph is compiled."""

    def __post_init__(self) -> None:
        self._check_types()
        if self.answer not in _ANSWERS:
            raise self._invalid(f"has the answer `{self.answer}`; answers are {', '.join(_ANSWERS)}")
        if not set(self.pass_statuses) <= set(_REFUSALS):
            raise self._invalid("has `pass_statuses` other than 400 to 499")
        self._template(lambda _: "")  # mistakes are told where the step is written, before any secret is known
        if self.context is not None:
            _ = self._service

    @property
    def arguments(self) -> Mapping[str, JsonValue]:
        """What differs from the defaults; with it the step is made again."""
        values = {one.name: getattr(self, one.name) for one in fields(self) if one.name != "context"}
        defaults = {one.name: one.default for one in fields(self)}
        return MappingProxyType({name: value for name, value in values.items() if value != defaults[name]})

    @property
    def state(self) -> CallState:
        """How the calls of this process are doing; for metrics."""
        return self._service.state

    def follow(self, metrics: Metrics) -> None:
        """Let `metrics` tell how the calls fare."""
        step, service = self.context.step if self.context is not None else "", self._service
        metrics.follow_gauge(
            "graphship_remote_breaker_open",
            "Whether the service of a remote step is left alone, as it failed too often: 1, else 0.",
            lambda: service.state.breaker == "open",
            step=step,
        )
        metrics.follow_gauge(
            "graphship_remote_calls_in_flight", "Calls of a remote step.", lambda: service.state.in_flight, step=step
        )
        metrics.follow_gauge(
            "graphship_remote_connections",
            "Connections to the service of a remote step, at work or idle.",
            lambda: service.open_connections,
            step=step,
        )
        metrics.follow_counter(
            "graphship_remote_attempts_total",
            "Attempts to call the service of a remote step.",
            lambda: service.state.attempts,
            step=step,
        )
        metrics.follow_counter(
            "graphship_remote_failures_total",
            "Attempts that the service of a remote step failed.",
            lambda: service.state.failures,
            step=step,
        )

    async def do_event(self, event: Event) -> Any:
        """Return the answer of the service.

        Raises:
            RequestError: the body lacks a field, has a value that does not fit its place, or the service refused with
                one of `pass_statuses`.
            HttpError: the service failed; see the class.
        """
        try:
            return await self._service.ask(event.body, event)
        except ListError as error:
            raise RequestError(f"{error.message}; a step `BatchRemote` makes a call for each") from None

    def close(self) -> None:
        """Close the connections."""
        if "_service" in vars(self):
            self._service.close()

    @cached_property
    def _service(self) -> RemoteService:
        """The live half, which needs the libraries of the serving process."""
        from ci_core.serving.remote.caller import CallRules
        from ci_core.serving.remote.connection import AnswerLimits
        from ci_core.serving.remote.service import RemoteService

        origin = self._origin()
        rules = CallRules(
            service=origin.label,
            is_repeatable=self.repeatable or self.method in IDEMPOTENT,
            timeout_s=self.timeout,
            retries=self.retries,
            retry_wait_s=self.retry_wait,
            pass_statuses=frozenset(self.pass_statuses),
            max_in_flight=self.max_in_flight,
            max_waiting=self.max_waiting,
            breaker_failures=self.breaker_failures,
            breaker_wait_s=self.breaker_wait,
        )
        limits = AnswerLimits(body_bytes=self.max_answer_bytes)
        return RemoteService(origin, self._template(self._secret), rules, limits, self.answer)

    def _secret(self, variable: str) -> str:
        if self.context is None:
            raise self._invalid(
                f"takes `{variable}` from the environment, which only a compiled graph has",
                hint="put the step into a graph, and give `compile` the environment",
            )
        return self.context.secret(variable)

    def _template(self, secret: Callable[[str], str]) -> RequestTemplate:
        self._origin()
        try:
            return read_request(
                path=self.path,
                method=self.method,
                query=self.query,
                body=self.body,
                headers=self.headers,
                forward_headers=self.forward_headers,
                secret=secret,
            )
        except WordError as error:
            raise self._invalid(str(error)) from None

    def _origin(self) -> Origin:
        try:
            return parse_origin(self.url)
        except WordError as error:
            raise self._invalid(f"has an `url` that {error}", hint="such as http://features:8080") from None

    def _check_types(self) -> None:
        for name in _TEXTS:
            if not isinstance(getattr(self, name), str):
                raise self._invalid(f"has a `{name}` that is no text")
        for name in ("query", "headers"):
            if not isinstance(getattr(self, name), dict | MappingProxyType | None):
                raise self._invalid(f"has `{name}` that are no mapping of names")
        for name, least in {**_SECONDS, **_COUNTS}.items():
            value: Any = getattr(self, name)
            kinds = int if name in _COUNTS else int | float
            if isinstance(value, bool) or not isinstance(value, kinds) or not least <= value < float("inf"):
                raise self._invalid(f"has the `{name}` {value!r}; expected a number, at least {least}")

    def _invalid(self, reason: str, *, hint: str | None = None) -> InvalidStepError:
        name = self.context.step if self.context is not None else ""
        return InvalidStepError(step=name or type(self).__name__, reason=reason, hint=hint)


class BatchRemote(Remote):
    """Make one call for each item of a list, side by side, and go on with the list of the answers, in the same order.

    Arguments are those of :class:`Remote`; fields are fields of an item. At most `max_in_flight` calls are made at a
    time. When one fails the others are given up and the event fails, told which item it was. A body that is one object
    is one call, and the step goes on with its answer. With ``result_path`` each item gets the answer to it.

    Example:
        >>> step = BatchRemote("http://geo:8080", path="/v1/cities/{city}", method="GET", max_in_flight=8)
        >>> dict(step.arguments)
        {'url': 'http://geo:8080', 'path': '/v1/cities/{city}', 'method': 'GET', 'max_in_flight': 8}
    """

    async def do_event(self, event: Event) -> Any:
        """Return the answers to the items of the body; of one object the answer.

        Raises:
            RequestError: the body is neither a list nor an object, or an item does not fit; see
                :meth:`Remote.do_event`.
            HttpError: the service failed on an item.
        """
        items = event.body
        if isinstance(items, dict):
            return await self._service.ask(items, event)
        if not isinstance(items, list):
            raise RequestError(
                f"expected a list with one item for each call, or one object, found {type(items).__name__}"
            )
        answers: list[Any] = [None] * len(items)
        numbered = iter(enumerate(items))
        workers = [self._work(numbered, answers, event) for _ in range(min(self.max_in_flight, len(items)))]
        await _all(workers)
        return answers

    async def _work(self, numbered: Iterable[tuple[int, Any]], answers: list[Any], event: Event) -> None:
        """Take items, one after the other, until there are none: all workers take from one iterator."""
        for number, item in numbered:
            try:
                answers[number] = await self._service.ask(item, event)
            except HttpError as error:
                error.message = f"item {number}: {error.message}"
                raise


async def _all(work: Iterable[Coroutine[Any, Any, None]]) -> None:
    """Run coroutines side by side; the first failure ends all and is raised."""
    tasks = [asyncio.ensure_future(one) for one in work]
    try:
        await asyncio.gather(*tasks)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
