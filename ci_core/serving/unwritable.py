"""Why a result cannot be written as JSON, and whose fault that is; asked once something failed, so it may take time.

orjson writes 254 levels and reads 1024: a body between the two can be read, and not be written again as it is.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import orjson

from ci_core.serving.json_options import JSON_OPTIONS
from ci_core.serving.topology import check

if TYPE_CHECKING:
    from collections.abc import Iterable

    from ci_core.serving.event import Event
    from ci_core.serving.spec import GraphSpec

MOST_LEVELS: Final = 200
"""Of a client's body that can be expected to work: less than what is written, as a graph may put something around."""

_WRITTEN_LEVELS: Final = 254


class UnwritableAnswerError(TypeError):
    """What the graph answers is no JSON."""


def unwritable(result: Any, raised: Exception) -> Exception:
    """Return the error that says where in a result the fault lies; `raised` itself when the result has none.

    Args:
        result: of the graph.
        raised: when it was to be written.
    """
    keys: list[str] = []
    part = result
    while (found := _first_at_fault(part)) is not None and len(keys) <= _WRITTEN_LEVELS:
        key, part = found
        keys.append(f"[{key}]" if isinstance(key, int) else f".{key:.40}")
    if not keys and _is_writable(part):
        return raised
    place = "".join(keys[:8]).removeprefix(".")
    where = "it" if not keys else f"`{place}{'…' if len(keys) > 8 else ''}`"  # noqa: PLR2004 - enough to find it
    return UnwritableAnswerError(f"the answer cannot be written as JSON: {where} {_fault(part)}")


def check_writable(result: Any) -> None:
    """Make sure that a server could write what a graph answers.

    Raises:
        UnwritableAnswerError: it is no JSON.
    """
    try:
        orjson.dumps(result, option=JSON_OPTIONS)
    except TypeError as error:
        raise unwritable(result, error) from error.__cause__


def answering_step(spec: GraphSpec, event: Event | None) -> str:
    """Return the step whose result is the answer; of several that may have been, all."""
    steps = {step.name: step for step in spec.steps}
    # of a failure in a nested graph it is the step that has the graph whose handler was asked
    failed = steps.get(event.error.step.partition("/")[0]) if event is not None and event.error is not None else None
    handler = (failed.on_error or spec.on_error) if failed is not None else None
    if handler is not None and steps[handler].back_to is None:
        return handler
    return " or ".join(check(spec).answers)


def is_nested_too_deep(body: bytes) -> bool:
    """Whether a JSON body has more levels than can be expected to work."""
    if body.count(b"[") + body.count(b"{") <= MOST_LEVELS:
        return False
    level = [orjson.loads(body)]
    for _ in range(MOST_LEVELS):
        level = [part for one in level for part in _parts(one) if isinstance(part, dict | list)]
        if not level:
            return False
    return True


def _parts(value: Any) -> Iterable[Any]:
    return value.values() if isinstance(value, dict) else value


def _first_at_fault(value: Any) -> tuple[Any, Any] | None:
    """Return the first part of a container that cannot be written, with its key."""
    items: Iterable[tuple[Any, Any]] = ()
    if isinstance(value, dict):
        items = ((str(key), part) for key, part in value.items())
    elif isinstance(value, list | tuple):
        items = enumerate(value)
    return next(((key, part) for key, part in items if not _is_writable(part)), None)


def _is_writable(value: Any) -> bool:
    try:
        orjson.dumps(value, option=JSON_OPTIONS)
    except TypeError:
        return False
    return True


def _fault(value: Any) -> str:
    if isinstance(value, dict) and not _is_writable(dict.fromkeys(value)):
        key = next(key for key in value if not _is_writable({key: None}))
        return f"has a key of type `{type(key).__name__}`"
    if isinstance(value, dict | list | tuple):
        return f"is nested deeper than {_WRITTEN_LEVELS} levels, or contains itself"
    if isinstance(value, str):
        return "is text that is no Unicode"
    if isinstance(value, int):
        return "is an integer of more than 64 bits"
    return f"is of type `{type(value).__name__}`"
