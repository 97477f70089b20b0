"""What every part of a report is made of: frozen models without unknown keys, and the few words they share."""

from __future__ import annotations

import math
from typing import Annotated, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict


def _spell_infinite(value: object) -> object:
    if isinstance(value, float) and not math.isfinite(value):
        return "NaN" if math.isnan(value) else "Infinity" if value > 0 else "-Infinity"
    return value


Scalar = Annotated[bool | int | float | str | None, BeforeValidator(_spell_infinite)]
"""The value of a metric or a param."""
Change = Literal["added", "removed", "changed", "renamed", "same"]
Direction = Literal["better", "worse", "neutral"]
Side = Literal["base", "head"]
GateState = Literal["pass", "warn", "fail"]


class Part(BaseModel):
    """Common behaviour: frozen, no unknown keys, finite numbers."""

    model_config = ConfigDict(
        frozen=True, extra="forbid", allow_inf_nan=False, serialize_by_alias=True, use_attribute_docstrings=True
    )


class Interval(Part):
    """An estimate and the 95 % confidence interval around it."""

    value: float
    low: float
    high: float


class Place(Part):
    """A line of a file of the repository."""

    file: str
    line: int | None = None
    """From 1."""
    key: str = ""
    """Key path in the file: ``train.trees``."""
