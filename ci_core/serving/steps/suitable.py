"""Can this be a step? Asked when a graph is built and again when it is compiled, so that no first event finds out.

Beginners give a model, a class without a method to call, or what a function returned; each is told what to do instead.
"""

from __future__ import annotations

import inspect
from typing import TYPE_CHECKING, Any

from ci_core.errors import InvalidStepError, nearest, quoted
from ci_core.serving.problems import shown
from ci_core.serving.step_options import OPTIONS, PLACES

if TYPE_CHECKING:
    from collections.abc import Iterable

_STEP_METHODS = ("do", "do_event", "__call__")
_NAMED_NOT_CALLED = "a function is given by its name, `graph.to(clean)`, not by its result, `graph.to(clean(body))`"
_WANTED = "a step is a function, or a class with a method `do(self, body)` or `do_event(self, event)`"


def is_step_class(cls: type, handler: str | None = None) -> bool:
    """Whether instances of `cls` are called, rather than the class itself: ``str`` and ``list`` are functions here."""
    names = (*_STEP_METHODS, handler)
    return any(inspect.isroutine(vars(one).get(name)) for one in cls.__mro__ for name in names if name is not None)


def check_step_target(step: str, target: Any, handler: str | None, arguments: Iterable[str]) -> None:
    """Refuse what cannot be called as a step, and arguments that its constructor does not take.

    Args:
        step: its name.
        target: function, class or object.
        handler: the method to call instead of ``do``.
        arguments: names of those for the constructor.

    Raises:
        InvalidStepError: with what to give instead.
    """
    if inspect.isclass(target) and is_step_class(target, handler):
        _check_arguments(step, target, arguments)
        return
    if inspect.isclass(target):
        _check_conversion(step, target, handler)
    elif handler is None and not any(callable(getattr(target, name, None)) for name in _STEP_METHODS):
        raise _no_step(step, target)
    elif inspect.isfunction(target) or inspect.ismethod(target):
        check_takes_one(step, target)
    for name in arguments:
        raise unknown_argument(step, name, "a function" if callable(target) else "an object")


def check_takes_one(step: str, function: Any, given: str = "the body") -> None:
    """Refuse a function that cannot be called with one argument, and perhaps the context beside it.

    Raises:
        InvalidStepError: it cannot.
    """
    if inspect.isgeneratorfunction(function) or inspect.isasyncgenfunction(function):
        raise InvalidStepError(
            step=step, reason="is a generator, and a step has one result", hint="return a list instead of `yield`"
        )
    try:
        signature = inspect.signature(function)
    except (TypeError, ValueError):  # written in C, without a signature
        return
    context = {"context": None} if "context" in signature.parameters else {}
    try:
        signature.bind(None, **context)
    except TypeError:
        pass
    else:
        return
    needed = [
        one.name
        for one in signature.parameters.values()
        if one.default is one.empty and one.kind not in {one.VAR_POSITIONAL, one.VAR_KEYWORD} and one.name != "context"
    ]
    raise InvalidStepError(
        step=step,
        reason=f"takes {quoted(needed) or 'no argument'}, and is called with one argument, {given}",
        hint=f"give `{needed[-1]}` a default, or make it a class: what stays the same is for its constructor"
        if len(needed) > 1
        else f"give it one parameter, {given}",
    )


def unknown_argument(step: str, name: str, what: str, known: Iterable[str] = ()) -> InvalidStepError:
    """Return the error for a keyword that is neither an option of steps nor an argument of the step's constructor.

    Args:
        step: that was given it.
        name: the keyword.
        what: the step is, ``a function``; or whose constructor lacks it.
        known: arguments of that constructor.
    """
    takes = tuple(one for one in known if one != "context")
    close = nearest(name, (*takes, *OPTIONS, *PLACES))
    hints = {
        "a function": f"make it a class with `__init__(self, {name})` and `do(self, body)`",
        "a router": "settings of a router are given to `Router`, those of a model to `Route`",
        "a graph": f"options of a step are {quoted(OPTIONS)}",
    }
    hint = f"did you mean `{close}`?" if close else hints.get(what, f"it takes {quoted(takes) or 'none'}")
    return InvalidStepError(step=step, reason=f"is {what}, and takes no argument `{name}`", hint=hint)


def _check_arguments(step: str, cls: type, arguments: Iterable[str]) -> None:
    """Refuse keywords that a constructor does not take; what else is wrong is told when it is called."""
    try:
        parameters = inspect.signature(cls).parameters
    except ValueError:  # a class written in C without a signature
        return
    if any(one.kind is one.VAR_KEYWORD for one in parameters.values()):
        return
    for name in arguments:
        if name not in parameters:
            raise unknown_argument(step, name, f"of the class `{cls.__name__}`", parameters)


def _check_conversion(step: str, cls: type, handler: str | None) -> None:
    """Let classes of Python itself be functions of the body, ``float``; refuse others, which nothing calls."""
    if handler is not None or cls.__module__ == "builtins":
        return
    if cls.__name__ == "Router" and cls.__module__.startswith("ci_core."):
        raise InvalidStepError(step=step, reason="is `Router` itself", hint=_router_hint('"models/m1.onnx"'))
    if callable(getattr(cls, "predict", None)):
        raise InvalidStepError(
            step=step, reason=f"is the model `{cls.__name__}`, which a router asks", hint=_router_hint(cls.__name__)
        )
    methods = [one for one in dir(cls) if not one.startswith("_") and callable(getattr(cls, one, None))]
    other = f", or name its method: `handler={methods[0]!r}`" if methods else ""
    raise InvalidStepError(
        step=step,
        reason=f"is the class `{cls.__name__}`, which has no method that a step is called by",
        hint=f"give it `do(self, body)`{other}; for an object of each body write `lambda body: {cls.__name__}(body)`",
    )


def _no_step(step: str, target: Any) -> InvalidStepError:
    cls = type(target)
    is_ours = cls.__module__.startswith("ci_core.serving.")
    if target is None or isinstance(target, int | float | bytes | dict):
        what = "None" if target is None else shown(target)
        return InvalidStepError(step=step, reason=f"is {what}, which cannot be called", hint=_NAMED_NOT_CALLED)
    if isinstance(target, list | tuple):
        hint = "add one step after the other: `graph.to(first).to(second)`"
    elif is_ours and cls.__name__ in {"Route", "Router"}:
        hint = _router_hint('Route("models/m1.onnx")')
    elif is_ours and cls.__name__ == "Node":
        hint = "a step that is in the graph is named as an input: `graph.add_step(step, after=[one, other])`"
    elif callable(getattr(target, "predict", None)):
        hint = router_hint_of_model(target)
    else:
        hint = _WANTED
    return InvalidStepError(step=step, reason=f"is an object of `{cls.__name__}`, which cannot be called", hint=hint)


def router_hint_of_model(model: object) -> str:
    """Return how an object with a ``predict`` gets into a graph."""
    name = type(model).__name__
    if callable(getattr(model, "postprocess", None)):  # of a class derived from ours
        return f"{_router_hint(name)}: the class, which is constructed when the graph is compiled"
    router = _router_hint('"models/m1.skops"')
    return f"save it to a file, by `skops.io.dump` or as ONNX, and write {router}"


def _router_hint(model: str) -> str:
    return f'`graph.to(Router.single({{"m1": {model}}}))`'
