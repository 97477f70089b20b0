"""scikit-learn estimators in skops files: read without running code, from trusted types only."""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING, Any

import numpy as np

from ci_core.errors import BrokenModelError, MissingExtraError, UntrustedModelError
from ci_core.serving.models.base import hint_to_name_columns
from ci_core.serving.models.columns import Column
from ci_core.serving.models.prediction import Prediction
from ci_core.serving.models.tabular import TabularModel

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from ci_core.serving.models.columns import Batch


class SkopsModel(TabularModel):
    """An estimator as it was fitted; slower than the same model as ONNX, and equal to it in every digit.

    The columns are the estimator's own ``feature_names_in_``, else those that the graph's route names.
    """

    _estimator: Any

    def load(self) -> None:
        """Read the estimator.

        Raises:
            MissingExtraError: skops or scikit-learn is not installed.
            UntrustedModelError: the file holds types that skops does not trust.
            BrokenModelError: it is not a skops file, or nobody says what its columns are called.
        """
        try:
            import skops.io
        except ImportError as error:
            raise MissingExtraError(extra="sklearn", module="skops") from error
        try:
            untrusted = skops.io.get_untrusted_types(file=self.file)
        except Exception as error:  # zip, JSON and schema errors of a file that is something else
            raise BrokenModelError(path=self.path, reason=f"it is not a skops file ({error})") from error
        if untrusted:
            raise UntrustedModelError(path=self.path, types=untrusted)
        try:
            self._estimator = skops.io.load(self.file, trusted=[])
        except Exception as error:  # an estimator of another scikit-learn version fails in any way it likes
            raise BrokenModelError(path=self.path, reason=str(error)) from error
        self.columns = tuple(Column(name=name, kind="any") for name in self._names())

    def _names(self) -> tuple[str, ...]:
        fitted = getattr(self._estimator, "feature_names_in_", None)
        names = self.given_columns or (() if fitted is None else tuple(str(name) for name in fitted))
        n_features = getattr(self._estimator, "n_features_in_", None)
        if not names or (n_features is not None and n_features != len(names)):
            raise BrokenModelError(
                path=self.path,
                reason=f"it reads {n_features or 'some'} columns, and {len(names)} are named",
                hint=hint_to_name_columns(self.path),
            )
        return names

    def infer(self, batch: Batch, n_rows: int) -> Prediction:
        """Call the estimator's ``predict``, and ``predict_proba`` when it has one."""
        columns = [batch[name] for name in self.input_columns]
        dtype = np.object_ if any(isinstance(values, list) for values in columns) else np.float64
        matrix: NDArray[Any] = np.column_stack([np.asarray(values, dtype=dtype) for values in columns])
        with warnings.catch_warnings():
            # fitted on a data frame and asked with an array in the same order: the names were checked above
            warnings.filterwarnings("ignore", message="X does not have valid feature names")
            if not hasattr(self._estimator, "predict_proba"):
                return Prediction(values=np.asarray(self._estimator.predict(matrix)).reshape(n_rows))
            probabilities = np.asarray(self._estimator.predict_proba(matrix))
        labels = np.asarray(self._estimator.classes_)[probabilities.argmax(axis=1)]
        return Prediction(values=labels, probabilities=probabilities)
