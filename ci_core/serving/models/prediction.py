"""What a tabular model said of a batch, as answers for clients and as numbers for monitoring."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from ci_core.types import JsonValue

_BINARY = 2
_LABEL_KINDS = {"b": "boolean", "i": "integer", "u": "integer", "f": "number", "U": "string", "T": "string"}
"""numpy's kind of the labels → what metadata call it."""


def output_columns(label_kind: str | None, *, tells_probabilities: bool) -> dict[str, str]:
    """Return the fields of :meth:`Prediction.answers` with their kinds; empty when the kind is not known.

    Args:
        label_kind: numpy's, of the labels of a classifier or the values of a regression.
        tells_probabilities: whether there is a ``probability``.
    """
    kind = _LABEL_KINDS.get(label_kind or "")
    if kind is None:
        return {}
    return {"prediction": kind, "probability": "number"} if tells_probabilities else {"prediction": kind}


class Prediction:
    """Predictions of one batch.

    Attributes:
        values: labels of a classifier or values of a regression, shape ``(n_rows,)``, any dtype.
        probabilities: of the classes, shape ``(n_rows, n_classes)``, columns in the order of the model's classes;
            None for a regression and for classifiers that give none.
        outputs: one number a row, shape ``(n_rows,)``: see ``ModelCall.outputs``.
    """

    __slots__ = ("outputs", "probabilities", "values")

    def __init__(self, *, values: NDArray[Any], probabilities: NDArray[Any] | None = None) -> None:
        self.values = values
        self.probabilities = probabilities
        self.outputs: NDArray[np.float64]
        if probabilities is not None:
            of_class = probabilities[:, 1] if probabilities.shape[1] == _BINARY else probabilities.max(axis=1)
            self.outputs = of_class.astype(np.float64, copy=False)
        elif values.dtype.kind in "biuf":
            self.outputs = values.astype(np.float64, copy=False)
        else:
            self.outputs = np.full(len(values), np.nan)

    def answers(self) -> list[JsonValue]:
        """Return one object a row: ``prediction``, and for a classifier ``probability``.

        ``probability`` is that of class 1 of a binary classifier, else that of the predicted class.
        """
        labels: list[JsonValue] = self.values.tolist()
        if self.probabilities is None:
            return [{"prediction": label} for label in labels]
        outputs: list[float] = self.outputs.tolist()
        return [{"prediction": label, "probability": output} for label, output in zip(labels, outputs, strict=True)]
