"""Are the settings of built-in steps and routers right? Asked when a graph is loaded, so that its file's line is told.

Nothing of the user is constructed and no model is loaded: what that shows is told when the graph is compiled.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from ci_core.errors import InvalidStepError
from ci_core.serving.routers.build import check_settings
from ci_core.serving.spec import thaw
from ci_core.serving.steps import BUILT_IN
from ci_core.serving.steps.adapt import construct

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ci_core.serving.spec import GraphSpec, StepSpec


def check_all_settings(spec: GraphSpec) -> None:
    """Refuse a graph whose built-in steps cannot be constructed, or whose routers have wrong settings.

    Raises:
        InvalidStepError: a setting is wrong.
    """
    for step in _steps(spec):
        if step.router is not None:
            check_settings(step)
        if step.step in BUILT_IN:
            _check_step(step)


def _steps(spec: GraphSpec, prefix: str = "") -> Iterator[StepSpec]:
    """Yield the steps of a graph and of those in it, by their full names."""
    for step in spec.steps:
        yield replace(step, name=f"{prefix}{step.name}")
        if step.graph is not None:
            yield from _steps(step.graph, f"{prefix}{step.name}/")


def _check_step(step: StepSpec) -> None:
    arguments: Any = thaw(step.arguments)
    nothing: Any = None  # for the context: no secret is taken, no connection is made
    try:
        construct(step.name, BUILT_IN[step.step], arguments, nothing)
    except InvalidStepError as error:  # it knows its class, not its name
        raise InvalidStepError(step=step.name, reason=error.reason, hint=error.hint) from None
