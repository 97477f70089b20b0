"""The models of one compiled graph: each made once, however many routers name it."""

from __future__ import annotations

import inspect
from typing import TYPE_CHECKING, Any, TypeAlias

from ci_core.errors import GraphshipError, InvalidStepError
from ci_core.serving.models import check_model_file, model_from_file
from ci_core.serving.models.served import ServedModel
from ci_core.serving.modules import graph_code_error
from ci_core.serving.spec import LOCAL_PREFIX, thaw
from ci_core.serving.steps.adapt import construct

if TYPE_CHECKING:
    from pathlib import Path

    from ci_core.serving.base import Context, Model
    from ci_core.serving.routers.face import RouterAsModel
    from ci_core.serving.spec import RouteSpec

    GraphModel: TypeAlias = ServedModel | RouterAsModel
    """A model as the server sees it."""


class Models:
    """Makes and keeps models.

    Args:
        root: folder that model paths start from.
        context: for models that ask for it.
        batching: whether requests may be joined.
        serving: whether the plan is for a server.
        code_root: folder of the user's code, for tracebacks; `root` when None.

    Attributes:
        by_key: the models, in the order in which routers named them, each router that is a model after its own.
    """

    def __init__(
        self,
        *,
        root: Path,
        context: Context,
        batching: bool = False,
        serving: bool = False,
        code_root: Path | None = None,
    ) -> None:
        self.by_key: dict[str, GraphModel] = {}
        self._targets: dict[str, Any] = {}
        self._root, self._context, self._code_root = root, context, code_root or root
        self._batching, self._serving = batching, serving

    def add(self, step: str, route: RouteSpec, target: Any = None, *, isolate: bool = False) -> ServedModel:
        """Return the model of a route, loaded if that may happen before a fork; the same one for an equal route.

        Args:
            step: the router.
            route: of it.
            target: the class that the route names; None when it names a file.
            isolate: see :class:`ServedModel`; one router that says so is enough.

        Raises:
            InvalidStepError: the model is another one than in the router before, its class is no model, or its
                arguments do not fit.
            GraphshipError: it cannot be loaded.
        """
        known = self.by_key.get(route.key)
        if isinstance(known, ServedModel) and known.route == route and self._targets[route.key] is target:
            if isolate and self._serving and not route.is_file:
                known.isolate()
            return known
        if known is not None:
            raise InvalidStepError(
                step=step,
                reason=f"has the route `{route.key}`, which is another model in another router",
                hint="give one of them another name, or say the same in both to share the model",
            )
        model = self._from_file(step, route) if route.is_file else self._from_class(step, route, target)
        served = ServedModel(
            route,
            model,
            batching=self._batching,
            isolate=isolate,
            serving=self._serving,
            code_root=None if route.is_file else self._code_root,
        )
        served.prepare()
        if not route.is_file:
            _check_predicts(step, route, model, is_loaded=served.load_state == "ready")
        self.by_key[route.key] = served
        self._targets[route.key] = target
        return served

    def add_router(self, model: RouterAsModel) -> None:
        """Add a router as a model of its own.

        Raises:
            InvalidStepError: there is a model of its name.
        """
        if model.key in self.by_key:
            raise InvalidStepError(
                step=model.name,
                reason="is a router that can be asked as a model, and there is another model of its name",
                hint="rename the step or the route",
            )
        self.by_key[model.key] = model

    def _from_file(self, step: str, route: RouteSpec) -> Model:
        check_model_file(route.file, step, self._root)
        return model_from_file(route.file, root=self._root, columns=route.columns, trust=route.trust)

    def _from_class(self, step: str, route: RouteSpec, target: Any) -> Model:
        from ci_core.serving.models.declared import settle  # needs numpy, which graphs are written without

        arguments = {name: thaw(value) for name, value in route.arguments.items()}
        what, named = f"the route `{route.key}`", route.model.removeprefix(LOCAL_PREFIX)
        if not inspect.isclass(target):
            raise InvalidStepError(
                step=step,
                reason=f"has {what}, and `{named}` is no class",
                hint="a model is a file, or a class derived from `ci_core.serving.Model`; a function is a step",
            )
        try:
            model: Any = construct(f"{step}.{route.key}", target, arguments, self._context)
        except GraphshipError:
            raise
        except Exception as error:
            raise graph_code_error(f"the model `{route.key}`", error, self._code_root) from error
        if not callable(getattr(model, "call", None)):
            raise InvalidStepError(
                step=step,
                reason=f"has {what}, and `{named}` is no model",
                hint="derive the class from `ci_core.serving.Model`",
            )
        if inspect.iscoroutinefunction(getattr(model, "predict", None)):
            raise InvalidStepError(
                step=step,
                reason=f"has {what}, whose `predict` is a coroutine function",
                hint="make it a plain method; what waits for another service is a step, before or after the router",
            )
        try:
            settle(model)
        except ValueError as error:
            raise InvalidStepError(step=step, reason=f"has {what}, whose model {error}") from error
        return model  # type: ignore[no-any-return]  # a Protocol, checked above


def _check_predicts(step: str, route: RouteSpec, model: Any, *, is_loaded: bool) -> None:
    from ci_core.serving.models.declared import lacks_predict, resembling_predict  # as above

    if not lacks_predict(model, is_loaded=is_loaded):
        return
    named = type(model).__name__
    meant = resembling_predict(model)
    hint = "write `def predict(self, rows)`, which returns one answer a row"
    if meant is not None:
        hint = f"did you mean `predict` by `{meant}`?"
    raise InvalidStepError(
        step=step, reason=f"has the route `{route.key}`, and the model `{named}` has no `predict`", hint=hint
    )
