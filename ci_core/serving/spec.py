"""A serving graph as frozen data: what the builder makes, what YAML spells, what a release carries.

The stored form (``GraphSpec.to_dict``), key by key::

    name: churn                        # of the graph
    files: [data/weather.parquet]      # data files the steps open, relative to the project
    on-error: tell                     # step called when any other step fails
    timeout: 2.5                       # seconds a request may take
    inputs: {age: number, city: "string?"} # columns of the body at `/`, checked before the first step
    steps:
      - name: impute                   # unique; in YAML it may be left out: the last word of `step`
        step: Impute                   # a built-in, or `module:function`, `module:Class`
        with: {age: 33}                # arguments of the class, JSON values
        handler: score                 # method of the class to call, instead of `do`
        after: [request]               # steps whose results it gets; `request` is the request itself.
                                       # left out: the step above; `[]`: only as an error handler
        join: all                      # of several: all | any | merge | key; see `Join`
        join-key: user.id              # of `key`: field of the rows that belong together
        full-event: true               # give the Event instead of its body
        input-path: a.b                # part of the body the step gets
        result-path: y                 # key of the body the result goes to
        on-error: tell                 # step called when this one fails
        back-to: score                 # of an error handler: the flow goes on there with its result
        retries: 2                     # times a failed call is repeated
        retry-wait: 0.1                # seconds before the first repetition, doubled before each further one
        timeout: 1.5                   # seconds a call may take; a sync step then runs in a thread
        blocking: true                 # a sync step that waits for something runs in a thread
        function: heavy                # runs in a process of its own, together with all steps of that function
        respond: true                  # its result is the answer
      - router: single                 # instead of `step`: single | weighted | shadow | vote | mean | parallel,
                                       # or `module:Class`; `with` holds its settings
        routes: {m1: models/m1.onnx}   # or {m1: {model: models/m1.skops, columns: [a, b], with: {…}}}, see RouteSpec
      - choice: kind                   # instead of `step`: a field of the body, or `module:function`
        branches: {card: a, cash: b}   # value -> one of the steps after it; left out: the value is the step's name
        otherwise: refuse              # step for every other value; left out: the request is refused
        several: true                  # a list of values chooses several steps
      - queue: scored                  # instead of `step`: the steps after it run when the message is taken out
        with: {max-deliveries: 5}      # of this stream, not in the request
      - graph: {name: …, steps: […]}   # instead of `step`: a graph as a step

``to_dict`` leaves defaults out, but always writes ``name`` and ``after``, and writes routes as a list: their order
matters (the first is the default) and JSON objects have none.
"""

from __future__ import annotations

from dataclasses import dataclass, field, fields
from types import MappingProxyType
from typing import TYPE_CHECKING, Final, Literal

from ci_core.errors import StepNotImportableError
from ci_core.serving.model_path import model_key

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ci_core.types import JsonObject, JsonValue

REQUEST: Final = "request"
"""Stands for the request where steps are named; no step may be called so."""

ANSWER: Final = "(answer)"
"""Stands for the answer in pictures; no step may be called so."""

LOCAL_PREFIX: Final = "local:"
"""Begins the reference of a step that lives only in this process, such as a lambda."""


Join = Literal["all", "any", "merge", "key"]
"""What a step with several inputs gets: the list of those that arrived, in order (``all``); the one that arrived
(``any``); one object with the fields of all, later ones winning (``merge``); or one list of rows, those of equal key
merged (``key``). What a step made and cannot be merged is the graph's fault (500), what the client sent its own."""

Load = Literal["start", "background", "first-use"]
Switch = Literal["auto", "on", "off"]

ROUTER_KINDS: Final = ("single", "weighted", "shadow", "vote", "mean", "parallel")
"""The routers that come with graphship; any other is ``module:Class``."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RouteSpec:
    """One route of a router: a name and its model."""

    name: str
    """What the model is called in paths and metrics; ``name:version`` names both."""
    model: str
    """A model file relative to the project (``models/m1.onnx``), or ``module:Class`` of a model written by the user."""
    version: str | None = None
    """Version of the model; several versions of one name may be routes side by side."""
    columns: tuple[str, ...] = ()
    """Names of the columns, in order, of a model that takes one matrix; empty when the file knows them."""
    arguments: Mapping[str, JsonValue] = field(default_factory=lambda: MappingProxyType({}))
    """Constructor arguments of a model class."""
    load: Load = "start"
    """When the model is loaded: before the server answers, beside the first requests, or by the first request."""
    batch: Switch = "auto"
    """Whether requests that are ready together are answered by one call; ``auto``: when the model gains from it."""
    max_batch_rows: int = 1024
    """Rows of one call at most."""
    batch_window_s: float = 0.0
    """How long to wait for more requests, in seconds. 0: never wait while the model is idle."""
    trust: tuple[str, ...] = ()
    """Types in a skops file that the author of the graph vouches for, such as ``sklearn.tree._tree.Tree`` of trees and
    forests: skops' own list leaves them out, because a file made with evil intent could crash the process by them."""
    lower: Switch = "auto"
    """Whether a release replaces the model by an equal, cheaper form; ``on`` fails where it cannot."""
    lowered: str | None = None
    """File that runs instead of `model`: written when a release is made, never by hand."""

    @property
    def key(self) -> str:
        """What the graph knows the model by: ``name``, or ``name:version``."""
        return model_key(self.name, self.version)

    @property
    def file(self) -> str:
        """The model file that runs."""
        return self.lowered or self.model

    @property
    def is_file(self) -> bool:
        """Whether `model` is a path rather than a class."""
        return ":" not in self.model

    def to_dict(self) -> dict[str, JsonValue]:
        """Return the stored form, defaults left out."""
        stored: dict[str, JsonValue] = {"name": self.name, "model": self.model}
        if self.version is not None:
            stored["version"] = self.version
        if self.columns:
            stored["columns"] = list(self.columns)
        if self.trust:
            stored["trust"] = list(self.trust)
        if self.arguments:
            stored["with"] = thaw(self.arguments)
        return stored | _changed(self, _ROUTE_OPTIONS)


@dataclass(frozen=True, slots=True, kw_only=True)
class StepSpec:
    """One node of the graph. Exactly one of `step`, `router`, `choice`, `queue` and `graph` says what it is."""

    name: str
    """Unique in the graph. Left out in YAML: the last word of `step`, the stream's, the nested graph's, or the kind."""
    step: str = ""
    """A built-in (``Impute``), ``module:function`` or ``module:Class``; empty when it is something else than a step."""
    arguments: Mapping[str, JsonValue] = field(default_factory=lambda: MappingProxyType({}))
    """For the constructor of a class; the settings of a router or a queue."""
    handler: str | None = None
    """Method of the class to call; None for ``do_event`` or ``do``."""
    after: tuple[str, ...] = ()
    """Where its input comes from; ``request`` is the request. One name: that step's result. Several: see `join`. Empty:
    it runs only as an error handler. Left out in YAML: the step above."""
    join: Join | None = None
    """How several inputs become one: ``all`` (the list of those that arrived), ``any`` (the one that arrived),
    ``merge`` (one object with the fields of all) or ``key`` (rows of equal key merged). Left out: ``any`` when only
    one of them can arrive, else ``all``."""
    join_key: str | None = None
    """Dotted path into a row, of the join by key."""
    full_event: bool = False
    """Whether it gets the whole event instead of the body."""
    input_path: str | None = None
    """Part of the body that it gets, as a dotted path: ``a.b``; of a list of rows, the list of their parts."""
    result_path: str | None = None
    """Key of a copy of the body that its result goes to; None: the result is the next body. Of a list of rows each gets
    its own part of the result, a list."""
    on_error: str | None = None
    """Step that is called when this one fails; its result is the answer, unless `back_to` leads on."""
    back_to: str | None = None
    """Step at which the flow goes on after this error handler; None: its result is the answer."""
    retries: int = 0
    """How often a call that failed is repeated; a refusal of the request (4xx) never is. ``Remote`` and ``BatchRemote``
    have a number of their own, as an argument, and refuse this one."""
    retry_wait_s: float = 0.1
    """Before the first repetition, in seconds; doubled before each further one."""
    timeout_s: float | None = None
    """How long one call may take, in seconds."""
    blocking: bool = False
    """Whether a sync step runs in a thread, because it waits; each model of a router in one of its own."""
    function: str | None = None
    """Child function that the step runs in; None for the process that takes the requests."""
    responds: bool = False
    """Whether its result is the answer; needed where a graph branches, or goes on into a queue."""
    router: str | None = None
    """The kind of router: one of `ROUTER_KINDS`, or ``module:Class``."""
    routes: tuple[RouteSpec, ...] = ()
    """Its models: in YAML ``name: file``, or ``name:`` with the keys of a route. The first is the default."""
    choice: str | None = None
    """A field of the body as a dotted path, or ``module:function`` of the body, whose value chooses a branch."""
    branches: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))
    """Value → step after this choice; numbers as JSON writes them, ``true`` and ``false``. Empty: the value is the
    step's name."""
    otherwise: str | None = None
    """Step for every other value, and for a body without the field. Left out: the request is refused."""
    several: bool = False
    """Whether the value may be a list that chooses several steps."""
    queue: str | None = None
    """Name of a stream: what arrives is put there, and the steps after it run when it is taken out."""
    graph: GraphSpec | None = None
    """A graph that is run as one step."""

    @property
    def kind(self) -> str:
        """What it is: ``step``, ``router``, ``choice``, ``queue`` or ``graph``."""
        return next(
            (kind for kind in ("router", "choice", "queue", "graph") if getattr(self, kind) is not None), "step"
        )

    def to_dict(self) -> dict[str, JsonValue]:
        """Return the stored form, defaults left out."""
        stored: dict[str, JsonValue] = {"name": self.name, "after": list(self.after)}
        kind = self.kind
        stored[kind] = self.graph.to_dict() if self.graph is not None else getattr(self, kind)
        if self.routes:
            stored["routes"] = [route.to_dict() for route in self.routes]
        if self.branches:
            stored["branches"] = dict(self.branches)
        if self.arguments:
            stored["with"] = thaw(self.arguments)
        return stored | _changed(self, _STEP_OPTIONS)


_ROUTE_OPTIONS: Final = {
    "load": "load",
    "batch": "batch",
    "max_batch_rows": "max-batch",
    "batch_window_s": "batch-window",
    "lower": "lower",
    "lowered": "lowered",
}
"""Field of a route → its key in the stored form; written only when it differs from the default."""

_STEP_OPTIONS: Final = {
    "handler": "handler",
    "join": "join",
    "join_key": "join-key",
    "full_event": "full-event",
    "input_path": "input-path",
    "result_path": "result-path",
    "on_error": "on-error",
    "back_to": "back-to",
    "retries": "retries",
    "retry_wait_s": "retry-wait",
    "timeout_s": "timeout",
    "blocking": "blocking",
    "function": "function",
    "responds": "respond",
    "otherwise": "otherwise",
    "several": "several",
}
"""Field of a step → its key in the stored form; written only when it differs from the default."""


def _changed(spec: RouteSpec | StepSpec, options: Mapping[str, str]) -> dict[str, JsonValue]:
    """Return those of `options` that differ from their defaults, by their stored keys."""
    defaults = {one.name: one.default for one in fields(spec)}
    values = {name: getattr(spec, name) for name in options}
    return {options[name]: value for name, value in values.items() if value != defaults[name]}


@dataclass(frozen=True, slots=True, kw_only=True)
class GraphSpec:
    """A whole graph. :func:`ci_core.serving.topology.check` says whether it makes sense."""

    name: str
    """What it is called in answers, pictures and logs."""
    steps: tuple[StepSpec, ...] = ()
    """In any order; in YAML a step without `after` follows the one above."""
    files: tuple[str, ...] = ()
    """Data files that steps open, relative to the project; they travel in the bundle."""
    on_error: str | None = None
    """Step called when any step without a handler of its own fails."""
    timeout_s: float | None = None
    """How long a request may take, in seconds; None leaves it to the server."""
    inputs: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))
    """Columns of the body at ``/``, checked before the first step and shown in the OpenAPI document: name → ``number``,
    ``integer``, ``string``, ``boolean`` or ``any``, with ``?`` behind it when it may be missing or null. Those of a
    nested graph say nothing."""

    @property
    def routes(self) -> tuple[RouteSpec, ...]:
        """The routes of all routers, nested graphs included, each model once."""
        routes: dict[str, RouteSpec] = {}
        for step in self.steps:
            for route in (*step.routes, *(step.graph.routes if step.graph is not None else ())):
                routes.setdefault(route.key, route)
        return tuple(routes.values())

    @property
    def models(self) -> tuple[str, ...]:
        """Paths of the model files, relative to the project, each once, in the order of the routes."""
        return tuple(dict.fromkeys(route.model for route in self.routes if route.is_file))

    @property
    def data_files(self) -> tuple[str, ...]:
        """`files`, and those of nested graphs, each once."""
        nested = (path for step in self.steps if step.graph is not None for path in step.graph.data_files)
        return tuple(dict.fromkeys((*self.files, *nested)))

    def to_dict(self) -> dict[str, JsonValue]:
        """Return the stored form as plain JSON data.

        Raises:
            StepNotImportableError: a step is a lambda, a nested function or an object, which no file can name.
        """
        for step in self.steps:
            for reference in (step.step, step.router, step.choice, *(route.model for route in step.routes)):
                if reference is not None and reference.startswith(LOCAL_PREFIX):
                    what = f"`{reference.removeprefix(LOCAL_PREFIX)}`"
                    raise StepNotImportableError(graph=self.name, step=step.name, what=what)
        stored: dict[str, JsonValue] = {"name": self.name, "steps": [step.to_dict() for step in self.steps]}
        if self.files:
            stored["files"] = list(self.files)
        if self.on_error is not None:
            stored["on-error"] = self.on_error
        if self.timeout_s is not None:
            stored["timeout"] = self.timeout_s
        if self.inputs:
            stored["inputs"] = dict(self.inputs)
        return stored

    @classmethod
    def from_dict(cls, data: JsonObject, *, file: str = "graph") -> GraphSpec:
        """Build the spec from its stored form.

        Args:
            data: as :meth:`to_dict` gives it, or in the shorter spellings of YAML.
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
