"""What the loaders of gradient-boosted trees share: from scores to labels and probabilities."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from ci_core.serving.models.prediction import Prediction

if TYPE_CHECKING:
    from numpy.typing import NDArray

_EVEN = 0.5


def of_binary(probability: NDArray[Any]) -> Prediction:
    """Return the prediction of a binary classifier from the probability of class 1, shape ``(n_rows,)``.

    The label is 1 above 0.5 and 0 else, as both libraries' own classifiers decide.
    """
    both = np.empty((len(probability), 2))
    both[:, 1] = probability
    both[:, 0] = 1.0 - both[:, 1]
    return Prediction(values=(probability > _EVEN).astype(np.int64), probabilities=both)


def of_classes(probabilities: NDArray[Any]) -> Prediction:
    """Return the prediction of a classifier from the probabilities of classes 0 to k - 1, shape ``(n_rows, k)``."""
    return Prediction(values=probabilities.argmax(axis=1), probabilities=probabilities)
