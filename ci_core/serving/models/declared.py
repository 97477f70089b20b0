"""What a user's model declares of its columns and answers, checked when the graph is compiled."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, get_args

from ci_core.errors import nearest, quoted
from ci_core.serving.models.base import Model
from ci_core.serving.models.columns import Column, Kind

INPUT_KINDS: tuple[str, ...] = get_args(Kind)
OUTPUT_KINDS = ("number", "integer", "string", "boolean")


def settle(model: Any) -> None:
    """Give a model the declared columns in one form: ``columns`` as :class:`Column`, ``input_columns`` as names.

    Args:
        model: an instance of a user's class.

    Raises:
        ValueError: what it declares is no such thing; the message says what, without naming the model.
    """
    names = getattr(model, "input_columns", ())
    if isinstance(names, str) or not _are_texts(names):
        raise ValueError(f"has `input_columns` that are not a tuple of names: {names!r:.80}")
    columns = _columns(getattr(model, "columns", ()))
    if columns:
        told = tuple(column.name for column in columns)
        if names and set(told) != set(names):
            raise ValueError("declares other names in `columns` than in `input_columns`")
        _set(model, "columns", columns)
        _set(model, "input_columns", tuple(names) or told)
    elif names:
        _set(model, "input_columns", tuple(names))
    _check_outputs(getattr(model, "output_columns", {}))


def lacks_predict(model: Any, *, is_loaded: bool) -> bool:
    """Return whether a model derived from ``Model`` leaves out what it has to define.

    Args:
        model: an instance of a user's class.
        is_loaded: whether its ``load``, which may set ``predict``, has run.
    """
    if not isinstance(model, Model):
        return False
    own = type(model)
    defines = own.predict is not Model.predict or "predict" in getattr(model, "__dict__", {})
    return not defines and own.call is Model.call and (is_loaded or own.load is Model.load)


def resembling_predict(model: Any) -> str | None:
    """Return the method of a user's class whose name is nearly ``predict``, if there is one."""
    return nearest("predict", [name for name in dir(type(model)) if not hasattr(Model, name)])


def _set(model: Any, name: str, value: Any) -> None:
    object.__setattr__(model, name, value)  # not by its own: it may be a frozen dataclass


def _columns(declared: Any) -> tuple[Column, ...]:
    if isinstance(declared, Mapping):
        kinds: dict[Any, Any] = dict(declared)
    elif isinstance(declared, list | tuple):
        kinds = {getattr(one, "name", one): getattr(one, "kind", "any") for one in declared}
    else:
        kinds = {None: "any"}
    if not _are_texts(kinds):
        raise ValueError(f"has `columns` that are neither names nor names with kinds: {declared!r:.80}")
    for name, kind in kinds.items():
        if kind not in INPUT_KINDS:
            raise ValueError(f"declares the column `{name}` as {kind!r:.40}; kinds: {quoted(INPUT_KINDS)}")
    return tuple(Column(name=name, kind=kind) for name, kind in kinds.items())


def _check_outputs(declared: Any) -> None:
    if not isinstance(declared, Mapping) or not _are_texts(declared):
        raise ValueError(f"has `output_columns` that are no names with kinds: {declared!r:.80}")
    for name, kind in declared.items():
        if kind not in OUTPUT_KINDS:
            raise ValueError(f"declares the output `{name}` as {kind!r:.40}; kinds: {quoted(OUTPUT_KINDS)}")


def _are_texts(names: Any) -> bool:
    return isinstance(names, list | tuple | Mapping) and all(isinstance(name, str) for name in names)
