"""From a spec to a plan: resolve references, construct steps, load models, compile programs."""

from __future__ import annotations

import logging
from contextlib import nullcontext
from dataclasses import dataclass, field, replace
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from ci_core.errors import GraphshipError, InvalidStepError
from ci_core.serving.base import Context, IgnoreCalls
from ci_core.serving.engine.choices import Branches, choice_of_field
from ci_core.serving.engine.compiled import Runs, compile_program, observed
from ci_core.serving.engine.deadline import until_deadline, within
from ci_core.serving.engine.guards import guarded
from ci_core.serving.engine.nested import nested_step
from ci_core.serving.engine.program import build_program
from ci_core.serving.engine.queued import inline, inline_async, queue_step
from ci_core.serving.files import check_file
from ci_core.serving.metrics.custom import CustomMetrics
from ci_core.serving.models import check_model_file
from ci_core.serving.models.shelf import Models
from ci_core.serving.modules import ProjectModules, graph_code_error
from ci_core.serving.neighbours import followers
from ci_core.serving.plan import Life, Plan, make_plan
from ci_core.serving.routers.build import build_router
from ci_core.serving.spec import LOCAL_PREFIX, ROUTER_KINDS, thaw
from ci_core.serving.steps import BUILT_IN
from ci_core.serving.steps.adapt import CallableStep, adapt_step, with_context, with_paths
from ci_core.serving.steps.suitable import check_step_target
from ci_core.serving.threads import Threads
from ci_core.serving.topology import check

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ci_core.serving.base import ModelObserver, StepObserver
    from ci_core.serving.engine.queued import QueueBinding
    from ci_core.serving.routers.base import WorkingRouter
    from ci_core.serving.spec import GraphSpec, RouteSpec, StepSpec
    from ci_core.serving.topology import Topology


@dataclass(frozen=True, slots=True, kw_only=True)
class Surroundings:
    """What a graph is compiled for: everything that is not in the spec."""

    observe: ModelObserver = field(default_factory=IgnoreCalls)
    """Told of every model call."""
    release: str | None = None
    """Id of the release that is served."""
    observe_steps: StepObserver | None = None
    """Told how the steps fare."""
    queues: QueueBinding | None = None
    """Takes what arrives at queue steps; None: the steps behind a queue run after the answer is there."""
    environment: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}), repr=False)
    """Environment variables that steps may take secrets from."""
    metrics: CustomMetrics | None = None
    """Makes the metrics of steps; None: nobody sees them."""
    batching: bool = False
    """Whether requests that are ready together may share a model call."""
    time_limit: bool = False
    """Whether whoever serves limits how long an answer may take."""
    start: bool = True
    """Whether the plan is started here; a server starts it after the fork."""


def assemble(
    spec: GraphSpec,
    *,
    targets: Mapping[str, Any],
    home: ProjectModules | None,
    root: Path | None,
    surroundings: Surroundings | None = None,
) -> Plan:
    """Return the plan of `spec`.

    Args:
        spec: checked here once more.
        targets: objects of this process: step name, or ``step.route`` → function, class or object; of a nested graph's
            steps ``outer/inner``.
        home: the project's modules; None when the project is importable anyway.
        root: folder that model paths start from; `home`'s when None, else the current one.
        surroundings: those of tests and notebooks when None.

    Raises:
        GraphshipError: see ``Graph.compile``.
    """
    folder = root or (home.root if home else Path.cwd())
    around = surroundings or Surroundings()
    builder = _Builder(spec, home or ProjectModules(folder), folder, targets, around)
    with home.active() if home else nullcontext():
        plan = builder.plan()
        if around.start:
            plan.start()
    return plan if home is None else _at_home(plan, home)


def check_references(spec: GraphSpec, modules: ProjectModules, targets: Mapping[str, Any], *, prefix: str = "") -> None:
    """Make sure that everything the graph names exists, without constructing or loading anything.

    Raises:
        GraphshipError: a module, function, model or data file is missing, or a model's format is refused.
    """
    for step in spec.steps:
        name = f"{prefix}{step.name}"
        for reference in (step.router, step.choice):
            if reference and ":" in reference and name not in targets:
                modules.resolve(name, reference)
        if step.step and name not in targets and not step.step.startswith(LOCAL_PREFIX):
            target = BUILT_IN.get(step.step) or modules.resolve(name, step.step)
            check_step_target(name, target, step.handler, step.arguments)
        for route in step.routes:
            if route.is_file:
                check_model_file(route.model, name, modules.root)
            elif f"{name}.{route.key}" not in targets:
                modules.resolve(name, route.model)
        if step.graph is not None:
            check_references(step.graph, modules, targets, prefix=f"{name}/")
    for path in spec.files:
        check_file("data", path, f"graph `{spec.name}`", modules.root)


def step_names(spec: GraphSpec, topology: Topology, prefix: str = "") -> list[str]:
    """Return the full names of all steps: in the order they run, each nested graph's after it, handlers last."""
    steps = {step.name: step for step in spec.steps}
    names: list[str] = []
    for name in (*topology.order, *topology.handlers):
        names.append(f"{prefix}{name}")
        nested = steps[name].graph
        if nested is not None:
            names += step_names(nested, check(nested), f"{prefix}{name}/")
    return names


class _Builder:
    """Makes the plan of one graph, and the steps of the graphs in it."""

    def __init__(
        self,
        spec: GraphSpec,
        modules: ProjectModules,
        root: Path,
        targets: Mapping[str, Any],
        around: Surroundings,
    ) -> None:
        self._spec, self._topology = spec, check(spec)
        self._modules, self._root, self._targets, self._around = modules, root, targets, around
        self._names = tuple(step_names(spec, self._topology))
        self._numbers = {name: number for number, name in enumerate(self._names)}
        self._context = Context(
            graph=spec.name,
            release=around.release,
            logger=logging.getLogger(f"ci_core.serving.graph.{spec.name}"),
            environment=around.environment,
            metrics=around.metrics or CustomMetrics(),
        )
        self._has_time_limit = around.time_limit or spec.timeout_s is not None
        self._threads = Threads()
        self._models = Models(
            root=root,
            context=self._context,
            batching=around.batching,
            serving=not around.start,
            code_root=modules.root,
        )
        self._in_guard = False
        self._made: dict[str, CallableStep] = {}
        self._routers: dict[str, WorkingRouter] = {}
        self._in_the_loop: list[WorkingRouter] = []
        self._resources: list[Any] = []

    def plan(self) -> Plan:
        spec, topology = self._spec, self._topology
        steps = self._steps(spec, "")
        while late := [router for router in self._routers.values() if router.must_be_async and not router.is_async]:
            for router in late:  # it has a model that another router, built after it, has isolated
                router.settle()
            steps = self._steps(spec, "")
        is_async = any(step.is_async for step in steps.values())
        queues = [step.name for step in spec.steps if step.queue is not None]
        observer = self._around.observe_steps
        runs, *behind = (self._compiled(spec, topology, steps, queue, is_async=is_async) for queue in (None, *queues))
        run, run_in_time = (observed(one, runs.timed, observer) for one in (runs.plain, runs.checked))
        if is_async:
            run = run_in_time = until_deadline(run)
        consumers = {name: observed(one.plain, one.timed, observer) for name, one in zip(queues, behind, strict=True)}
        if queues and self._around.queues is None:
            after = inline_async if is_async else inline
            run, run_in_time = after(run, consumers), after(run_in_time, consumers)
            consumers = {name: after(one, consumers) for name, one in consumers.items()}
        if spec.timeout_s is not None:
            run = run_in_time = within(run_in_time, spec.timeout_s)
        return make_plan(
            run,
            run_in_time,
            name=spec.name,
            models=self._models.by_key,
            steps=self._names,
            is_async=is_async,
            behind=consumers,
            life=Life(self._resources, self._models.by_key, self._threads),
        )

    def _compiled(
        self,
        spec: GraphSpec,
        topology: Topology,
        steps: Mapping[str, CallableStep],
        queue: str | None = None,
        *,
        is_async: bool,
    ) -> Runs:
        program = build_program(
            spec, topology, steps, queue=queue, graph=self._spec.name, observer=self._around.observe_steps
        )
        return compile_program(program, is_async=is_async)

    def _steps(self, graph: GraphSpec, prefix: str) -> dict[str, CallableStep]:
        """Return the callables of all steps of a graph; what they call is made once only, however often it is asked."""
        return {step.name: self._step(step, graph, prefix) for step in graph.steps}

    def _step(self, spec: StepSpec, graph: GraphSpec, prefix: str) -> CallableStep:
        """Return the callable of a step of `graph`, which is nested where `prefix` says."""
        full = replace(spec, name=f"{prefix}{spec.name}")
        if spec.graph is not None:
            step = self._graph(full, spec.graph)
        elif spec.router is not None:
            step = self._router(full)
        else:
            if full.name not in self._made:
                self._made[full.name] = self._single(full, graph)
            step = self._made[full.name]
        self._resources += step.resources
        return replace(guarded(full, step, self._threads), name=full.name, number=self._numbers[full.name])

    def _single(self, spec: StepSpec, graph: GraphSpec) -> CallableStep:
        if spec.choice is not None:
            return self._choice(spec, followers(graph)[spec.name.rpartition("/")[2]])
        if spec.queue is not None:
            return queue_step(spec, self._around.queues)
        return self._function(spec)

    def _function(self, spec: StepSpec) -> CallableStep:
        target = self._target(spec.name, spec.name, spec.step)
        arguments: Any = thaw(spec.arguments)
        try:
            return adapt_step(spec, target, arguments, replace(self._context, step=spec.name))
        except GraphshipError:
            raise
        except Exception as error:
            raise graph_code_error(f"the constructor of step `{spec.name}`", error, self._modules.root) from error

    def _graph(self, spec: StepSpec, graph: GraphSpec) -> CallableStep:
        outside = self._has_time_limit, self._in_guard, self._in_the_loop
        self._has_time_limit = self._has_time_limit or graph.timeout_s is not None
        self._in_guard = self._in_guard or _has_guard(spec)
        if _has_guard(spec):
            self._in_the_loop = []
        steps = self._steps(graph, f"{spec.name}/")
        is_async = any(step.is_async for step in steps.values())
        if _has_guard(spec) and is_async and not self._around.start:
            # a sync graph runs in a thread as a whole, but this one does not
            for router in self._in_the_loop:
                router.isolate()
            steps = self._steps(graph, f"{spec.name}/")
        self._has_time_limit, self._in_guard, self._in_the_loop = outside
        runs = self._compiled(graph, check(graph), steps, is_async=is_async)
        return nested_step(spec, graph, runs, is_async=is_async)

    def _choice(self, spec: StepSpec, after: tuple[str, ...]) -> CallableStep:
        reference = str(spec.choice)
        if ":" not in reference:
            return CallableStep(name=spec.name, call=choice_of_field(spec, after))
        target = self._target(spec.name, spec.name, reference)
        function, is_async = with_context(target, replace(self._context, step=spec.name))
        branches = Branches(spec, after, f"what the choice `{spec.name}` found")
        if not is_async:
            return CallableStep(name=spec.name, call=lambda body: branches.of(function(body)))

        async def choose(body: Any) -> tuple[str, ...]:
            return branches.of(await function(body))

        return CallableStep(name=spec.name, call=choose, is_async=True)

    def _router(self, spec: StepSpec) -> CallableStep:
        if spec.name not in self._routers:
            self._routers[spec.name] = self._new_router(spec)
        router = self._routers[spec.name]
        if not _has_guard(spec):
            self._in_the_loop.append(router)
        else:
            if router.must_be_async and not self._around.start:
                router.isolate()
            router.ask_in(self._threads)
        call = with_paths(router.call, spec, is_async=router.is_async)
        return CallableStep(name=spec.name, call=call, wants_event=True, is_async=router.is_async, resources=(router,))

    def _new_router(self, spec: StepSpec) -> WorkingRouter:
        isolate = self._has_time_limit and not self._in_guard and not _has_guard(spec)
        models = {
            route.key: self._models.add(spec.name, route, self._model_class(spec, route), isolate=isolate)
            for route in spec.routes
        }
        kind = str(spec.router)
        target = None if kind in ROUTER_KINDS else self._target(spec.name, spec.name, kind)
        try:
            router = build_router(
                spec,
                models,
                observe=self._around.observe,
                context=replace(self._context, step=spec.name),
                target=target,
                graph_models=self._models.by_key,
                serving=not self._around.start,
            )
        except GraphshipError:
            raise
        except Exception as error:
            raise graph_code_error(f"the constructor of router `{spec.name}`", error, self._modules.root) from error
        if router.model is not None:
            self._models.add_router(router.model)
        return router

    def _model_class(self, spec: StepSpec, route: RouteSpec) -> Any:
        return None if route.is_file else self._target(f"{spec.name}.{route.key}", spec.name, route.model)

    def _target(self, key: str, step: str, reference: str) -> Any:
        if key in self._targets:
            return self._targets[key]
        if reference in BUILT_IN:
            return BUILT_IN[reference]
        if reference.startswith(LOCAL_PREFIX):
            raise InvalidStepError(step=step, reason="exists only in the process that built the graph")
        return self._modules.resolve(step, reference)


def _has_guard(spec: StepSpec) -> bool:
    """Whether a step's own settings keep it from stopping the loop."""
    return spec.timeout_s is not None or spec.blocking


def _at_home(plan: Plan, home: ProjectModules) -> Plan:
    """Return a plan whose steps may import modules of their project while they run: slower, for CI and tests."""

    def run(body: Any, event: Any = None) -> Any:
        with home.active():
            return plan(body, event)

    async def run_async(body: Any, event: Any = None) -> Any:
        with home.active():
            return await plan(body, event)

    def consume(queue: str, body: Any, event: Any = None) -> Any:
        with home.active():
            return plan.consume(queue, body, event)

    async def consume_async(queue: str, body: Any, event: Any = None) -> Any:
        with home.active():
            return await plan.consume(queue, body, event)

    def run_in_time(body: Any, event: Any = None) -> Any:
        with home.active():
            return plan.run_in_time(body, event)

    chosen: Any = run_async if plan.is_async else run
    in_time, behind = (run_async, consume_async) if plan.is_async else (run_in_time, consume)
    vars(chosen).update({**vars(plan), "run": chosen, "run_in_time": in_time, "consume": behind})
    moved: Plan = chosen
    return moved
