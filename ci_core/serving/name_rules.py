"""Is each name of a graph given once, and does each that is used exist? Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ci_core.errors import DuplicateStepError, InvalidStepError, UnknownStepError
from ci_core.serving.spec import ANSWER, REQUEST

if TYPE_CHECKING:
    from collections.abc import Iterable

    from ci_core.serving.spec import GraphSpec, RouteSpec, StepSpec


def check_names(spec: GraphSpec) -> None:
    """Refuse names that two steps, models or streams share, and names of steps that are not there.

    Raises:
        DuplicateStepError: two steps, or two different models, share a name.
        InvalidStepError: a name is reserved, a router has the name of a model, or two queues put into one stream.
        UnknownStepError: a step refers to one that does not exist.
    """
    names = [step.name for step in spec.steps]
    _refuse_duplicates(spec.name, names)
    for reserved in (REQUEST, ANSWER):
        if reserved in names:
            reason = f"has the name that stands for the {reserved.strip('()')} itself"
            raise InvalidStepError(step=reserved, reason=reason, hint="give it another name")
    models: dict[str, RouteSpec] = {}
    _check_models(spec, models)
    for step in spec.steps:
        if step.router not in {None, "single"} and step.name in models:
            raise InvalidStepError(
                step=step.name,
                reason="is a router that can be asked as a model, and there is another model of its name",
                hint="rename the step or the route",
            )
    for step in spec.steps:
        for relation, named in _references(step):
            if named not in names and not (relation == "comes after" and named == REQUEST):
                raise UnknownStepError(
                    graph=spec.name, step=step.name, relation=relation, name=named, known_names=names
                )
    if spec.on_error is not None and spec.on_error not in names:
        raise UnknownStepError(
            graph=spec.name, step="(any)", relation="is handled by", name=spec.on_error, known_names=names
        )
    _check_streams(spec)


def _references(step: StepSpec) -> Iterable[tuple[str, str]]:
    """Yield how a step refers to others, and to which."""
    yield from (("comes after", name) for name in step.after)
    yield from (("chooses", name) for name in step.branches.values())
    for relation, name in (
        ("is handled by", step.on_error),
        ("leads back to", step.back_to),
        ("chooses", step.otherwise),
    ):
        if name is not None:
            yield relation, name


def _refuse_duplicates(graph: str, names: Iterable[str], *, kind: str = "step") -> None:
    seen: set[str] = set()
    for name in names:
        if name in seen:
            raise DuplicateStepError(graph=graph, name=name, kind=kind)
        seen.add(name)


def _check_models(spec: GraphSpec, known: dict[str, RouteSpec]) -> None:
    """All models of a graph share the one name space of `/v2/models/<name>`; two routers may share a model."""
    for step in spec.steps:
        _refuse_duplicates(spec.name, [route.key for route in step.routes], kind="model")
        for route in step.routes:
            if known.setdefault(route.key, route) != route:
                raise DuplicateStepError(graph=spec.name, name=route.key, kind="model")
        if step.graph is not None:
            _check_models(step.graph, known)


def _check_streams(spec: GraphSpec) -> None:
    """A stream has one reader, so that no message is taken by steps it was not meant for."""
    readers: dict[str, str] = {}
    for step in spec.steps:
        if step.queue is not None and readers.setdefault(step.queue, step.name) != step.name:
            raise InvalidStepError(
                step=step.name,
                reason=f"puts into the stream `{step.queue}`, as `{readers[step.queue]}` does",
                hint="name another stream, or let both branches lead to one queue",
            )
