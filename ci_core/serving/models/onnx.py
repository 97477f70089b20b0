"""ONNX files, by onnxruntime.

Two shapes of input are understood, both as skl2onnx and its relatives write them: one named input a column, shape
``(n_rows, 1)`` or ``(n_rows,)``; or one matrix ``(n_rows, n_columns)`` whose column names come from the graph's route
(``columns:``) or from the file's metadata ``columns`` (a JSON list). A classifier has the outputs label and
probabilities, the latter as a matrix or as one map a row; a model with one output is a regression.
"""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any

import numpy as np

from ci_core.errors import BrokenModelError, MissingExtraError, quoted
from ci_core.serving.missing import is_missing
from ci_core.serving.models.answers import ModelAnswerError
from ci_core.serving.models.base import hint_to_name_columns
from ci_core.serving.models.columns import Column
from ci_core.serving.models.prediction import Prediction, output_columns
from ci_core.serving.models.refusals import ANY_NUMBER, MISSING, find_refusal
from ci_core.serving.models.tabular import TabularModel
from ci_core.serving.problems import RequestError, shown

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from ci_core.serving.models.batch import Batch, Values
    from ci_core.serving.models.columns import Kind

_DTYPES: dict[str, tuple[Kind, Any]] = {
    "tensor(float)": ("number", np.float32),
    "tensor(double)": ("number", np.float64),
    "tensor(int64)": ("number", np.int64),
    "tensor(int32)": ("number", np.int32),
    "tensor(string)": ("string", np.object_),
    "tensor(bool)": ("boolean", np.bool_),
}
"""Element type of an input → kind of column, dtype of the tensor."""
_PREAMBLE = re.compile(r"^\[ONNXRuntimeError\] : \d+ : \w+ : (Load model from .*? failed:)?")
_UNKNOWN_CATEGORY = "Unknown Category"
"""What onnxruntime's encoders say of a value they do not know."""
_FLOATS = (np.float32, np.float64)


def open_session(source: str | bytes, *, path: str) -> Any:
    """Return a session with one thread.

    Args:
        source: the file's full path, or its content.
        path: what messages call it.

    Raises:
        MissingExtraError: onnxruntime is not installed.
        BrokenModelError: it is not ONNX.
    """
    try:
        import onnxruntime as ort
    except ImportError as error:
        raise MissingExtraError(extra="onnx", module="onnxruntime") from error
    options = ort.SessionOptions()
    options.intra_op_num_threads = 1
    options.inter_op_num_threads = 1
    options.log_severity_level = 4  # what fails is raised, and a client could fill the log with it
    try:
        return ort.InferenceSession(source, options, providers=["CPUExecutionProvider"])
    except Exception as error:  # onnxruntime's exceptions share no base class but Exception
        raise BrokenModelError(path=path, reason=f"it is no ONNX model that runs here{_why(error)}") from error


def _why(error: Exception) -> str:
    """Return the end of a message of onnxruntime, behind its codes and the file's full path."""
    message = str(error).partition("\n")[0]
    told = _PREAMBLE.sub("", message).strip(" .")
    return f": {told}" if told else ""


class OnnxModel(TabularModel):
    """A model in an ONNX file; one intra-op thread, so that workers share cores instead of fighting for them."""

    loads_after_fork = True  # a session has threads and locks of its own
    _session: Any
    _inputs: tuple[tuple[str, str, Any, tuple[int, ...]], ...]
    """``(column, input, dtype, shape)`` of models with one input a column."""
    _matrix: tuple[str, Any] | None
    """``(input, dtype)`` of models that take one matrix."""

    def load(self) -> None:
        """Open a session.

        Raises:
            MissingExtraError: onnxruntime is not installed.
            BrokenModelError: the file is not ONNX, or its inputs are of a shape or type not understood.
        """
        self.check_file()
        self._session = open_session(str(self.file), path=self.path)
        inputs = self._session.get_inputs()
        for one in inputs:
            if one.type not in _DTYPES:
                raise BrokenModelError(path=self.path, reason=f"its input `{one.name}` has the type {one.type}")
        if len(inputs) == 1 and (self.given_columns or _width(inputs[0].shape) != 1):
            self._take_matrix(inputs[0])
        else:
            self._take_columns(inputs)
        label, *others = self._session.get_outputs()
        label_kind = np.dtype(_DTYPES[label.type][1]).kind if label.type in _DTYPES else None
        text_kind = "U" if label_kind == "O" else label_kind
        self.output_columns = output_columns(text_kind, tells_probabilities=bool(others))

    def _take_matrix(self, one: Any) -> None:
        kind, dtype = _DTYPES[one.type]
        names = self.given_columns or self._columns_in_metadata()
        width = _width(one.shape)
        if not names:
            raise BrokenModelError(
                path=self.path,
                reason=f"it takes one matrix `{one.name}` and does not say what its columns are called",
                hint=hint_to_name_columns(self.path),
            )
        if width is not None and width != len(names):
            raise BrokenModelError(
                path=self.path, reason=f"its matrix `{one.name}` has {width} columns, and {len(names)} are named"
            )
        self._matrix = (one.name, dtype)
        self._inputs = ()
        self.columns = tuple(Column(name=name, kind=kind) for name in names)

    def _take_columns(self, inputs: list[Any]) -> None:
        own = [one.name for one in inputs]
        if self.given_columns and set(self.given_columns) != set(own):
            raise BrokenModelError(
                path=self.path,
                reason=f"it reads the columns {quoted(own)}, and {quoted(self.given_columns)} are named",
                hint="leave `columns` out: the file names them itself",
            )
        self._matrix = None
        self._inputs = tuple((one.name, one.name, _DTYPES[one.type][1], _shape(one.shape)) for one in inputs)
        self.columns = tuple(Column(name=one.name, kind=_DTYPES[one.type][0]) for one in inputs)

    def _columns_in_metadata(self) -> tuple[str, ...]:
        stored = self._session.get_modelmeta().custom_metadata_map.get("columns", "[]")
        try:
            names = json.loads(stored)
        except ValueError:
            names = None
        if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
            raise BrokenModelError(path=self.path, reason="its metadata `columns` is not a JSON list of names")
        return tuple(names)

    def infer(self, batch: Batch, n_rows: int) -> Prediction:
        """Run the session on a batch.

        Raises:
            RequestError: a column of integers has a missing value or a fraction, or the model makes nothing of a row
                with a value that is missing, too large, or of an unknown category.
            ModelAnswerError: it gives NaN for a probability, and no value is to blame.
        """
        try:
            prediction = self._ask(batch, n_rows)
        except Exception as error:  # onnxruntime's exceptions share no base class but Exception
            if _UNKNOWN_CATEGORY not in str(error):
                raise
            raise self._unknown_category(batch, n_rows) from error
        if _has_gaps(prediction):
            self._refuse_gaps(batch, n_rows, prediction)
        return prediction

    def _ask(self, batch: Batch, n_rows: int) -> Prediction:
        with np.errstate(over="ignore"):  # a number beyond float32 becomes infinite, as it would in training
            feed = self._feed(batch, n_rows)
        return _prediction(self._session.run(None, feed), n_rows)

    def _unknown_category(self, batch: Batch, n_rows: int) -> RequestError:
        row, _refusal = find_refusal(batch, n_rows, {}, self._takes)
        texts = [column.name for column in self.columns if column.kind == "string"]
        if row is None or len(texts) != 1:
            return RequestError(f"row {row or 0}: a category is unknown to the model")
        value = batch[texts[0]][row]
        what = MISSING if is_missing(value) else f"unknown category {shown(value)}"
        return RequestError(f"row {row}, column `{texts[0]}`: {what}")

    def _refuse_gaps(self, batch: Batch, n_rows: int, prediction: Prediction) -> None:
        """Refuse rows that the model makes no number of; a regression may say NaN of values that are all there.

        A file does not say whether its model takes missing values: its answer does.
        """
        stand_ins = {column.name: ANY_NUMBER for column in self.columns if column.kind == "number"}
        _row, refusal = find_refusal(batch, n_rows, stand_ins, self._takes)
        if refusal is not None:
            raise refusal
        if prediction.probabilities is not None:
            raise ModelAnswerError(f"the model `{self.path}` gives NaN for a probability")

    def _takes(self, batch: Batch, n_rows: int) -> bool:
        try:
            return not _has_gaps(self._ask(batch, n_rows))
        except Exception as error:  # as in `infer`
            if _UNKNOWN_CATEGORY not in str(error):
                raise
            return False

    def _feed(self, batch: Batch, n_rows: int) -> dict[str, NDArray[Any]]:
        if self._matrix is None:
            return {
                name: _tensor(column, batch[column], dtype).reshape(shape)
                for column, name, dtype, shape in self._inputs
            }
        name, dtype = self._matrix
        if dtype in _FLOATS and not batch.has_text:
            return {name: batch.matrix.astype(dtype, order="C", copy=False)}
        stacked = np.column_stack([_tensor(column, batch[column], dtype) for column in self.input_columns])
        return {name: stacked.reshape(n_rows, len(self.columns))}


def _has_gaps(prediction: Prediction) -> bool:
    """Whether a number that the model gives is NaN; a product is by far the quickest way to see it."""
    if prediction.probabilities is None and prediction.values.dtype.kind != "f":
        return False
    outputs = prediction.outputs
    return is_missing(outputs.dot(outputs))


def _prediction(outputs: list[Any], n_rows: int) -> Prediction:
    values = np.asarray(outputs[0]).reshape(n_rows)
    if len(outputs) == 1:
        return Prediction(values=values)
    probabilities = outputs[1]
    if isinstance(probabilities, list):  # skl2onnx's default, ZipMap: one dict a row
        probabilities = np.array([list(row.values()) for row in probabilities], dtype=np.float64)
    return Prediction(values=values, probabilities=np.asarray(probabilities).reshape(n_rows, -1))


def _tensor(name: str, values: Values, dtype: Any) -> NDArray[Any]:
    if isinstance(values, list):
        # onnxruntime has no missing strings; an empty one is a level no training data has
        return np.array([value or "" for value in values], dtype=np.object_)
    if dtype in {np.int64, np.int32}:
        missing = np.isnan(values)
        if missing.any():
            raise RequestError(f"row {int(missing.argmax())}, column `{name}`: {MISSING}")
        whole = np.isfinite(values) & (values == np.round(values))
        if not whole.all():
            index = int(np.argmin(whole))
            raise RequestError(f"row {index}, column `{name}`: expected a whole number, found {values[index]}")
    return values.astype(dtype, copy=False)


def _width(shape: list[Any]) -> int | None:
    """Return the number of columns of an input; 1 for a vector, None when the file leaves it open."""
    if len(shape) == 1:
        return 1
    return shape[1] if isinstance(shape[1], int) else None


def _shape(shape: list[Any]) -> tuple[int, ...]:
    """Return what to reshape one column to: ``(-1,)`` or ``(-1, 1)``."""
    return (-1,) if len(shape) == 1 else (-1, 1)
