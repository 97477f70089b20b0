"""Models of files that read a table: typed columns in, labels and probabilities out."""

from __future__ import annotations

import warnings
from contextlib import suppress
from typing import TYPE_CHECKING, Any, ClassVar, Final

from ci_core.errors import BrokenModelError
from ci_core.serving.base import ModelCall
from ci_core.serving.models.base import Model
from ci_core.serving.models.columns import RowEncoder, encode_request, encode_table
from ci_core.serving.table import Table

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    import numpy as np
    from numpy.typing import NDArray

    from ci_core.serving.base import Row
    from ci_core.serving.models.batch import Batch
    from ci_core.serving.models.columns import Column, Kind
    from ci_core.serving.models.prediction import Prediction


_OF_FILES: Final[dict[type[OSError], str]] = {
    FileNotFoundError: "there is no such file",
    IsADirectoryError: "it is a folder, not a file",
}
_MADE_UP: Final[dict[Kind, Any]] = {"number": 1.0, "string": "", "boolean": False, "any": 1.0}


class TabularModel(Model):
    """A model of a file. Sub-classes implement :meth:`load`, which sets :attr:`columns`, and :meth:`infer`.

    Args:
        path: of the file, relative to `root`; what messages show.
        root: the project's folder, or the bundle's.
        columns: names of the columns of a model that takes one matrix and does not know them.
        trust: types in a skops file that the graph's author vouches for; other formats hold none.
    """

    takes_tables: ClassVar[bool] = True

    def __init__(self, path: str, *, root: Path, columns: Sequence[str] = (), trust: Sequence[str] = ()) -> None:
        self.path = path
        self.file = root / path
        self.given_columns = tuple(columns)
        self.trust = tuple(trust)
        self.columns = ()
        self.output_columns: Mapping[str, str] = {}

    def check_file(self) -> None:
        """Make sure that there is something to read, before a library says so in its own words.

        Raises:
            BrokenModelError: there is no such file, or it is a folder, empty, or not to be read.
        """
        try:
            with self.file.open("rb") as file:
                reason = None if file.read(1) else "it is empty"
        except OSError as error:
            reason = _OF_FILES.get(type(error)) or f"it cannot be read ({error.strerror})"
        if reason is not None:
            raise BrokenModelError(path=self.path, reason=reason)

    @property
    def columns(self) -> tuple[Column, ...]:
        """The columns the model reads, in its order; known once the file was read."""
        return self._columns

    @columns.setter
    def columns(self, columns: Sequence[Column]) -> None:
        self._columns = tuple(columns)
        self.input_columns = tuple(column.name for column in columns)
        self._encode = RowEncoder(columns)

    def infer(self, batch: Batch, n_rows: int) -> Prediction:
        """Return the model's predictions for `batch`, which holds every one of :attr:`columns`, `n_rows` long."""
        raise NotImplementedError

    def call(self, rows: list[Row] | Table) -> ModelCall:
        """Answer `rows`; see ``ci_core.serving.base.Model.call``."""
        batch = encode_request(rows, self._columns) if type(rows) is Table else self._encode(rows)  # type: ignore[arg-type]
        prediction = self.infer(batch, len(rows))
        return ModelCall(answers=prediction.answers(), columns=batch, outputs=prediction.outputs)

    def _columns_of(self, rows: list[Row]) -> Batch:
        return self._encode(rows)

    def rehearse(self) -> None:
        """Answer a made-up row, alone and among others, and forget the answers.

        What a library makes at its first call, a server makes before it forks: once for all workers. A model that does
        not like the row has no less been called.
        """
        row = {column.name: _MADE_UP[column.kind] for column in self._columns}
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            for rows in ([row], [row, row]):
                with suppress(Exception):
                    self.call(rows)

    def score(self, columns: Mapping[str, Sequence[Any] | NDArray[Any]]) -> NDArray[np.float64]:
        """Return one output a row of a table, shape ``(n_rows,)``; see ``ci_core.serving.base.Model.score``."""
        batch = encode_table(self.path, columns, self._columns)
        n_rows = len(next(iter(batch.values()), ()))
        return self.infer(batch, n_rows).outputs
