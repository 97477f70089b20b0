"""Plots in a report: base and head in one picture, as data."""

from __future__ import annotations

from typing import Literal

from pydantic import model_validator

from ci_core.reports.part import Change, Part, Side


class Series(Part):
    """One line, cloud, histogram or row of bars."""

    side: Side
    label: str = ""
    """Tells several series of one side apart: ``train``, ``test``."""
    x: tuple[float, ...] | tuple[str, ...]
    """Positions (times in seconds since 1970, UTC) or, for bars, names; for a histogram the bins: edges (one more than
    `y`, finite, increasing) or names (as many as `y`)."""
    y: tuple[float, ...]
    """Values; for a histogram counts or shares, not negative."""
    sampled_from: int | None = None
    """How many points there are, when only some of them are kept here."""


class ConfusionMatrix(Part):
    """Counts of actual against predicted class."""

    side: Side
    classes: tuple[str, ...]
    counts: tuple[tuple[int, ...], ...]
    """``counts[actual][predicted]``, shape (n_classes, n_classes)."""


class Image(Part):
    """A picture that the project made."""

    side: Side
    path: str
    media_type: Literal["image/png", "image/jpeg", "image/gif", "image/webp"] | None = None
    """As its first bytes tell; None for what is none of these, SVG among them."""
    digest: str
    """``sha256:<hex>``: equal pictures have equal digests."""
    size_bytes: int
    data: str = ""
    """Base64; empty for one that is too large, for one that is not of these types, and for that of the base when the
    head's is the same."""


class Plot(Part):
    """One picture of base and head together."""

    name: str
    kind: Literal["line", "scatter", "bar", "histogram", "confusion", "image"]
    change: Change | None = None
    """How the head's differs from the base's: ``added`` and ``removed`` when one of them declares no such plot; None
    when there is nothing to compare with, or neither side can be read."""
    x_label: str = ""
    y_label: str = ""
    x_type: Literal["number", "time", "name"] = "number"
    """How `x` is to be read; ``name`` when it is text."""
    is_horizontal: bool = False
    """Whether bars lie."""
    is_normalized: bool = False
    """Whether a confusion matrix is shown as shares of the actual class."""
    series: tuple[Series, ...] = ()
    matrices: tuple[ConfusionMatrix, ...] = ()
    images: tuple[Image, ...] = ()
    notes: tuple[str, ...] = ()
    """What the picture does not show, a sentence each: rows without a number, a template that is not DVC's."""
    problems: tuple[str, ...] = ()
    """Why a side is missing in it, a sentence each: ``base: plots/roc.csv is not there``."""

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
