"""How predictions of several models become one. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ci_core.serving.models.answers import ModelAnswerError

if TYPE_CHECKING:
    from collections.abc import Hashable, Sequence

    from ci_core.types import JsonValue

_EVEN = 0.5
_TIE = 1e-6
"""Nearer to even than this, either label goes with a probability: rounding decides."""


def majority(labels: Sequence[JsonValue], weights: Sequence[float]) -> JsonValue:
    """Return the label with the most weight behind it; of equal ones, that of the first voter.

    Args:
        labels: any JSON values, at least one.
        weights: one a label.
    """
    totals: dict[Hashable, float] = {}
    first: dict[Hashable, JsonValue] = {}
    for label, weight in zip(labels, weights, strict=True):
        identity = _identity(label)
        totals[identity] = totals.get(identity, 0) + weight
        first.setdefault(identity, label)
    return first[max(totals, key=totals.__getitem__)]


def _identity(label: JsonValue) -> Hashable:
    """Return what equal labels have in common: to JSON, ``true`` is not 1, but 1 and 1.0 are one number."""
    if isinstance(label, bool):
        return ("boolean", label)
    if isinstance(label, list):
        return ("list", tuple(_identity(one) for one in label))
    if isinstance(label, dict):
        return ("object", frozenset((name, _identity(one)) for name, one in label.items()))
    return "NaN" if label != label else label  # noqa: PLR0124 - only NaN differs from itself


def mean(values: Sequence[float], weights: Sequence[float]) -> float:
    """Return the weighted mean ``sum(weight × value) / sum(weight)`` of at least one value."""
    return sum(weight * value for value, weight in zip(values, weights, strict=True)) / sum(weights)


def soft_majority(
    labels: Sequence[JsonValue], probabilities: Sequence[float], weights: Sequence[float]
) -> tuple[JsonValue, float]:
    """Return the label that the mean probability of class 1 stands for, and that probability.

    Above 0.5 it is the label of class 1: that of the model which is surest of it. Else that of the model which is least
    sure. Both have been said by somebody: the mean lies between the least and the greatest.

    Raises:
        ModelAnswerError: the labels are not those of two classes that are decided at 0.5, so that none goes with the
            mean.
    """
    above = {_identity(label) for label, one in zip(labels, probabilities, strict=True) if one > _EVEN + _TIE}
    below = {_identity(label) for label, one in zip(labels, probabilities, strict=True) if one < _EVEN - _TIE}
    if len(above) > 1 or len(below) > 1 or above & below:
        told = ", ".join(f"{label!r:.40} at {one:g}" for label, one in zip(labels, probabilities, strict=True))
        raise ModelAnswerError(f"a vote by probability takes two classes that are decided at 0.5, found {told}")
    probability = mean(probabilities, weights)
    pick = max if probability > _EVEN else min
    return labels[pick(range(len(labels)), key=probabilities.__getitem__)], probability


def prediction_of(answer: JsonValue, model: str) -> JsonValue:
    """Return what an answer predicts: its ``prediction``, or the answer itself when it is no object.

    Raises:
        ModelAnswerError: it is an object without one.
    """
    if not isinstance(answer, dict):
        return answer
    if "prediction" not in answer:
        raise ModelAnswerError(f"the model `{model}` answered an object without `prediction`, so it cannot be combined")
    prediction: JsonValue = answer["prediction"]
    return prediction


def number_of(answer: JsonValue, model: str, field: str) -> float | None:
    """Return the ``prediction`` or ``probability`` of an answer as a number; None when it is null.

    Raises:
        ModelAnswerError: it is something else.
    """
    value: Any = prediction_of(answer, model)
    if field == "probability":
        value = answer.get(field) if isinstance(answer, dict) else None
        if value is None:
            raise ModelAnswerError(f"the model `{model}` gives no probability, so it cannot vote by it")
    if field == "probability" and isinstance(value, bool | int | float) and not 0 <= value <= 1:
        raise ModelAnswerError(f"the model `{model}` gives {value!r:.40} for a probability")
    if value is None or isinstance(value, bool | int | float):
        return value
    raise ModelAnswerError(f"the {field} {value!r:.40} of the model `{model}` is no number, and has no mean")
