"""Plots as a project declares them to DVC, with their rows (pure data)."""

from __future__ import annotations

from dataclasses import dataclass, field
from types import MappingProxyType
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ci_core.types import JsonObject, JsonValue


@dataclass(frozen=True, slots=True, kw_only=True)
class PlotSource:
    """One file that a plot is drawn from."""

    path: str
    rows: tuple[JsonObject, ...] = ()
    """One entry a row; values of CSV and TSV files are text, as in the file; NaN is None. A JSON file that is
    not a list of objects gives the longest such list inside it."""
    image: bytes | None = field(default=None, repr=False)
    """The file's bytes when it is a picture."""
    problem: str | None = None
    """Why it could not be read."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Plot:
    """One plot."""

    id: str
    """The file's path, or the name given in ``dvc.yaml``."""
    properties: Mapping[str, JsonValue] = field(default_factory=lambda: MappingProxyType({}))
    """As declared: ``template``, ``title``, ``x``, ``y``, ``x_label``, ``y_label``. ``x`` and ``y`` may be a column, or
    a mapping of file → column or columns."""
    sources: tuple[PlotSource, ...] = ()
