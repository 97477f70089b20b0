"""Which metrics there are: families, their series, and the sums over all processes of a server."""

from __future__ import annotations

import json
import threading
from typing import TYPE_CHECKING, Any, TypeVar

from ci_core.errors import InvalidMetricError
from ci_core.serving.metrics.cells import FIRST_CELL, N_CELLS, Cells
from ci_core.serving.metrics.series import Counter, Family, Gauge, Histogram, Series

if TYPE_CHECKING:
    from collections.abc import Mapping

S = TypeVar("S", bound=Series)
_CLASSES: dict[str, type[Series]] = {"counter": Counter, "gauge": Gauge, "histogram": Histogram}


class Registry:
    """The metrics of a server.

    Args:
        n_rows: one for each process that counts: the one that makes this, and each worker it will fork.
    """

    def __init__(self, n_rows: int = 1) -> None:
        self.cells = Cells(n_rows)
        self._families: dict[str, Family] = {}
        self._series: dict[tuple[str, str], Series] = {}
        self._found: dict[tuple[str, str], int] = {}
        self._next = FIRST_CELL
        self._lock = threading.Lock()  # steps in threads may make metrics too
        self._directories = [_Directory(row) for row in range(n_rows)]

    def bind(self, row: int) -> None:
        """Count in `row` from now on: called in a worker after the fork.

        A worker that replaces another goes on where it stopped, so that counters never go down; gauges start at 0.
        """
        self._lock = threading.Lock()  # another thread of the parent may have held it
        self.cells.bind(row)
        directory = self._directories[row]
        directory.read(self.cells)
        self._found = {key: first for key, first, _n in directory.series}
        self._next = max((first + n for _key, first, n in directory.series), default=FIRST_CELL)
        for family in directory.families.values():
            self._families.setdefault(family.name, family)
        declared = set(directory.families)
        for family in self._families.values():
            if family.name not in declared:
                self._declare_family(family)
        for series in self._series.values():
            self._place(series)
        self._forget_gauges(row)

    def vacate(self, row: int) -> None:
        """Set the gauges of a row to 0, and forget the process it belonged to: it ended."""
        self.cells.vacate(row)
        self._forget_gauges(row)

    def _forget_gauges(self, row: int) -> None:
        directory, values = self._directories[row], self.cells.row(row)
        directory.read(self.cells)
        for (name, _labels), first, _n in directory.series:
            if directory.families[name].kind == "gauge":
                values[first] = 0.0

    def counter(self, name: str, text: str, labels: str = "") -> Counter:
        """Return a counter; the same one for the same name and labels."""
        return self.series(Counter, Family(name, "counter", text), labels)

    def gauge(self, name: str, text: str, labels: str = "") -> Gauge:
        """Return a gauge; the same one for the same name and labels."""
        return self.series(Gauge, Family(name, "gauge", text), labels)

    def histogram(self, name: str, text: str, edges: tuple[float, ...], labels: str = "") -> Histogram:
        """Return a histogram; the same one for the same name and labels."""
        return self.series(Histogram, Family(name, "histogram", text, edges), labels)

    def series(self, cls: type[S], family: Family, labels: str) -> S:
        """Return a series of `family`.

        Raises:
            InvalidMetricError: the name belongs to another family already, or there is no room left.
        """
        with self._lock:
            known = self._series.get((family.name, labels))
            if known is None or known.family != family:
                known = self._add(cls, family, labels)
        if not isinstance(known, cls):
            raise TypeError(f"{family} is no {cls.__name__}")
        return known

    def _add(self, cls: type[Series], family: Family, labels: str) -> Series:
        same_name = self._families.get(family.name)
        if same_name is None:
            self._declare_family(family)
            self._families[family.name] = family
        elif same_name != family:
            raise InvalidMetricError(
                name=family.name,
                reason=f"exists already, as a {same_name.kind} with the text “{same_name.help}”",
                hint="give the same kind, text and buckets everywhere, or another name",
            )
        series = cls(family, labels)
        self._place(series)
        self._series[family.name, labels] = series
        return series

    def _declare_family(self, family: Family) -> None:
        self._declare([family.name, family.kind, family.help, list(family.edges)], family.name)

    def _place(self, series: Series) -> None:
        key = (series.family.name, series.labels)
        first = self._found.get(key)
        if first is None:
            first = self._next
            if first + series.n_cells > N_CELLS:
                raise _no_room(series.family.name)
            self._declare([*key, first, series.n_cells], series.family.name)
            self._next += series.n_cells
        series.place(self.cells.values, first)

    def _declare(self, line: list[Any], name: str) -> None:
        if not self.cells.declare(json.dumps(line).encode()):
            raise _no_room(name)

    def read(self) -> list[tuple[Family, Mapping[str, list[float]]]]:
        """Return every family with its series, labels → cells, summed over all rows."""
        families: dict[str, Family] = {}
        sums: dict[str, dict[str, list[float]]] = {}
        for directory in self._directories:
            directory.read(self.cells)
            values = self.cells.row(directory.row)
            families.update(directory.families)
            for (name, labels), first, n in directory.series:
                family = sums.setdefault(name, {})
                own: list[float] = [*values[first : first + n]]
                other = family.get(labels)
                family[labels] = own if other is None else [a + b for a, b in zip(own, other, strict=True)]
        return [(family, sums.get(name, {})) for name, family in families.items()]


class _Directory:
    """What is known of the directory of one row, which only grows."""

    def __init__(self, row: int) -> None:
        self.row = row
        self.families: dict[str, Family] = {}
        self.series: list[tuple[tuple[str, str], int, int]] = []
        self._read = 0

    def read(self, cells: Cells) -> None:
        used = cells.used(self.row)
        if used == self._read:
            return
        for line in cells.directory(self.row, self._read, used).splitlines():
            name, second, third, fourth = json.loads(line)
            if isinstance(fourth, list):
                self.families[name] = Family(name, second, third, tuple(fourth))
            else:
                self.series.append(((name, second), third, fourth))
        self._read = used


def _no_room(name: str) -> InvalidMetricError:
    return InvalidMetricError(name=name, reason="does not fit any more: there are too many metrics")
