"""What the engine asks of steps, models and routers, and what it offers them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    import logging
    from collections.abc import Mapping, Sequence

    import numpy as np
    from numpy.typing import NDArray

    from ci_core.serving.event import Event
    from ci_core.types import JsonValue

Row = dict[str, Any]
"""One observation as the client sent it and the steps left it: column → value."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Context:
    """What a step may ask for by an argument called ``context``."""

    graph: str
    """Name of the graph."""
    release: str | None
    """Id of the release that is served; None in tests and notebooks."""
    logger: logging.Logger
    """Goes to the server's stderr."""


class Step(Protocol):
    """A step written as a class: constructed once, called for every event, by either of two methods.

    A class with ``do_event(event)`` is given the whole event instead of the body.
    """

    def do(self, body: Any) -> Any:
        """Return the body that the next step gets; `body` belongs to others too and is not changed in place."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelCall:
    """One call of a model, as it is answered and as it is captured."""

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

    def load(self) -> None:
        """Read the model's files; called once, before the first request."""
        ...

    def call(self, rows: list[Row]) -> ModelCall:
        """Answer `rows`, at least one.

        Raises:
            RequestError: a row lacks a column or has a value of a wrong type.
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
    """Told of every model call; must be quick and must not raise."""

    def __call__(self, event: Event, model: str, call: ModelCall, /) -> None:
        """Take note of `call`, which answered `event` with the model called `model`."""
        ...


def ignore_call(event: Event, model: str, call: ModelCall) -> None:
    """Take no note: the observer of tests and notebooks."""
    del event, model, call
