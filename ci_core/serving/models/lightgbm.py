"""LightGBM boosters, as ``save_model`` writes them: text files; no code is run by reading them.

Columns are the file's feature names, unless they are LightGBM's own (``Column_0``, …): then the graph's route names
them. Labels of a classifier are the numbers of its classes, 0 to k - 1: the file does not know what they stand for.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from ci_core.errors import BrokenModelError, MissingExtraError
from ci_core.serving.models.base import hint_to_name_columns
from ci_core.serving.models.boosted import of_binary, of_classes
from ci_core.serving.models.columns import Column
from ci_core.serving.models.prediction import Prediction, output_columns
from ci_core.serving.models.tabular import TabularModel

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    from ci_core.serving.models.batch import Batch

_MADE_UP_NAME = re.compile(r"Column_\d+")
_ENDS = (("tree\n", "\nend of trees"), ("\nparameters:", "\nend of parameters"))
"""What a part of a file begins and ends with."""
_MULTICLASS = frozenset({"multiclass", "multiclassova"})


class LightGBMModel(TabularModel):
    """A booster; one thread a call, so that workers share cores instead of fighting for them."""

    loads_after_fork = True  # OpenMP's threads do not survive a fork
    gains_from_batches = True

    _booster: Any
    _predict: Callable[[NDArray[Any]], Prediction]

    def load(self) -> None:
        """Read the booster.

        Raises:
            MissingExtraError: LightGBM is not installed.
            BrokenModelError: it is no booster, nobody says what its columns are called, or it was fitted on pandas'
                categorical columns.
        """
        try:
            import lightgbm
        except ImportError as error:
            raise MissingExtraError(extra="lightgbm", module="lightgbm") from error
        self.check_file()
        header = self._header()
        try:
            self._booster = lightgbm.Booster(model_file=str(self.file))
        except (lightgbm.basic.LightGBMError, ValueError) as error:
            message = str(error).partition("\n")[0]
            raise BrokenModelError(path=self.path, reason=f"it is no LightGBM model ({message})") from error
        if self._booster.pandas_categorical:
            raise BrokenModelError(
                path=self.path,
                reason="it was fitted on categorical columns of a data frame",
                hint="encode the columns before training, or export the whole pipeline to ONNX",
            )
        self.columns = tuple(Column(name=name) for name in self._names())
        self._predict = self._way_of(header.get("objective", "").partition(" ")[0])

    def _header(self) -> dict[str, str]:
        """Return the keys and values before the first tree.

        Raises:
            BrokenModelError: the file does not begin or end as LightGBM's do. The library takes one that is cut off for
                a smaller model, and complains about others on standard output.
        """
        try:
            text = self.file.read_text(encoding="utf-8")
        except UnicodeDecodeError as error:
            raise BrokenModelError(path=self.path, reason="it is no LightGBM model: it is no text") from error
        lines = text.partition("\n\n")[0].split("\n")
        if lines[0].rstrip() != "tree":
            raise BrokenModelError(path=self.path, reason="it is no LightGBM model: its first line is not `tree`")
        for begin, end in _ENDS:
            if begin in text and end not in text:
                raise BrokenModelError(path=self.path, reason=f"it is not whole: it has no line `{end.strip()}`")
        return {key: value.rstrip() for key, _, value in (line.partition("=") for line in lines[1:])}

    def _names(self) -> tuple[str, ...]:
        own = tuple(self._booster.feature_name())
        are_made_up = all(_MADE_UP_NAME.fullmatch(name) for name in own)
        names = self.given_columns or (() if are_made_up else own)
        if len(names) != len(own):
            raise BrokenModelError(
                path=self.path,
                reason=f"it reads {len(own)} columns, and {len(names)} are named",
                hint=hint_to_name_columns(self.path),
            )
        return names

    def _way_of(self, objective: str) -> Callable[[NDArray[Any]], Prediction]:
        """Return how scores of this objective become a prediction, and take note of what is answered."""
        is_classifier = objective == "binary" or objective in _MULTICLASS
        self.output_columns = output_columns("i" if is_classifier else "f", tells_probabilities=is_classifier)
        if objective == "binary":
            self.n_classes = 2
            return of_binary
        if objective in _MULTICLASS:
            self.n_classes = self._booster.num_model_per_iteration()
            return of_classes
        return lambda scores: Prediction(values=scores)

    def infer(self, batch: Batch, n_rows: int) -> Prediction:
        """Ask the booster."""
        del n_rows
        return self._predict(self._booster.predict(batch.matrix, num_threads=1))
