"""Which columns of a request may hold no infinite number, as scikit-learn has it.

Its scalers and imputers refuse infinite numbers whatever comes after them; its encoders do so in a table of numbers
only: beside text, an infinite number is a category like any other. It follows from the transformations of a lowered
model, see ``transforms.py``.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np

from ci_core.serving.problems import RequestError

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

    from ci_core.serving.models.batch import Batch, Values

    Sources: TypeAlias = tuple[int | None, ...]
    """Of the columns of a table: which one of the request each was; None for those that were made."""


def refusing_columns(features: Mapping[str, Any], n_columns: int, *, has_text: bool) -> frozenset[int]:
    """Return the columns of a request that may not be infinite, whatever the estimator accepts.

    Args:
        features: a transformation.
        n_columns: of the request.
        has_text: whether one of them holds text.
    """
    refusing: set[int] = set()
    _follow(features, tuple(range(n_columns)), refusing, has_text=has_text)
    return frozenset(refusing)


def _follow(stored: Mapping[str, Any], sources: Sources, refusing: set[int], *, has_text: bool) -> tuple[Sources, bool]:
    """Add the columns that a transformation refuses; return the sources of those it makes, and whether one is text."""
    if stored["do"] == "chain":
        for step in stored["steps"]:
            sources, has_text = _follow(step, sources, refusing, has_text=has_text)
        return sources, has_text
    if stored["do"] == "join":
        made = [
            _follow(part["then"], tuple(sources[index] for index in part["columns"]), refusing, has_text=has_text)
            for part in stored["parts"]
        ]
        return tuple(one for part, _has_text in made for one in part), any(
            part_has_text for _part, part_has_text in made
        )
    if stored["do"] == "impute":
        if not stored["text"]:
            _add(sources, refusing)
        kept = tuple(sources[index] for index in stored["keep"])
        return (*kept, *(None for _ in stored["indicate"])), stored["text"]
    if stored["do"] == "lookup":
        if not has_text:
            _add(sources, refusing)
        return tuple(None for column in stored["columns"] for _ in range(column["width"] or 1)), False
    _add(sources, refusing)
    return sources, False


def _add(sources: Sources, refusing: set[int]) -> None:
    refusing.update(source for source in sources if source is not None)


def hides_infinite(stored: Mapping[str, Any]) -> bool:
    """Whether an infinite number may become a finite feature: by a limit, or as an unknown category."""
    if stored["do"] == "chain":
        return any(hides_infinite(step) for step in stored["steps"])
    if stored["do"] == "join":
        return any(hides_infinite(part["then"]) for part in stored["parts"])
    return stored["do"] == "lookup" or stored.get("clip") is not None


def refuse_infinite(batch: Batch, columns: Collection[int]) -> None:
    """Refuse infinite numbers in some columns.

    Raises:
        RequestError: there is one; the message names row and column.
    """
    if not batch.has_text and not np.isinf(batch.matrix).any():
        return
    for index, (name, values) in enumerate(batch.items()):
        row = _infinite_row(values) if index in columns else None
        if row is not None:
            raise RequestError(f"row {row}, column `{name}`: the number is infinite")


def _infinite_row(values: Values) -> int | None:
    if isinstance(values, list):
        return next((row for row, value in enumerate(values) if _is_infinite(value)), None)
    is_infinite = np.isinf(values)
    return int(is_infinite.argmax()) if is_infinite.any() else None


def _is_infinite(value: Any) -> bool:
    """Tell of text, too: scikit-learn reads it as a number where it wants one."""
    try:
        return math.isinf(float(value))
    except (TypeError, ValueError, OverflowError):
        return False
