"""The object users hold: build a graph, look at it, test it, compile it, serve it."""

from __future__ import annotations

import weakref
from collections.abc import Mapping, Sequence
from contextlib import nullcontext
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, TypeAlias

from ci_core.errors import GraphshipError, InvalidCallError, UnknownStepError
from ci_core.serving.base import IgnoreCalls
from ci_core.serving.blueprint import Blueprint
from ci_core.serving.call_check import checks_call
from ci_core.serving.describe import describe
from ci_core.serving.node import Node, refuse_place
from ci_core.serving.own_loop import OwnLoop
from ci_core.serving.problems import shown
from ci_core.serving.spec import REQUEST, GraphSpec, Join
from ci_core.serving.step_options import FIELDS, OPTIONS, StepOptions
from ci_core.serving.step_rules import check_values
from ci_core.serving.topology import check
from ci_core.serving.trial import Trial

if TYPE_CHECKING:
    from contextlib import AbstractContextManager

    from ci_core.serving.asgi import AsgiGraph
    from ci_core.serving.base import ModelObserver, StepObserver
    from ci_core.serving.engine.queued import QueueBinding
    from ci_core.serving.limits import Limits
    from ci_core.serving.metrics.custom import CustomMetrics
    from ci_core.serving.modules import ProjectModules
    from ci_core.serving.plan import Plan

StepNames: TypeAlias = "str | Node | Sequence[str | Node]"

__all__ = ["Graph", "Node", "StepOptions"]


class Graph:
    """A serving graph.

    Args:
        name: of the graph.
        files: data files that steps open, relative to the project; they travel in the bundle.
        timeout: seconds a request may take; the server has its own limit too.
        inputs: columns of the body at ``/``, checked before the first step: name → ``number``, ``integer``, ``string``,
            ``boolean`` or ``any``, with ``?`` behind it when it may be missing or null.

    Example:
        >>> graph = Graph("shout")
        >>> _ = graph.to(str.strip, "strip").to(str.upper, "upper").respond()
        >>> graph.test("  hello ")
        'HELLO'
    """

    @checks_call("Graph")
    def __init__(
        self,
        name: str,
        files: Sequence[str] = (),
        *,
        timeout: float | None = None,
        inputs: Mapping[str, str] | None = None,
    ) -> None:
        self._blueprint = Blueprint(name, files, timeout, inputs if inputs is not None else {})
        self._home: ProjectModules | None = None
        self._trial: Trial | None = None
        self._tried_changes = 0
        self._test_loop: OwnLoop | None = None

    @classmethod
    def from_spec(cls, spec: GraphSpec) -> Graph:
        """Return the graph that a spec describes; see :meth:`GraphSpec.from_dict`.

        Raises:
            GraphshipError: the spec names a step twice, or holds what no step can have.
        """
        given: Any = spec
        if not isinstance(given, GraphSpec):
            hint = "`Graph.from_spec(GraphSpec.from_dict(data))` takes a mapping"
            raise InvalidCallError(call="Graph.from_spec", reason=f"takes a GraphSpec, found {shown(given)}", hint=hint)
        graph = cls(spec.name, spec.files, timeout=spec.timeout_s, inputs=spec.inputs)
        steps = {step.name: step for step in spec.steps}
        if len(steps) != len(spec.steps):
            check(spec)
        for step in spec.steps:
            check_values(step)
        graph._blueprint.steps, graph._blueprint.on_error = steps, spec.on_error
        return graph

    @property
    def name(self) -> str:
        """What it is called in answers, pictures and logs."""
        return self._blueprint.name

    @checks_call("to")
    def to(self, step: Any, name: str | None = None, **options: Any) -> Node:
        """Add a step that gets the request, and return it as the end of a chain; see :meth:`add_step`."""
        refuse_place("to", options)
        return self.add_step(step, name, after=REQUEST, **options)

    @checks_call("choose")
    def choose(self, choice: Any, branches: Mapping[Any, str] | None = None, **options: Any) -> Node:
        """Add a choice about the request; see :meth:`Node.choose`."""
        return self._node(REQUEST).choose(choice, branches, **options)

    @checks_call("queue")
    def queue(self, stream: str, name: str | None = None, **settings: Any) -> Node:
        """Put the request into a stream; see :meth:`Node.queue`."""
        return self._node(REQUEST).queue(stream, name, **settings)

    @checks_call("add_step")
    def add_step(
        self,
        step: Any,
        name: str | None = None,
        *,
        after: StepNames | None = None,
        before: StepNames = (),
        join: Join | None = None,
        join_key: str | None = None,
        **options: Any,
    ) -> Node:
        """Add a step.

        Args:
            step: ``"module:function"``, ``"module:Class"``, a built-in such as ``steps.Impute(age=33)``, a router,
                another graph, or a function, class or object of this process.
            name: unique in the graph; the last word of the reference when left out.
            after: steps whose results it gets, by name or node; ``"request"`` is the request. Left out: the inputs of
                the steps named in `before`, else the step added last.
            before: steps that get its result: instead of the inputs that the two have in common (it is inserted), else
                as one more input.
            join: how several inputs become one: ``all`` (the list of those that arrived), ``any`` (the one that
                arrived), ``merge`` (one object), ``key`` (rows of equal key merged). Left out: ``any`` when only one
                can arrive, else ``all``.
            join_key: field of the rows that belong together.
            options: see :class:`StepOptions`; others are arguments for the constructor of a class, JSON values.

        Returns:
            The new end of the chain.

        Raises:
            DuplicateStepError: `name` is taken.
            InvalidStepError: `step` cannot be one, or an argument is no JSON value.
            UnknownStepError: `before` names a step that is not there.

        Example:
            >>> graph = Graph("sum")
            >>> a = graph.to(lambda body: body + 1, "a")
            >>> b = graph.to(lambda body: body * 10, "b")
            >>> _ = graph.add_step(sum, "sum", after=[a, b])
            >>> graph.test(2)
            23
        """
        called = {key: options.pop(key) for key in OPTIONS if key in options}
        arguments = called.pop("arguments", {})
        if not isinstance(arguments, Mapping):
            reason = f"has the `arguments` {shown(arguments)}: expected names and values"
            raise InvalidCallError(call="add_step", reason=reason, hint='such as `arguments={"path": "data/t.npz"}`')
        draft = describe(step, name, {**options, **arguments}, called.get("handler"))
        followers = self._names("before", before)
        for follower in followers:
            self._check_known(name or draft.spec.name, follower)
        if after is not None:
            inputs = self._names("after", after)
        elif followers:
            inputs = tuple(
                dict.fromkeys(one for follower in followers for one in self._blueprint.steps[follower].after)
            )
        else:
            inputs = (self._blueprint.last(),)
        settings = {FIELDS[key]: value for key, value in called.items()}
        added = self._blueprint.add(draft, name, after=inputs, join=join, join_key=join_key, **settings)
        self._blueprint.insert(added, followers)
        return self._node(added)

    def _node(self, name: str) -> Node:
        return Node(self, self._blueprint, name)

    def _names(self, argument: str, steps: Any) -> tuple[str, ...]:
        given = (steps,) if isinstance(steps, str | Node) else steps
        if not isinstance(given, Sequence) or not all(isinstance(one, str | Node) for one in given):
            raise InvalidCallError(
                call="add_step",
                reason=f"has `{argument}` {shown(steps)}: expected a step, or a list of steps",
                hint=f'by name, `{argument}="clean"`, or what `to` returned',
            )
        for one in given:
            if isinstance(one, Node) and not one.is_of(self):
                reason = f"has `{argument}` with the step `{one.name}` of another graph"
                raise InvalidCallError(call="add_step", reason=reason, hint="a whole graph can be a step: `to(graph)`")
        return tuple(one.name if isinstance(one, Node) else one for one in given)

    def _check_known(self, step: str, follower: str) -> None:
        known = tuple(self._blueprint.steps)
        if follower not in known:
            raise UnknownStepError(
                graph=self.name, step=step, relation="comes before", name=follower, known_names=known
            )

    @checks_call("error_handler")
    def error_handler(self, step: Any, name: str | None = None, **options: Any) -> Graph:
        """Call `step` when any step without a handler of its own fails; its result is the answer.

        The arguments are those of :meth:`add_step`. Returns the graph.

        Example:
            >>> graph = Graph("told")
            >>> _ = graph.to(lambda body: body["x"], "read")
            >>> _ = graph.error_handler(lambda event: str(event.error), "tell", full_event=True)
            >>> graph.test({})
            "KeyError: 'x'"
        """
        refuse_place("error_handler", options)
        if "back_to" in options:
            hint = "only the handler of one step knows where the flow goes on: `graph.to(step).error_handler(…)`"
            raise InvalidCallError(call="graph.error_handler", reason="takes no `back_to`", hint=hint)
        self._blueprint.on_error = self.add_step(step, name, after=[], **options).name
        return self

    @property
    def spec(self) -> GraphSpec:
        """The graph as data, checked.

        Raises:
            GraphshipError: the graph makes no sense: a cycle, a name that is not there, a choice that does not always
                lead to an answer.
        """
        return self._blueprint.spec()

    @property
    def targets(self) -> Mapping[str, Any]:
        """Objects that only this process has: ``step``, ``router.model`` or ``nested/step`` → what was given."""
        return MappingProxyType(self._blueprint.targets)

    @property
    def models(self) -> tuple[str, ...]:
        """Paths of the model files, relative to the project."""
        return self.spec.models

    @property
    def files(self) -> tuple[str, ...]:
        """Data files that steps open, relative to the project; those of nested graphs too."""
        return self.spec.data_files

    @checks_call("compile")
    def compile(
        self,
        *,
        root: Path | None = None,
        observe: ModelObserver | None = None,
        release: str | None = None,
        observe_steps: StepObserver | None = None,
        queues: QueueBinding | None = None,
        environment: Mapping[str, str] | None = None,
        metrics: CustomMetrics | None = None,
        batching: bool = False,
        time_limit: bool = False,
        start: bool = True,
    ) -> Plan:
        """Construct the steps, load the models, and return the plan: ``plan(body)`` gives the answer.

        Args:
            root: folder that model paths start from; the project's, or the current one.
            observe: told of every model call.
            release: id of the release that is served.
            observe_steps: told how the steps fare.
            queues: takes what arrives at queue steps; left out, the steps behind a queue run after the answer is there.
            environment: environment variables that steps may take secrets from.
            metrics: makes the metrics of steps; left out, nobody sees them.
            batching: whether requests that are ready together may share a model call.
            time_limit: whether who serves limits how long an answer may take; a server then calls models of the graph's
                own code where one that hangs can be left behind, as it does when the graph has a ``timeout``.
            start: whether models that open sessions and steps that start threads may do so now; a server that forks
                workers calls ``plan.start()`` in each of them.

        Returns:
            A function with attributes; call ``plan.close()`` when it is not needed any more.

        Raises:
            GraphshipError: the graph makes no sense, a reference cannot be resolved, a model cannot be read, or a
                step's constructor raised.

        Example:
            >>> graph = Graph("double")
            >>> _ = graph.to(lambda body: 2 * body, "double")
            >>> plan = graph.compile()
            >>> plan(21), plan.steps, plan.is_async
            (42, ('double',), False)
        """
        from ci_core.serving.assemble import Surroundings, assemble

        surroundings = Surroundings(
            observe=observe or IgnoreCalls(),
            release=release,
            observe_steps=observe_steps,
            queues=queues,
            environment=environment or {},
            metrics=metrics,
            batching=batching,
            time_limit=time_limit,
            start=start,
        )
        return assemble(self.spec, targets=self.targets, home=self._home, root=root, surroundings=surroundings)

    def check(self) -> None:
        """Make sure that everything the graph names exists, without constructing or loading anything.

        Raises:
            GraphshipError: the graph makes no sense, or a module, function, model or data file is missing.
        """
        from ci_core.serving.assemble import check_references
        from ci_core.serving.modules import ProjectModules

        with self.active():
            check_references(self.spec, self._home or ProjectModules(Path.cwd()), self.targets)

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
            self._trial = None

    def test(
        self, body: Any = None, path: str = "/", *, method: str = "POST", headers: Mapping[str, str] | None = None
    ) -> Any:
        """Run one event through the graph, here, without a server, and return the answer.

        Steps are constructed and models loaded at the first call. Steps behind a queue run as well, before this
        returns. Works in a notebook, async steps included.

        Args:
            body: what a client would post, already parsed: an object is a dict, several rows are a list of dicts.
            path: such as ``/v2/models/m1/infer``, which routers look at.
            method: of the request.
            headers: of the request; names in any case.

        Returns:
            What the responding step returned: for a router, one answer for a dict and a list of answers for a list.

        Raises:
            RequestError: the body does not fit the graph's `inputs`, a step refuses it, or it does not get to the model
                that the path names.
            MissingSecretError: a step takes a secret from the environment, of which a test has none; give it one by
                ``graph.compile(environment={"TOKEN": "…"})``, which returns a plan to call.
            UnwritableAnswerError: a server could not write the answer as JSON; a plan returns it all the same.
            Exception: whatever a step raises, as it was raised, with a note that names the step.

        Example:
            >>> graph = Graph("even")
            >>> _ = graph.to(lambda body, context: {"even": body["n"] % 2 == 0}, "even")
            >>> graph.test({"n": 4})
            {'even': True}
        """
        if self._trial is None or self._tried_changes != self._blueprint.changes:
            plan, self._tried_changes = self.compile(), self._blueprint.changes
            weakref.finalize(plan, plan.close)
            self._test_loop = self._test_loop or OwnLoop(self)
            self._trial = Trial(self.spec, plan, self._test_loop)
        return self._trial.answer(body, path, method=method, headers=headers)

    def serve(self, port: int = 8080, host: str = "127.0.0.1") -> None:
        """Serve the graph in this process until it is told to stop (Ctrl-C, SIGTERM).

        The same as ``graphship serve`` with its defaults, but for what comes from the project and the environment:
        nothing is captured, steps get no secrets, and queues live in this process. It must be called in the main
        thread, and not inside a running event loop: in a notebook, use :meth:`test`.

        Args:
            port: 0 is any free one; the address is printed to stderr.
            host: address to listen on; ``0.0.0.0`` is every one of this machine.

        Raises:
            PortTakenError: another program listens there.
            GraphshipError: the graph cannot be compiled.
        """
        from ci_core.serving.process import serve_graph

        serve_graph(self, host=host, port=port)

    def _repr_html_(self) -> str:
        """Return the picture that notebooks show; of a graph that makes no sense yet, what is missing."""
        from ci_core.serving.picture import html, html_of_mistake

        try:
            return html(self.spec)
        except GraphshipError as error:
            return html_of_mistake(error)

    def __repr__(self) -> str:
        return f"Graph({self.name!r}, {len(self._blueprint.steps)} steps)"

    @checks_call("asgi")
    def asgi(
        self,
        *,
        limits: Limits | None = None,
        environment: Mapping[str, str] | None = None,
        captures: Path | str | None = None,
    ) -> AsgiGraph:
        """Return the graph as an ASGI 3 app, for uvicorn or hypercorn, or to be mounted in another app.

        It answers what :meth:`serve` answers, and compiles the graph now. What steps and models own begins and ends
        with the life span that the server tells; where it tells none, as below a mount, it begins with the first
        request. Its ``await app.start()`` and ``await app.close()`` are for who mounts it. A graph of ``load_graph``
        moves this process into its project.

        Args:
            limits: of one request; see :class:`~ci_core.serving.limits.Limits`.
            environment: environment variables that steps may take secrets from, such as ``os.environ``.
            captures: folder that model calls are written to; nothing is captured when left out.

        Raises:
            CaptureFolderError: the folder for captures cannot be written.
            GraphshipError: the graph cannot be compiled.

        Example:
            >>> graph = Graph("double")
            >>> _ = graph.to(lambda body: 2 * body["x"], "double")
            >>> app = graph.asgi()
        """
        from ci_core.serving.asgi import AsgiGraph
        from ci_core.serving.limits import Limits
        from ci_core.serving.options import ServeOptions

        options = ServeOptions(
            limits=limits or Limits(),
            environment=environment or {},
            captures=None if captures is None else Path(captures).absolute(),
        )
        self.settle()  # moves this process, and relative paths mean where it was
        return AsgiGraph(self, options)
