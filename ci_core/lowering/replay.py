"""Ask the original and the lowered model the same rows, and say where they differ.

Beside the project's rows, some are made up from them: a missing value in each column, a text that no training data
has, numbers far out and infinite ones. Both models must answer alike there, too, or both refuse.
"""

from __future__ import annotations

import math
import warnings
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from ci_core.lowering.spec import Form
    from ci_core.serving.base import Row
    from ci_core.serving.models.base import Model

TOLERANCE: Mapping[Form, float] = {"numpy": 1e-6, "onnx": 1e-5}
"""Most that probabilities may differ by, and values of a regression in relation to themselves. Sums of trees are
float32, whose seven digits get lost in the sum of many."""
_CHUNK_ROWS = 256
_SINGLE_ROWS = 32
_MADE_UP_COLUMNS = 200
_NO_LEVEL = "\x00no such level"
_FAR_OUT = (1e30, 1e39, math.inf)
"""1e39 is a number that float32 does not have."""


def difference(original: Model, lowered: Model, rows: Sequence[Mapping[str, Any]], form: Form) -> str | None:
    """Return where two models differ; None when they answer alike.

    Args:
        original: the one to be replaced.
        lowered: the one to replace it.
        rows: of the project, at least one; with all columns the models read.
        form: of `lowered`.
    """
    tolerance = TOLERANCE[form]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of unknown categories, for one; the models are asked for them on purpose
        for requests, kind in ((_requests(rows), "a row of the project"), (_made_up(rows, original), "a made-up row")):
            for request in requests:
                found = _compare(_ask(original, request), _ask(lowered, request), tolerance)
                if found is not None:
                    return f"{found} for {kind}"
    return None


def _requests(rows: Sequence[Mapping[str, Any]]) -> Iterator[list[Row]]:
    """Yield the rows in requests of many and of one."""
    for start in range(0, len(rows), _CHUNK_ROWS):
        yield [dict(row) for row in rows[start : start + _CHUNK_ROWS]]
    for row in rows[:_SINGLE_ROWS]:
        yield [dict(row)]


def _made_up(rows: Sequence[Mapping[str, Any]], model: Model) -> Iterator[list[Row]]:
    for index, name in enumerate(model.input_columns[:_MADE_UP_COLUMNS]):
        base = dict(rows[index % len(rows)])
        is_text = any(isinstance(row[name], str) for row in rows)
        numbers = (0.0, *_FAR_OUT, *(-value for value in _FAR_OUT))
        changed: tuple[Any, ...] = (None, _NO_LEVEL, math.inf) if is_text else (None, *numbers)
        for value in changed:
            yield [{**base, name: value}]
    everything_missing = dict.fromkeys(model.input_columns)
    yield [everything_missing]


def _ask(model: Model, request: list[Row]) -> list[Any] | None:
    """Return a model's answers; None when it refuses the request, or fails."""
    try:
        return model.call(request).answers
    except Exception:  # noqa: BLE001 - scikit-learn refuses rows with exceptions of any kind
        return None


def _compare(original: list[Any] | None, lowered: list[Any] | None, tolerance: float) -> str | None:
    if original is None or lowered is None:
        if original is lowered:
            return None
        return "only the original answers" if lowered is None else "only the lowered form answers"
    for one, other in zip(original, lowered, strict=True):
        found = _compare_answers(one, other, tolerance)
        if found is not None:
            return found
    return None


def _compare_answers(original: Mapping[str, Any], lowered: Mapping[str, Any], tolerance: float) -> str | None:
    is_regression = "probability" not in original and isinstance(original["prediction"], float)
    if original.keys() != lowered.keys():
        return "the answers have other fields"
    if is_regression:
        expected, found = original["prediction"], lowered["prediction"]
        return (
            None
            if _is_close(expected, found, tolerance * max(1.0, abs(expected)))
            else _told("values", expected, found)
        )
    if original["prediction"] != lowered["prediction"] or type(original["prediction"]) is not type(
        lowered["prediction"]
    ):
        return _told("labels", original["prediction"], lowered["prediction"])
    expected, found = original.get("probability", 0.0), lowered.get("probability", 0.0)
    return None if _is_close(expected, found, tolerance) else _told("probabilities", expected, found)


def _is_close(expected: float, found: float, tolerance: float) -> bool:
    if math.isnan(expected) or math.isnan(found):
        return math.isnan(expected) and math.isnan(found)
    return expected == found or abs(expected - found) <= tolerance


def _told(what: str, expected: object, found: object) -> str:
    return f"the {what} differ ({expected!r} and {found!r})"
