"""The one spelling of a lowered model: canonical JSON in which every float64 is exact (pure)."""

from __future__ import annotations

import json
import math
from typing import Any

import numpy as np


def encode(document: dict[str, Any]) -> bytes:
    """Return the bytes of a lowered model; equal documents give equal bytes."""
    return json.dumps(document, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False).encode()


def number(value: Any) -> float | str:
    """Return a number as the file has it."""
    value = float(value)
    return value if math.isfinite(value) else str(value)


def number_list(values: Any) -> list[float | str]:
    """Return an array of one dimension as the file has it."""
    return [number(value) for value in np.asarray(values, dtype=np.float64).ravel().tolist()]


def key(value: Any) -> Any:
    """Return a category, or what counts as missing, as the file has it.

    Raises:
        TypeError: it is neither number, text nor None.
    """
    value = value.item() if isinstance(value, np.generic) else value
    if isinstance(value, float) and math.isnan(value):
        return {"nan": True}
    if value is None or isinstance(value, bool | int | float | str):
        return value
    raise TypeError(f"a value of type {type(value).__name__}")
