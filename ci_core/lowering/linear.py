"""Linear estimators of scikit-learn as weights and a link (see ``ci_core.serving.models.lowered``)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from ci_core.lowering.document import number_list
from ci_core.lowering.preparation import class_name
from ci_core.lowering.spec import NotLowerableError

if TYPE_CHECKING:
    from numpy.typing import NDArray

REGRESSIONS = frozenset({
    "ARDRegression", "BayesianRidge", "ElasticNet", "ElasticNetCV", "HuberRegressor", "Lars", "Lasso", "LassoCV",
    "LassoLars", "LinearRegression", "LinearSVR", "Ridge", "RidgeCV", "SGDRegressor",
})  # fmt: skip
DECIDING = frozenset({"LinearSVC", "Perceptron", "RidgeClassifier", "RidgeClassifierCV"})
"""Classifiers that tell no probabilities."""
LOGISTIC = frozenset({"LogisticRegression", "LogisticRegressionCV"})
CLASSIFIERS = DECIDING | LOGISTIC | {"SGDClassifier", "OneVsRestClassifier"}
_BINARY = 2


def linear_model(estimator: Any) -> dict[str, Any]:
    """Return score and link of a fitted linear estimator.

    Raises:
        NotLowerableError: it has several targets, or parts that are not lowered.
    """
    name = class_name(estimator)
    if name == "OneVsRestClassifier":
        return _one_against_rest(estimator)
    weights, offsets = _weights(estimator)
    if name in REGRESSIONS:
        if len(weights) != 1:
            raise NotLowerableError("predicts several targets")
        return _model(weights, offsets, "value")
    link = _link(estimator, name, len(estimator.classes_))
    if link == "softmax" and len(weights) == 1:
        weights, offsets = np.concatenate([-weights, weights]), np.concatenate([-offsets, offsets])
    if len(weights) not in {len(estimator.classes_), 1}:
        raise NotLowerableError("predicts several targets")
    return _model(weights, offsets, link)


def _model(weights: NDArray[Any], offsets: NDArray[Any], link: str) -> dict[str, Any]:
    return {
        "score": {"weights": [number_list(row) for row in weights], "offsets": number_list(offsets)},
        "link": link,
        "accepts": "finite",
    }


def _weights(estimator: Any) -> tuple[NDArray[Any], NDArray[Any]]:
    coefficients = estimator.coef_
    if hasattr(coefficients, "toarray"):  # `sparsify()` was called
        coefficients = coefficients.toarray()
    weights = np.atleast_2d(np.asarray(coefficients, dtype=np.float64))
    offsets = np.broadcast_to(np.asarray(estimator.intercept_, dtype=np.float64).ravel(), (len(weights),))
    return weights, offsets


def _link(estimator: Any, name: str, n_classes: int) -> str:
    decides = "sign" if n_classes == _BINARY else "largest"
    if name in DECIDING:
        return decides
    if name == "SGDClassifier":
        is_binary = n_classes == _BINARY
        known = {"log_loss": "logistic" if is_binary else "one-against-rest", "modified_huber": "modified-huber"}
        return known.get(estimator.loss, decides)
    told = getattr(estimator, "multi_class", None)  # an option of scikit-learn before 1.8
    if told == "multinomial":
        return "softmax"
    if n_classes == _BINARY:
        return "logistic"
    return "one-against-rest" if told == "ovr" or estimator.solver == "liblinear" else "softmax"


def _one_against_rest(estimator: Any) -> dict[str, Any]:
    parts = estimator.estimators_
    if estimator.multilabel_ or any(class_name(part) not in LOGISTIC for part in parts):
        raise NotLowerableError("is a `OneVsRestClassifier` of something else than logistic regressions")
    found = [_weights(part) for part in parts]
    weights = np.concatenate([weights for weights, _offsets in found])
    offsets = np.concatenate([offsets for _weights, offsets in found])
    return _model(weights, offsets, "logistic" if len(parts) == 1 else "one-against-rest")
