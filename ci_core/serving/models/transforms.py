"""What scikit-learn's scalers, imputers and encoders do to a table, in numpy alone: the first part of a lowered model.

A transformation is one JSON object; ``do`` says which::

    {"do": "chain", "steps": [...]}                          one after the other
    {"do": "join", "parts": [{"columns": [0, 2], "then": {...}}]}    each gets its columns; results side by side
    {"do": "arithmetic", "ops": [["subtract", [...]], ["divide", [...]]], "clip": [0.0, 1.0]}
                                                             a number a column; `clip` may be null
    {"do": "impute", "missing": {"nan": true}, "values": [...], "text": false, "keep": [0, 2], "indicate": [1]}
                                                             missing values become those of `values`; then columns of
                                                             1 where `indicate`d columns were missing
    {"do": "lookup", "columns": [{"keys": [...], "codes": [...], "otherwise": 3.0, "width": 4, "object": true}]}
                                                             a value becomes its code: a position among `width` new
                                                             columns, or with width 0 a number. Position -1: none

Numbers are JSON numbers, or ``"nan"``, ``"inf"``, ``"-inf"``. A key is a number, a text, null, or ``{"nan": true}``.
``otherwise`` null refuses what is not among the keys. ``object``: fitted on Python objects, such as text.

Between transformations a table is a matrix of numbers, or a list of columns when one of them holds text.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np

from ci_core.serving.missing import is_missing
from ci_core.serving.models.refusals import MISSING
from ci_core.serving.problems import RequestError, shown

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from numpy.typing import NDArray

    Floats: TypeAlias = NDArray[np.float64]
    Column: TypeAlias = "Floats | list[Any]"
    Table: TypeAlias = "Floats | list[Column]"
    Names: TypeAlias = tuple[str | None, ...]
    """Of the columns of a table; None where a column is not one of the request's."""
    Transform: TypeAlias = Callable[[Table], Table]

NAN: Any = object()
"""Stands for NaN where values are looked up, as NaN does not equal itself."""


def build_transform(stored: Mapping[str, Any], names: Names) -> tuple[Transform, Names]:
    """Return the transformation that `stored` describes, and the names of the columns it returns.

    Args:
        stored: see the module's docstring.
        names: of the columns it gets.

    Raises:
        ValueError, KeyError, TypeError: `stored` is not as described there.
    """
    return _BUILDERS[stored["do"]](stored, names)


def floats(values: Sequence[Any]) -> Floats:
    """Return stored numbers as an array."""
    return np.array([float(value) for value in values], dtype=np.float64)


def numbers(table: Table, names: Names) -> Floats:
    """Return a table as a matrix ``(n_rows, n_columns)``.

    Text that spells a number becomes that number, as it does in scikit-learn.

    Raises:
        RequestError: a text is no number.
    """
    if isinstance(table, np.ndarray):
        return table
    return np.column_stack([_column_of_numbers(column, name) for column, name in zip(table, names, strict=True)])


def _column_of_numbers(column: Column, name: str | None) -> Floats:
    if isinstance(column, np.ndarray):
        return column
    try:
        return np.array(column, dtype=np.object_).astype(np.float64)
    except (TypeError, ValueError):
        index = next(index for index, value in enumerate(column) if not _is_number(value))
        raise RequestError(f"{_place(index, name)}: expected a number, found {shown(column[index])}") from None


def _is_number(value: Any) -> bool:
    try:
        np.array([value], dtype=np.object_).astype(np.float64)
    except (TypeError, ValueError):
        return False
    return True


def _place(index: int, name: str | None) -> str:
    return f"row {index}" if name is None else f"row {index}, column `{name}`"


def _columns(table: Table) -> list[Column]:
    return list(table.T) if isinstance(table, np.ndarray) else table


def _n_rows(table: Table) -> int:
    return len(table) if isinstance(table, np.ndarray) else len(table[0])


def _chain(stored: Mapping[str, Any], names: Names) -> tuple[Transform, Names]:
    steps = []
    for one in stored["steps"]:
        step, names = build_transform(one, names)
        steps.append(step)
    if len(steps) == 1:
        return steps[0], names

    def transform(table: Table) -> Table:
        for step in steps:
            table = step(table)
        return table

    return transform, names


def _join(stored: Mapping[str, Any], names: Names) -> tuple[Transform, Names]:
    parts: list[tuple[list[int], Transform]] = []
    made: list[str | None] = []
    for part in stored["parts"]:
        chosen = [int(index) for index in part["columns"]]
        then, after = build_transform(part["then"], tuple(names[index] for index in chosen))
        parts.append((chosen, then))
        made += after

    def transform(table: Table) -> Table:
        results = [then(_pick(table, chosen)) for chosen, then in parts]
        matrices = [result for result in results if isinstance(result, np.ndarray)]
        if len(matrices) == len(results):
            return matrices[0] if len(matrices) == 1 else np.concatenate(matrices, axis=1)
        return [column for result in results for column in _columns(result)]

    return transform, tuple(made)


def _pick(table: Table, chosen: list[int]) -> Table:
    if isinstance(table, np.ndarray):
        return table[:, chosen]
    return [table[index] for index in chosen]


_OPERATIONS: Mapping[str, Callable[..., Floats]] = {
    "add": np.add,
    "subtract": np.subtract,
    "multiply": np.multiply,
    "divide": np.divide,
}


def _arithmetic(stored: Mapping[str, Any], names: Names) -> tuple[Transform, Names]:
    operations = [(_OPERATIONS[name], floats(values)) for name, values in stored["ops"]]
    clip = None if stored["clip"] is None else floats(stored["clip"])

    def transform(table: Table) -> Table:
        matrix = numbers(table, names)
        with np.errstate(all="ignore"):  # what overflows is refused at the end, with its row
            for operation, values in operations:
                matrix = operation(matrix, values)
        return matrix if clip is None else np.clip(matrix, clip[0], clip[1])

    return transform, names


def _impute(stored: Mapping[str, Any], names: Names) -> tuple[Transform, Names]:
    keep = [int(index) for index in stored["keep"]]
    indicate = [int(index) for index in stored["indicate"]]
    after = (*(names[index] for index in keep), *(None for _ in indicate))
    missing = _key(stored["missing"])
    if stored["text"]:
        return _text_imputer(missing, names, [_plain(value) for value in stored["values"]], keep, indicate), after
    values = floats(stored["values"])
    is_nan = missing is NAN
    keeps_all = keep == list(range(len(names)))

    def transform(table: Table) -> Table:
        matrix = numbers(table, names)
        if not is_nan:
            _refuse_nan(list(matrix.T), names)
        mask = np.isnan(matrix) if is_nan else matrix == missing
        filled: Floats = np.where(mask, values, matrix)
        if not keeps_all:
            filled = filled[:, keep]
        return np.concatenate([filled, mask[:, indicate]], axis=1) if indicate else filled

    return transform, after


def _refuse_nan(columns: list[Column], names: Names) -> None:
    """Refuse NaN where something else stands for missing values."""
    for column, name in zip(columns, names, strict=True):
        for index, value in enumerate(column):
            if value != value:  # noqa: PLR0124 - only NaN differs from itself
                raise RequestError(f"{_place(index, name)}: {MISSING}")


def _text_imputer(missing: Any, names: Names, values: list[Any], keep: list[int], indicate: list[int]) -> Transform:
    def transform(table: Table) -> Table:
        columns = [_objects(column) for column in _columns(table)]
        if missing is not NAN:
            _refuse_nan(list(columns), names)
        masks = [[_as_key(value) == missing for value in column] for column in columns]
        filled: list[Column] = [
            [
                values[index] if is_missing else value
                for value, is_missing in zip(columns[index], masks[index], strict=True)
            ]
            for index in keep
        ]
        return filled + [np.array(masks[index], dtype=np.float64) for index in indicate]

    return transform


def _objects(column: Column) -> list[Any]:
    return column.tolist() if isinstance(column, np.ndarray) else column


def _lookup(stored: Mapping[str, Any], names: Names) -> tuple[Transform, Names]:
    lookups = [_Lookup(column, name) for column, name in zip(stored["columns"], names, strict=True)]
    starts = np.cumsum([0, *(one.width or 1 for one in lookups)]).tolist()

    def transform(table: Table) -> Table:
        n_rows = _n_rows(table)
        if isinstance(table, np.ndarray):
            for one, column in zip(lookups, table.T, strict=True):
                one.refuse_numbers(column)
        made = np.zeros((n_rows, starts[-1]))
        for one, start, column in zip(lookups, starts, _columns(table), strict=False):
            codes = one.codes(_objects(column))
            if not one.width:
                made[:, start] = codes
                continue
            for row, code in enumerate(codes):
                if code >= 0:
                    made[row, start + int(code)] = 1.0
        return made

    return transform, tuple(None for _ in range(starts[-1]))


class _Lookup:
    """The codes of one column's values."""

    def __init__(self, stored: Mapping[str, Any], name: str | None) -> None:
        self.width = int(stored["width"])
        self._name = name
        self._codes = {_key(key): float(code) for key, code in zip(stored["keys"], stored["codes"], strict=True)}
        self._is_object = bool(stored["object"])
        otherwise = stored["otherwise"]
        self._otherwise = None if otherwise is None else float(otherwise)

    def refuse_numbers(self, column: Floats) -> None:
        """Refuse a column of a request of numbers only, when the encoder was fitted on objects.

        Beside text such a number is a category, known or not; in a table of numbers scikit-learn fails at it.
        """
        if self._is_object:
            raise self._refusal(0, float(column[0]))

    def codes(self, values: list[Any]) -> list[float]:
        known, otherwise = self._codes, self._otherwise
        codes = [known.get(value, otherwise) if value == value else self._missing() for value in values]  # noqa: PLR0124 - only NaN differs from itself
        if otherwise is None:
            for index, code in enumerate(codes):
                if code is None:
                    raise self._refusal(index, values[index])
        return codes  # type: ignore[return-value]  # none is None: it was refused, or there is an `otherwise`

    def _refusal(self, index: int, value: Any) -> RequestError:
        what = MISSING if is_missing(value) else f"unknown category {shown(value)}"
        return RequestError(f"{_place(index, self._name)}: {what}")

    def _missing(self) -> float | None:
        return self._codes.get(NAN, self._otherwise)


def _key(stored: Any) -> Any:
    """Return what a stored key stands for: NaN as :data:`NAN`, everything else as itself."""
    return NAN if isinstance(stored, dict) else stored


def _as_key(value: Any) -> Any:
    return NAN if value != value else value  # noqa: PLR0124 - only NaN differs from itself


def _plain(stored: Any) -> Any:
    return math.nan if isinstance(stored, dict) else stored


_BUILDERS: Mapping[str, Callable[[Mapping[str, Any], Names], tuple[Transform, Names]]] = {
    "chain": _chain,
    "join": _join,
    "arithmetic": _arithmetic,
    "impute": _impute,
    "lookup": _lookup,
}
