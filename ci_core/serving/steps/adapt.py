"""Turn what a graph names as a step into something the engine can call.

A step may be a function, a class (constructed once with its arguments), or an object; it may take the body or the
whole event, be sync or async, and ask for the :class:`Context` by an argument called ``context``.
"""

from __future__ import annotations

import functools
import inspect
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ci_core.errors import InvalidStepError, nearest, quoted
from ci_core.serving.event import Event
from ci_core.serving.steps.paths import pick_of_rows, put_into_rows
from ci_core.serving.steps.suitable import check_step_target, check_takes_one, is_step_class, unknown_argument

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from ci_core.serving.base import Context
    from ci_core.serving.spec import StepSpec


@dataclass(frozen=True, slots=True, kw_only=True)
class CallableStep:
    """A step, ready to be called.

    Attributes:
        name: of the step, those of nested graphs with the name of the outer step: ``outer/inner``.
        call: ``call(body)``, or ``call(body, event)`` when `wants_event`; returns the new body, or an awaitable of it.
        wants_event: whether `call` takes the event too.
        is_async: whether the result must be awaited.
        number: index into ``plan.steps``.
        timed_call: of what runs several steps: the same as `call`, with its steps timed where that can be.
        resources: what the step owns that may have ``start()`` and ``close()``.
    """

    name: str
    call: Callable[..., Any]
    wants_event: bool = False
    is_async: bool = False
    number: int = 0
    timed_call: Callable[..., Any] | None = None
    resources: tuple[Any, ...] = ()

    @property
    def is_graph(self) -> bool:
        """Whether it is a nested graph, or steps in another process."""
        return self.timed_call is not None


def adapt_step(spec: StepSpec, target: Any, arguments: Mapping[str, Any], context: Context) -> CallableStep:
    """Return the callable of a step.

    Args:
        spec: says whether it wants the event, and which parts of the body it reads and writes.
        target: the function, class or object that the spec refers to.
        arguments: for the constructor of a class.
        context: given to whoever asks for it.

    Raises:
        InvalidStepError: `target` cannot be called, or its arguments do not fit.
        Exception: whatever the user's constructor raises.
    """
    check_step_target(spec.name, target, spec.handler, arguments)
    if inspect.isclass(target) and is_step_class(target, spec.handler):
        target = construct(spec.name, target, arguments, context)
    function, full_event = _entry(spec, target)
    check_takes_one(spec.name, function, "the event" if full_event else "the body")
    function, is_async = with_context(function, context)
    call = _with_event(function, is_async=is_async) if full_event else function
    call = with_paths(call, spec, is_async=is_async)
    return CallableStep(
        name=spec.name,
        call=call,
        wants_event=full_event,
        is_async=is_async,
        # steps in another process: a failure says which of them it was
        timed_call=call if getattr(target, "is_graph", False) is True else None,
        resources=(target,),
    )


def construct(step: str, cls: type, arguments: Mapping[str, Any], context: Context) -> Any:
    """Return an object of a user's class, made with `arguments`, and with the context if its constructor takes one.

    Raises:
        InvalidStepError: the arguments do not fit.
        Exception: whatever the constructor raises.
    """
    given = dict(arguments)
    try:
        signature = inspect.signature(cls)
    except ValueError:  # a class written in C without a signature
        return cls(**given)
    if "context" in signature.parameters and "context" not in given:
        given["context"] = context
    try:
        signature.bind(**given)
    except TypeError as error:
        raise _wrong_arguments(step, cls, signature, given, str(error)) from error
    return cls(**given)


def _wrong_arguments(
    step: str, cls: type, signature: inspect.Signature, given: Mapping[str, Any], reason: str
) -> InvalidStepError:
    takes = [name for name in signature.parameters if name != "context"]
    takes_any = any(one.kind is one.VAR_KEYWORD for one in signature.parameters.values())
    for name in given if not takes_any else ():
        if name not in signature.parameters:
            return unknown_argument(step, name, f"of the class `{cls.__name__}`", takes)
    hint = f"`{cls.__name__}` takes {quoted(takes) or 'none'}"
    return InvalidStepError(step=step, reason=f"cannot be constructed: {reason}", hint=hint)


def _entry(spec: StepSpec, target: Any) -> tuple[Callable[..., Any], bool]:
    """Return the function to call and whether it takes the whole event."""
    if spec.handler is not None:
        return _method(spec, target, spec.handler), spec.full_event or spec.handler == "do_event"
    if callable(getattr(target, "do_event", None)):
        return target.do_event, True
    if callable(getattr(target, "do", None)):
        return target.do, spec.full_event
    return target, spec.full_event


def _method(spec: StepSpec, target: Any, name: str) -> Callable[..., Any]:
    method = getattr(target, name, None)
    if inspect.isclass(target) or not callable(method):
        raise _no_handler(spec.name, target, name)
    found: Callable[..., Any] = method
    return found


def _no_handler(step: str, target: Any, name: str) -> InvalidStepError:
    if inspect.isroutine(target):
        hint = "a handler is a method of a class; a function is called itself"
        return InvalidStepError(step=step, reason=f"has the handler `{name}`, and is a function", hint=hint)
    methods = [one for one in dir(target) if not one.startswith("_") and callable(getattr(target, one, None))]
    close = nearest(name, methods)
    hint = f"did you mean `{close}`?" if close else f"it has {quoted(methods) or 'none'}"
    return InvalidStepError(step=step, reason=f"has the handler `{name}`, and its class has no such method", hint=hint)


def with_context(function: Callable[..., Any], context: Context) -> tuple[Callable[..., Any], bool]:
    """Return `function`, with the context bound if it asks for one, and whether it is a coroutine function."""
    is_async = _is_coroutine_function(function)
    try:
        asks = "context" in inspect.signature(function).parameters
    except (TypeError, ValueError):  # written in C, without a signature
        asks = False
    return functools.partial(function, context=context) if asks else function, is_async


def _is_coroutine_function(function: Callable[..., Any]) -> bool:
    if isinstance(function, functools.partial):
        return _is_coroutine_function(function.func)
    if inspect.iscoroutinefunction(function):
        return True
    # an object with `async def __call__`
    return any(inspect.iscoroutinefunction(vars(one).get("__call__")) for one in type(function).__mro__)


def _with_event(function: Callable[..., Any], *, is_async: bool) -> Callable[..., Any]:
    """Wrap a function of an event as one of body and event; an event that comes back stands for its body."""
    if is_async:

        async def call_async(body: Any, event: Event) -> Any:
            event.body = body
            result = await function(event)
            return result.body if isinstance(result, Event) else result

        return call_async

    def call(body: Any, event: Event) -> Any:
        event.body = body
        result = function(event)
        return result.body if isinstance(result, Event) else result

    return call


def with_paths(call: Callable[..., Any], spec: StepSpec, *, is_async: bool) -> Callable[..., Any]:
    """Wrap a call so that it reads ``input_path`` of the body, or of its rows, and writes ``result_path``."""
    if spec.input_path is None and spec.result_path is None:
        return call
    source = spec.input_path.split(".") if spec.input_path else []
    sink = spec.result_path.split(".") if spec.result_path else []

    if is_async:

        async def through_async(body: Any, *event: Event) -> Any:
            return put_into_rows(body, sink, await call(pick_of_rows(body, source), *event))

        return through_async

    def through(body: Any, *event: Event) -> Any:
        return put_into_rows(body, sink, call(pick_of_rows(body, source), *event))

    return through
