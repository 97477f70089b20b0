"""Plots in a report: base and head in one picture, as data."""

from __future__ import annotations

from typing import Literal

from pydantic import model_validator

from ci_core.reports.part import Part, Side


class Series(Part):
    """One line, cloud or histogram."""

    side: Side
    label: str = ""
    """Tells several series of one side apart: ``train``, ``test``."""
    x: tuple[float, ...] | tuple[str, ...]
    """Positions; for a histogram the bins: edges (one more than `y`, finite, increasing) or names (as many as `y`)."""
    y: tuple[float, ...]
    """Values; for a histogram counts or shares, not negative."""


class ConfusionMatrix(Part):
    """Counts of actual against predicted class."""

    side: Side
    classes: tuple[str, ...]
    counts: tuple[tuple[int, ...], ...]
    """``counts[actual][predicted]``, shape (n_classes, n_classes)."""


class Plot(Part):
    """One picture of base and head together."""

    name: str
    kind: Literal["line", "scatter", "histogram", "confusion"]
    x_label: str = ""
    y_label: str = ""
    series: tuple[Series, ...] = ()
    matrices: tuple[ConfusionMatrix, ...] = ()

    @model_validator(mode="after")
    def _has_matching_lengths(self) -> Plot:
        for series in self.series:
            extra = len(series.x) - len(series.y)
            if extra and not (self.kind == "histogram" and extra == 1 and not isinstance(series.x[0], str)):
                message = f"plot `{self.name}`: {len(series.x)} x for {len(series.y)} y"
                raise ValueError(message)
        for matrix in self.matrices:
            if {len(matrix.classes)} != {len(matrix.counts), *map(len, matrix.counts)}:
                message = f"plot `{self.name}`: the confusion matrix is not square"
                raise ValueError(message)
        return self
