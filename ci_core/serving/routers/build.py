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
    "parallel": ("merge", "missing"),
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


def _built_in(
    kind: str, name: str, members: Members, known: Collection[str], settings: Settings, *, serving: bool
) -> WorkingRouter:
    keys = tuple(members.models)
    match kind:
        case "single":
            return SingleRouter(name, members, known, field=settings.text("field") or "model")
        case "weighted":
            weights = settings.weights(keys, may_be_zero=True, are_required=True)
            return WeightedRouter(name, members, known, weights=weights, key=settings.text("key"))
        case "shadow":
            live, waiting = settings.route("live", keys), settings.count("waiting", 256)
            return ShadowRouter(name, members, known, live=live, waiting=waiting, serving=serving)
        case "parallel":
            joins_fields = settings.one_of("merge", "route", "fields") == "fields"
            ignores_failures = _ignores_failures(settings)
            return ParallelRouter(name, members, known, joins_fields=joins_fields, ignores_failures=ignores_failures)
        case "mean":
            return MeanRouter(name, members, known, **_of_ensemble(settings, keys))
        case _:
            cls = SoftVoteRouter if settings.flag("probabilities") else VoteRouter
            return cls(name, members, known, **_of_ensemble(settings, keys))


def _of_ensemble(settings: Settings, keys: tuple[str, ...]) -> dict[str, Any]:
    return {
        "weights": settings.weights(keys),
        "ignores_failures": _ignores_failures(settings),
        "detail": settings.flag("detail"),
    }


def _ignores_failures(settings: Settings) -> bool:
    return settings.one_of("missing", "refuse", "ignore") == "ignore"
