"""Are routers and routes written as they must be? Asked where an author writes them, before any model is looked for."""

from __future__ import annotations

import inspect
import json
from collections.abc import Mapping
from pathlib import PurePath, PurePosixPath
from typing import TYPE_CHECKING, Any, get_args

from ci_core.errors import InvalidCallError, quoted
from ci_core.serving.call_check import hint_of_names
from ci_core.serving.problems import shown
from ci_core.serving.references import mistake_in_step
from ci_core.serving.spec import Load, Switch
from ci_core.serving.step_rules import is_seconds
from ci_core.serving.steps.suitable import router_hint_of_model

if TYPE_CHECKING:
    from ci_core.serving.routers.draft import Route

_EXAMPLE = 'such as `{"m1": "models/m1.onnx"}`'


def check_routes(call: str, routes: Any) -> None:
    """Refuse what is no mapping of names and models.

    Args:
        call: that was given them: ``Router.single``.
        routes: as the author gave them.

    Raises:
        InvalidCallError: they are none.
    """
    if isinstance(routes, str | list | tuple) and routes:
        paths = [routes] if isinstance(routes, str) else routes
        texts = [one for one in paths if isinstance(one, str)]
        meant = json.dumps({PurePosixPath(text).stem: text for text in texts})
        hint = f"give each a name: `{meant}`" if texts else _EXAMPLE
        raise InvalidCallError(call=call, reason=f"takes names and models, found {shown(routes)}", hint=hint)
    if not isinstance(routes, Mapping) or not routes:
        found = "none" if isinstance(routes, Mapping) else shown(routes)
        raise InvalidCallError(call=call, reason=f"takes names and models, found {found}", hint=_EXAMPLE)
    for name in routes:
        if not isinstance(name, str) or not name.partition(":")[0]:
            reason = f"has the name {shown(name)} for a model: expected a text"
            raise InvalidCallError(call=call, reason=reason, hint=_EXAMPLE)


def check_router_class(router: Any) -> None:
    """Refuse what can be no class of a router.

    Raises:
        InvalidCallError: it cannot.
    """
    if inspect.isclass(router):
        return
    if not isinstance(router, str):
        reason = f"takes the class of a router, found {_kind(router)}"
        raise InvalidCallError(
            call="Router.custom", reason=reason, hint="arguments of its constructor are keywords of `Router.custom`"
        )
    module, _, name = router.rpartition(".")
    form = f"did you mean `{module}:{name}`?" if module and name else "such as `serving.routing:ByCountry`"
    mistake = mistake_in_step(router) if ":" in router else ("is not of the form `module:Class`", form)
    if mistake is not None:
        reason = f"has the class `{router}`, which {mistake[0]}"
        raise InvalidCallError(call="Router.custom", reason=reason, hint=mistake[1])


def check_route(route: Route) -> None:
    """Refuse settings of a route that are not of their type.

    Raises:
        InvalidCallError: one is not.
    """
    _check_model(route.model)
    for name in ("columns", "trust"):
        value = getattr(route, name)
        if not isinstance(value, list | tuple) or not all(isinstance(one, str) for one in value):
            hint = f"such as `{name}=[{json.dumps(value)}]`" if isinstance(value, str) else None
            raise _wrong(name, value, "a list of texts", hint)
    if route.arguments is not None and not isinstance(route.arguments, Mapping):
        raise _wrong("arguments", route.arguments, "names and values", 'such as `arguments={"weight": 2.0}`')
    for name, words in (("load", get_args(Load)), ("batch", get_args(Switch)), ("lower", get_args(Switch))):
        value = getattr(route, name)
        if value not in words:
            switched = {True: "on", False: "off"}.get(value) if isinstance(value, bool) else None
            hint = f'write `{name}="{switched}"`' if switched else hint_of_names(str(value), words)
            raise _wrong(name, value, f"one of {quoted(words)}", hint)
    if type(route.max_batch_rows) is not int or route.max_batch_rows < 1:
        raise _wrong("max_batch_rows", route.max_batch_rows, "a whole number from 1")
    if not is_seconds(route.batch_window):
        raise _wrong("batch_window", route.batch_window, "a number of seconds from 0")


def _check_model(model: Any) -> None:
    if (isinstance(model, str) and model) or inspect.isclass(model):
        return
    if isinstance(model, PurePath):
        hint = f"give its path as a text: `{json.dumps(model.as_posix())}`"
    elif isinstance(model, Mapping) and "model" in model:
        hint = "a route with more than a model is written `Route(model, columns=[…])`"
    elif callable(getattr(model, "postprocess", None)):
        hint = (
            f"give its class, `{type(model).__name__}`; arguments by `Route({type(model).__name__}, arguments={{…}})`"
        )
    elif callable(getattr(model, "predict", None)):
        hint = router_hint_of_model(model)
    elif inspect.isroutine(model):
        hint = "a function is a step, `graph.to(function)`; a model is a file, or a class derived from `Model`"
    else:
        hint = 'give a file, or `Route("models/m1.onnx", columns=["age", "city"])`'
    raise InvalidCallError(call="Route", reason=f"has {_kind(model)} for a model", hint=hint)


def _wrong(name: str, value: object, expected: str, hint: str | None = None) -> InvalidCallError:
    return InvalidCallError(call="Route", reason=f"has the `{name}` {shown(value)}: expected {expected}", hint=hint)


def _kind(value: object) -> str:
    if value is None or isinstance(value, str | int | float | dict | list):
        return shown(value)
    return "a function" if inspect.isroutine(value) else f"an object of `{type(value).__name__}`"
