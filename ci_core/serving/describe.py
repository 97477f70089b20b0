"""From what an author gives as a step to its part of the spec, and the objects that only this process has.

An author may give a reference as text, a built-in step, a function, class or object, a router, or another graph.
"""

from __future__ import annotations

import inspect
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ci_core.errors import InvalidStepError
from ci_core.serving.names import branch_text, default_name
from ci_core.serving.problems import shown
from ci_core.serving.references import mistake_in_step
from ci_core.serving.routers import Route, Router, RouterDraft
from ci_core.serving.spec import LOCAL_PREFIX, RouteSpec, StepSpec, freeze_mapping
from ci_core.serving.steps import BUILT_IN
from ci_core.serving.steps.suitable import check_step_target, check_takes_one, unknown_argument


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


def describe(step: Any, name: str | None, arguments: Mapping[str, Any], handler: str | None = None) -> Draft:
    """Return the draft of what was given as a step.

    Args:
        step: as ``Graph.add_step`` takes it.
        name: given to it; only for messages when None.
        arguments: of a constructor.
        handler: method of a class that is called.

    Raises:
        InvalidStepError: it cannot be a step.
    """
    from ci_core.serving.graph import Graph

    if isinstance(step, Graph):
        shown_as = _text_or(name, step.name)
        _refuse_arguments(shown_as, arguments, "a graph")
        # a copy of the graph as it is now: what is added to it later stays its own
        targets = {f"/{key}": target for key, target in step.targets.items()}
        return Draft(StepSpec(name=shown_as, graph=step.spec), targets)
    if isinstance(step, RouterDraft):
        shown_as = _text_or(name, "router")
        _refuse_arguments(shown_as, arguments, "a router")
        return _router(step, shown_as)
    return _step(step, name if isinstance(name, str) else None, arguments, handler)


def describe_choice(choice: Any, branches: Mapping[Any, str] | None, otherwise: str | None, *, several: bool) -> Draft:
    """Return the draft of a choice.

    Args:
        choice: dotted path of a field, ``module:function``, or a function of this process.
        branches: value → name of a step after it.
        otherwise: name of the step for any other value.
        several: whether the value may be a list.

    Raises:
        InvalidStepError: it cannot be a choice.
    """
    if not callable(choice) and not (isinstance(choice, str) and choice):
        raise InvalidStepError(
            step="choice",
            reason=f"chooses by {shown(choice)}: expected a field of the body, or a function of it",
            hint='such as `graph.choose("kind")`',
        )
    if callable(choice):
        check_takes_one("choice", choice)
    if branches is not None:
        _check_branches(branches)
    spec = StepSpec(
        name="choice",
        choice=choice if isinstance(choice, str) else _reference_of(choice),
        branches=freeze_mapping({branch_text(value): step for value, step in (branches or {}).items()}),  # type: ignore[arg-type]  # texts are JSON values
        otherwise=otherwise,
        several=several,
    )
    return Draft(spec, {} if isinstance(choice, str) else {"": choice})


def _check_branches(branches: Any) -> None:
    hint = 'such as `{"card": "by-card", "cash": "in-cash"}`; left out, the value is the name of the step'
    if not isinstance(branches, Mapping):
        raise InvalidStepError(
            step="choice", reason=f"has the branches {shown(branches)}: expected values and names of steps", hint=hint
        )
    for value, step in branches.items():
        if not isinstance(step, str):
            reason = f"has the branch {shown(value)}: expected the name of a step, found {shown(step)}"
            raise InvalidStepError(step="choice", reason=reason, hint=hint)


def describe_queue(stream: Any, settings: Mapping[str, Any]) -> Draft:
    """Return the draft of a queue.

    Raises:
        InvalidStepError: the name of the stream is no text.
    """
    if not isinstance(stream, str) or not stream:
        reason = f"is the queue {shown(stream)}: expected the name of a stream"
        raise InvalidStepError(step="queue", reason=reason, hint='such as `graph.queue("scored")`')
    return Draft(StepSpec(name=stream, queue=stream, arguments=_json_arguments(stream, settings)))


def _text_or(name: object, default: str) -> str:
    return name if isinstance(name, str) else default


def _refuse_arguments(step: str, arguments: Mapping[str, Any], what: str) -> None:
    if arguments:
        raise unknown_argument(step, next(iter(arguments)), what)


def _step(step: Any, name: str | None, arguments: Mapping[str, Any], handler: str | None) -> Draft:
    if isinstance(step, str):
        mistake = mistake_in_step(step)
        if mistake is not None:
            reason = f"is `{step}`, which {mistake[0]}"
            raise InvalidStepError(step=name or step or "step", reason=reason, hint=mistake[1])
        if step in BUILT_IN:
            check_step_target(name or step, BUILT_IN[step], handler, arguments)
        return _draft(step, {}, name, arguments)
    if type(step) in BUILT_IN.values():
        word = type(step).__name__
        _refuse_arguments(name or word, arguments, "an object of a built-in step")
        return _draft(word, {}, name, step.arguments)
    reference = _reference_of(step)
    shown_as = name or default_name(reference).strip("<>")
    maker = next((name for name in vars(Router) if getattr(Router, name) is step), None)
    if maker is not None:
        hint = f'call it: `Router.{maker}({{"m1": "models/m1.onnx"}})`'
        raise InvalidStepError(step=shown_as, reason=f"is `Router.{maker}` itself", hint=hint)
    check_step_target(shown_as, step, handler, arguments)
    if step in BUILT_IN.values():
        return _draft(step.__name__, {}, name, arguments)
    return _draft(reference, {"": step}, name, arguments)


def _draft(reference: str, targets: Mapping[str, Any], name: str | None, arguments: Mapping[str, Any]) -> Draft:
    chosen = name or default_name(reference)
    return Draft(StepSpec(name=chosen, step=reference, arguments=_json_arguments(chosen, arguments)), targets)


def _router(draft: RouterDraft, name: str) -> Draft:
    routes: list[RouteSpec] = []
    targets: dict[str, Any] = {}
    for key, route in draft.routes.items():
        spec, target = _route(name, key, route)
        routes.append(spec)
        if target is not None:
            targets[f".{spec.key}"] = target
    kind = draft.kind
    if not isinstance(kind, str):
        targets[""] = kind
        kind = _reference_of(kind)
    settings = _json_arguments(name, draft.settings)
    return Draft(StepSpec(name=name, router=kind, arguments=settings, routes=tuple(routes)), targets)


def _route(router: str, key: str, route: Route) -> tuple[RouteSpec, Any]:
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
