"""Make the objects whose classes users write: models and routers, with arguments from the graph."""

from __future__ import annotations

import inspect
from typing import TYPE_CHECKING, Any

from ci_core.errors import InvalidStepError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ci_core.serving.base import Context


def construct(cls: Any, arguments: Mapping[str, Any], context: Context, *, step: str, what: str) -> Any:
    """Return ``cls(**arguments)``, with ``context`` when its constructor has an argument of that name.

    Args:
        cls: of the user.
        arguments: JSON values.
        context: for those who ask for it.
        step: the step that needs it; for messages.
        what: what `cls` is to the step, such as ``the route `m1```; for messages.

    Raises:
        InvalidStepError: `cls` is no class, or the arguments do not fit.
        Exception: whatever the constructor raises.
    """
    if not inspect.isclass(cls):
        name = getattr(cls, "__name__", type(cls).__name__)
        raise InvalidStepError(step=step, reason=f"has {what}, and `{name}` is no class")
    signature = inspect.signature(cls)
    given = dict(arguments)
    if "context" in signature.parameters and "context" not in given:
        given["context"] = context
    try:
        signature.bind(**given)
    except TypeError as error:
        raise InvalidStepError(
            step=step,
            reason=f"has {what}, which cannot be constructed: {error}",
            hint=f"its class is `{cls.__name__}{signature}`",
        ) from error
    return cls(**given)
