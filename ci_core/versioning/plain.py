"""Turn our frozen data into what JSON can hold (pure)."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import fields, is_dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ci_core.types import JsonValue


def to_plain(value: object) -> JsonValue:
    """Return dataclasses and mappings as dicts, sequences as lists, and other values as they are.

    Numbers that JSON cannot hold become the strings ``NaN``, ``Infinity`` and ``-Infinity``.

    Raises:
        TypeError: a value is of a kind that JSON does not know.
    """
    if is_dataclass(value) and not isinstance(value, type):
        return {field.name: to_plain(getattr(value, field.name)) for field in fields(value)}
    if isinstance(value, Mapping):
        return {str(key): to_plain(inner) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return [to_plain(inner) for inner in value]
    if isinstance(value, float) and not math.isfinite(value):
        return "NaN" if math.isnan(value) else "Infinity" if value > 0 else "-Infinity"
    if value is None or isinstance(value, bool | int | float | str):
        return value
    raise TypeError(f"{type(value).__name__} is not plain data")
