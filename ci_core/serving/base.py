"""What the engine asks of steps, models and routers, and what it offers them."""

from __future__ import annotations

from dataclasses import dataclass, field
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Final, Literal, Protocol

from ci_core.errors import MissingSecretError
from ci_core.serving.metrics.custom import LATENCY_EDGES_S, CustomMetrics

if TYPE_CHECKING:
    import logging
    from collections.abc import Mapping, Sequence

    import numpy as np
    from numpy.typing import NDArray

    from ci_core.serving.event import Event
    from ci_core.serving.metrics.series import Counter, Gauge, Histogram
    from ci_core.serving.metrics.steps import StepCalls
    from ci_core.types import JsonValue

Role = Literal["answer", "member", "shadow"]
ANSWER: Final[Role] = "answer"
MEMBER: Final[Role] = "member"
SHADOW: Final[Role] = "shadow"

Row = dict[str, Any]
"""One observation as the client sent it and the steps left it: column → value."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Context:
    """What a step, model or router may ask for: by an argument called ``context``, of its constructor or its function.

    It is given, never made by hand.

    Example:
        >>> from ci_core.serving import Graph
        >>> def clip(body, context):
        ...     if body["age"] > 99:
        ...         context.counter("clipped", "Ages that were clipped.", column="age").inc()
        ...     return {**body, "age": min(body["age"], 99)}
        >>> graph = Graph("clip")
        >>> _ = graph.to(clip)
        >>> graph.test({"age": 120})
        {'age': 99}
    """

    graph: str
    """Name of the graph."""
    release: str | None
    """Id of the release that is served; None in tests and notebooks."""
    logger: logging.Logger
    """Called ``ci_core.serving.graph.<graph>``. A server shows warnings and errors, on stderr."""
    step: str = ""
    """Name of the step that was given this; empty for models."""
    environment: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}), repr=False)
    """The environment variables of the process, secrets among them, read when the server started; empty in
    ``graph.test`` and ``graph.serve``, and what ``graph.compile(environment=…)`` was given."""
    metrics: CustomMetrics = field(default_factory=CustomMetrics, repr=False)
    """Makes the metrics of :meth:`counter`, :meth:`gauge` and :meth:`histogram`."""

    def secret(self, variable: str) -> str:
        """Return the value of an environment variable that a step cannot do without; never log or show it.

        Raises:
            MissingSecretError: it is not set, or empty.

        Example:
            >>> from ci_core.serving import Graph
            >>> class Ask:
            ...     def __init__(self, context):
            ...         self._token = context.secret("TOKEN")
            ...
            ...     def do(self, body):
            ...         return len(self._token)
            >>> graph = Graph("ask")
            >>> _ = graph.to(Ask)
            >>> plan = graph.compile(environment={"TOKEN": "made up"})
            >>> plan({})
            7
        """
        value = self.environment.get(variable)
        if not value:
            raise MissingSecretError(step=self.step, variable=variable)
        return value

    def counter(self, name: str, help: str, **labels: str) -> Counter:  # noqa: A002 - Prometheus' own word
        """Return a counter (``inc(amount=1)``) that ``/metrics`` shows as ``<name>_total``.

        The same one for the same name and labels, so a function may ask in every call.

        Raises:
            InvalidMetricError: the name or a label is not allowed, the name is that of another metric, or there are too
                many.
        """
        return self.metrics.counter(name, help, **labels)

    def gauge(self, name: str, help: str, **labels: str) -> Gauge:  # noqa: A002
        """Return a gauge (``set(value)``, ``inc(amount=1)``); of several workers the sum is shown.

        See :meth:`counter`.
        """
        return self.metrics.gauge(name, help, **labels)

    def histogram(
        self, name: str, help: str, *, buckets: Sequence[float] = LATENCY_EDGES_S, **labels: str  # noqa: A002
    ) -> Histogram:  # fmt: skip
        """Return a histogram (``observe(value)``).

        Args:
            name: as for :meth:`counter`.
            help: says what is measured, and in which unit.
            buckets: upper edges, ascending; by default a millisecond to ten seconds.
            labels: as for :meth:`counter`.
        """
        return self.metrics.histogram(name, help, buckets=buckets, **labels)


class Step(Protocol):
    """A step written as a class: constructed once, called for every event, by either of two methods.

    A class with ``do_event(event)`` is given the whole event instead of the body.
    """

    def do(self, body: Any) -> Any:
        """Return the body that the next step gets; `body` belongs to others too and is not changed in place."""
        ...


@dataclass(slots=True, kw_only=True)  # not frozen: that would triple the cost of making one, which each request does
class ModelCall:
    """One call of a model, as it is answered and as it is captured; nobody changes it."""

    answers: list[JsonValue]
    """One a row, in the order of the rows."""
    columns: Mapping[str, Sequence[Any] | NDArray[Any]]
    """The columns as the model received them; every one as long as `answers`. Missing values are None or NaN."""
    outputs: Sequence[float | None] | NDArray[np.float64]
    """One number a row: probability of class 1 of a binary classifier, probability of the predicted class of one with
    more classes, the value of a regression; None or NaN when there is no such number."""


class Model(Protocol):
    """A model behind a router."""

    @property
    def input_columns(self) -> tuple[str, ...]:
        """Names of the columns it reads; known once it is loaded; empty when it takes what it gets."""
        ...

    @property
    def loads_after_fork(self) -> bool:
        """Whether loading starts threads or opens sessions, which do not survive a fork."""
        ...

    @property
    def gains_from_batches(self) -> bool:
        """Whether one call of n rows costs much less than n calls of one row."""
        ...

    @property
    def operations(self) -> tuple[str, ...]:
        """What can be asked of it beside ``infer``: ``explain``, and operations of its own."""
        ...

    def load(self) -> None:
        """Read the model's files; called once, before the first call."""
        ...

    def call(self, rows: list[Row]) -> ModelCall:
        """Answer `rows`, at least one.

        Raises:
            RequestError: a row lacks a column or has a value of a wrong type.
        """
        ...

    def operate(self, operation: str, rows: list[Row]) -> list[JsonValue]:
        """Return one answer a row of one of :attr:`operations`.

        Raises:
            RequestError: a row cannot be used.
        """
        ...

    def score(self, columns: Mapping[str, Sequence[Any] | NDArray[Any]]) -> NDArray[np.float64]:
        """Return the outputs of :attr:`ModelCall.outputs` for a whole table, shape ``(n_rows,)``.

        Raises:
            ModelColumnError: a column is missing or has a wrong type.
        """
        ...


class Router(Protocol):
    """Chooses among models for each event."""

    models: Mapping[str, Model]

    def __call__(self, body: Any, event: Event) -> Any:
        """Return the answer of the model, or models, that `event` goes to.

        Raises:
            UnknownModelError: the event asks for a model that is not there.
            RequestError: the body is neither an object nor a list of objects.
        """
        ...


class ModelObserver(Protocol):
    """Told of every model call; must be quick and must not raise.

    One that reads neither ``columns`` nor ``outputs`` of the calls may say so with ``reads_columns = False``: models of
    users then need not make them.
    """

    def answered(self, event: Event, model: str, call: ModelCall, seconds: float, role: Role = ANSWER) -> None:
        """Take note of `call`, which took `seconds` and answered `event` with the model called `model`.

        Args:
            event: whose rows they were.
            model: its key.
            call: what it was given and said.
            seconds: it took.
            role: whether the client got just that (``answer``), something made of it and others (``member``), or
                nothing of it (``shadow``). Of the calls for one row of one event, one at most is an ``answer``.
        """
        ...

    def failed(self, event: Event, model: str, error: Exception) -> None:
        """Take note that the model called `model` raised `error` on `event`."""
        ...


class IgnoreCalls:
    """Takes no note: the observer of tests and notebooks."""

    def answered(self, event: Event, model: str, call: ModelCall, seconds: float, role: Role = ANSWER) -> None:
        """Do nothing."""

    def failed(self, event: Event, model: str, error: Exception) -> None:
        """Do nothing."""


class StepObserver(Protocol):
    """Told how the steps of a plan fare; `step` is an index into ``plan.steps``. Must be quick and must not raise."""

    def calls_of(self, steps: Sequence[int]) -> StepCalls:
        """Return what the calls of `steps` are counted in; asked when a graph is compiled."""
        ...

    def wants_times(self) -> bool:
        """Return whether the steps of this event are to be timed; asked once an event, and so counts the events."""
        ...

    def took(self, step: int, seconds: float) -> None:
        """Take note of one timed call."""
        ...

    def failed(self, step: int) -> None:
        """Take note that a step raised; told of every event."""
        ...


class Resource(Protocol):
    """Has a life of its own: threads, sockets, sessions. Steps and models may have these methods; both optional."""

    def start(self) -> None:
        """Begin; called once, in the process that serves, after any fork."""
        ...

    def close(self) -> None:
        """End and wait for the end; called once, when no request is in flight any more."""
        ...
