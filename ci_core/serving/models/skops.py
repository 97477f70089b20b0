"""scikit-learn estimators in skops files: read without running code, from trusted types only."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

import numpy as np

from ci_core.errors import BrokenModelError, MissingExtraError, UntrustedModelError
from ci_core.serving.missing import is_missing
from ci_core.serving.models.base import hint_to_name_columns
from ci_core.serving.models.columns import Column, Kind
from ci_core.serving.models.prediction import Prediction, output_columns
from ci_core.serving.models.refusals import ANY_NUMBER, find_refusal
from ci_core.serving.models.tabular import TabularModel
from ci_core.serving.problems import RequestError

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from ci_core.serving.models.batch import Batch

_DECIDES_ITSELF = frozenset({"SVC", "NuSVC", "FixedThresholdClassifier", "TunedThresholdClassifierCV"})
"""Classifiers whose ``predict`` is not the class of the highest probability."""

_HARMLESS = frozenset({"numpy.dtype"})
"""Of types that skops does not trust by itself: a dtype is a word about numbers, and runs nothing."""
_SKLEARN = "sklearn."
_MAY_READ_TEXT = frozenset(
    {
        *("ColumnTransformer", "FeatureHasher", "FeatureUnion", "FunctionTransformer", "HashingVectorizer"),
        *("CountVectorizer", "DictVectorizer", "OneHotEncoder", "OrdinalEncoder", "SimpleImputer", "TargetEncoder"),
        *("TfidfVectorizer", "HistGradientBoostingClassifier", "HistGradientBoostingRegressor", "DummyClassifier"),
        "DummyRegressor",
    }
)
"""Parts of scikit-learn that take text, or mind nothing; all others need numbers."""


class SkopsModel(TabularModel):
    """An estimator as it was fitted; slower than the same model as ONNX, and equal to it in every digit.

    The columns are the estimator's own ``feature_names_in_``, else those that the graph's route names.
    """

    gains_from_batches = True  # checking its input costs scikit-learn the same for one row and for a thousand

    _estimator: Any
    _frame: Any = None
    """pandas' DataFrame, for an estimator that picks its columns by name; else None."""
    _predicts_by_probability: bool
    _is_of_sklearn: bool
    _stand_ins: dict[str, Any]
    """Column → a value that the estimator takes there; see ``refusals.py``."""
    _tells_probabilities: bool

    def load(self) -> None:
        """Read the estimator.

        Raises:
            MissingExtraError: skops or scikit-learn is not installed.
            UntrustedModelError: the file holds types that neither skops nor the graph's author trusts.
            BrokenModelError: it is not a skops file, nobody says what its columns are called, or it picks its columns
                by name and pandas is not installed.
        """
        try:
            import skops.io
        except ImportError as error:
            raise MissingExtraError(extra="sklearn", module="skops") from error
        self.check_file()
        try:
            untrusted = set(skops.io.get_untrusted_types(file=self.file))
        except Exception as error:  # zip, JSON and schema errors of a file that is something else
            raise BrokenModelError(path=self.path, reason=f"it is not a skops file ({error})") from error
        if untrusted - _HARMLESS - set(self.trust):
            raise UntrustedModelError(path=self.path, types=sorted(untrusted - _HARMLESS - set(self.trust)))
        try:
            self._estimator = skops.io.load(self.file, trusted=sorted(untrusted))
        except Exception as error:  # an estimator of another scikit-learn version fails in any way it likes
            raise BrokenModelError(path=self.path, reason=str(error)) from error
        self._is_of_sklearn = all(one.startswith(_SKLEARN) for one in untrusted - _HARMLESS)
        if not hasattr(self._estimator, "predict"):
            raise BrokenModelError(path=self.path, reason=f"`{type(self._estimator).__name__}` has no `predict`")
        names = self._names()
        features = list(range(len(names)))
        kinds: dict[int, Kind] = dict.fromkeys(_number_features(self._estimator, features), "number")
        known = dict(_known_values(self._estimator, features))
        kinds |= dict.fromkeys((index for index, values in known.items() if _are_texts(values)), "string")
        self.columns = tuple(Column(name=name, kind=kinds.get(index, "any")) for index, name in enumerate(names))
        self._stand_ins = {name: _stand_in(known.get(index, ())) for index, name in enumerate(names)}
        self._settle()

    @property
    def estimator(self) -> Any:
        """The estimator; once it is loaded."""
        return self._estimator

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

    def _settle(self) -> None:
        """Make the estimator fit for serving: one thread, and no question for names that were checked already."""
        parts = list(_parts(self._estimator, set()))
        self._tells_probabilities = hasattr(self._estimator, "predict_proba")  # a pipeline takes 1.4 us to say so
        classes = getattr(self._estimator, "classes_", None)
        self._predicts_by_probability = self._tells_probabilities and not (
            classes is None or any(type(part).__name__ in _DECIDES_ITSELF for part in parts)
        )
        self.n_classes = None if classes is None else len(classes)
        self.decides_itself = self._tells_probabilities and not self._predicts_by_probability
        self.output_columns = output_columns(self._label_kind(), tells_probabilities=self._tells_probabilities)
        for part in parts:
            if getattr(part, "n_jobs", None) not in {None, 1}:
                part.n_jobs = 1  # workers share the cores; threads of one request would fight for them
        if any(_picks_by_name(part) for part in parts):
            self._frame = self._pandas_frame()
            return
        for part in parts:
            # fitted on a data frame and asked with an array in the same order, it would warn at every request
            vars(part).pop("feature_names_in_", None)

    def _label_kind(self) -> str | None:
        """Return numpy's kind of what is predicted; None when nobody knows, such as of an estimator of somebody's."""
        classes = getattr(self._estimator, "classes_", None)
        if classes is None:
            return "f" if _is_regression(self._estimator) else None
        kind = np.asarray(classes).dtype.kind
        if kind == "O" and all(isinstance(one, str) for one in classes):
            return "U"
        return kind

    def _pandas_frame(self) -> Any:
        try:
            return importlib.import_module("pandas").DataFrame
        except ImportError as error:
            raise BrokenModelError(
                path=self.path,
                reason="it picks its columns by name, which scikit-learn does with pandas only, and that is missing",
                hint="install pandas beside the server, fit the `ColumnTransformer` with numbers of columns, "
                "or export the model to ONNX",
            ) from error

    def infer(self, batch: Batch, n_rows: int) -> Prediction:
        """Call the estimator's ``predict_proba`` when it has one, and ``predict`` when that does not tell the label.

        Raises:
            RequestError: the estimator refuses the values, such as a missing one, or a category it has never seen.
        """
        try:
            return self._ask(batch, n_rows)
        except (TypeError, ValueError) as error:
            refusal = self._refusal(batch, n_rows, error)
            if refusal is None:
                raise
            raise refusal from error

    def _refusal(self, batch: Batch, n_rows: int, error: Exception) -> RequestError | None:
        """Return what is wrong with a request that the estimator failed at; None when it may be the estimator."""
        row, refusal = find_refusal(batch, n_rows, self._stand_ins, self._takes)
        if refusal is not None or isinstance(error, TypeError):
            return refusal
        where = "" if row is None else f"row {row}: "
        # scikit-learn talks of values; what a type of somebody else may talk of, nobody knows
        why = f": {str(error).partition(chr(10))[0]}" if self._is_of_sklearn else ""
        return RequestError(f"{where}the model refuses the values{why}")

    def _takes(self, batch: Batch, n_rows: int) -> bool:
        try:
            self._ask(batch, n_rows)
        except (TypeError, ValueError):
            return False
        return True

    def _ask(self, batch: Batch, n_rows: int) -> Prediction:
        if not self._tells_probabilities:
            return Prediction(values=self._labels(batch, n_rows))
        probabilities = np.asarray(self._estimator.predict_proba(self._table(batch)))
        if self._predicts_by_probability:
            labels = np.asarray(self._estimator.classes_)[probabilities.argmax(axis=1)]
        else:
            labels = self._labels(batch, n_rows)
        return Prediction(values=labels, probabilities=probabilities)

    def _labels(self, batch: Batch, n_rows: int) -> Any:
        return np.asarray(self._estimator.predict(self._table(batch))).reshape(n_rows)

    def _table(self, batch: Batch) -> Any:
        """Return the values for one call of the estimator: of its own, as a scaler with ``copy=False`` changes them."""
        if self._frame is not None:
            return self._frame(dict(batch), columns=list(batch.names))
        if not batch.has_text:
            return np.array(batch.matrix, dtype=np.float64)
        return np.column_stack([np.asarray(values, dtype=np.object_) for values in batch.values()])


def _is_regression(estimator: Any) -> bool:
    tell = getattr(estimator, "__sklearn_tags__", None)  # before scikit-learn 1.6 there were no tags
    return (tell().estimator_type if tell else getattr(estimator, "_estimator_type", None)) == "regressor"


def _parts(estimator: Any, seen: set[int]) -> Iterator[Any]:
    """Yield an estimator and all estimators it holds, each once."""
    if isinstance(estimator, list | tuple):
        children = list(estimator)
    elif isinstance(estimator, dict):
        children = list(estimator.values())
    elif hasattr(estimator, "get_params") and hasattr(estimator, "__dict__") and id(estimator) not in seen:
        seen.add(id(estimator))
        yield estimator
        children = list(vars(estimator).values())
    elif isinstance(estimator, np.ndarray) and estimator.dtype == np.object_:
        children = list(estimator.flat)  # gradient boosting keeps its trees so
    else:
        return
    for child in children:
        yield from _parts(child, seen)


def _first_of(steps: Sequence[tuple[str, Any]]) -> Any:
    """Return the first step of a pipeline that does something."""
    return next((step for _name, step in steps if step is not None and step != "passthrough"), None)


def _number_features(part: Any, features: list[int]) -> Iterator[int]:
    """Yield those of `features`, in the order in which an estimator gets them, that it can read as numbers only."""
    steps = getattr(part, "steps", None)
    if steps:
        # a scaler hands on what it was given, so the first step alone decides
        yield from _number_features(_first_of(steps), features)
    elif hasattr(part, "transformers_"):
        for name, transformer, *_ in part.transformers_:
            chosen = part._transformer_to_input_indices.get(name, [])  # noqa: SLF001 - slices, masks and names resolved
            yield from _number_features(transformer, [features[index] for index in chosen])
    elif _reads_numbers_only(part):
        yield from features


def _reads_numbers_only(part: Any) -> bool:
    parts = list(_parts(part, set()))
    return bool(parts) and all(
        type(one).__module__.startswith(_SKLEARN)
        and (type(one).__name__ not in _MAY_READ_TEXT or _learned_numbers_only(one))
        for one in parts
    )


def _learned_numbers_only(part: Any) -> bool:
    """Whether an encoder or imputer was fitted with numbers: its categories, or what it fills in, are some."""
    learned = [*getattr(part, "categories_", ()), *([part.statistics_] if hasattr(part, "statistics_") else [])]
    return bool(learned) and all(np.asarray(one).dtype.kind in "biuf" for one in learned)


def _known_values(part: Any, features: list[int]) -> Iterator[tuple[int, list[Any]]]:
    """Yield those of `features` that an encoder or imputer reads first, each with values that it learned.

    Args:
        part: an estimator.
        features: in the order in which it gets them.
    """
    steps = getattr(part, "steps", None)
    if steps:
        yield from _known_values(_first_of(steps), features)
        return
    for name, transformer, *_ in getattr(part, "transformers_", ()):
        chosen = part._transformer_to_input_indices.get(name, [])  # noqa: SLF001 - slices, masks and names resolved
        yield from _known_values(transformer, [features[index] for index in chosen])
    for feature, categories in zip(features, getattr(part, "categories_", ()), strict=False):
        yield feature, np.asarray(categories).tolist()
    for feature, filler in zip(features, getattr(part, "statistics_", ()), strict=False):
        if isinstance(filler, str):  # what an imputer of numbers learned is no category
            yield feature, [filler]


def _are_texts(values: list[Any]) -> bool:
    """Whether a column with these values holds text, so that a missing one alone is not taken for a number."""
    return any(isinstance(one, str) for one in values) and not any(isinstance(one, int) for one in values)


def _stand_in(known: Sequence[Any]) -> Any:
    return next((one for one in known if isinstance(one, str | float | int) and not is_missing(one)), ANY_NUMBER)


def _picks_by_name(part: Any) -> bool:
    """Whether an estimator is a ``ColumnTransformer`` that was told names of columns."""
    chosen = [one[2] for one in getattr(part, "transformers_", ()) if len(one) == 3]  # noqa: PLR2004 - name, step, columns
    return any(isinstance(columns, str) or _has_names(columns) for columns in chosen)


def _has_names(columns: Any) -> bool:
    return isinstance(columns, list | tuple | np.ndarray) and any(isinstance(one, str) for one in columns)
