"""Routers: which model, or models, an event goes to.

``Router.single({...})`` in a graph is only a description (:class:`RouterDraft`); the engine makes the working router
from the spec with :func:`build_router`, one class a kind.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from time import perf_counter
from typing import TYPE_CHECKING, Any

from ci_core.serving.problems import RequestError, UnknownModelError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ci_core.serving.base import Model, ModelObserver, Row
    from ci_core.serving.event import Event
    from ci_core.serving.spec import Load, Switch
    from ci_core.types import JsonValue

MODELS_PREFIX = "/v2/models/"
"""Where the Open Inference Protocol puts models."""


@dataclass(frozen=True, slots=True)
class Route:
    """A model with what it must be told.

    Attributes:
        model: file relative to the project, ``module:Class``, or a subclass of ``Model``.
        columns: names of the columns, in order, of a model that takes one matrix and does not know them.
        arguments: constructor arguments of a model class.
    """

    model: str | type
    columns: tuple[str, ...] | list[str] = ()
    arguments: Mapping[str, JsonValue] | None = None
    load: Load = "start"
    batch: Switch = "auto"
    max_batch_rows: int = 1024
    batch_window: float = 0.0
    lower: Switch = "auto"


@dataclass(frozen=True, slots=True)
class RouterDraft:
    """A router as a graph's author wrote it."""

    kind: str | type
    routes: Mapping[str, Route]
    settings: Mapping[str, JsonValue] = field(default_factory=dict)


class Router:
    """Makes routers for :meth:`Graph.to`."""

    @staticmethod
    def single(routes: Mapping[str, str | type | Route]) -> RouterDraft:
        """Return a router that gives each event to one of its models.

        The model is chosen by the path ``/v2/models/<name>/…``, else by the body's field ``model`` when it names one,
        else it is the first.

        Args:
            routes: name → model file, ``module:Class``, model class, or :class:`Route`.
        """
        named = {name: route if isinstance(route, Route) else Route(route) for name, route in routes.items()}
        return RouterDraft(kind="single", routes=named)


def model_in_path(path: str) -> str | None:
    """Return the ``<m>`` of ``/v2/models/<m>[/…]``, or None."""
    if not path.startswith(MODELS_PREFIX):
        return None
    return path[len(MODELS_PREFIX) :].split("/", 1)[0] or None


class SingleRouter:
    """One model an event; see :meth:`Router.single`."""

    __slots__ = ("_default", "_observe", "models")

    def __init__(self, models: Mapping[str, Model], observe: ModelObserver) -> None:
        self.models = models
        self._observe = observe
        self._default = next(iter(models))

    def __call__(self, body: Any, event: Event) -> Any:
        """Return one answer for one row, a list of answers for a list of rows."""
        name = self._choose(body, event.path)
        if isinstance(body, list):
            return self._answer(name, body, event) if body else []
        return self._answer(name, [body], event)[0]

    def _choose(self, body: Any, path: str) -> str:
        name = model_in_path(path)
        if name is None and type(body) is dict and "model" in body:
            name = self._named_in_body(body["model"])
        if name is None:
            return self._default
        if name not in self.models:
            raise UnknownModelError(name, tuple(self.models))
        return name

    def _named_in_body(self, value: Any) -> str | None:
        """Return the model a body's ``model`` asks for; a model may also have an input column of that name."""
        if value in self.models or "model" not in self.models[self._default].input_columns:
            return str(value)
        return None

    def _answer(self, name: str, rows: list[Row], event: Event) -> list[JsonValue]:
        for index, row in enumerate(rows):
            if not isinstance(row, dict):
                raise RequestError(f"row {index}: expected an object of columns, found {type(row).__name__}")
        started = perf_counter()
        try:
            call = self.models[name].call(rows)
        except Exception as error:
            self._observe.failed(event, name, error)
            raise
        self._observe.answered(event, name, call, perf_counter() - started)
        return call.answers


def build_router(kind: str, models: Mapping[str, Model], observe: ModelObserver) -> SingleRouter:
    """Return the working router of `kind`."""
    return {"single": SingleRouter}[kind](models, observe)
