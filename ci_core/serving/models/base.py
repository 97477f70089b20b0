"""The base class of models, and what models that read a table of columns share."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np

from ci_core.errors import ModelColumnError
from ci_core.serving.base import ModelCall

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from numpy.typing import NDArray

    from ci_core.serving.base import Row
    from ci_core.types import JsonValue


class Model:
    """A model that users write: override ``load`` and ``predict``, and the others when needed.

    One instance answers all requests; it is made once with the arguments of its route.

    Example:
        A model in ``serving/models.py``, used as ``Router.single({"mean": "serving.models:Mean"})``::

            class Mean(Model):
                def predict(self, rows):
                    return [sum(row.values()) / len(row) for row in rows]
    """

    input_columns: tuple[str, ...] = ()

    def load(self) -> None:
        """Read what the model needs; called once, before the first request."""

    def preprocess(self, rows: list[Row]) -> list[Row]:
        """Return the rows that :meth:`predict` gets, as many as came."""
        return rows

    def predict(self, rows: list[Row]) -> Sequence[JsonValue]:
        """Return one answer a row: a number, or an object with ``prediction`` and perhaps ``probability``."""
        raise NotImplementedError(f"{type(self).__name__} defines no `predict(self, rows)`")

    def postprocess(self, answers: list[JsonValue]) -> list[JsonValue]:
        """Return what the client sees, as many as came; captures keep what :meth:`predict` said."""
        return answers

    def call(self, rows: list[Row]) -> ModelCall:
        """Answer `rows`: preprocess, predict, postprocess."""
        ready = self.preprocess(rows)
        answers = list(self.predict(ready))
        names = dict.fromkeys(name for row in ready for name in row)
        columns = {name: [row.get(name) for row in ready] for name in names}
        return ModelCall(
            answers=self.postprocess(answers), columns=columns, outputs=[_output_of(answer) for answer in answers]
        )

    def score(self, columns: Mapping[str, Sequence[Any] | NDArray[Any]]) -> NDArray[np.float64]:
        """Return one output a row of a table, NaN where there is none; shape ``(n_rows,)``."""
        rows = [dict(zip(columns, values, strict=True)) for values in zip(*columns.values(), strict=True)]
        if not rows:
            return np.empty(0)
        outputs = self.call(rows).outputs
        return np.array([math.nan if value is None else value for value in outputs], dtype=np.float64)


def _output_of(answer: JsonValue) -> float | None:
    """Return the number that stands for an answer: its probability, else its prediction, else itself."""
    if isinstance(answer, dict):
        answer = answer.get("probability", answer.get("prediction"))
    return float(answer) if isinstance(answer, bool | int | float) else None


def check_present(model: str, names: Iterable[str], columns: Mapping[str, object]) -> None:
    """Make sure that a table has all columns that a model reads.

    Raises:
        ModelColumnError: one is missing.
    """
    for name in names:
        if name not in columns:
            raise ModelColumnError(
                model=model, column=name, reason="the table lacks it", known_names=[str(key) for key in columns]
            )


def hint_to_name_columns(path: str) -> str:
    """Return how a route tells a model's columns, in both languages of a graph."""
    return f'name them in the route: `Route("{path}", columns=["a", "b"])`, in YAML {{model: {path}, columns: [a, b]}}'
