"""Models of files that read a table: typed columns in, labels and probabilities out."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ci_core.serving.base import ModelCall
from ci_core.serving.models.base import Model
from ci_core.serving.models.columns import encode_rows, encode_table

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    import numpy as np
    from numpy.typing import NDArray

    from ci_core.serving.base import Row
    from ci_core.serving.models.columns import Batch, Column
    from ci_core.serving.models.prediction import Prediction


class TabularModel(Model):
    """A model of a file. Sub-classes implement :meth:`load`, which sets :attr:`columns`, and :meth:`infer`.

    Args:
        path: of the file, relative to `root`; what messages show.
        root: the project's folder, or the bundle's.
        columns: names of the columns of a model that takes one matrix and does not know them.
    """

    def __init__(self, path: str, *, root: Path, columns: Sequence[str] = ()) -> None:
        self.path = path
        self.file = root / path
        self.given_columns = tuple(columns)
        self.columns: tuple[Column, ...] = ()

    @property
    def input_columns(self) -> tuple[str, ...]:  # type: ignore[override]  # known only once the file was read
        """Names of the columns the model reads, in its order."""
        return tuple(column.name for column in self.columns)

    def infer(self, batch: Batch, n_rows: int) -> Prediction:
        """Return the model's predictions for `batch`, which holds every one of :attr:`columns`, `n_rows` long."""
        raise NotImplementedError

    def call(self, rows: list[Row]) -> ModelCall:
        """Answer `rows`; see ``ci_core.serving.base.Model.call``."""
        ready = self.preprocess(rows)
        batch = encode_rows(ready, self.columns)
        prediction = self.infer(batch, len(ready))
        return ModelCall(answers=self.postprocess(prediction.answers()), columns=batch, outputs=prediction.outputs)

    def score(self, columns: Mapping[str, Sequence[Any] | NDArray[Any]]) -> NDArray[np.float64]:
        """Return one output a row of a table, shape ``(n_rows,)``; see ``ci_core.serving.base.Model.score``."""
        batch = encode_table(self.path, columns, self.columns)
        n_rows = len(next(iter(batch.values()), ()))
        return self.infer(batch, n_rows).outputs
