"""One row of a few numbers through a lowered linear model, in plain Python.

Each call of numpy costs most of a microsecond, however small the arrays; for one row that is nearly all of the time.
Python's own arithmetic is the same IEEE 754, so that results differ from numpy's in the last digit at most: where numpy
adds products in another order, or computes an exponential by another method.

Whatever is out of the ordinary is left to numpy and its checks: missing and infinite values, text, a column that is not
there, a number that becomes too large.
"""

from __future__ import annotations

import operator
from math import exp, isfinite, log1p
from typing import TYPE_CHECKING, Any, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from ci_core.serving.base import Row
    from ci_core.types import JsonValue

    Operation: TypeAlias = tuple[Callable[[float, float], float], tuple[float, ...]]
    Link: TypeAlias = Callable[[list[float]], list[float]]

_MOST_PRODUCTS = 64
"""Of features and scores: beyond that numpy is as fast."""
_MOST_COLUMNS = 16
_NUMBERS = frozenset({float, int, bool})
_NUMERIC = frozenset({"number", "any"})
_BINARY = 2
_OPERATIONS: Mapping[str, Callable[[float, float], float]] = {
    "add": operator.add,
    "subtract": operator.sub,
    "multiply": operator.mul,
    "divide": operator.truediv,
}


class OneRow:
    """A lowered linear model for one row.

    Args:
        pick: returns the values of a row, in the model's order.
        operations: done to the features, one after the other.
        scores: weights and offset of each.
        link: from scores to values, or to one value a class.
        labels: of the classes; None for a regression.
        tells_probabilities: whether the link gives probabilities.
    """

    __slots__ = ("_labels", "_link", "_operations", "_pick", "_scores", "_tells_probabilities")

    def __init__(
        self,
        pick: Callable[[Row], tuple[Any, ...]],
        operations: Sequence[Operation],
        scores: Sequence[tuple[tuple[float, ...], float]],
        link: Link,
        labels: list[JsonValue] | None,
        *,
        tells_probabilities: bool,
    ) -> None:
        self._pick, self._operations, self._scores, self._link = pick, tuple(operations), tuple(scores), link
        self._labels, self._tells_probabilities = labels, tells_probabilities

    def answer(self, row: Row) -> dict[str, JsonValue] | None:
        """Return the answer to a row as ``Prediction.answers`` gives it, or None: numpy is to find out."""
        try:
            values: Iterable[float] = self._pick(row)
            if not _NUMBERS.issuperset(map(type, values)):
                return None
            for operation, operands in self._operations:
                values = map(operation, values, operands)
            features = list(values)
            scores = [sum(map(operator.mul, features, weights)) + offset for weights, offset in self._scores]
            if not isfinite(sum(features) + sum(scores)):
                return None
            told = self._link(scores)
        except (KeyError, OverflowError):
            return None
        if self._labels is None:
            return {"prediction": told[0]}
        largest = max(told)
        label = self._labels[told.index(largest)]
        if not self._tells_probabilities:
            return {"prediction": label}
        return {"prediction": label, "probability": told[1] if len(told) == _BINARY else largest}


def build_one_row(
    stored: Mapping[str, Any], pick: Callable[[Row], tuple[Any, ...]], labels: list[JsonValue] | None
) -> OneRow | None:
    """Return the model for one row; None when it is not one of few numbers, scaled and added up.

    Args:
        stored: the lowered model, see ``lowered.py``.
        pick: returns the values of a row.
        labels: of the classes; None for a regression.
    """
    operations = _operations(stored["features"])
    score, link = stored["score"], _LINKS.get(stored["link"])
    n_columns = len(stored["kinds"])
    if operations is None or link is None or "weights" not in score:
        return None
    if n_columns > _MOST_COLUMNS or n_columns * len(score["weights"]) > _MOST_PRODUCTS:
        return None
    if not _NUMERIC.issuperset(stored["kinds"]):
        return None
    scores = [
        (_floats(weights), float(offset)) for weights, offset in zip(score["weights"], score["offsets"], strict=True)
    ]
    function, tells_probabilities = link
    return OneRow(pick, operations, scores, function, labels, tells_probabilities=tells_probabilities)


def _operations(features: Mapping[str, Any]) -> list[Operation] | None:
    """Return what is done to each of the columns; None when it is more than arithmetic."""
    steps = features["steps"] if features["do"] == "chain" else [features]
    operations: list[Operation] = []
    for step in steps:
        if step["do"] == "chain":
            inner = _operations(step)
            if inner is None:
                return None
            operations += inner
        elif step["do"] == "arithmetic" and step["clip"] is None:
            operations += [(_OPERATIONS[name], _floats(values)) for name, values in step["ops"]]
        else:
            return None
    is_sound = all(operation is not operator.truediv or 0.0 not in values for operation, values in operations)
    return operations if is_sound else None


def _floats(values: Iterable[Any]) -> tuple[float, ...]:
    return tuple([float(value) for value in values])


def _same(scores: list[float]) -> list[float]:
    return scores


def _exponential(scores: list[float]) -> list[float]:
    return [exp(score) for score in scores]


def _sign(scores: list[float]) -> list[float]:
    return [0.0, (scores[0] > 0.0) - (scores[0] < 0.0)]


def _sigmoid(score: float) -> float:
    return exp(-(max(0.0, -score) + log1p(exp(-abs(score)))))


def _logistic(scores: list[float]) -> list[float]:
    positive = _sigmoid(scores[0])
    return [1.0 - positive, positive]


def _one_against_rest(scores: list[float]) -> list[float]:
    shares = [_sigmoid(score) for score in scores]
    total = sum(shares)
    return [share / total for share in shares] if total else [1.0 / len(shares)] * len(shares)


def _softmax(scores: list[float]) -> list[float]:
    largest = max(scores)
    powers = [exp(score - largest) for score in scores]
    total = sum(powers)
    return [power / total for power in powers]


_LINKS: Mapping[str, tuple[Link, bool]] = {
    "value": (_same, False),
    "largest": (_same, False),
    "sign": (_sign, False),
    "exponential": (_exponential, False),
    "logistic": (_logistic, True),
    "one-against-rest": (_one_against_rest, True),
    "softmax": (_softmax, True),
}
