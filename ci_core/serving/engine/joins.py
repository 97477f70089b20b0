"""How several inputs become one body. A function gets what arrived, at least one value, in the order of `after`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ci_core.serving.problems import RequestError
from ci_core.serving.steps.paths import pick

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from ci_core.serving.spec import Join, StepSpec


class UnfitPartError(Exception):
    """One of the inputs of a join is not what can be joined; :func:`blamed` tells whose fault that is.

    Args:
        does: what the join does.
        found: what it got.
        position: of the input among those that arrived.
        part: the input.
    """

    def __init__(self, does: str, found: str, position: int, part: Any) -> None:
        super().__init__(f"{does}, and got {found}")
        self.does, self.found, self.position, self.part = does, found, position, part


class JoinError(Exception):
    """Steps of the graph gave a join what it cannot join: nothing that the client could mend."""


def blamed(error: UnfitPartError, sources: Sequence[str], request: Any) -> Exception:
    """Return what the failure of a join is: the client's fault when it is its own body that cannot be joined.

    Args:
        error: of the join.
        sources: names of the steps whose results arrived, in order.
        request: body that the graph was called with.
    """
    if error.part is request:
        return RequestError(str(error))
    return JoinError(f"{error.does}, and the step `{sources[error.position]}` gave {error.found}")


def first(arrived: list[Any]) -> Any:
    """Return the one that arrived; of several the first."""
    return arrived[0]


def everything(arrived: list[Any]) -> list[Any]:
    """Return the list of what arrived."""
    return arrived


def join_of(step: StepSpec, join: Join) -> Callable[[list[Any]], Any]:
    """Return the function of a join.

    Args:
        step: that has the inputs.
        join: how, as the topology resolved it.
    """
    if join == "any":
        return first
    if join == "merge":
        return _merge(step.name)
    if join == "key":
        return _by_key(step.name, step.join_key or "")
    return everything


def _merge(name: str) -> Callable[[list[Any]], Any]:
    def merge(arrived: list[Any]) -> dict[str, Any]:
        merged: dict[str, Any] = {}
        for position, one in enumerate(arrived):
            if not isinstance(one, dict):
                raise UnfitPartError(f"the join `{name}` merges objects", f"a {type(one).__name__}", position, one)
            merged.update(one)
        return merged

    return merge


def _by_key(name: str, key: str) -> Callable[[list[Any]], Any]:
    path = key.split(".")

    def by_key(arrived: list[Any]) -> list[dict[str, Any]]:
        merged: dict[Any, dict[str, Any]] = {}
        for position, rows in enumerate(arrived):
            for row in rows if isinstance(rows, list) else [rows]:
                if not isinstance(row, dict):
                    found = f"a {type(row).__name__} among them"
                    raise UnfitPartError(f"the join `{name}` merges rows", found, position, rows)
                value = _key_of(row, position, rows)
                # true is no number: Python alone takes it for 1
                merged.setdefault((isinstance(value, bool), value), {}).update(row)
        return list(merged.values())

    def _key_of(row: dict[str, Any], position: int, rows: Any) -> Any:
        does = f"the join `{name}` merges rows by `{key}`"
        try:
            value = pick(row, path)
            hash(value)
        except RequestError as error:
            raise UnfitPartError(does, "a row without it", position, rows) from error
        except TypeError as error:
            raise UnfitPartError(does, f"a row in which it is a {type(value).__name__}", position, rows) from error
        return value

    return by_key
