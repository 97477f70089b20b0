"""The predict that every server runs: scikit-learn's own, or the same arithmetic in numpy (``PREDICT=numpy``).

Read by servers of many environments: it needs numpy, and scikit-learn only for its own predict.
"""

import json
import os
from pathlib import Path

import numpy as np

_given = json.loads(Path(os.environ["WORK"]).read_text())
MEAN = np.array(_given["mean"])
FACTOR = 1.0 / np.array(_given["scale"])
WEIGHTS = np.ascontiguousarray(np.array(_given["coef"]).T)
INTERCEPT = np.array(_given["intercept"])
CLASSES = np.arange(len(INTERCEPT))


def _sklearn_predict():
    from sklearn.linear_model import LogisticRegression

    model = LogisticRegression()
    model.coef_, model.intercept_, model.classes_ = WEIGHTS.T.copy(), INTERCEPT, CLASSES
    model.n_features_in_ = len(MEAN)
    return model.predict


def _numpy_predict(matrix):
    return CLASSES[(matrix @ WEIGHTS + INTERCEPT).argmax(axis=1)]


predict = _numpy_predict if os.environ.get("PREDICT") == "numpy" else _sklearn_predict()


def scale(rows):
    """Return the rows as a scaled matrix; shape ``(n_rows, 4)``, float64."""
    return (np.asarray(rows, dtype=np.float64) - MEAN) * FACTOR


def labels(rows):
    """Return the labels of rows, as a list of int."""
    return predict(scale(rows)).tolist()
