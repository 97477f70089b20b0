"""One call of a model for several requests, so that each gets what it would get alone (pure).

Only requests of the same :func:`shape_of` may be joined. When a joint call fails, it is repeated in halves, until each
failure is that of a single request.
"""

from __future__ import annotations

from itertools import accumulate, chain
from typing import TYPE_CHECKING, Any, TypeAlias

from ci_core.serving.base import ModelCall
from ci_core.serving.crashes import failure_of
from ci_core.serving.models.batch import Batch
from ci_core.serving.models.unobserved import UnobservedCall

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from numpy.typing import NDArray

    from ci_core.serving.base import Row

    Call: TypeAlias = Callable[[list[Row]], ModelCall]
    Clock: TypeAlias = Callable[[], float]
    Shape: TypeAlias = tuple[tuple[str, ...], tuple[str, ...]]
    Outcome: TypeAlias = ModelCall | Exception


def shape_of(rows: list[Row]) -> Shape:
    """Return what the rows of one call must have in common: their columns, and which of them hold text.

    A loader that is not told what a column holds reads it as text when there is text in it.
    """
    if len(rows) == 1:
        row = rows[0]
        if str not in map(type, row.values()):  # most often; a third of the time of the line below
            return tuple(row), ()
        return tuple(row), tuple([name for name, value in row.items() if value.__class__ is str])
    names = dict.fromkeys(name for row in rows for name in row)
    texts = {name for row in rows for name, value in row.items() if value.__class__ is str}
    return tuple(names), tuple(name for name in names if name in texts)


def call_together(
    call: Call, requests: Sequence[list[Row]], clock: Clock
) -> tuple[list[Outcome], list[tuple[int, float]]]:
    """Call the model for the rows of `requests` together, in halves when that fails.

    Returns:
        What each request gets, and rows and seconds of each call that succeeded.
    """
    sizes = [len(rows) for rows in requests]
    joined = requests[0] if len(requests) == 1 else list(chain.from_iterable(requests))
    began = clock()
    try:
        outcomes: list[Outcome] = [*split_call(call(joined), sizes)]
    except BaseException as raised:  # noqa: BLE001 - it reaches the request that caused it
        error = failure_of(raised)
        if len(requests) == 1:
            return [error], []
    else:
        return outcomes, [(len(joined), clock() - began)]
    half = len(requests) // 2
    first, first_durations = call_together(call, requests[:half], clock)
    second, second_durations = call_together(call, requests[half:], clock)
    return first + second, first_durations + second_durations


def split_call(call: ModelCall, sizes: Sequence[int]) -> list[ModelCall]:
    """Return the parts of a joint call that belong to each of its requests.

    Args:
        call: the joint one.
        sizes: rows of each request, in the order in which they were joined.

    Raises:
        ValueError: `call` has not as many answers, outputs or values of a column as there were rows.
    """
    if len(sizes) == 1:
        return [call]
    total = sum(sizes)
    slices = [slice(end - size, end) for size, end in zip(sizes, accumulate(sizes), strict=True)]
    if isinstance(call, UnobservedCall):
        _check_lengths((call.answers,), total)
        return [call.part(rows) for rows in slices]
    answers, columns, outputs = call.answers, call.columns, call.outputs
    _check_lengths((answers, outputs, *columns.values()), total)
    return [ModelCall(answers=answers[rows], columns=_part_of(columns, rows), outputs=outputs[rows]) for rows in slices]


def _check_lengths(parts: Iterable[Sequence[Any] | NDArray[Any]], total: int) -> None:
    if any(len(part) != total for part in parts):
        raise ValueError(f"the model did not answer each of {total} rows")


def _part_of(columns: Mapping[str, Any], rows: slice) -> Mapping[str, Any]:
    # a matrix is cut once, not once a column
    return columns.part(rows) if type(columns) is Batch else {name: values[rows] for name, values in columns.items()}
