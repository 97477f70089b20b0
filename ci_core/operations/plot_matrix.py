"""Confusion matrices from rows of actual and predicted classes (pure)."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from ci_core.operations.plot_points import as_finite
from ci_core.reports import report as shown
from ci_core.reports.text import scalar

if TYPE_CHECKING:
    from collections.abc import Iterable

    from ci_core.operations.plot_columns import Curve
    from ci_core.types import JsonValue

MOST_CLASSES = 60
"""Of a matrix; beyond, the rarest classes are left out."""


def matrix(side: shown.Side, curves: Iterable[Curve]) -> tuple[shown.ConfusionMatrix | None, int]:
    """Return the counts of all rows, and how many classes are left out of them.

    DVC's convention is ``x: actual, y: predicted``; where the columns' names tell that they are exchanged, they are.
    """
    pairs: Counter[tuple[str, str]] = Counter()
    for curve in curves:
        is_exchanged = "pred" in (curve.x_column or "").lower() and "pred" not in curve.y_column.lower()
        actual, predicted = (curve.y, curve.x) if is_exchanged else (curve.x, curve.y)
        pairs.update(zip(map(_class, actual), map(_class, predicted), strict=True))
    if not pairs:
        return None, 0
    frequency: Counter[str] = Counter()
    for (actual_class, predicted_class), count in pairs.items():
        frequency[actual_class] += count
        frequency[predicted_class] += count
    classes = sorted((name for name, _ in frequency.most_common(MOST_CLASSES)), key=_order)
    counts = tuple(tuple(pairs[row, column] for column in classes) for row in classes)
    found = shown.ConfusionMatrix(side=side, classes=tuple(classes), counts=counts)
    return found, len(frequency) - len(classes)


def _class(value: JsonValue) -> str:
    return scalar(value) if value is None or isinstance(value, bool | int | float) else str(value)


def _order(name: str) -> tuple[bool, float, str]:
    """Sort numbers by value, before names."""
    number = as_finite(name)
    return (number is None, number or 0.0, name)
