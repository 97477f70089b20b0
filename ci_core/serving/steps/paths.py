"""Parts of a body by dotted paths: what ``input-path``, ``result-path``, choices and joins by key name."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ci_core.serving.problems import RequestError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence


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


def pick_of_rows(body: Any, path: Sequence[str]) -> Any:
    """Return the part of `body` at `path`; of a list the parts of its rows.

    Raises:
        RequestError: the body, or a row of it, has no such part.
    """
    if not path or not isinstance(body, list):
        return pick(body, path)
    return [_of_row(index, pick, row, path) for index, row in enumerate(body)]


def put_into_rows(body: Any, path: Sequence[str], value: Any) -> Any:
    """Return a copy of `body` with `value` at `path`; of a list a list in which each row has its own part of `value`.

    Raises:
        RequestError: something on the way is not an object, or the value is no list of one part for each row.
    """
    if not path or not isinstance(body, list):
        return put(body, path, value)
    if not isinstance(value, list) or len(value) != len(body):
        found = f"a list of {len(value)}" if isinstance(value, list) else f"a {type(value).__name__}"
        raise RequestError(
            f"the body is a list of {len(body)}, and what is to be put into its `{'.'.join(path)}` is {found}"
        )
    return [_of_row(index, put, row, path, part) for index, (row, part) in enumerate(zip(body, value, strict=True))]


def _of_row(index: int, call: Callable[..., Any], *arguments: Any) -> Any:
    try:
        return call(*arguments)
    except RequestError as error:
        raise RequestError(f"row {index}: {error.message}") from None


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
