"""Constant-size, mergeable summaries of tables (pure).

Every table of one comparison is counted on the same *layout*: per column either a :class:`NumericGrid` or
:class:`CategoryLevels`, chosen once from the reference and kept with it. Counts on one layout add up, so hours make
days, pods make a fleet, and a window is cut anew without reading data again. ``duckdb.py`` fills the counts,
``statistics.py`` and ``verdict.py`` read them; this file knows no engine and no file.

A cell is named by an integer *code*: an index of the grid or of the level, or one of the special codes below.

Stored as JSON (:meth:`Profile.to_dict`)::

    {"rows": 917, "layout": "sha256:…", "faults": {"temp": "is missing"},
     "columns": {"temp": {"cells": [-3, 0, 2000000], "counts": [4, 900, 13], "min": 19.9, "max": 41.0, "unseen": {}}}}
"""

from __future__ import annotations

import hashlib
import json
import math
from collections import Counter
from dataclasses import dataclass, field
from functools import cached_property
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, TypeAlias

from ci_core.types import Digest

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from ci_core.monitoring.spec import ColumnKind
    from ci_core.types import JsonObject

CELLS_PER_UNIT = 32
"""Grid cells per unit of ``asinh``: near the centre a cell is 1/32 of the scale wide, far out 3 % of the distance. The
bulk of a bell-shaped column falls on some 90 cells."""
GRID_LIMIT = 480
"""Largest grid index: ``sinh(480 / 32)`` is 1.6 million scales from the centre. What lies beyond is counted in it."""

QUANTILES = (0.0, 0.01, 0.05, 0.1, 0.25, 0.5, 0.75, 0.9, 0.95, 0.99, 1.0)
"""What a grid is chosen from; see :meth:`NumericGrid.fitted`."""

OTHER = -1
"""Code of all levels of a category that the layout does not list."""
ATOM = 1_000_000
"""Code of the first heavy atom of a grid; the others follow."""
MISSING = 2_000_000
"""Code of NULL and NaN."""
NEGATIVE_INFINITY = 2_000_001
POSITIVE_INFINITY = 2_000_002

MAX_LEVELS = 200
"""Levels of a category that are counted one by one; the rest of them is :data:`OTHER`."""
MAX_UNSEEN = 20
"""Levels outside the layout that a profile names, the most frequent ones."""


@dataclass(frozen=True, slots=True, kw_only=True)
class NumericGrid:
    """Cells of equal width in ``asinh((x - centre) / scale)``, and a cell of its own for each heavy value.

    The grid has no end, so it needs no knowledge of what will come, and its cells grow with the distance from the
    centre, so that an outlier costs one cell. `centre` and `scale` are snapped (:meth:`fitted`): another sample of the
    same data, or the reference with a few more days, gives the same grid and hence comparable counts.
    """

    centre: float
    scale: float
    """Greater than 0."""
    atoms: tuple[float, ...] = ()
    """Values so frequent that they must not be mixed with their neighbours (the zero of rainfall), ascending."""

    @classmethod
    def fitted(cls, *, quantiles: Sequence[float], atoms: Iterable[float] = ()) -> NumericGrid:
        """Choose a grid for a column.

        Args:
            quantiles: finite, ascending and symmetric around the median, an odd number of them: minimum, 1 %, 5 %,
                10 %, 25 %, median, 75 %, … maximum. The innermost pair that is not degenerate gives the scale.
                Empty for a column without values.
            atoms: heavy values.

        Returns:
            A grid whose scale is a power of two and whose centre is a multiple of it.
        """
        if not quantiles:
            return cls(centre=0.0, scale=1.0)
        middle = len(quantiles) // 2
        median = quantiles[middle]
        pairs = ((quantiles[middle - step], quantiles[middle + step]) for step in range(1, middle + 1))
        spread = next((high - low for low, high in pairs if high > low and math.isfinite(high - low)), 0.0)
        scale = 2.0 ** round(math.log2(spread or abs(median) or 1.0))
        return cls(centre=_snapped(median, scale), scale=scale, atoms=tuple(sorted(set(atoms))))

    def code(self, value: float) -> int:
        """Return the cell of one value; the SQL template computes the same for whole columns."""
        if math.isnan(value):
            return MISSING
        if math.isinf(value):
            return POSITIVE_INFINITY if value > 0 else NEGATIVE_INFINITY
        if value in self.atoms:
            return ATOM + self.atoms.index(value)
        # The difference may overflow to an infinity, which has a place on the scale but no integer: clamp first.
        place = CELLS_PER_UNIT * math.asinh((value - self.centre) / self.scale)
        return math.floor(max(float(-GRID_LIMIT), min(float(GRID_LIMIT), place)))

    def position(self, code: int) -> float:
        """Return the value that stands for a cell: its middle in ``asinh``, an atom itself, or an infinity."""
        if code >= ATOM:
            return {NEGATIVE_INFINITY: -math.inf, POSITIVE_INFINITY: math.inf, MISSING: math.nan}.get(
                code, self.atoms[code - ATOM] if code < MISSING else math.nan
            )
        return self.centre + self.scale * math.sinh((code + 0.5) / CELLS_PER_UNIT)

    def host(self, code: int) -> int:
        """Return the plain cell that an atom lies in; any other code is its own host."""
        if ATOM <= code < MISSING:
            return NumericGrid(centre=self.centre, scale=self.scale).code(self.atoms[code - ATOM])
        return code


def _snapped(value: float, scale: float) -> float:
    """Return the multiple of `scale` nearest to `value`; `value` itself where doubles cannot tell multiples apart."""
    multiple = value / scale
    return round(multiple) * scale if abs(multiple) < 2.0**52 else value


@dataclass(frozen=True, slots=True, kw_only=True)
class CategoryLevels:
    """The levels that are counted one by one."""

    levels: tuple[str, ...]
    """The most frequent levels of the reference, at most :data:`MAX_LEVELS`, most frequent first."""
    is_complete: bool
    """Whether the reference has no others; only then can a new level be told from a rare one."""
    is_boolean: bool = False

    def code(self, level: str | None) -> int:
        """Return the cell of one level."""
        if level is None:
            return MISSING
        return self.levels.index(level) if level in self.levels else OTHER


Bins: TypeAlias = NumericGrid | CategoryLevels


@dataclass(frozen=True, kw_only=True)  # no slots: `digest` is cached on the instance
class Layout:
    """How each column is counted, and which columns are not compared."""

    columns: Mapping[str, Bins]
    skipped: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))
    """Column → why it is not compared: ``a timestamp``, ``an identifier``, …"""

    def kind(self, column: str) -> ColumnKind:
        """Return what kind of values `column` holds."""
        bins = self.columns[column]
        if isinstance(bins, NumericGrid):
            return "numeric"
        return "boolean" if bins.is_boolean else "category"

    @cached_property
    def digest(self) -> Digest:
        """Content hash; counts on layouts of different digest must not be compared."""
        return content_digest(self.to_dict())

    def with_column(self, name: str, bins: Bins) -> Layout:
        """Return the layout with one more column, such as the model's output."""
        return Layout(columns=MappingProxyType({**self.columns, name: bins}), skipped=self.skipped)

    def to_dict(self) -> dict[str, Any]:
        """Return what ``json`` can write."""
        return {
            "columns": {name: _bins_to_dict(bins) for name, bins in sorted(self.columns.items())},
            "skipped": dict(sorted(self.skipped.items())),
        }

    @classmethod
    def from_dict(cls, data: JsonObject) -> Layout:
        """Rebuild what :meth:`to_dict` gave."""
        stored: Any = data
        return cls(
            columns=MappingProxyType({name: _bins_from_dict(bins) for name, bins in stored["columns"].items()}),
            skipped=MappingProxyType(dict(stored["skipped"])),
        )


def _bins_to_dict(bins: Bins) -> dict[str, Any]:
    if isinstance(bins, NumericGrid):
        return {"centre": bins.centre, "scale": bins.scale, "atoms": list(bins.atoms)}
    return {"levels": list(bins.levels), "complete": bins.is_complete, "boolean": bins.is_boolean}


def _bins_from_dict(stored: Mapping[str, Any]) -> Bins:
    if "centre" in stored:
        return NumericGrid(centre=stored["centre"], scale=stored["scale"], atoms=tuple(stored["atoms"]))
    return CategoryLevels(levels=tuple(stored["levels"]), is_complete=stored["complete"], is_boolean=stored["boolean"])


@dataclass(frozen=True, slots=True, kw_only=True)
class ColumnCounts:
    """How many rows of one table fall into each cell of one column."""

    cells: Mapping[int, int]
    """Code → number of rows, greater than 0. Sums to the rows of the table."""
    minimum: float | None = None
    """Smallest finite value; None for categories and where there is none."""
    maximum: float | None = None
    unseen: Mapping[str, int] = field(default_factory=lambda: MappingProxyType({}))
    """Levels outside the layout → rows, at most :data:`MAX_UNSEEN`. They are also counted in :data:`OTHER`."""

    @property
    def rows(self) -> int:
        """Number of rows that were counted."""
        return sum(self.cells.values())

    @property
    def missing(self) -> int:
        """Number of rows without a value (NULL or NaN)."""
        return self.cells.get(MISSING, 0)

    @property
    def infinite(self) -> int:
        """Number of rows with an infinite value."""
        return self.cells.get(NEGATIVE_INFINITY, 0) + self.cells.get(POSITIVE_INFINITY, 0)

    def merged(self, other: ColumnCounts) -> ColumnCounts:
        """Return the counts of both tables together."""
        unseen = Counter(self.unseen) + Counter(other.unseen)
        kept = sorted(unseen.items(), key=lambda item: (-item[1], item[0]))[:MAX_UNSEEN]
        return ColumnCounts(
            cells=MappingProxyType(dict(sorted((Counter(self.cells) + Counter(other.cells)).items()))),
            minimum=min((x for x in (self.minimum, other.minimum) if x is not None), default=None),
            maximum=max((x for x in (self.maximum, other.maximum) if x is not None), default=None),
            unseen=MappingProxyType(dict(kept)),
        )


@dataclass(frozen=True, kw_only=True)  # no slots: `digest` is cached on the instance
class Profile:
    """A table in constant size: its rows, and per column how they spread over the layout's cells."""

    rows: int
    layout: Digest
    """Digest of the layout that the counts are on."""
    columns: Mapping[str, ColumnCounts]
    faults: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))
    """Column of the layout → why it could not be counted: ``is missing``, ``is text, was numeric``."""

    @cached_property
    def digest(self) -> Digest:
        """Content hash: equal tables, in whatever order of rows, have equal digests."""
        return content_digest(self.to_dict())

    def to_dict(self) -> dict[str, Any]:
        """Return what ``json`` can write."""
        return {
            "rows": self.rows,
            "layout": self.layout,
            "faults": dict(sorted(self.faults.items())),
            "columns": {name: _counts_to_dict(counts) for name, counts in sorted(self.columns.items())},
        }

    @classmethod
    def from_dict(cls, data: JsonObject) -> Profile:
        """Rebuild what :meth:`to_dict` gave."""
        stored: Any = data
        return cls(
            rows=stored["rows"],
            layout=Digest(stored["layout"]),
            faults=MappingProxyType(dict(stored["faults"])),
            columns=MappingProxyType({name: _counts_from_dict(counts) for name, counts in stored["columns"].items()}),
        )


def _counts_to_dict(counts: ColumnCounts) -> dict[str, Any]:
    ordered = sorted(counts.cells.items())
    return {
        "cells": [code for code, _ in ordered],
        "counts": [number for _, number in ordered],
        "min": counts.minimum,
        "max": counts.maximum,
        "unseen": dict(sorted(counts.unseen.items())),
    }


def _counts_from_dict(stored: Mapping[str, Any]) -> ColumnCounts:
    return ColumnCounts(
        cells=MappingProxyType(dict(zip(stored["cells"], stored["counts"], strict=True))),
        minimum=stored["min"],
        maximum=stored["max"],
        unseen=MappingProxyType(dict(stored["unseen"])),
    )


def merge(profiles: Iterable[Profile]) -> Profile:
    """Return the profile of several tables taken as one.

    Args:
        profiles: at least one, all on the same layout.

    Raises:
        ValueError: there is none, or they are on different layouts.
    """
    found = list(profiles)
    if len({profile.layout for profile in found}) != 1:
        msg = "profiles to merge must be at least one and on one layout"
        raise ValueError(msg)
    columns: dict[str, ColumnCounts] = {}
    for profile in found:
        for name, counts in profile.columns.items():
            columns[name] = columns[name].merged(counts) if name in columns else counts
    return Profile(
        rows=sum(profile.rows for profile in found),
        layout=found[0].layout,
        columns=MappingProxyType(columns),
        faults=MappingProxyType({name: fault for profile in found for name, fault in profile.faults.items()}),
    )


def no_rows(layout: Layout) -> Profile:
    """Return the profile of an empty table."""
    empty = {column: ColumnCounts(cells=MappingProxyType({})) for column in layout.columns}
    return Profile(rows=0, layout=layout.digest, columns=MappingProxyType(empty))


def content_digest(value: object) -> Digest:
    """Return the sha256 of `value` as canonical JSON."""
    text = json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return Digest(f"sha256:{hashlib.sha256(text.encode()).hexdigest()}")
