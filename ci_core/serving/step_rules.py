"""Do the settings of one step fit together? Pure; the graph around it is ``topology``'s question."""

from __future__ import annotations

from dataclasses import fields
from math import isfinite
from typing import TYPE_CHECKING, Any, Final, get_args

from ci_core.errors import InvalidStepError, quoted
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


def check_step(step: StepSpec) -> None:
    """Refuse settings that contradict each other.

    Raises:
        InvalidStepError: they do.
    """
    kinds = [kind for kind in ("step", "router", "choice", "queue", "graph") if getattr(step, kind)]
    if len(kinds) != 1:
        raise InvalidStepError(step=step.name, reason=f"is {' and '.join(kinds) or 'nothing'}; it must be one thing")
    defaults = {one.name: one.default for one in fields(step)}
    for name, allowed in _ONLY_OF.items():
        value = getattr(step, name)
        is_set = bool(value) if name in {"routes", "branches", "arguments"} else value != defaults[name]
        if is_set and kinds[0] not in allowed:
            word = {"arguments": "with", "timeout_s": "timeout", "responds": "respond"}.get(name, name).replace(
                "_", "-"
            )
            raise InvalidStepError(step=step.name, reason=f"is a {kinds[0]}, of which `{word}` says nothing")
    _check_join(step)
    _check_times(step)
    if step.queue is not None:
        Queue.of("", step)
    if step.graph is not None:
        _check_nested(step)


def _check_join(step: StepSpec) -> None:
    if step.join is not None and step.join not in get_args(Join):
        raise InvalidStepError(
            step=step.name, reason=f"joins by `{step.join}`", hint=f"there are {quoted(get_args(Join))}"
        )
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


def _check_times(step: StepSpec) -> None:
    """YAML is checked when it is read; Python may say anything."""
    times: tuple[tuple[str, Any, bool], ...] = (
        ("timeout", step.timeout_s, step.timeout_s is None or step.timeout_s != 0),
        ("retry_wait", step.retry_wait_s, True),
        ("retries", step.retries, isinstance(step.retries, int)),
    )
    for word, value, fits in times:
        is_time = isinstance(value, int | float) and not isinstance(value, bool) and isfinite(value) and value >= 0
        if value is not None and not (is_time and fits):
            raise InvalidStepError(step=step.name, reason=f"has the `{word}` {value!r}, which is no such number")


def _check_nested(step: StepSpec) -> None:
    for inner in step.graph.steps if step.graph is not None else ():
        if inner.queue is not None or inner.function is not None:
            what = "a queue" if inner.queue is not None else f"the function `{inner.function}`"
            raise InvalidStepError(
                step=step.name,
                reason=f"is a graph whose step `{inner.name}` has {what}",
                hint="queues and functions are of the outermost graph, which says how it is deployed",
            )
