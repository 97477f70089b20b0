"""Scalers, imputers and encoders of scikit-learn as the transformations of ``ci_core.serving.models.transforms``.

Estimators are told by the name of their class, so that nothing of scikit-learn is imported; a sub-class of the user's
own has another name, or another module, and is left alone. What an encoder makes of each category, and of an unknown
one, is found out by asking it: its options are many and differ between versions.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from ci_core.lowering.document import key, number, number_list
from ci_core.lowering.spec import NotLowerableError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from numpy.typing import NDArray

_MOST_CATEGORIES = 10_000
_UNKNOWN_TEXT = "\x00unknown"


def transformation(part: Any, n_columns: int) -> dict[str, Any]:
    """Return the transformation that a fitted transformer does on `n_columns` columns.

    Raises:
        NotLowerableError: there is none.
    """
    if part is None or isinstance(part, str):  # `passthrough`
        return {"do": "chain", "steps": []}
    name = class_name(part)
    if name not in _TRANSFORMERS:
        raise NotLowerableError(f"`{type(part).__name__}` is not among the transformers that are lowered")
    stored: dict[str, Any] = _TRANSFORMERS[name](part, n_columns)
    return stored


def class_name(estimator: Any) -> str:
    """Return the name of scikit-learn's class of an estimator; of any other, one that nothing is called."""
    cls = type(estimator)
    return cls.__name__ if cls.__module__.partition(".")[0] == "sklearn" else f"{cls.__module__}.{cls.__name__}"


def pipeline(steps: Any, n_columns: int) -> dict[str, Any]:
    """Return the transformation of the steps of a pipeline, one after the other."""
    done = []
    for _name, part in steps:
        stored = transformation(part, n_columns)
        n_columns = width(stored, n_columns)
        done.append(stored)
    return {"do": "chain", "steps": [one for one in done if one != {"do": "chain", "steps": []}]}


def width(stored: Mapping[str, Any], n_columns: int) -> int:
    """Return how many columns a transformation makes of `n_columns`."""
    if stored["do"] == "chain":
        for step in stored["steps"]:
            n_columns = width(step, n_columns)
        return n_columns
    if stored["do"] == "join":
        return sum(width(part["then"], len(part["columns"])) for part in stored["parts"])
    if stored["do"] == "impute":
        return len(stored["keep"]) + len(stored["indicate"])
    if stored["do"] == "lookup":
        return sum(column["width"] or 1 for column in stored["columns"])
    return n_columns


def _arithmetic(operations: list[tuple[str, Any]], clip: Any = None) -> dict[str, Any]:
    ops = [[name, number_list(values)] for name, values in operations if values is not None]
    return {"do": "arithmetic", "ops": ops, "clip": None if clip is None else number_list(clip)}


def _standard(part: Any, _n_columns: int) -> dict[str, Any]:
    mean = part.mean_ if part.with_mean else None
    return _arithmetic([("subtract", mean), ("divide", part.scale_ if part.with_std else None)])


def _min_max(part: Any, _n_columns: int) -> dict[str, Any]:
    return _arithmetic([("multiply", part.scale_), ("add", part.min_)], part.feature_range if part.clip else None)


def _max_abs(part: Any, _n_columns: int) -> dict[str, Any]:
    return _arithmetic([("divide", part.scale_)], (-1.0, 1.0) if getattr(part, "clip", False) else None)


def _robust(part: Any, _n_columns: int) -> dict[str, Any]:
    center = part.center_ if part.with_centering else None
    return _arithmetic([("subtract", center), ("divide", part.scale_ if part.with_scaling else None)])


def _impute(part: Any, n_columns: int) -> dict[str, Any]:
    statistics = part.statistics_
    is_text = statistics.dtype.kind in "OU"
    keeps_all = part.strategy == "constant" or part.keep_empty_features
    values = statistics.tolist()
    keep = [index for index in range(n_columns) if keeps_all or values[index] == values[index]]
    indicator = part.indicator_
    try:
        missing = key(part.missing_values)
        filled = [key(value) for value in values] if is_text else number_list(statistics)
    except TypeError as error:
        raise NotLowerableError(f"`SimpleImputer` knows {error}") from error
    indicated = [] if indicator is None else [int(index) for index in indicator.features_]
    return {
        "do": "impute",
        "missing": missing,
        "values": filled,
        "text": is_text,
        "keep": keep,
        "indicate": indicated,
    }


def _one_hot(part: Any, n_columns: int) -> dict[str, Any]:
    widths = [int(one) for one in part._n_features_outs]  # noqa: SLF001 - nothing public says it
    blocks = np.cumsum([0, *widths])

    def code(encoded: NDArray[Any], column: int) -> list[float]:
        block = encoded[:, blocks[column] : blocks[column + 1]]
        return [float(row.argmax()) if row.any() else -1.0 for row in block]

    return _lookup(part, n_columns, widths, code)


def _ordinal(part: Any, n_columns: int) -> dict[str, Any]:
    return _lookup(part, n_columns, [0] * n_columns, lambda encoded, column: list(encoded[:, column].tolist()))


def _lookup(
    part: Any, n_columns: int, widths: list[int], code: Callable[[NDArray[Any], int], list[float]]
) -> dict[str, Any]:
    categories = part.categories_
    if sum(len(one) for one in categories) > _MOST_CATEGORIES:
        raise NotLowerableError(f"`{type(part).__name__}` knows more than {_MOST_CATEGORIES:,} categories")
    is_text = any(one.dtype.kind in "OUS" for one in categories)
    columns = []
    for index in range(n_columns):
        try:
            keys = [key(value) for value in categories[index].tolist()]
        except TypeError as error:
            raise NotLowerableError(f"`{type(part).__name__}` knows {error}") from error
        codes = code(_encode(part, index, categories[index].tolist(), is_text=is_text), index)
        otherwise = None
        if part.handle_unknown != "error":
            (otherwise,) = code(_encode(part, index, [_unknown(categories[index])], is_text=is_text), index)
        columns.append(
            {
                "keys": keys,
                "codes": [number(one) for one in codes],
                "otherwise": None if otherwise is None else number(otherwise),
                "width": widths[index],
                "object": categories[index].dtype.kind in "OUS",
            }
        )
    return {"do": "lookup", "columns": columns}


def _encode(part: Any, index: int, values: list[Any], *, is_text: bool) -> NDArray[Any]:
    """Return what an encoder makes of some values of one column, the others being any that it knows."""
    rows = [[one[0] for one in part.categories_] for _ in values]
    for row, value in zip(rows, values, strict=True):
        row[index] = value
    made = part.transform(np.array(rows, dtype=np.object_ if is_text else np.float64))
    return np.asarray(made.toarray() if hasattr(made, "toarray") else made, dtype=np.float64)


def _unknown(categories: NDArray[Any]) -> Any:
    if categories.dtype.kind in "OUS":
        return _UNKNOWN_TEXT
    known = np.asarray(categories, dtype=np.float64)
    known = known[np.isfinite(known)]
    return float(known.max()) + 1.5 if len(known) else 1.5


def _columns(part: Any, _n_columns: int) -> dict[str, Any]:
    chosen = part._transformer_to_input_indices  # noqa: SLF001 - what it was fitted with, whatever it was told
    weights = part.transformer_weights or {}
    parts = []
    for name, child, _columns in part.transformers_:
        indices = [int(index) for index in chosen[name]]
        if child == "drop" or not indices:
            continue
        parts.append(_part(indices, transformation(child, len(indices)), weights.get(name)))
    return {"do": "join", "parts": parts}


def _union(part: Any, n_columns: int) -> dict[str, Any]:
    weights = part.transformer_weights or {}
    everything = list(range(n_columns))
    parts = [
        _part(everything, transformation(child, n_columns), weights.get(name))
        for name, child in part.transformer_list
        if child != "drop"
    ]
    return {"do": "join", "parts": parts}


def _part(indices: list[int], then: dict[str, Any], weight: float | None) -> dict[str, Any]:
    if weight is not None:
        weighted = _arithmetic([("multiply", [weight] * width(then, len(indices)))])
        then = {"do": "chain", "steps": [then, weighted]}
    return {"columns": indices, "then": then}


def _identity(part: Any, _n_columns: int) -> dict[str, Any]:
    if part.func is not None:
        raise NotLowerableError("`FunctionTransformer` runs a function of yours")
    return {"do": "chain", "steps": []}


_TRANSFORMERS: Mapping[str, Callable[[Any, int], dict[str, Any]]] = {
    "StandardScaler": _standard,
    "MinMaxScaler": _min_max,
    "MaxAbsScaler": _max_abs,
    "RobustScaler": _robust,
    "SimpleImputer": _impute,
    "OneHotEncoder": _one_hot,
    "OrdinalEncoder": _ordinal,
    "ColumnTransformer": _columns,
    "FeatureUnion": _union,
    "FunctionTransformer": _identity,
    "Pipeline": lambda part, n_columns: pipeline(part.steps, n_columns),
}
