"""Parts of a body by dotted paths: what ``input-path``, ``result-path``, choices and joins by key name."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ci_core.serving.problems import RequestError

if TYPE_CHECKING:
    from collections.abc import Sequence


def pick(body: Any, path: Sequence[str]) -> Any:
    """Return the part of `body` at `path`.

    Raises:
        RequestError: the body has no such part.
    """
    part = body
    for key in path:
        if not isinstance(part, dict) or key not in part:
            raise RequestError(f"the body has no `{'.'.join(path)}`")
        part = part[key]
    return part


def put(body: Any, path: Sequence[str], value: Any) -> Any:
    """Return a copy of `body` with `value` at `path`; `body` itself stays as it is.

    Raises:
        RequestError: something on the way is not an object.
    """
    if not path:
        return value
    if not isinstance(body, dict):
        raise RequestError(f"the body is no object, so it cannot hold `{'.'.join(path)}`")
    return {**body, path[0]: put(body.get(path[0], {}), path[1:], value)}
