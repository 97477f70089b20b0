"""From the spec of a router to one that works; what is wrong with its settings is told here."""

from __future__ import annotations

import inspect
from typing import TYPE_CHECKING, Any

from ci_core.errors import InvalidStepError
from ci_core.serving.routers.custom import CustomRouter
from ci_core.serving.routers.ensemble import Ensemble, MeanRouter, SoftVoteRouter, VoteRouter
from ci_core.serving.routers.face import RouterAsModel
from ci_core.serving.routers.members import Members
from ci_core.serving.routers.parallel import ParallelRouter
from ci_core.serving.routers.settings import Settings
from ci_core.serving.routers.shadow import ShadowRouter
from ci_core.serving.routers.single import SingleRouter
from ci_core.serving.routers.weighted import WeightedRouter
from ci_core.serving.spec import thaw
from ci_core.serving.steps.adapt import construct

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

    from ci_core.serving.base import Context, ModelObserver
    from ci_core.serving.models.served import ServedModel
    from ci_core.serving.routers.base import WorkingRouter
    from ci_core.serving.spec import StepSpec

_SETTINGS: Mapping[str, tuple[str, ...]] = {
    "single": ("field",),
    "weighted": ("weights", "key"),
    "shadow": ("live", "waiting"),
    "vote": ("weights", "probabilities", "missing", "detail"),
    "mean": ("weights", "missing", "detail"),
    "parallel": ("merge", "extend", "missing"),
}


def build_router(
    spec: StepSpec,
    models: Mapping[str, ServedModel],
    *,
    observe: ModelObserver,
    context: Context,
    target: Any = None,
    graph_models: Collection[str] | None = None,
    serving: bool = False,
) -> WorkingRouter:
    """Return the working router of a step.

    Args:
        spec: of the step.
        models: of its routes, by their keys, in their order.
        observe: told of every call; by several threads at once, maybe.
        context: for a router of the user that asks for it.
        target: the class of a router of the user; None for the others.
        graph_models: keys of all models of the graph, looked at when a path names none of these models.
        serving: whether requests come from a server.

    Raises:
        InvalidStepError: its settings are wrong, its models cannot vote so, or a class of the user cannot be a router.
        Exception: whatever the constructor of a user's router raises.
    """
    arguments: Any = thaw(spec.arguments)
    members = Members(models, observe)
    known = models if graph_models is None else graph_models
    kind = spec.router or ""
    if kind in _SETTINGS:
        settings = Settings(spec.name, arguments, _SETTINGS[kind])
        router = _built_in(kind, spec.name, members, known, settings, serving=serving)
        if isinstance(router, Ensemble):
            router.check()
    else:
        if not inspect.isclass(target):
            hint = "give it a class with a method `choose(self, body, event, models)`"
            raise InvalidStepError(step=spec.name, reason=f"is a router, and `{kind}` is no class", hint=hint)
        author = construct(spec.name, target, arguments, context)
        router = CustomRouter(spec.name, members, known, author=author)
    if router.is_a_model:
        router.model = RouterAsModel(router)
    return router


def check_settings(spec: StepSpec) -> None:
    """Refuse settings of a router that are wrong whatever its models are; nothing is loaded.

    Raises:
        InvalidStepError: with what is wrong.
    """
    arguments: Any = thaw(spec.arguments)
    kind = spec.router or ""
    if kind in _SETTINGS:
        _arguments_of(kind, Settings(spec.name, arguments, _SETTINGS[kind]), tuple(route.key for route in spec.routes))


def _built_in(
    kind: str, name: str, members: Members, known: Collection[str], settings: Settings, *, serving: bool
) -> WorkingRouter:
    arguments = _arguments_of(kind, settings, tuple(members.models))
    match kind:
        case "single":
            return SingleRouter(name, members, known, **arguments)
        case "weighted":
            return WeightedRouter(name, members, known, **arguments)
        case "shadow":
            return ShadowRouter(name, members, known, **arguments, serving=serving)
        case "parallel":
            return ParallelRouter(name, members, known, **arguments)
        case "mean":
            return MeanRouter(name, members, known, **arguments)
        case _:
            cls = SoftVoteRouter if settings.flag("probabilities") else VoteRouter
            return cls(name, members, known, **arguments)


def _arguments_of(kind: str, settings: Settings, keys: tuple[str, ...]) -> dict[str, Any]:
    """Return what the constructor of a built-in router takes beside its models."""
    match kind:
        case "single":
            return {"field": settings.text("field") or "model"}
        case "weighted":
            weights = settings.weights(keys, may_be_zero=True, are_required=True)
            return {"weights": weights, "key": settings.text("key")}
        case "shadow":
            return {"live": settings.route("live", keys), "waiting": settings.count("waiting", 256)}
        case "parallel":
            joins_fields = settings.one_of("merge", "route", "fields") == "fields"
            extends = settings.flag("extend")
            return {"joins_fields": joins_fields, "extends": extends, "ignores_failures": _ignores_failures(settings)}
        case _:
            if kind == "vote":
                settings.flag("probabilities")
            return {
                "weights": settings.weights(keys),
                "ignores_failures": _ignores_failures(settings),
                "detail": settings.flag("detail"),
            }


def _ignores_failures(settings: Settings) -> bool:
    return settings.one_of("missing", "refuse", "ignore") == "ignore"
