"""The builder of serving graphs, and the object users hold: test it, look at it, compile it, serve it."""

from __future__ import annotations

import asyncio
import inspect
import json
import threading
from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ci_core.errors import DuplicateStepError, InvalidStepError
from ci_core.serving.event import Event
from ci_core.serving.reader import default_name
from ci_core.serving.router import Route, RouterDraft
from ci_core.serving.spec import LOCAL_PREFIX, REQUEST, GraphSpec, RouteSpec, StepSpec, freeze_mapping
from ci_core.serving.topology import check

if TYPE_CHECKING:
    from collections.abc import Coroutine, Mapping, Sequence
    from contextlib import AbstractContextManager

    from ci_core.serving.base import ModelObserver
    from ci_core.serving.modules import ProjectModules
    from ci_core.serving.plan import Plan


class Node:
    """A place in a graph that is being built: the end of a chain, from which :meth:`to` goes on."""

    __slots__ = ("_graph", "name")

    def __init__(self, graph: Graph, name: str) -> None:
        self._graph = graph
        self.name = name

    def to(
        self,
        step: Any,
        name: str | None = None,
        *,
        full_event: bool = False,
        input_path: str | None = None,
        result_path: str | None = None,
        **arguments: Any,
    ) -> Node:
        """Add a step after this one and return the new end; see :meth:`Graph.add_step`."""
        return self._graph.add_step(
            step,
            name,
            after=[self.name],
            full_event=full_event,
            input_path=input_path,
            result_path=result_path,
            **arguments,
        )

    def respond(self) -> Node:
        """Make this step's result the answer; needed only in a graph that branches."""
        self._graph._set(self.name, responds=True)  # noqa: SLF001 - graph and node are one builder
        return self

    def error_handler(self, step: Any, name: str | None = None, *, full_event: bool = False, **arguments: Any) -> Node:
        """Call `step` when this one fails; its result is the answer. Returns this node.

        The handler gets the body that the failed step got; with ``full_event=True``, an event whose ``error`` says
        which step failed and why.
        """
        handler = self._graph.add_step(step, name, after=[], full_event=full_event, **arguments)
        self._graph._set(self.name, on_error=handler.name)  # noqa: SLF001 - graph and node are one builder
        return self

    def __repr__(self) -> str:
        return f"Node({self.name!r} of {self._graph!r})"


class Graph:
    """A serving graph.

    Args:
        name: of the graph.
        files: data files that steps open, relative to the project; they travel in the bundle.

    Example:
        >>> graph = Graph("shout")
        >>> _ = graph.to(str.strip, "strip").to(str.upper, "upper").respond()
        >>> graph.test("  hello ")
        'HELLO'
    """

    def __init__(self, name: str, files: Sequence[str] = ()) -> None:
        self.name = name
        self._files = tuple(files)
        self._steps: dict[str, StepSpec] = {}
        self._on_error: str | None = None
        self._targets: dict[str, Any] = {}
        self._home: ProjectModules | None = None
        self._plan: Plan | None = None

    @classmethod
    def from_spec(cls, spec: GraphSpec) -> Graph:
        """Return the graph that a spec describes."""
        graph = cls(spec.name, spec.files)
        graph._steps = {step.name: step for step in spec.steps}
        if len(graph._steps) != len(spec.steps):
            check(spec)
        graph._on_error = spec.on_error
        return graph

    def to(
        self,
        step: Any,
        name: str | None = None,
        *,
        full_event: bool = False,
        input_path: str | None = None,
        result_path: str | None = None,
        **arguments: Any,
    ) -> Node:
        """Add a step that gets the request, and return it as the end of a chain; see :meth:`add_step`."""
        return self.add_step(
            step,
            name,
            after=[REQUEST],
            full_event=full_event,
            input_path=input_path,
            result_path=result_path,
            **arguments,
        )

    def add_step(
        self,
        step: Any,
        name: str | None = None,
        *,
        after: Sequence[str | Node],
        full_event: bool = False,
        input_path: str | None = None,
        result_path: str | None = None,
        **arguments: Any,
    ) -> Node:
        """Add a step.

        Args:
            step: ``"module:function"``, ``"module:Class"``, a built-in such as ``steps.Impute(age=33)``, a router, or a
                function, class or object of this process.
            name: unique in the graph; the last word of the reference when left out.
            after: steps whose results it gets; of several it gets the list of their results, in this order.
            full_event: give it the :class:`Event` instead of the body.
            input_path: give it this part of the body: ``a.b``.
            result_path: put its result under this key of a copy of the body, instead of replacing the body.
            arguments: for the constructor of a class, JSON values.

        Returns:
            The new end of the chain.

        Raises:
            DuplicateStepError: `name` is taken.
            InvalidStepError: `step` cannot be one, or an argument is no JSON value.
        """
        draft = _describe(step, name, arguments)
        if name is None:
            draft_name = _free_name(draft.spec.name, self._steps)
        elif name in self._steps:
            raise DuplicateStepError(graph=self.name, name=name)
        else:
            draft_name = name
        self._steps[draft_name] = StepSpec(
            name=draft_name,
            step=draft.spec.step,
            arguments=draft.spec.arguments,
            router=draft.spec.router,
            routes=draft.spec.routes,
            after=tuple(one.name if isinstance(one, Node) else one for one in after),
            full_event=full_event,
            input_path=input_path,
            result_path=result_path,
        )
        self._targets.update({f"{draft_name}{suffix}": target for suffix, target in draft.targets.items()})
        self._plan = None
        return Node(self, draft_name)

    def error_handler(self, step: Any, name: str | None = None, *, full_event: bool = False, **arguments: Any) -> Graph:
        """Call `step` when any step without a handler of its own fails; its result is the answer."""
        handler = self.add_step(step, name, after=[], full_event=full_event, **arguments)
        self._on_error = handler.name
        return self

    def _set(self, name: str, **changes: Any) -> None:
        self._steps[name] = replace(self._steps[name], **changes)
        self._plan = None

    @property
    def spec(self) -> GraphSpec:
        """The graph as data, checked.

        Raises:
            GraphshipError: the graph makes no sense; see ``topology.check``.
        """
        spec = GraphSpec(name=self.name, steps=tuple(self._steps.values()), files=self._files, on_error=self._on_error)
        check(spec)
        return spec

    @property
    def models(self) -> tuple[str, ...]:
        """Paths of the model files, relative to the project."""
        return self.spec.models

    @property
    def files(self) -> tuple[str, ...]:
        """Data files that steps open, relative to the project."""
        return self._files

    def compile(
        self, *, root: Path | None = None, observe: ModelObserver | None = None, release: str | None = None
    ) -> Plan:
        """Construct the steps, load the models, and return the plan: ``plan(body)`` gives the answer.

        Args:
            root: folder that model paths start from; the project's, or the current one.
            observe: told of every model call.
            release: id of the release that is served.

        Raises:
            GraphshipError: the graph makes no sense, a reference cannot be resolved, a model cannot be read, or a
                step's constructor raised.
        """
        from ci_core.serving.assemble import assemble

        return assemble(self.spec, targets=self._targets, home=self._home, root=root, observe=observe, release=release)

    def check(self) -> None:
        """Make sure that everything the graph names exists, without constructing or loading anything.

        Raises:
            GraphshipError: the graph makes no sense, or a module, function, model or data file is missing.
        """
        from ci_core.serving.assemble import check_references
        from ci_core.serving.modules import ProjectModules

        with self.active():
            check_references(self.spec, self._home or ProjectModules(Path.cwd()), self._targets)

    def active(self) -> AbstractContextManager[None]:
        """Make the modules of the project a graph was loaded from importable for a block.

        Not needed for a single call; makes many calls of a loaded graph's plan much cheaper. Not thread-safe.
        """
        return self._home.active() if self._home else nullcontext()

    def settle(self) -> None:
        """Move this process into the project that the graph was loaded from, for good: what a serving process does."""
        if self._home is not None:
            self._home.settle()
            self._home = None
            self._plan = None

    def test(
        self, body: Any = None, path: str = "/", *, method: str = "POST", headers: Mapping[str, str] | None = None
    ) -> Any:
        """Run one event through the graph, here, without a server, and return the answer.

        Steps are constructed and models loaded at the first call. What a step raises reaches the caller.

        Args:
            body: what a client would post, already parsed.
            path: such as ``/v2/models/m1/infer``, which routers look at.
            method: of the request.
            headers: of the request.
        """
        if self._plan is None:
            self._plan = self.compile()
        lowered = {key.lower(): value for key, value in (headers or {}).items()}
        event = Event(body, path=path, method=method, headers=lowered, id=lowered.get("x-event-id"))
        result = self._plan(body, event)
        return _wait_for(result) if self._plan.is_async else result

    def serve(self, port: int = 8080, host: str = "127.0.0.1") -> None:
        """Serve the graph in this process until it is told to stop; the same as ``graphship serve`` without captures.

        Raises:
            PortTakenError: another program listens there.
        """
        from ci_core.serving.process import serve_graph

        serve_graph(self, host=host, port=port)

    def _repr_html_(self) -> str:
        """Return the picture that notebooks show."""
        from ci_core.serving.picture import svg

        return svg(self.spec)

    def __repr__(self) -> str:
        return f"Graph({self.name!r}, {len(self._steps)} steps)"


class _Draft:
    """What was given as a step: its part of the spec, and the objects that only this process has."""

    __slots__ = ("spec", "targets")

    def __init__(self, spec: StepSpec, targets: Mapping[str, Any]) -> None:
        self.spec = spec
        self.targets = targets


def _describe(step: Any, name: str | None, arguments: Mapping[str, Any]) -> _Draft:
    from ci_core.serving.steps import BUILT_IN

    if isinstance(step, RouterDraft):
        return _describe_router(step, name or "router")
    targets: dict[str, Any] = {}
    if isinstance(step, str):
        if ":" not in step and step not in BUILT_IN:
            raise InvalidStepError(
                step=name or step,
                reason=f"is `{step}`, which is neither `module:name` nor a built-in step",
                hint=f"built-in steps: {', '.join(BUILT_IN)}",
            )
        reference = step
    elif type(step) in BUILT_IN.values():
        reference, arguments = type(step).__name__, step.arguments
    else:
        reference, targets = _reference_of(step), {"": step}
    shown = name or default_name(reference)
    return _Draft(StepSpec(name=shown, step=reference, arguments=_json_arguments(shown, arguments)), targets)


def _describe_router(draft: RouterDraft, name: str) -> _Draft:
    routes: list[RouteSpec] = []
    targets: dict[str, Any] = {}
    for route_name, route in draft.routes.items():
        spec, target = _describe_route(name, route_name, route)
        routes.append(spec)
        if target is not None:
            targets[f".{route_name}"] = target
    if not routes:
        raise InvalidStepError(step=name, reason="is a router without routes", hint='give it {"m1": "models/m1.onnx"}')
    return _Draft(StepSpec(name=name, router=draft.kind, routes=tuple(routes)), targets)


def _describe_route(router: str, name: str, route: Route) -> tuple[RouteSpec, Any]:
    if not isinstance(route.model, str | type):
        raise InvalidStepError(
            step=router,
            reason=f"has the route `{name}`, which is a {type(route.model).__name__} and no model",
            hint='give a file, or `Route("models/m1.onnx", columns=["age", "city"])`',
        )
    arguments = _json_arguments(f"{router}.{name}", route.arguments or {})
    model = route.model if isinstance(route.model, str) else _reference_of(route.model)
    path = Path(model)
    if ":" not in model and (path.is_absolute() or ".." in path.parts):
        raise InvalidStepError(
            step=router,
            reason=f"opens `{model}`, which lies outside the project",
            hint="name it relative to the project",
        )
    spec = RouteSpec(name=name, model=model, columns=tuple(route.columns), arguments=arguments)
    return spec, None if isinstance(route.model, str) else route.model


def _reference_of(target: Any) -> str:
    """Return ``module:name`` of a function or class, or ``local:…`` of what no other process could import."""
    module, qualified = getattr(target, "__module__", None), getattr(target, "__qualname__", None)
    importable = (
        (inspect.isclass(target) or inspect.isroutine(target))
        and module not in {None, "__main__"}
        and qualified is not None
        and "<" not in qualified
    )
    return f"{module}:{qualified}" if importable else f"{LOCAL_PREFIX}{qualified or type(target).__name__}"


def _json_arguments(step: str, arguments: Mapping[str, Any]) -> Mapping[str, Any]:
    try:
        # the stored form is JSON: what cannot be stored must not work here either
        plain = json.loads(json.dumps(dict(arguments), allow_nan=False))
    except (TypeError, ValueError) as error:
        raise InvalidStepError(
            step=step,
            reason=f"has an argument that is no JSON value: {error}",
            hint="give a number, text, list or mapping, and build the object in the step's constructor",
        ) from error
    return freeze_mapping(plain)


def _free_name(name: str, taken: Mapping[str, object]) -> str:
    name = name.strip("<>") or "step"
    if name not in taken and name != REQUEST:
        return name
    return next(candidate for number in range(2, len(taken) + 3) if (candidate := f"{name}-{number}") not in taken)


def _wait_for(work: Coroutine[Any, Any, Any]) -> Any:
    """Run a coroutine to its end, also inside a notebook, whose thread has a running loop already."""
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return asyncio.run(work)
    outcome: list[Any] = []

    def run() -> None:
        try:
            outcome.append((asyncio.run(work), None))
        except BaseException as error:  # noqa: BLE001 - raised again in the caller's thread
            outcome.append((None, error))

    thread = threading.Thread(target=run, name="graphship-test")
    thread.start()
    thread.join()
    result, error = outcome[0]
    if error is not None:
        raise error
    return result
