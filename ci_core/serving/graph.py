"""The builder of serving graphs, and the object users hold: test it, look at it, compile it, serve it."""

from __future__ import annotations

import asyncio
import threading
import weakref
from concurrent.futures import ThreadPoolExecutor
from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Final, TypeAlias, TypedDict

from ci_core.errors import DuplicateStepError, UnknownStepError
from ci_core.serving.base import IgnoreCalls
from ci_core.serving.describe import describe, describe_choice, describe_queue
from ci_core.serving.event import Event
from ci_core.serving.schema import InputSchema
from ci_core.serving.spec import REQUEST, GraphSpec, Join, StepSpec
from ci_core.serving.topology import check

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Mapping, Sequence
    from contextlib import AbstractContextManager

    from ci_core.serving.base import ModelObserver, StepObserver
    from ci_core.serving.describe import Draft
    from ci_core.serving.engine.queued import QueueBinding
    from ci_core.serving.metrics.custom import CustomMetrics
    from ci_core.serving.modules import ProjectModules
    from ci_core.serving.plan import Plan

StepNames: TypeAlias = "str | Node | Sequence[str | Node]"


class StepOptions(TypedDict, total=False):
    """How a step is called; the keywords that every way to add a step takes.

    What they mean, and their spelling in YAML, is told by ``docs/reference/graph-yaml.md``.
    """

    handler: str | None
    """Method of a class to call, instead of ``do`` or ``do_event``."""
    full_event: bool
    """Give the step the :class:`Event` instead of the body."""
    input_path: str | None
    """Give it this part of the body: ``a.b``."""
    result_path: str | None
    """Put its result under this key of a copy of the body, instead of replacing the body."""
    retries: int
    """How often a failed call is repeated; a refused request (4xx) never is."""
    retry_wait: float
    """Seconds before the first repetition, doubled before each further one."""
    timeout: float | None
    """Seconds one call may take; a sync step then runs in a thread."""
    blocking: bool
    """Run a sync step in a thread, because it waits for something."""
    function: str | None
    """Run it in a process of its own, together with the other steps of that function."""
    arguments: Mapping[str, Any]
    """For the constructor, in case a name collides with one of these."""


class Node:
    """A place in a graph that is being built: the end of a chain, from which :meth:`to` goes on."""

    __slots__ = ("_graph", "name")

    def __init__(self, graph: Graph, name: str) -> None:
        self._graph = graph
        self.name = name

    def to(self, step: Any, name: str | None = None, **options: Any) -> Node:
        """Add a step after this one and return the new end; see :meth:`Graph.add_step`."""
        return self._graph.add_step(step, name, after=self, **options)

    def choose(
        self,
        choice: Any,
        branches: Mapping[Any, str] | None = None,
        *,
        otherwise: str | None = None,
        several: bool = False,
        name: str | None = None,
    ) -> Node:
        """Add a choice after this step, and return it: the steps added after it with ``to`` are its branches.

        Args:
            choice: a field of the body as a dotted path, or a function of the body, whose value chooses.
            branches: value → name of a step after the choice; left out, the value is the step's name.
            otherwise: step for any other value; left out, such a request is refused.
            several: whether the value may be a list that chooses several steps.
            name: unique in the graph.

        Example:
            >>> graph = Graph("pay")
            >>> fork = graph.choose("kind", {"card": "card", "cash": "cash"})
            >>> _ = fork.to(lambda body: "by card", "card"), fork.to(lambda body: "in cash", "cash")
            >>> graph.test({"kind": "cash"})
            'in cash'
        """
        return self._graph._add(  # noqa: SLF001 - graph and node are one builder
            describe_choice(choice, branches, otherwise, several=several), name, after=(self.name,)
        )

    def queue(self, stream: str, name: str | None = None, **settings: Any) -> Node:
        """Put what arrives into a stream; the steps after it run when it is taken out, not in the request.

        Args:
            stream: name of the stream.
            name: of the step, unique in the graph; the stream's when left out.
            settings: ``max_deliveries`` (5) before a message becomes a dead letter, ``max_length`` (100 000) messages
                that may wait, ``concurrency`` (1) messages that one process works on side by side.

        Example:
            >>> stored = []
            >>> graph = Graph("log")
            >>> _ = graph.to(lambda body: body + 1, "add").respond().queue("added", max_deliveries=3).to(stored.append)
            >>> graph.test(1), stored
            (2, [2])
        """
        written = {key.replace("_", "-"): value for key, value in settings.items()}
        return self._graph._add(describe_queue(stream, written), name, after=(self.name,))  # noqa: SLF001 - one builder

    def respond(self) -> Node:
        """Make this step's result the answer; needed only in a graph that branches, or goes on into a queue."""
        self._graph._set(self.name, responds=True)  # noqa: SLF001 - graph and node are one builder
        return self

    def error_handler(self, step: Any, name: str | None = None, *, back_to: str | None = None, **options: Any) -> Node:
        """Call `step` when this one fails. Returns this node.

        The handler gets the body that the failed step got; with ``full_event=True``, an event whose ``error`` says
        which step failed and why.

        Args:
            step: see :meth:`Graph.add_step`.
            name: of the handler.
            back_to: step at which the flow goes on with the handler's result; left out, that result is the answer.
            options: see :class:`StepOptions`.

        Example:
            >>> graph = Graph("safe")
            >>> _ = graph.to(lambda body: 1 / body, "divide").error_handler(lambda body: None, "none")
            >>> graph.test(0) is None
            True
        """
        handler = self._graph.add_step(step, name, after=[], **options)
        self._graph._set(handler.name, back_to=back_to)  # noqa: SLF001 - graph and node are one builder
        self._graph._set(self.name, on_error=handler.name)  # noqa: SLF001
        return self

    def __repr__(self) -> str:
        return f"Node({self.name!r} of {self._graph!r})"


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

    def __init__(
        self,
        name: str,
        files: Sequence[str] = (),
        *,
        timeout: float | None = None,
        inputs: Mapping[str, str] | None = None,
    ) -> None:
        self.name = name
        self._files = tuple(files)
        self._timeout = timeout
        self._inputs = MappingProxyType(dict(inputs or {}))
        self._input_schema = InputSchema(self._inputs)
        self._steps: dict[str, StepSpec] = {}
        self._on_error: str | None = None
        self._targets: dict[str, Any] = {}
        self._home: ProjectModules | None = None
        self._plan: Plan | None = None
        self._test_loop: _TestLoop | None = None

    @classmethod
    def from_spec(cls, spec: GraphSpec) -> Graph:
        """Return the graph that a spec describes; see :meth:`GraphSpec.from_dict`.

        Raises:
            GraphshipError: the spec names a step twice.
        """
        graph = cls(spec.name, spec.files, timeout=spec.timeout_s, inputs=spec.inputs)
        graph._steps = {step.name: step for step in spec.steps}
        if len(graph._steps) != len(spec.steps):
            check(spec)
        graph._on_error = spec.on_error
        return graph

    def to(self, step: Any, name: str | None = None, **options: Any) -> Node:
        """Add a step that gets the request, and return it as the end of a chain; see :meth:`add_step`."""
        return self.add_step(step, name, after=REQUEST, **options)

    def choose(self, choice: Any, branches: Mapping[Any, str] | None = None, **options: Any) -> Node:
        """Add a choice about the request; see :meth:`Node.choose`."""
        return Node(self, REQUEST).choose(choice, branches, **options)

    def queue(self, stream: str, name: str | None = None, **settings: Any) -> Node:
        """Put the request into a stream; see :meth:`Node.queue`."""
        return Node(self, REQUEST).queue(stream, name, **settings)

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
        called = {key: options.pop(key) for key in _OPTIONS if key in options}
        arguments = {**options, **called.pop("arguments", {})}
        draft = describe(step, name, arguments)
        followers = [self._step(one) for one in _names(before)]
        inputs = self._default_inputs(followers) if after is None else _names(after)
        settings = {_OPTIONS[key]: value for key, value in called.items()}
        node = self._add(draft, name, after=inputs, join=join, join_key=join_key, **settings)
        for follower in followers:
            kept = tuple(one for one in follower.after if one not in inputs)
            self._set(follower.name, after=(*kept, node.name))
        return node

    def _default_inputs(self, followers: Sequence[StepSpec]) -> tuple[str, ...]:
        if followers:
            return tuple(dict.fromkeys(one for follower in followers for one in follower.after))
        return (next(reversed(self._steps), REQUEST),)

    def _step(self, name: str) -> StepSpec:
        if name not in self._steps:
            raise UnknownStepError(
                graph=self.name, step="(new)", relation="comes before", name=name, known_names=tuple(self._steps)
            )
        return self._steps[name]

    def _add(self, draft: Draft, name: str | None, **place: Any) -> Node:
        """Give a draft its name and its place."""
        if name is not None and name in self._steps:
            raise DuplicateStepError(graph=self.name, name=name)
        chosen = name or _free_name(draft.spec.name, self._steps)
        self._steps[chosen] = replace(draft.spec, name=chosen, **place)
        self._targets.update({f"{chosen}{suffix}": target for suffix, target in draft.targets.items()})
        self._plan = None
        return Node(self, chosen)

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
        handler = self.add_step(step, name, after=[], **options)
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
        spec = GraphSpec(
            name=self.name,
            steps=tuple(self._steps.values()),
            files=self._files,
            on_error=self._on_error,
            timeout_s=self._timeout,
            inputs=self._inputs,
        )
        check(spec)
        return spec

    @property
    def targets(self) -> Mapping[str, Any]:
        """Objects that only this process has: ``step``, ``router.model`` or ``nested/step`` → what was given."""
        return MappingProxyType(self._targets)

    @property
    def models(self) -> tuple[str, ...]:
        """Paths of the model files, relative to the project."""
        return self.spec.models

    @property
    def files(self) -> tuple[str, ...]:
        """Data files that steps open, relative to the project; those of nested graphs too."""
        return self.spec.data_files

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
            start=start,
        )
        return assemble(self.spec, targets=self._targets, home=self._home, root=root, surroundings=surroundings)

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
            RequestError: the body does not fit the graph's `inputs`, or a step refuses it.
            MissingSecretError: a step takes a secret from the environment, of which a test has none; give it one by
                ``graph.compile(environment={"TOKEN": "…"})``, which returns a plan to call.
            Exception: whatever a step raises, as it was raised, with a note that names the step.

        Example:
            >>> graph = Graph("even")
            >>> _ = graph.to(lambda body, context: {"even": body["n"] % 2 == 0}, "even")
            >>> graph.test({"n": 4})
            {'even': True}
        """
        if self._plan is None:
            self._plan = self.compile()
            weakref.finalize(self._plan, self._plan.close)
        if path == "/" and self._inputs:
            self._input_schema.check(body)
        lowered = {key.lower(): value for key, value in (headers or {}).items()}
        event = Event(body, path=path, method=method, headers=lowered, id=lowered.get("x-event-id"))
        result = self._plan(body, event)
        if not self._plan.is_async:
            return result
        if self._test_loop is None:
            self._test_loop = _TestLoop(self)
        return self._test_loop.run(result)

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
        """Return the picture that notebooks show."""
        from ci_core.serving.picture import svg

        return svg(self.spec)

    def __repr__(self) -> str:
        return f"Graph({self.name!r}, {len(self._steps)} steps)"


_OPTIONS: Final[Mapping[str, str]] = {
    option: {"retry_wait": "retry_wait_s", "timeout": "timeout_s"}.get(option, option)
    for option in StepOptions.__annotations__
}
"""Keyword of the builder → field of the spec."""


def _names(steps: StepNames) -> tuple[str, ...]:
    if isinstance(steps, str | Node):
        steps = (steps,)
    return tuple(one.name if isinstance(one, Node) else one for one in steps)


def _free_name(name: str, taken: Mapping[str, object]) -> str:
    name = name.strip("<>") or "step"
    if name not in taken and name != REQUEST:
        return name
    return next(candidate for number in range(2, len(taken) + 3) if (candidate := f"{name}-{number}") not in taken)


class _TestLoop:
    """One event loop for all tests of one graph: a client that a step made for one event serves the next one too."""

    def __init__(self, graph: Graph) -> None:
        self._runner = asyncio.Runner()
        self._lock = threading.Lock()
        weakref.finalize(graph, _outside_loops, self._runner.close)

    def run(self, work: Coroutine[Any, Any, Any]) -> Any:
        """Run a coroutine to its end, also inside a notebook, whose thread has a running loop already."""
        with self._lock:
            return _outside_loops(self._runner.run, work)


def _outside_loops(call: Callable[..., Any], *args: Any) -> Any:
    """Return what `call` returns, called in a thread of its own if this one is inside a running loop."""
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        is_inside = False
    else:
        is_inside = True
    if not is_inside:  # not called above: what it raises would be told as raised during the handling of that error
        return call(*args)
    with ThreadPoolExecutor(1, thread_name_prefix="graphship-test") as thread:
        return thread.submit(call, *args).result()
