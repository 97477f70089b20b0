"""What a tabular model said of a batch, as answers for clients and as numbers for monitoring."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from ci_core.types import JsonValue

_BINARY = 2


@dataclass(frozen=True, slots=True, kw_only=True)
class Prediction:
    """Predictions of one batch.

    Attributes:
        values: labels of a classifier or values of a regression, shape ``(n_rows,)``, any dtype.
        probabilities: of the classes, shape ``(n_rows, n_classes)``, columns in the order of the model's classes;
            None for a regression and for classifiers that give none.
    """

    values: NDArray[Any]
    probabilities: NDArray[Any] | None = None

    @property
    def outputs(self) -> NDArray[np.float64]:
        """One number a row, shape ``(n_rows,)``: see ``ModelCall.outputs``."""
        if self.probabilities is not None:
            if self.probabilities.shape[1] == _BINARY:
                return np.asarray(self.probabilities[:, 1], dtype=np.float64)
            return np.asarray(self.probabilities.max(axis=1), dtype=np.float64)
        if self.values.dtype.kind in "biuf":
            return np.asarray(self.values, dtype=np.float64)
        return np.full(len(self.values), np.nan)

    def answers(self) -> list[JsonValue]:
        """Return one object a row: ``prediction``, and for a classifier ``probability``.

        ``probability`` is that of class 1 of a binary classifier, else that of the predicted class.
        """
        labels: list[JsonValue] = self.values.tolist()
        if self.probabilities is None:
            return [{"prediction": label} for label in labels]
        outputs: list[float] = self.outputs.tolist()
        return [{"prediction": label, "probability": output} for label, output in zip(labels, outputs, strict=True)]
