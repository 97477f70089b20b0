"""Tell a wrong call of what makes a graph as one of our errors: which argument, and which was probably meant.

Only for what authors of graphs call while they write one; never for what runs with a request.
"""

from __future__ import annotations

import functools
import inspect
from typing import TYPE_CHECKING, Any, ParamSpec, TypeVar

from ci_core.errors import InvalidCallError, nearest, quoted

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

P = ParamSpec("P")
T = TypeVar("T")


def checks_call(name: str) -> Callable[[Callable[P, T]], Callable[P, T]]:
    """Return a decorator after which a call that does not fit is an :class:`InvalidCallError`.

    Args:
        name: of the function, as authors write it: ``Router.single``.
    """

    def decorate(function: Callable[P, T]) -> Callable[P, T]:
        @functools.wraps(function)
        def checked(*args: P.args, **kwargs: P.kwargs) -> T:
            signature = inspect.signature(function)
            try:
                signature.bind(*args, **kwargs)
            except TypeError as error:
                raise _wrong_call(name, signature, args, kwargs, str(error)) from None
            return function(*args, **kwargs)

        return checked

    return decorate


def checks_construction(cls: type[T]) -> type[T]:
    """Let calls of a class's constructor be checked like those of a function; returns the class."""
    constructor: Any = cls.__init__
    cls.__init__ = checks_call(cls.__name__)(constructor)  # type: ignore[method-assign]  # of the same signature
    return cls


def hint_of_names(name: str, known: Iterable[str]) -> str | None:
    """Return which of the known names was meant, or all of them; None when there are none."""
    names = tuple(known)
    close = nearest(name, names)
    return f"did you mean `{close}`?" if close else f"there are {quoted(names)}" if names else None


def _wrong_call(
    name: str, signature: inspect.Signature, args: tuple[Any, ...], kwargs: dict[str, Any], reason: str
) -> InvalidCallError:
    takes = {key: one for key, one in signature.parameters.items() if key not in {"self", "context"}}
    for key in kwargs:
        if key not in signature.parameters:
            return InvalidCallError(call=name, reason=f"takes no argument `{key}`", hint=hint_of_names(key, takes))
    given = set(list(signature.parameters)[: len(args)]) | set(kwargs)
    open_ends = (inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD)
    missing = [key for key, one in takes.items() if one.default is one.empty and one.kind not in open_ends]
    for key in missing:
        if key not in given:
            return InvalidCallError(call=name, reason=f"lacks the argument `{key}`", hint=f"it takes {quoted(takes)}")
    return InvalidCallError(call=name, reason=f"cannot be called so: {reason}", hint=f"it takes {quoted(takes)}")
