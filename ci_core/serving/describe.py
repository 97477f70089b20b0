"""From what an author gives as a step to its part of the spec, and the objects that only this process has.

An author may give a reference as text, a built-in step, a function, class or object, a router, or another graph.
"""

from __future__ import annotations

import inspect
import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ci_core.errors import InvalidStepError
from ci_core.serving.reader import branch_text, default_name
from ci_core.serving.routers import Route, RouterDraft
from ci_core.serving.spec import LOCAL_PREFIX, RouteSpec, StepSpec, freeze_mapping

if TYPE_CHECKING:
    from collections.abc import Mapping


@dataclass(frozen=True, slots=True)
class Draft:
    """A step without its place in the graph.

    Attributes:
        spec: what the step is.
        targets: objects that only this process has, by what follows the step's name: nothing for the step itself,
            ``.route`` for a model of a router, ``/inner`` for a step of a nested graph.
    """

    spec: StepSpec
    targets: Mapping[str, Any] = field(default_factory=dict)


def describe(step: Any, name: str | None, arguments: Mapping[str, Any]) -> Draft:
    """Return the draft of what was given as a step.

    Args:
        step: as ``Graph.add_step`` takes it.
        name: given to it; only for messages when None.
        arguments: of a constructor.

    Raises:
        InvalidStepError: it cannot be a step.
    """
    from ci_core.serving.graph import Graph

    if isinstance(step, Graph):
        return _nested(step, name or step.name, arguments)
    if isinstance(step, RouterDraft):
        return _router(step, name or "router")
    return _step(step, name, arguments)


def describe_choice(choice: Any, branches: Mapping[Any, str] | None, otherwise: str | None, *, several: bool) -> Draft:
    """Return the draft of a choice.

    Args:
        choice: dotted path of a field, ``module:function``, or a function of this process.
        branches: value → name of a step after it.
        otherwise: name of the step for any other value.
        several: whether the value may be a list.
    """
    spec = StepSpec(
        name="choice",
        choice=choice if isinstance(choice, str) else _reference_of(choice),
        branches=freeze_mapping({branch_text(value): step for value, step in (branches or {}).items()}),  # type: ignore[arg-type]  # texts are JSON values
        otherwise=otherwise,
        several=several,
    )
    return Draft(spec, {} if isinstance(choice, str) else {"": choice})


def describe_queue(stream: str, settings: Mapping[str, Any]) -> Draft:
    """Return the draft of a queue."""
    return Draft(StepSpec(name=stream, queue=stream, arguments=_json_arguments(stream, settings)))


def _nested(graph: Any, name: str, arguments: Mapping[str, Any]) -> Draft:
    if arguments:
        raise InvalidStepError(step=name, reason="is a graph and takes no arguments")
    # a copy of the graph as it is now: what is added to it later stays its own
    return Draft(StepSpec(name=name, graph=graph.spec), {f"/{key}": target for key, target in graph.targets.items()})


def _step(step: Any, name: str | None, arguments: Mapping[str, Any]) -> Draft:
    from ci_core.serving.steps import BUILT_IN

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
    return Draft(StepSpec(name=shown, step=reference, arguments=_json_arguments(shown, arguments)), targets)


def _router(draft: RouterDraft, name: str) -> Draft:
    routes: list[RouteSpec] = []
    targets: dict[str, Any] = {}
    for key, route in draft.routes.items():
        spec, target = _route(name, key, route)
        routes.append(spec)
        if target is not None:
            targets[f".{spec.key}"] = target
    if not routes:
        raise InvalidStepError(step=name, reason="is a router without routes", hint='give it {"m1": "models/m1.onnx"}')
    kind = draft.kind
    if not isinstance(kind, str):
        targets[""] = kind
        kind = _reference_of(kind)
    settings = _json_arguments(name, draft.settings)
    return Draft(StepSpec(name=name, router=kind, arguments=settings, routes=tuple(routes)), targets)


def _route(router: str, key: str, route: Route) -> tuple[RouteSpec, Any]:
    if not isinstance(route.model, str | type):
        raise InvalidStepError(
            step=router,
            reason=f"has the route `{key}`, which is a {type(route.model).__name__} and no model",
            hint='give a file, or `Route("models/m1.onnx", columns=["age", "city"])`',
        )
    model = route.model if isinstance(route.model, str) else _reference_of(route.model)
    path = Path(model)
    if ":" not in model and (path.is_absolute() or ".." in path.parts):
        raise InvalidStepError(
            step=router,
            reason=f"opens `{model}`, which lies outside the project",
            hint="name it relative to the project",
        )
    name, _, version = key.partition(":")
    spec = RouteSpec(
        name=name,
        version=version or None,
        model=model,
        columns=tuple(route.columns),
        trust=tuple(route.trust),
        arguments=_json_arguments(f"{router}.{key}", route.arguments or {}),
        load=route.load,
        batch=route.batch,
        max_batch_rows=route.max_batch_rows,
        batch_window_s=route.batch_window,
        lower=route.lower,
    )
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
