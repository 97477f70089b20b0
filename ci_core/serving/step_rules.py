"""Do the settings of one step fit together? Pure; the graph around it is ``topology``'s question."""

from __future__ import annotations

from dataclasses import fields
from math import isfinite
from typing import TYPE_CHECKING, Final, get_args

from ci_core.errors import InvalidStepError, nearest, quoted
from ci_core.serving.problems import shown
from ci_core.serving.queues.base import Queue
from ci_core.serving.spec import Join

if TYPE_CHECKING:
    from ci_core.serving.spec import StepSpec

_ONLY_OF: Final = {
    "handler": ("step",),
    "routes": ("router",),
    "branches": ("choice",),
    "otherwise": ("choice",),
    "several": ("choice",),
    "arguments": ("step", "router", "queue"),
    "full_event": ("step",),
    "blocking": ("step", "router"),
    **dict.fromkeys(
        ("retries", "timeout_s", "function", "input_path", "result_path", "responds"), ("step", "router", "graph")
    ),
}
"""Setting → the kinds of step that it says something about."""

_REPEATING: Final = ("Remote", "BatchRemote")
"""Built-in steps that repeat what failed themselves, and only what is safe to repeat."""


_TEXTS: Final = ("handler", "join_key", "input_path", "result_path", "on_error", "back_to", "function", "otherwise")
_FLAGS: Final = ("full_event", "blocking", "responds", "several")
_WORDS: Final = {"arguments": "with", "timeout_s": "timeout", "retry_wait_s": "retry_wait", "responds": "respond"}
"""Field of the spec → what authors call it, where the two differ."""


def check_values(step: StepSpec) -> None:
    """Refuse settings that are not of their type: YAML is checked when it is read, Python may say anything.

    Raises:
        InvalidStepError: one is not.
    """
    for name in _TEXTS:
        value = getattr(step, name)
        if value is not None and not (isinstance(value, str) and value):
            raise _unfit(step, name, value, "text")
    for name in _FLAGS:
        if not isinstance(getattr(step, name), bool):
            raise _unfit(step, name, getattr(step, name), "true or false")
    if step.timeout_s is not None and not (is_seconds(step.timeout_s) and step.timeout_s):
        raise _unfit(step, "timeout_s", step.timeout_s, "a number of seconds above 0")
    if not is_seconds(step.retry_wait_s):
        raise _unfit(step, "retry_wait_s", step.retry_wait_s, "a number of seconds from 0")
    _check_repetitions(step)
    if step.join is not None and step.join not in get_args(Join):
        close = nearest(str(step.join), get_args(Join))
        hint = f"did you mean `{close}`?" if close else None
        raise _unfit(step, "join", step.join, f"one of {quoted(get_args(Join))}", hint)
    if step.queue is not None:
        Queue.of("", step)


def _check_repetitions(step: StepSpec) -> None:
    if type(step.retries) is not int or step.retries < 0:
        raise _unfit(step, "retries", step.retries, "a whole number from 0")
    if step.retries and step.step in _REPEATING:
        raise InvalidStepError(
            step=step.name,
            reason=f"is a `{step.step}`, which repeats its calls itself; `retries` beside that would multiply with it",
            hint=f"give the number to `{step.step}` alone: `steps.{step.step}(url, retries={step.retries})`, "
            f"in YAML `with: {{retries: {step.retries}}}`",
        )


def is_seconds(value: object) -> bool:
    """Whether a value is a finite number from 0."""
    return isinstance(value, int | float) and not isinstance(value, bool) and isfinite(value) and value >= 0


def _unfit(step: StepSpec, name: str, value: object, expected: str, hint: str | None = None) -> InvalidStepError:
    reason = f"has the `{_WORDS.get(name, name)}` {shown(value)}: expected {expected}"
    return InvalidStepError(step=step.name, reason=reason, hint=hint)


def check_step(step: StepSpec) -> None:
    """Refuse settings that are not of their type, or contradict each other.

    Raises:
        InvalidStepError: there is one.
    """
    check_values(step)
    kinds = [kind for kind in ("step", "router", "choice", "queue", "graph") if getattr(step, kind)]
    if len(kinds) != 1:
        raise InvalidStepError(step=step.name, reason=f"is {' and '.join(kinds) or 'nothing'}; it must be one thing")
    defaults = {one.name: one.default for one in fields(step)}
    for name, allowed in _ONLY_OF.items():
        value = getattr(step, name)
        is_set = bool(value) if name in {"routes", "branches", "arguments"} else value != defaults[name]
        if is_set and kinds[0] not in allowed:
            word = _WORDS.get(name, name).replace("_", "-")
            raise InvalidStepError(step=step.name, reason=f"is a {kinds[0]}, of which `{word}` says nothing")
    _check_join(step)
    if step.graph is not None:
        _check_nested(step)


def _check_join(step: StepSpec) -> None:
    if step.join is not None and len(step.after) < 2:  # noqa: PLR2004 - a join has two inputs at least
        raise InvalidStepError(
            step=step.name, reason=f"joins (`{step.join}`) and has no two inputs", hint="name them in its `after`"
        )
    if (step.join == "key") != (step.join_key is not None):
        raise InvalidStepError(
            step=step.name,
            reason="joins by key and names no `join-key`"
            if step.join == "key"
            else "names a `join-key` and no join by key",
            hint="a join by key has both: `join: key`, `join-key: user_id`",
        )


def _check_nested(step: StepSpec) -> None:
    for inner in step.graph.steps if step.graph is not None else ():
        if inner.queue is not None or inner.function is not None:
            what = "a queue" if inner.queue is not None else f"the function `{inner.function}`"
            raise InvalidStepError(
                step=step.name,
                reason=f"is a graph whose step `{inner.name}` has {what}",
                hint="queues and functions are of the outermost graph, which says how it is deployed",
            )
