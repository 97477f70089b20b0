"""A serving graph as frozen data: what the builder makes, what YAML spells, what a release carries.

The stored form (``GraphSpec.to_dict``), key by key::

    name: churn                        # of the graph
    files: [data/weather.parquet]      # data files the steps open, relative to the project; may be left out
    on-error: tell                     # step called when any other step fails; may be left out
    steps:
      - name: impute                   # unique; in YAML it may be left out: the last word of `step`
        step: Impute                   # a built-in, or `module:function`, `module:Class`
        with: {age: 33}                # arguments of the class, JSON values
        after: [request]               # steps whose results it gets; `request` is the request itself.
                                       # left out: the step above; `[]`: only as an error handler
        full-event: false              # give the Event instead of its body
        input-path: a.b                # part of the body the step gets
        result-path: y                 # key of the body the result goes to
        on-error: tell                 # step called when this one fails
        respond: true                  # its result is the answer
      - router: single                 # instead of `step`
        routes: {m1: models/m1.onnx}   # or {m1: {model: models/m1.skops, columns: [a, b], with: {…}}}

``to_dict`` leaves defaults out, but always writes ``name`` and ``after``, and writes routes as a list: their order
matters (the first is the default) and JSON objects have none.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from types import MappingProxyType
from typing import TYPE_CHECKING, Final

from ci_core.errors import StepNotImportableError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ci_core.types import JsonObject, JsonValue

REQUEST: Final = "request"
"""Stands for the request where steps are named; no step may be called so."""

ANSWER: Final = "(answer)"
"""Stands for the answer in pictures; no step may be called so."""

LOCAL_PREFIX: Final = "local:"
"""Begins the reference of a step that lives only in this process, such as a lambda."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RouteSpec:
    """One route of a router: a name and its model."""

    name: str
    model: str
    """A model file relative to the project (``models/m1.onnx``), or ``module:Class`` of a model written by the user."""
    columns: tuple[str, ...] = ()
    """Names of the columns, in order, of a model that takes one matrix; empty when the file knows them."""
    arguments: Mapping[str, JsonValue] = field(default_factory=lambda: MappingProxyType({}))
    """Constructor arguments of a model class."""

    @property
    def is_file(self) -> bool:
        """Whether `model` is a path rather than a class."""
        return ":" not in self.model

    def to_dict(self) -> dict[str, JsonValue]:
        """Return the stored form, defaults left out."""
        stored: dict[str, JsonValue] = {"name": self.name, "model": self.model}
        if self.columns:
            stored["columns"] = list(self.columns)
        if self.arguments:
            stored["with"] = thaw(self.arguments)
        return stored


@dataclass(frozen=True, slots=True, kw_only=True)
class StepSpec:
    """One node of the graph: a step, or a router with its routes."""

    name: str
    step: str = ""
    """A built-in (``Impute``) or ``module:name``; empty for a router."""
    arguments: Mapping[str, JsonValue] = field(default_factory=lambda: MappingProxyType({}))
    after: tuple[str, ...] = ()
    """Where its input comes from. One name: that step's result. Several: the list of their results, in this order.
    Empty: it runs only as an error handler."""
    full_event: bool = False
    input_path: str | None = None
    result_path: str | None = None
    on_error: str | None = None
    responds: bool = False
    router: str | None = None
    """The kind of router: ``single``."""
    routes: tuple[RouteSpec, ...] = ()

    def to_dict(self) -> dict[str, JsonValue]:
        """Return the stored form, defaults left out."""
        stored: dict[str, JsonValue] = {"name": self.name, "after": list(self.after)}
        if self.router is None:
            stored["step"] = self.step
        else:
            stored["router"] = self.router
            stored["routes"] = [route.to_dict() for route in self.routes]
        if self.arguments:
            stored["with"] = thaw(self.arguments)
        optional: dict[str, JsonValue] = {
            "full-event": self.full_event or None,
            "input-path": self.input_path,
            "result-path": self.result_path,
            "on-error": self.on_error,
            "respond": self.responds or None,
        }
        stored.update({key: value for key, value in optional.items() if value is not None})
        return stored


@dataclass(frozen=True, slots=True, kw_only=True)
class GraphSpec:
    """A whole graph. :func:`ci_core.serving.topology.check` says whether it makes sense."""

    name: str
    steps: tuple[StepSpec, ...] = ()
    files: tuple[str, ...] = ()
    """Data files that steps open, relative to the project; they travel in the bundle."""
    on_error: str | None = None
    """Step called when any step without a handler of its own fails."""

    @property
    def models(self) -> tuple[str, ...]:
        """Paths of the model files, relative to the project, each once, in the order of the routes."""
        paths = (route.model for step in self.steps for route in step.routes if route.is_file)
        return tuple(dict.fromkeys(paths))

    def to_dict(self) -> dict[str, JsonValue]:
        """Return the stored form as plain JSON data.

        Raises:
            StepNotImportableError: a step is a lambda, a nested function or an object, which no file can name.
        """
        for step in self.steps:
            for reference in (step.step, *(route.model for route in step.routes)):
                if reference.startswith(LOCAL_PREFIX):
                    what = f"`{reference.removeprefix(LOCAL_PREFIX)}`"
                    raise StepNotImportableError(graph=self.name, step=step.name, what=what)
        stored: dict[str, JsonValue] = {"name": self.name, "steps": [step.to_dict() for step in self.steps]}
        if self.files:
            stored["files"] = list(self.files)
        if self.on_error is not None:
            stored["on-error"] = self.on_error
        return stored

    @classmethod
    def from_dict(cls, data: JsonObject, *, file: str = "graph") -> GraphSpec:
        """Build the spec from its stored form.

        Args:
            data: as :meth:`to_dict` gives it, or the shorter spellings of the module's docstring.
            file: what error messages call the source.

        Raises:
            GraphFileError: keys are missing, unknown or of a wrong type; all mistakes at once.
        """
        from ci_core.serving.reader import read_graph

        return read_graph(data, file=file)


def freeze(value: JsonValue) -> JsonValue:
    """Return a JSON value with read-only containers: tuples and mapping proxies."""
    if isinstance(value, dict | MappingProxyType):
        return MappingProxyType({key: freeze(item) for key, item in value.items()})
    if isinstance(value, list | tuple):
        return tuple(freeze(item) for item in value)
    return value


def freeze_mapping(values: Mapping[str, JsonValue]) -> Mapping[str, JsonValue]:
    """Return a read-only copy of `values`, all levels."""
    return MappingProxyType({key: freeze(item) for key, item in values.items()})


def thaw(value: JsonValue) -> JsonValue:
    """Return plain dicts and lists again: the inverse of :func:`freeze`."""
    if isinstance(value, dict | MappingProxyType):
        return {key: thaw(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [thaw(item) for item in value]
    return value
