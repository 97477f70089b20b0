"""XGBoost boosters, as ``save_model`` writes them: ``.ubj`` or ``.json``; no code is run by reading them.

Columns are the booster's own feature names, else those that the graph's route names. Labels of a classifier are the
numbers of its classes, 0 to k - 1: the file does not know what they stand for.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import numpy as np

from ci_core.errors import BrokenModelError, MissingExtraError
from ci_core.serving.models.base import hint_to_name_columns
from ci_core.serving.models.boosted import of_binary, of_classes
from ci_core.serving.models.columns import Column
from ci_core.serving.models.prediction import Prediction, output_columns
from ci_core.serving.models.tabular import TabularModel
from ci_core.serving.models.ubjson import is_ubjson, is_whole

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    from ci_core.serving.models.batch import Batch

_NO_MODEL = "it is no XGBoost model, or not a whole one"


class XGBoostModel(TabularModel):
    """A booster; one thread a call, so that workers share cores instead of fighting for them."""

    loads_after_fork = True  # OpenMP's threads do not survive a fork
    gains_from_batches = True

    _booster: Any
    _trees: tuple[int, int]
    _predict: Callable[[NDArray[Any]], Prediction]

    def load(self) -> None:
        """Read the booster.

        Raises:
            MissingExtraError: XGBoost is not installed.
            BrokenModelError: it is no booster, nobody says what its columns are called, or it needs what the server
                cannot give it: categorical columns, several targets.
        """
        try:
            import xgboost
        except ImportError as error:
            raise MissingExtraError(extra="xgboost", module="xgboost") from error
        self.check_file()
        content = self.file.read_bytes()
        if is_ubjson(content) and not is_whole(content):
            raise BrokenModelError(path=self.path, reason=_NO_MODEL)
        self._booster = xgboost.Booster()
        try:
            self._booster.load_model(self.file)
        except (xgboost.core.XGBoostError, ValueError) as error:  # in words about its own source
            raise BrokenModelError(path=self.path, reason=_NO_MODEL) from error
        self._booster.set_param({"nthread": 1})
        learner = json.loads(self._booster.save_config())["learner"]
        self._check(learner["learner_model_param"])
        self.columns = tuple(Column(name=name) for name in self._names())
        # where training stopped early, the trees after the best one are left out, as the library's own classes do
        best = self._booster.attributes().get("best_iteration")
        self._trees = (0, 0 if best is None else int(best) + 1)
        self._predict = self._way_of(learner["objective"]["name"], int(learner["learner_model_param"]["num_class"]))

    def _check(self, parameters: dict[str, str]) -> None:
        if int(parameters.get("num_target", "1")) > 1:
            raise BrokenModelError(path=self.path, reason="it predicts several targets, and a model answers one")
        names = self._booster.feature_names
        for index, kind in enumerate(self._booster.feature_types or ()):
            if kind == "c":
                name = names[index] if names else index
                raise BrokenModelError(
                    path=self.path,
                    reason=f"its column `{name}` is categorical, and the file does not name its categories",
                    hint="encode the column before training, or export the whole pipeline to ONNX",
                )

    def _names(self) -> tuple[str, ...]:
        names = self.given_columns or tuple(self._booster.feature_names or ())
        n_features = self._booster.num_features()
        if len(names) != n_features:
            raise BrokenModelError(
                path=self.path,
                reason=f"it reads {n_features} columns, and {len(names)} are named",
                hint=hint_to_name_columns(self.path),
            )
        return names

    def _way_of(self, objective: str, n_classes: int) -> Callable[[NDArray[Any]], Prediction]:
        """Return how scores of this objective become a prediction, and take note of what is answered."""
        are_labels = objective in {"multi:softmax", "binary:hinge"}
        tells_probabilities = objective in {"binary:logistic", "binary:logitraw", "multi:softprob"}
        label_kind = "i" if are_labels or tells_probabilities else "f"
        self.output_columns = output_columns(label_kind, tells_probabilities=tells_probabilities)
        if objective == "binary:logistic":
            self.n_classes = 2
            return of_binary
        if objective == "multi:softprob":
            self.n_classes = n_classes
            return of_classes
        if are_labels:
            return lambda scores: Prediction(values=scores.astype(np.int64))
        if objective == "binary:logitraw":  # the scores are log-odds
            self.n_classes = 2
            return lambda scores: of_binary(1.0 / (1.0 + np.exp(-scores)))
        return lambda scores: Prediction(values=scores)

    def infer(self, batch: Batch, n_rows: int) -> Prediction:
        """Ask the booster."""
        del n_rows
        scores = self._booster.inplace_predict(batch.matrix, iteration_range=self._trees, validate_features=False)
        return self._predict(scores)
