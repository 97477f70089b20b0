"""The base class of models, and what models that read a table of columns share."""

from __future__ import annotations

import inspect
import math
from operator import itemgetter
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from ci_core.serving.base import ModelCall
from ci_core.serving.models.answers import ModelAnswerError
from ci_core.serving.models.snapshot import columns_of, columns_of_like, outputs_of
from ci_core.serving.models.unobserved import UnobservedCall
from ci_core.serving.problems import RequestError, UnknownPathError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

    from ci_core.serving.base import Row
    from ci_core.types import JsonValue

_OPERATION_PREFIX = "op_"
_NUMBERS = frozenset({float, int, bool})
_NUMPY_VALUE = np.generic
_PLAIN = _NUMBERS | {str, dict, list, type(None)}


class Model:
    """A model that users write: override ``predict``, most often ``load``, and the others when needed.

    One instance answers all requests of a process; it is made once with the arguments of its route, and with
    ``context`` when its constructor has an argument of that name. A call runs ``validate``, ``preprocess``, the check
    of ``input_columns``, ``predict`` and ``postprocess``, in this order. None of them may be a coroutine function.

    Calls come one at a time, with three exceptions, where several threads make them at once: its router has
    ``blocking`` or ``timeout``; it is a shadow and is also asked by its path; a call hangs and was left behind.

    `rows` is a list of dicts, column → JSON value, at least one, as the client sent them and the steps before left
    them: an object in the request is one row, a list of objects as many, and tensors of shape ``(n,)`` or ``(n, k)``
    are n rows. Missing values are None. Answers are one a row, in the order of the rows; a numpy array ``(n,)`` or
    ``(n, k)`` will do. A method ``op_<name>(self, rows)`` answers ``/v2/models/<m>/<name>``; like ``explain`` it gets
    what ``preprocess`` returned, and answers one a row. ``operations``, ``call``, ``operate`` and ``score`` are what
    the engine uses: leave them as they are.

    Example:
        >>> from ci_core.serving import Graph, RequestError, Route, Router
        >>> class Mean(Model):
        ...     input_columns = ("a", "b")
        ...
        ...     def __init__(self, digits=2):
        ...         self.digits = digits
        ...
        ...     def validate(self, rows):
        ...         if any(row.get("a", 0) < 0 for row in rows):
        ...             raise RequestError("`a` is below 0")
        ...
        ...     def predict(self, rows):
        ...         return [round((row["a"] + row["b"]) / 2, self.digits) for row in rows]
        ...
        ...     def op_range(self, rows):
        ...         return [abs(row["a"] - row["b"]) for row in rows]
        >>> graph = Graph("mean")
        >>> _ = graph.to(Router.single({"mean": Route(Mean, arguments={"digits": 1})}))
        >>> graph.test({"a": 1, "b": 2})
        1.5
        >>> graph.test([{"a": 1, "b": 2}, {"a": 3, "b": 9}], path="/v2/models/mean/range")
        [1, 6]
    """

    input_columns: tuple[str, ...] = ()
    """The columns it reads: rows that lack one are refused, and captures keep these. Empty: whatever comes."""
    columns: Any = ()
    """The same with their kinds, for metadata: ``{"age": "number", "city": "string"}``; also ``boolean`` and ``any``.
    One of both will do."""
    output_columns: Mapping[str, str] = MappingProxyType({})
    """What it answers, for metadata and V2 clients: ``{"prediction": "integer", "probability": "number"}``; also
    ``string`` and ``boolean``. Answers that are no objects are the field ``output``. Empty: nothing is told."""
    loads_after_fork: bool = False
    """Set it when :meth:`load` starts threads or opens sessions: each worker then loads for itself."""
    gains_from_batches: bool = False
    """Set it when one call of n rows costs much less than n calls: requests that are ready together then share one."""
    takes_tables: ClassVar[bool] = False
    """Whether :meth:`call` also takes a ``ci_core.serving.table.Table`` instead of rows."""
    n_classes: int | None = None
    """How many classes a classifier has; None when nobody knows, or of a regression."""
    decides_itself: bool = False
    """Whether its label may be another than the class of the highest probability; such a model cannot vote by it."""
    is_observed: bool = True
    """Whether anybody reads what calls say beside their answers; a server without captures says no."""
    _required: _RequiredColumns | None = None
    _only_predicts: bool | None = None

    def load(self) -> None:
        """Read what the model needs; called once, before the first request. What it raises keeps the server from ready.

        Paths are relative to the project. With ``load="first-use"`` the first request runs it, in a server in a thread.
        """

    def validate(self, rows: list[Row]) -> None:
        """Refuse rows that cannot be answered: raise ``RequestError``, which the client is told as a 400."""

    def preprocess(self, rows: list[Row]) -> Any:
        """Return what :meth:`predict` gets: rows, or any other form of as many, such as an array ``(n, k)``.

        More or fewer rows than came are a failure: answers would no longer be those of their rows. When it returns
        other rows, those are what captures keep and what :attr:`input_columns` is held to.
        """
        return rows

    def predict(self, rows: Any) -> Sequence[JsonValue] | NDArray[Any]:
        """Return one answer a row: a number, or an object with ``prediction`` and perhaps ``probability``.

        ``probability`` is of class 1 of two, or of the predicted class of more, from 0 to 1: what monitoring follows.
        Any other JSON value is sent to the client, too, but monitoring has no number of it; see :meth:`output`.
        """
        raise NotImplementedError(f"{type(self).__name__} defines no `predict(self, rows)`")

    def postprocess(self, answers: list[JsonValue]) -> list[JsonValue]:
        """Return what the client sees, as many as came; captures keep what :meth:`predict` said."""
        return answers

    def explain(self, rows: Any) -> Sequence[JsonValue] | NDArray[Any]:
        """Return one explanation a row; answers ``/v2/models/<m>/explain`` when overridden."""
        raise NotImplementedError(f"{type(self).__name__} defines no `explain(self, rows)`")

    def output(self, answer: JsonValue) -> float | None:
        """Return the number that monitoring keeps of one answer of :meth:`predict`; None for none.

        The default is its ``probability``, else its ``prediction``, else the answer itself, if that is a number.
        """
        if isinstance(answer, dict):
            answer = answer.get("probability", answer.get("prediction"))
        return float(answer) if isinstance(answer, bool | int | float) else None

    @property
    def reads_nothing_else(self) -> bool:
        """Whether it reads its :attr:`input_columns` alone, so that a tensor of another name is a mistake.

        Yes, unless ``validate`` or ``preprocess`` is overridden: they get the rows before the columns are checked.
        """
        return self._leaves("validate", "preprocess")

    @property
    def operations(self) -> tuple[str, ...]:
        """What can be asked of it beside ``infer``: ``explain`` when overridden, and the ``op_`` methods."""
        explains = ("explain",) if type(self).explain is not Model.explain else ()
        own = (name for name in dir(type(self)) if name.startswith(_OPERATION_PREFIX))
        return explains + tuple(name.removeprefix(_OPERATION_PREFIX) for name in own)

    def call(self, rows: list[Row]) -> ModelCall:
        """Answer `rows`: validate, preprocess, predict, postprocess.

        Raises:
            RequestError: a row lacks one of :attr:`input_columns`, or the model refuses it.
            ModelAnswerError: the model does not answer one a row.
        """
        if self._only_predicts is None:
            only_predicts = self._leaves("validate", "preprocess", "postprocess", "output")
            # not by its own: the model may be a frozen dataclass
            object.__setattr__(self, "_only_predicts", only_predicts)
        if self._only_predicts and not self.is_observed:  # what most are, and the rest below is not done for nothing
            if self.input_columns:
                self._check_columns(rows)
            answers = self._one_each("predict", self.predict(rows), rows)
            return UnobservedCall(answers, self, rows, answers)
        return self._call_in_full(rows)

    def _leaves(self, *methods: str) -> bool:
        """Return whether the model leaves `methods` as they are here."""
        own = vars(self)
        return all(getattr(type(self), name) is getattr(Model, name) and name not in own for name in methods)

    def _check_columns(self, rows: list[Row]) -> None:
        names, required = self.input_columns, self._required
        if required is None or required.names is not names:
            required = _RequiredColumns(names)
            object.__setattr__(self, "_required", required)
        required.check(rows)

    def _call_in_full(self, rows: list[Row]) -> ModelCall:
        n_rows = len(rows)
        self.validate(rows)
        ready = self.preprocess(rows)
        received = ready if ready is not rows and _are_rows(ready) else rows
        if len(received) != n_rows:  # each answer, and each captured row, would belong to another one
            what = f"left {len(received)} rows of {n_rows}; it must leave as many"
            raise ModelAnswerError(f"{self._name_of('preprocess')} {what}")
        is_observed = self.is_observed
        columns = columns_of_like(received, self.input_columns) if is_observed else None
        if columns is None:
            if self.input_columns:
                self._check_columns(received)
            # before `predict`, which may change the rows and what is in them
            columns = self._columns_of(received) if is_observed else {}
        answers = self._one_each("predict", self.predict(ready), rows)
        # one of the user's own may fail, with captures and without
        outputs = self._outputs_of(answers) if is_observed or type(self).output is not Model.output else ()
        told = self.postprocess(answers)
        if told is not answers or type(self).postprocess is not Model.postprocess:
            told = self._one_each("postprocess", told, rows)
        if is_observed:
            return ModelCall(answers=told, columns=columns, outputs=outputs)
        return UnobservedCall(told, self, received, answers)

    def _outputs_of(self, answers: list[JsonValue]) -> Sequence[float | None] | NDArray[np.float64]:
        if type(self).output is Model.output:
            # the same for all of them at once: one by one it would be the dearest part of a capture
            return outputs_of(answers, self.output)
        return [self.output(answer) for answer in answers]

    def _columns_of(self, rows: list[Row]) -> Mapping[str, Any]:
        return columns_of(rows, self.input_columns)

    def _one_each(self, method: str, answers: Any, rows: list[Row]) -> list[JsonValue]:
        """Return what a method answered as a list of its own, one a row.

        Raises:
            ModelAnswerError: it is something else.
        """
        if type(answers) is not list:
            if isinstance(answers, np.ndarray):
                answers = answers.tolist()
            elif not _is_iterable(answers):
                what = f"returned {_kind(answers)}, not a list of one answer a row"
                raise ModelAnswerError(f"{self._name_of(method)} {what}")
        # of many in a third of the time
        if type(answers) is list and len(answers) > 1 and _PLAIN.issuperset(set(map(type, answers))):
            told = answers.copy()
        else:
            told = [one.item() if isinstance(one, _NUMPY_VALUE) else one for one in answers]
        if len(told) != len(rows):
            raise ModelAnswerError(f"{self._name_of(method)} returned {len(told)} answers for {len(rows)} rows")
        return told

    def _name_of(self, method: str) -> str:
        return f"`{type(self).__name__}.{method}`"

    def operate(self, operation: str, rows: list[Row]) -> list[JsonValue]:
        """Return one answer a row of one of :attr:`operations`.

        Raises:
            UnknownPathError: there is no such operation.
            RequestError: a row cannot be used.
            ModelAnswerError: the model does not answer one a row.
        """
        known = self.operations
        if operation not in known:
            shown = ", ".join(f"`{one}`" for one in ("infer", *known))
            raise UnknownPathError(f"the model has no operation `{operation}`; operations: {shown}")
        self.validate(rows)
        method = operation if operation == "explain" else f"{_OPERATION_PREFIX}{operation}"
        return self._one_each(method, getattr(self, method)(self.preprocess(rows)), rows)

    def score(self, columns: Mapping[str, Sequence[Any] | NDArray[Any]]) -> NDArray[np.float64]:
        """Return one output a row of a table, NaN where there is none; shape ``(n_rows,)``."""
        rows = [dict(zip(columns, values, strict=True)) for values in zip(*columns.values(), strict=True)]
        if not rows:
            return np.empty(0)
        outputs = self.call(rows).outputs
        return np.array([math.nan if value is None else value for value in outputs], dtype=np.float64)


class _RequiredColumns:
    """The columns that rows must have."""

    __slots__ = ("_as_set", "_find", "names")

    def __init__(self, names: Sequence[str]) -> None:
        self.names = names
        self._as_set = frozenset(names)
        self._find = itemgetter(*names)

    def check(self, rows: list[Row]) -> None:
        """Refuse rows that lack a column; to take them all costs half of asking for each of them.

        Raises:
            RequestError: a row lacks one.
        """
        find = self._find
        try:
            for row in rows:
                if row.__class__ is dict:
                    find(row)
                elif not self._as_set <= row.keys():  # a `defaultdict` would find everything
                    break
            else:
                return
        except KeyError:
            pass
        index, name = next((index, name) for name in self.names for index, row in enumerate(rows) if name not in row)
        raise RequestError(f"row {index} lacks the column `{name}`")


def _is_iterable(answers: Any) -> bool:
    """Return whether something can be taken for one answer a row."""
    return answers is not None and not isinstance(answers, str | bytes | dict) and hasattr(answers, "__iter__")


def _are_rows(ready: Any) -> bool:
    return isinstance(ready, list) and all(isinstance(row, dict) for row in ready)


def _kind(answers: Any) -> str:
    if answers is None:
        return "nothing"
    return "a coroutine" if inspect.iscoroutine(answers) else f"a {type(answers).__name__}"


def hint_to_name_columns(path: str) -> str:
    """Return how a route tells a model's columns, in both languages of a graph."""
    return f'name them in the route: `Route("{path}", columns=["a", "b"])`, in YAML {{model: {path}, columns: [a, b]}}'
