"""Which steps handle errors, and where may they lead back to? Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ci_core.errors import InvalidStepError
from ci_core.serving.neighbours import upstream
from ci_core.serving.spec import REQUEST

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ci_core.serving.spec import GraphSpec


def error_handlers(spec: GraphSpec) -> tuple[str, ...]:
    """Return the steps that serve as error handlers; such a step has no other place in the graph.

    Raises:
        InvalidStepError: one has, or a step that handles no errors leads back.
    """
    named = {step.on_error for step in spec.steps} | {spec.on_error}
    for step in spec.steps:
        if step.name not in named:
            if step.back_to is not None:
                raise InvalidStepError(
                    step=step.name,
                    reason=f"leads back to `{step.back_to}` and handles no errors",
                    hint="`back-to` is of error handlers; name the step before in `after`",
                )
            continue
        if step.after or step.responds or any(step.name in other.after for other in spec.steps):
            raise InvalidStepError(
                step=step.name,
                reason="handles errors and has a place in the flow as well",
                hint="its result is the answer of a failed event; use a step of its own for the flow",
            )
        if step.on_error is not None:
            raise InvalidStepError(step=step.name, reason="handles errors and has an error handler of its own")
        if step.choice is not None or step.queue is not None:
            raise InvalidStepError(step=step.name, reason=f"handles errors and is a {step.kind}")
    return tuple(step.name for step in spec.steps if step.name in named)


def check_ways_back(spec: GraphSpec, behind: Mapping[str, str]) -> None:
    """Make sure that ways back lead from a handler to one step after the one that failed.

    Args:
        spec: of the graph.
        behind: step → the queue that it gets its messages from.

    Raises:
        InvalidStepError: one leads elsewhere.
    """
    steps = {step.name: step for step in spec.steps}
    if spec.on_error is not None and steps[spec.on_error].back_to is not None:
        raise InvalidStepError(
            step=spec.on_error,
            reason="handles the errors of the whole graph and leads back into the flow",
            hint="only the handler of one step knows where the flow goes on",
        )
    for step in spec.steps:
        target = steps[step.on_error].back_to if step.on_error is not None else None
        if target is None or step.on_error is None:
            continue
        if entry_of_way_back(spec, step.name, target) is None or behind.get(target) != behind.get(step.name):
            raise InvalidStepError(
                step=step.on_error,
                reason=f"handles errors of `{step.name}` and leads back to `{target}`",
                hint=f"it may lead to a step with one input that comes from `{step.name}`, and before any queue",
            )


def entry_of_way_back(spec: GraphSpec, failed: str, target: str) -> str | None:
    """Return the input of `target` that an error handler's result stands for; None when there is not just one.

    Args:
        spec: whose steps these are.
        failed: the step whose handler leads back.
        target: the step at which the flow goes on.
    """
    after = next(step.after for step in spec.steps if step.name == target)
    entries = [one for one in after if one == failed or (one != REQUEST and failed in upstream(spec, one))]
    return entries[0] if len(entries) == 1 else None
