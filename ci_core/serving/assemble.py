"""From a spec to a plan: resolve references, construct steps, load models."""

from __future__ import annotations

import logging
from contextlib import nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ci_core.errors import GraphshipError, InvalidStepError, MissingGraphFileError
from ci_core.serving.base import Context, IgnoreCalls
from ci_core.serving.models import check_suffix, model_from_file
from ci_core.serving.modules import ProjectModules, graph_code_error
from ci_core.serving.plan import Plan, build_plan
from ci_core.serving.router import build_router
from ci_core.serving.spec import LOCAL_PREFIX, thaw
from ci_core.serving.steps import BUILT_IN
from ci_core.serving.steps.adapt import CallableStep, adapt_step
from ci_core.serving.topology import check

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ci_core.serving.base import Model, ModelObserver
    from ci_core.serving.spec import GraphSpec, RouteSpec, StepSpec


def assemble(
    spec: GraphSpec,
    *,
    targets: Mapping[str, Any],
    home: ProjectModules | None,
    root: Path | None,
    observe: ModelObserver | None,
    release: str | None,
) -> Plan:
    """Return the plan of `spec`.

    Args:
        spec: checked here once more.
        targets: objects of this process: step name, or ``step.route`` → function, class or object.
        home: the project's modules; None when the project is importable anyway.
        root: folder that model paths start from; `home`'s when None, else the current one.
        observe: told of every model call.
        release: id of the release that is served.

    Raises:
        GraphshipError: see ``Graph.compile``.
    """
    folder = root or (home.root if home else Path.cwd())
    modules = home or ProjectModules(folder)
    context = Context(graph=spec.name, release=release, logger=logging.getLogger(f"ci_core.serving.graph.{spec.name}"))
    builder = _Builder(modules, folder, targets, context, observe or IgnoreCalls())
    topology = check(spec)
    with modules.active() if home else nullcontext():
        steps = {step.name: builder.step(step) for step in spec.steps}
    plan = build_plan(spec, topology, steps, builder.models)
    return plan if home is None else _AtHome(plan, home)


def check_references(spec: GraphSpec, modules: ProjectModules, targets: Mapping[str, Any]) -> None:
    """Make sure that everything the graph names exists, without constructing or loading anything.

    Raises:
        GraphshipError: a module, function, model or data file is missing, or a model's format is refused.
    """
    for step in spec.steps:
        if step.router is None and step.name not in targets and step.step not in BUILT_IN:
            modules.resolve(step.name, step.step)
        for route in step.routes:
            if route.is_file:
                _check_model_file(route.model, step.name, modules.root)
            elif f"{step.name}.{route.name}" not in targets:
                modules.resolve(step.name, route.model)
    for path in spec.files:
        _check_file("data", path, f"graph `{spec.name}`", modules.root)


def _check_file(kind: str, path: str, user: str, root: Path) -> None:
    file = root / path
    if file.is_file():
        return
    folder = file.parent
    names = sorted(one.relative_to(root).as_posix() for one in folder.glob("*") if one.is_file())
    raise MissingGraphFileError(kind=kind, path=path, user=user, known_names=names)


class _Builder:
    """Makes the callables of one graph."""

    def __init__(
        self,
        modules: ProjectModules,
        root: Path,
        targets: Mapping[str, Any],
        context: Context,
        observe: ModelObserver,
    ) -> None:
        self._modules, self._root, self._targets = modules, root, targets
        self._context, self._observe = context, observe
        self.models: dict[str, Model] = {}

    def step(self, spec: StepSpec) -> CallableStep:
        if spec.router is not None:
            models = {route.name: self._model(spec, route) for route in spec.routes}
            self.models.update(models)
            return CallableStep(name=spec.name, call=build_router(spec.router, models, self._observe), wants_event=True)
        target = self._target(spec.name, spec.name, spec.step)
        arguments: Any = thaw(spec.arguments)
        try:
            return adapt_step(spec, target, arguments, self._context)
        except GraphshipError:
            raise
        except Exception as error:
            raise graph_code_error(f"the constructor of step `{spec.name}`", error, self._modules.root) from error

    def _model(self, spec: StepSpec, route: RouteSpec) -> Model:
        if route.is_file:
            _check_model_file(route.model, spec.name, self._root)
            model: Model = model_from_file(route.model, root=self._root, columns=route.columns)
            model.load()
            return model
        cls = self._target(f"{spec.name}.{route.name}", spec.name, route.model)
        try:
            made: Model = cls(**_plain_arguments(route))
            made.load()
        except GraphshipError:
            raise
        except Exception as error:
            raise graph_code_error(f"the model `{route.name}`", error, self._modules.root) from error
        if not callable(getattr(made, "call", None)):
            raise InvalidStepError(
                step=spec.name,
                reason=f"has the route `{route.name}`, and `{route.model}` is no model",
                hint="derive the class from `ci_core.serving.Model`",
            )
        return made

    def _target(self, key: str, step: str, reference: str) -> Any:
        if key in self._targets:
            return self._targets[key]
        if reference in BUILT_IN:
            return BUILT_IN[reference]
        if reference.startswith(LOCAL_PREFIX):
            raise InvalidStepError(step=step, reason="exists only in the process that built the graph")
        return self._modules.resolve(step, reference)


def _plain_arguments(route: RouteSpec) -> dict[str, Any]:
    """Return the constructor arguments of a route's model class as plain data."""
    return {name: thaw(value) for name, value in route.arguments.items()}


def _check_model_file(path: str, step: str, root: Path) -> None:
    """Refuse a format before asking whether the file is there: the first cannot be mended by ``dvc pull``."""
    check_suffix(path)
    _check_file("model", path, f"router `{step}`", root)


class _AtHome(Plan):
    """A plan whose steps may import modules of their project while they run; slower by that, for CI and tests."""

    __slots__ = ("_home", "_plan")

    def __init__(self, plan: Plan, home: ProjectModules) -> None:
        self._plan, self._home = plan, home
        self.name, self.models, self.is_async = plan.name, plan.models, plan.is_async

    def __call__(self, body: Any, event: Any = None) -> Any:
        if self.is_async:
            return self._run_async(body, event)
        with self._home.active():
            return self._plan(body, event)

    async def _run_async(self, body: Any, event: Any) -> Any:
        with self._home.active():
            return await self._plan(body, event)
