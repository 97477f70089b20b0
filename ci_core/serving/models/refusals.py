"""Which value of a request a library refuses, found by asking it again: most libraries do not say.

Called after a call failed only, with its typed columns. A row is found by halving, and so is a column of it; a request
that fails costs about three calls of its size.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np

from ci_core.serving.missing import is_missing
from ci_core.serving.models.batch import Batch
from ci_core.serving.problems import RequestError, shown

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from ci_core.serving.models.batch import Values

MISSING = "the value is missing, and the model needs one"
_LARGEST_SINGLE = float(np.finfo(np.float32).max)


def find_refusal(
    batch: Batch, n_rows: int, stand_ins: Mapping[str, Any], is_taken: Callable[[Batch, int], bool]
) -> tuple[int | None, RequestError | None]:
    """Return the first row that the model refuses, and what is wrong with it; None for what cannot be found.

    Args:
        batch: that was refused.
        n_rows: of it.
        stand_ins: column that may be to blame → a value that the model takes there, a text or a number.
        is_taken: whether the model takes some rows; asked a few times.
    """
    row = _first(n_rows, lambda n: not is_taken(batch.part(slice(0, n)), n))
    alone = batch.part(slice(row, row + 1))
    if is_taken(alone, 1):  # it is the company that is refused
        return None, None
    own = dict(alone.items())
    suspects = [name for name in own if name in stand_ins and not _is_ordinary(_value(own[name]), stand_ins[name])]
    mended = {name: _column_of(stand_ins[name]) for name in suspects}
    if not suspects or not is_taken(Batch(alone.names, {**own, **mended}), 1):
        return row, None

    def is_refused(n: int) -> bool:
        rest = {name: mended[name] for name in suspects[n:]}
        return not is_taken(Batch(alone.names, {**own, **rest}), 1)

    name = suspects[_first(len(suspects), is_refused)]
    what = _what_is_wrong(_value(own[name]), stand_ins[name])
    return row, RequestError(f"row {row}, column `{name}`: {what}")


def _first(n: int, is_refused: Callable[[int], bool]) -> int:
    """Return the position of the first of `n` things that is refused, where all together are and the first k may be."""
    taken, refused = 0, n
    while refused - taken > 1:
        middle = (taken + refused) // 2
        if is_refused(middle):
            refused = middle
        else:
            taken = middle
    return refused - 1


def _value(values: Values) -> Any:
    return values[0] if isinstance(values, list) else values[0].item()


def _column_of(value: Any) -> Values:
    return [value] if isinstance(value, str) else np.array([value], dtype=np.float64)


def _is_ordinary(value: Any, stand_in: Any) -> bool:
    """Whether a value is a number like any other, where the model wants a number and not one of its categories."""
    return stand_in is ANY_NUMBER and isinstance(value, float | int) and abs(value) <= _LARGEST_SINGLE


ANY_NUMBER: float = 1.0
"""Stands in for a number that the model reads as a number; by identity, other than a category 1.0."""


def _what_is_wrong(value: Any, stand_in: Any) -> str:
    if is_missing(value):
        return MISSING
    if stand_in is not ANY_NUMBER:
        return f"unknown category {shown(value)}"
    if isinstance(value, str):
        return f"expected a number, found {shown(value)}"
    return "the number is infinite" if math.isinf(value) else "the number is too large"
