"""Lowered models: what a scikit-learn estimator computes, without scikit-learn.

A release has them in place of skops files, when a replay found both equal. One JSON file holds everything but trees,
as text: it can be read and compared by eye, every float64 is exact in it (the shortest digits that give the number
back), and the same model always gives the same bytes, which an archive with time stamps does not. Reading it runs
nothing. The trees of a forest are an ONNX file beside it. Key by key::

    {"format": 1,
     "kinds": ["any", "string"],          # of the columns, see ``columns.py``; the route names them
     "features": {"do": "chain", …},      # see ``transforms.py``
     "accepts": "finite",                 # features that are refused: "finite" (NaN and infinite), "nan" (infinite),
                                          # "any" (none); what comes before may refuse more: ``infinite.py``
     "score": {"weights": [[…]], "offsets": […]}       # features @ weights.T + offsets; or
              {"trees": "….onnx", "digest": "sha256:…", "as": "float32", "scale": 0.01, "offsets": […]},
     "link": "logistic",                  # from scores to what is told, see `_LINKS`
     "classes": ["no", "yes"],            # null: a regression
     "class-kind": "U"}                   # numpy's kind of the labels
"""

from __future__ import annotations

import hashlib
import json
import math
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np

from ci_core.errors import BrokenModelError
from ci_core.serving.base import ModelCall
from ci_core.serving.missing import is_missing
from ci_core.serving.models.base import hint_to_name_columns
from ci_core.serving.models.columns import Column
from ci_core.serving.models.infinite import hides_infinite, refuse_infinite, refusing_columns
from ci_core.serving.models.one_row import build_one_row
from ci_core.serving.models.prediction import Prediction, output_columns
from ci_core.serving.models.refusals import MISSING
from ci_core.serving.models.tabular import TabularModel
from ci_core.serving.models.transforms import build_transform, floats, numbers
from ci_core.serving.models.unobserved import UnobservedCall
from ci_core.serving.problems import RequestError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    from numpy.typing import NDArray

    from ci_core.serving.base import Row
    from ci_core.serving.models.batch import Batch
    from ci_core.serving.models.one_row import OneRow
    from ci_core.serving.table import Table
    from ci_core.types import JsonValue

    Floats: TypeAlias = NDArray[np.float64]
    Score: TypeAlias = Callable[[Floats], Floats]

FORMAT = 1


class LoweredModel(TabularModel):
    """A linear model in a file of the format above."""

    platform = "skops"  # what metadata say: clients see the model that was saved

    _features: Callable[[Any], Any]
    _score: Score
    _accepts: str
    _refusing_in_numbers: frozenset[int]
    _refusing_beside_text: frozenset[int]
    _is_single: bool
    _link: Callable[[Floats], Floats]
    _classes: NDArray[Any] | None
    _one_row: OneRow | None

    def load(self) -> None:
        """Read the file.

        Raises:
            BrokenModelError: it is not of this format, or nobody says what its columns are called.
            MissingExtraError: it has trees, and onnxruntime is not installed.
        """
        self.check_file()
        try:
            stored = json.loads(self.file.read_bytes())
            if stored["format"] != FORMAT:
                raise ValueError(f"format {stored['format']}, this version reads {FORMAT}")
            self._read(stored)
        except (KeyError, TypeError, ValueError, IndexError) as error:
            reason = f"it is not a lowered model ({type(error).__name__}: {error})"
            raise BrokenModelError(path=self.path, reason=reason) from error

    def _read(self, stored: Mapping[str, Any]) -> None:
        names, kinds = self.given_columns, stored["kinds"]
        if len(names) != len(kinds):
            raise BrokenModelError(
                path=self.path,
                reason=f"it reads {len(kinds)} columns, and {len(names)} are named",
                hint=hint_to_name_columns(self.path),
            )
        self.columns = tuple(Column(name=name, kind=kind) for name, kind in zip(names, kinds, strict=True))
        self._features, self._names = build_transform(stored["features"], names)
        self._accepts = stored["accepts"]
        self._refusing_in_numbers = self._refusing(stored["features"], has_text=False)
        self._refusing_beside_text = self._refusing(stored["features"], has_text=True)
        score = stored["score"]
        self._is_single = score.get("as") == "float32"
        self._score = self._trees(score) if "trees" in score else _linear(score)
        self._link, self._tells_probabilities = _LINKS[stored["link"]]
        classes = stored["classes"]
        self._classes = None if classes is None else np.array(classes, dtype=_CLASS_TYPES[stored["class-kind"]])
        self.n_classes = None if classes is None else len(classes)
        label_kind = "f" if classes is None else "U" if stored["class-kind"] == "O" else stored["class-kind"]
        if label_kind != "U" or all(isinstance(one, str) for one in classes):
            tells = classes is not None and self._tells_probabilities
            self.output_columns = output_columns(label_kind, tells_probabilities=tells)
        labels = None if self._classes is None else self._classes.tolist()
        self._one_row = build_one_row(stored, self._encode.pick, labels)

    def _refusing(self, features: Mapping[str, Any], *, has_text: bool) -> frozenset[int]:
        """Return the columns to be looked at for infinite numbers, as the check of the features would not see them."""
        if self._accepts != "any" and not hides_infinite(features):
            return frozenset()
        return refusing_columns(features, len(self.columns), has_text=has_text)

    def _trees(self, score: Mapping[str, Any]) -> Score:
        from ci_core.serving.models.onnx import open_session

        file: Path = self.file.with_name(score["trees"])
        try:
            content = file.read_bytes()
        except OSError as error:
            raise BrokenModelError(path=self.path, reason=f"its trees, `{score['trees']}`, are missing") from error
        if f"sha256:{hashlib.sha256(content).hexdigest()}" != score["digest"]:
            raise BrokenModelError(
                path=self.path, reason=f"its trees, `{score['trees']}`, are not those it was made with"
            )
        session = open_session(content, path=self.path)
        scale, offsets = float(score["scale"]), floats(score["offsets"])

        def run(features: Floats) -> Floats:
            (sums,) = session.run(None, {"X": features.astype(np.float64, copy=False)})
            return np.asarray(sums, dtype=np.float64) * scale + offsets

        return run

    def call(self, rows: list[Row] | Table) -> ModelCall:
        """Answer `rows`; see ``ci_core.serving.base.Model.call``."""
        if self._one_row is not None and len(rows) == 1:
            as_rows = rows if isinstance(rows, list) else rows.rows()
            answer = self._one_row.answer(as_rows[0])
            if answer is not None:
                return self._call_of(as_rows, answer)
        return super().call(rows)

    def _call_of(self, rows: list[Row], answer: JsonValue) -> ModelCall:
        answers = [answer]
        if not self.is_observed:
            return UnobservedCall(answers, self, rows, answers)
        row = rows[0]  # of numbers alone; without numpy, too, as what is captured is joined with others anyway
        columns = {name: [float(row[name])] for name in self.input_columns}
        return ModelCall(answers=answers, columns=columns, outputs=self._outputs_of(answers))

    def infer(self, batch: Batch, n_rows: int) -> Prediction:
        """Compute the scores of a batch, and what they mean.

        Raises:
            RequestError: a category is unknown, or a value is missing where the model takes none.
        """
        if batch.has_text:
            table: Any = list(batch.values())
        else:
            table = batch.matrix.astype(np.float64, copy=False)
        features = numbers(self._features(table), self._names)
        if self._is_single:  # the trees were grown on it, and compare it; what is too large for it is refused
            with np.errstate(over="ignore"):
                features = features.astype(np.float32)
        self._check(batch, features)
        scores = self._score(features)
        told = self._link(scores)
        if self._classes is None:
            return Prediction(values=told.reshape(n_rows))
        labels = self._classes[told.argmax(axis=1)]
        return Prediction(values=labels, probabilities=told if self._tells_probabilities else None)

    def _check(self, batch: Batch, features: NDArray[Any]) -> None:
        """Refuse what scikit-learn refuses: infinite numbers by its transformers, all else at the end."""
        refusing = self._refusing_beside_text if batch.has_text else self._refusing_in_numbers
        if refusing:
            refuse_infinite(batch, refusing)
        if self._accepts == "any":
            return
        with np.errstate(invalid="ignore", over="ignore"):
            if math.isfinite(np.add.reduce(features, axis=None, dtype=np.float64)):
                return
        wrong = np.isinf(features) if self._accepts == "nan" else ~np.isfinite(features)
        if not wrong.any():
            return
        refuse_infinite(batch, range(len(self.columns)))
        row = int(wrong.any(axis=1).argmax())
        name = self._missing_column(batch, row)
        if name is None:
            raise RequestError(f"row {row}: its numbers are too large")
        raise RequestError(f"row {row}, column `{name}`: {MISSING}")

    def _missing_column(self, batch: Batch, row: int) -> str | None:
        """Return the column whose missing value is in the way: one whose absence alone makes a feature that is none."""
        missing = [name for name, values in batch.items() if is_missing(values[row])]
        for name in missing:
            table: Any = [_only_row(values, row, keeps_nan=one == name) for one, values in batch.items()]
            features = self._features(table if batch.has_text else np.column_stack(table))
            if not np.isfinite(numbers(features, self._names)).all():
                return name
        return missing[0] if missing else None


class LoweredTrees(LoweredModel):
    """Trees in a file of the format above and an ONNX file beside it."""

    loads_after_fork = True  # a session has threads and locks of its own
    gains_from_batches = True


def _only_row(values: NDArray[Any] | list[Any], row: int, *, keeps_nan: bool) -> NDArray[Any] | list[Any]:
    if isinstance(values, list):
        return [values[row]]
    value = np.asarray(values[row : row + 1], dtype=np.float64)
    return value if keeps_nan else np.nan_to_num(value)


def _linear(score: Mapping[str, Any]) -> Score:
    weights = np.ascontiguousarray(np.array([floats(row) for row in score["weights"]]).T)
    offsets = floats(score["offsets"])

    def run(features: Floats) -> Floats:
        scores: Floats = features.dot(weights)
        scores += offsets
        return scores

    return run


def _same(scores: Floats) -> Floats:
    return scores


def _exponential(scores: Floats) -> Floats:
    return np.exp(scores)


def _sign(scores: Floats) -> Floats:
    return np.concatenate([np.zeros_like(scores), np.sign(scores)], axis=1)


def _logistic(scores: Floats) -> Floats:
    both = np.empty((len(scores), 2))
    both[:, 1:] = np.exp(-np.logaddexp(0.0, -scores))
    both[:, :1] = 1.0 - both[:, 1:]
    return both


def _one_against_rest(scores: Floats) -> Floats:
    return _shares(np.exp(-np.logaddexp(0.0, -scores)))


def _softmax(scores: Floats) -> Floats:
    powers = np.exp(scores - scores.max(axis=1, keepdims=True))
    return np.asarray(powers / powers.sum(axis=1, keepdims=True))


def _modified_huber(scores: Floats) -> Floats:
    clipped = (np.clip(scores, -1.0, 1.0) + 1.0) / 2.0
    return np.concatenate([1.0 - clipped, clipped], axis=1) if scores.shape[1] == 1 else _shares(clipped)


def _complement(scores: Floats) -> Floats:
    return np.concatenate([1.0 - scores, scores], axis=1)


def _shares(values: Floats) -> Floats:
    """Return each row divided by its sum; equal shares where that is 0."""
    sums = values.sum(axis=1, keepdims=True)
    return np.where(sums == 0.0, 1.0 / values.shape[1], values / np.where(sums == 0.0, 1.0, sums))


_LINKS: Mapping[str, tuple[Callable[[Floats], Floats], bool]] = {
    "value": (_same, False),
    "exponential": (_exponential, False),
    "sign": (_sign, False),
    "largest": (_same, False),
    "logistic": (_logistic, True),
    "one-against-rest": (_one_against_rest, True),
    "softmax": (_softmax, True),
    "modified-huber": (_modified_huber, True),
    "share": (_same, True),
    "complement": (_complement, True),
}
"""Name → scores ``(n_rows, n_scores)`` to values, or to one column a class; whether those are probabilities."""

_CLASS_TYPES: Mapping[str, Any] = {
    "b": np.bool_,
    "i": np.int64,
    "u": np.uint64,
    "f": np.float64,
    "U": np.object_,
    "O": np.object_,
}
