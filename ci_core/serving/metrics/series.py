"""The three kinds of metric, as those who count hold them: cells of the own row of shared memory."""

from __future__ import annotations

from bisect import bisect_left
from dataclasses import dataclass
from typing import Literal, TypeAlias

Kind: TypeAlias = Literal["counter", "gauge", "histogram"]


@dataclass(frozen=True, slots=True)
class Family:
    """What series of one name have in common."""

    name: str
    kind: Kind
    help: str
    edges: tuple[float, ...] = ()
    """Upper edges of a histogram's buckets, ascending, without the infinite one."""


class Series:
    """One line of a family, or one histogram: `family`, the labels as they are shown, and where the numbers are."""

    __slots__ = ("_edges", "family", "first", "labels", "values")

    def __init__(self, family: Family, labels: str) -> None:
        self.family, self.labels = family, labels
        self._edges = family.edges

    @property
    def n_cells(self) -> int:
        """How many cells it takes: one; of a histogram one a bucket, and the sum."""
        return 1 if self.family.kind != "histogram" else len(self._edges) + 2

    def place(self, values: memoryview[float], first: int) -> None:
        """Count in ``values[first:]`` from now on."""
        self.values, self.first = values, first

    @property
    def cells(self) -> list[float]:
        """The numbers of this process."""
        return [*self.values[self.first : self.first + self.n_cells]]


class Counter(Series):
    """A number that only grows."""

    __slots__ = ()

    def inc(self, amount: float = 1.0) -> None:
        """Add `amount`.

        Raises:
            ValueError: it is negative, or no number.
        """
        if not amount >= 0.0:
            raise ValueError(f"the counter `{self.family.name}` cannot grow by {amount}")
        self.values[self.first] += amount

    @property
    def value(self) -> float:
        """What this process counted."""
        return self.values[self.first]


class Gauge(Series):
    """A number that goes up and down; what several workers say is added up."""

    __slots__ = ()

    def set(self, value: float) -> None:
        """Say what it is now."""
        self.values[self.first] = value

    def inc(self, amount: float = 1.0) -> None:
        """Add `amount`, which may be negative."""
        self.values[self.first] += amount

    @property
    def value(self) -> float:
        """What this process said last."""
        return self.values[self.first]


class Histogram(Series):
    """How often a number was how large."""

    __slots__ = ()

    def observe(self, value: float) -> None:
        """Count one number; NaN is not counted."""
        if value != value:  # noqa: PLR0124 - NaN; math.isnan would be a call
            return
        values, first, edges = self.values, self.first, self._edges
        values[first + bisect_left(edges, value)] += 1.0
        values[first + len(edges) + 1] += value

    @property
    def count(self) -> int:
        """How many numbers this process observed."""
        return int(sum(self.cells[:-1]))

    @property
    def sum(self) -> float:
        """Their sum."""
        return self.cells[-1]
