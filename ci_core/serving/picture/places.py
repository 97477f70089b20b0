"""Where boxes of known size go, and how the lines between them run, from left to right. Pure.

Lines bend only in the gaps between columns, where there are no boxes; inside a column they run level, in a place of
their own. So no line runs behind a box, whatever the graph.
"""

from __future__ import annotations

import math
from collections import defaultdict
from dataclasses import dataclass
from itertools import accumulate, pairwise
from typing import TYPE_CHECKING, Final

from ci_core.serving.picture.layers import lay_out
from ci_core.serving.picture.lines import Line, Point, curve, rounded, straight
from ci_core.serving.picture.spacing import nearest_in_order, rows_of

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence

    from ci_core.serving.picture.layers import Layers
    from ci_core.serving.picture.lines import Piece

_GAP_PX: Final = 42
"""Between two columns, at least."""
_WIDEST_SLOPE_PX: Final = 54
"""By so much a gap may grow, for lines that go far up or down in it."""
_RUN_PX: Final = 12
"""How far a line runs level before it meets a box: the length of an arrow's head."""
_ROW_GAP_PX, _MARGIN_PX, _CORNER_PX = 44, 22, 12
_BESIDE_PX: Final = {(True, True): 24, (True, False): 20, (False, True): 20, (False, False): 20}
"""Between neighbours in a column, by whether each is a box rather than the place of a passing line."""
_PASSES: Final = 6


@dataclass(frozen=True, slots=True)
class Size:
    """Of a box, in pixels."""

    width: float
    height: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Link:
    """A line to be drawn."""

    source: str
    target: str
    leaves: Point | None = None
    """Where it begins, from the upper left corner of the source; None: the middle of the right side."""
    arrives: Point | None = None
    """Where it ends, from the upper left corner of the target; None: the middle of the left side."""
    room_px: float = 0
    """Width of what is written on it."""
    weight: float = 1
    """How much it matters that it runs level."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Places:
    """Where everything is."""

    corners: Mapping[str, Point]
    """Upper left corner of each box."""
    lines: tuple[Line, ...]
    """One for each link."""
    width: float
    height: float

    def turned(self) -> Places:
        """Return the places with x and y exchanged: from above to below instead of from left to right."""
        return Places(
            corners={name: Point(at.y, at.x) for name, at in self.corners.items()},
            lines=tuple(line.turned() for line in self.lines),
            width=self.height,
            height=self.width,
        )


def arrange(
    sizes: Mapping[str, Size],
    links: Sequence[Link],
    *,
    low: Collection[str] = (),
    last: str | None = None,
    widest_px: float = math.inf,
) -> Places:
    """Return places for boxes and lines.

    Args:
        sizes: of the boxes, by id, in the order in which ties are broken.
        links: between different boxes of `sizes`.
        low: boxes that stand below the others.
        last: box that stands in the last column.
        widest_px: where only one line would be cut, a picture that is wider goes on in a row below.
    """
    if not sizes:
        return Places(corners={}, lines=(), width=0, height=0)
    layers = lay_out(list(sizes), [(link.source, link.target) for link in links], low=low, last=last)
    drawing = _Drawing(sizes, links, layers)
    drawing.settle(drawing.rows(widest_px))
    return drawing.places()


@dataclass(slots=True)
class _Row:
    """Consecutive layers that are drawn side by side."""

    layers: range
    top: float = 0.0
    bottom: float = 0.0


class _Drawing:
    """Finds y first, row by row, then x, then the lines."""

    def __init__(self, sizes: Mapping[str, Size], links: Sequence[Link], layers: Layers) -> None:
        self.sizes, self.links, self.layers = sizes, links, layers.layers
        self.layer_of = {name: index for index, layer in enumerate(layers.layers) for name in layer}
        self.is_backward = [self.layer_of[route[0]] > self.layer_of[route[-1]] for route in layers.routes]
        self.routes = [
            route[::-1] if is_backward else route
            for route, is_backward in zip(layers.routes, self.is_backward, strict=True)
        ]
        self.between: dict[int, list[tuple[Link, str, str]]] = defaultdict(list)
        """What runs between a layer and the next."""
        for link, route in zip(links, self.routes, strict=True):
            for before, after in pairwise(route):
                self.between[self.layer_of[before]].append((link, before, after))
        self.column_px = [max(self.size(name).width for name in layer) for layer in self.layers]
        self.y: dict[str, float] = {}
        self.left: dict[int, float] = {}
        self._rows: list[_Row] = []

    def size(self, name: str) -> Size:
        return self.sizes.get(name, _NOTHING)

    def room_px(self, gap: int) -> float:
        return max((link.room_px for link, before, _ in self.between[gap] if before in self.sizes), default=0)

    def rows(self, widest_px: float) -> list[range]:
        """Return which layers are drawn side by side; a row may end where one line without a text goes on."""
        steps_px = [width + _GAP_PX + self.room_px(number) for number, width in enumerate(self.column_px)]
        may_end = [len(self.between[number]) == 1 and not self.room_px(number) for number in range(len(steps_px))]
        return rows_of(steps_px, may_end, widest_px + _GAP_PX)

    def settle(self, rows: Sequence[range]) -> None:
        top = 0.0
        for numbers in rows:
            row = _Row(numbers)
            self._settle_heights(row, top)
            top = row.bottom + _ROW_GAP_PX
            self._settle_columns(row)
            self._rows.append(row)

    def _settle_heights(self, row: _Row, top: float) -> None:
        """Give every box and waypoint of a row its y: level with what it is joined to, as far as there is place."""
        for number in row.layers:
            layer = self.layers[number]
            distances = [self._distance(*pair) for pair in pairwise(layer)]
            self.y.update(zip(layer, accumulate(distances, initial=0.0), strict=True))
        before_of, after_of = self._neighbours(row)
        for index in range(2 * _PASSES + 1):
            is_forward = index % 2 == 0
            for number in row.layers if is_forward else reversed(row.layers):
                sides = (before_of, after_of) if index == 2 * _PASSES else (before_of,) if is_forward else (after_of,)
                self._settle_layer(number, sides)
        names = [name for number in row.layers for name in self.layers[number]]
        shift = top - min(self.y[name] for name in names)
        for name in names:
            self.y[name] += shift
        row.top, row.bottom = top, max(self.y[name] + self.size(name).height for name in names)

    def _settle_layer(self, number: int, sides: Sequence[_Neighbours]) -> None:
        layer = self.layers[number]
        wanted, weights = [], []
        for name in layer:
            pulls = [(self.y[other] + offset, weight) for side in sides for other, offset, weight in side[name]]
            weight = sum(one for _, one in pulls)
            wanted.append(sum(at * one for at, one in pulls) / weight if pulls else self.y[name])
            weights.append(weight or _IDLE_WEIGHT)
        distances = [self._distance(*pair) for pair in pairwise(layer)]
        self.y.update(zip(layer, nearest_in_order(wanted, weights, distances), strict=True))

    def _distance(self, upper: str, lower: str) -> float:
        return self.size(upper).height + _BESIDE_PX[upper in self.sizes, lower in self.sizes]

    def _neighbours(self, row: _Row) -> tuple[_Neighbours, _Neighbours]:
        """Return name → its neighbours on the left, and on the right: whose y, how far apart, how much it matters."""
        before_of: _Neighbours = defaultdict(list)
        after_of: _Neighbours = defaultdict(list)
        for number in row.layers[:-1]:
            for link, before, after in self.between[number]:
                offset = self._port(link, before, is_start=True).y - self._port(link, after, is_start=False).y
                # long lines should run straight: between two waypoints a bend is least wanted
                weight = link.weight * (1 + 2 * ((before not in self.sizes) + (after not in self.sizes)))
                before_of[after].append((before, offset, weight))
                after_of[before].append((after, -offset, weight))
        return before_of, after_of

    def _port(self, link: Link, name: str, *, is_start: bool) -> Point:
        """Return where a link meets a box or waypoint, from its corner; `is_start`: on its right."""
        if name not in self.sizes:
            return Point(0, 0)
        size = self.sizes[name]
        given = link.leaves if name == link.source else link.arrives
        is_reversed = (name == link.source) is not is_start
        if given is None:
            return Point(size.width if is_start else 0, size.height / 2)
        return Point(size.width - given.x, given.y) if is_reversed else given

    def _settle_columns(self, row: _Row) -> None:
        at = 0.0
        for number in row.layers:
            self.left[number] = at
            at += self.column_px[number]
            if number + 1 in row.layers:
                rises = [
                    abs(
                        self.y[before]
                        + self._port(link, before, is_start=True).y
                        - self.y[after]
                        - self._port(link, after, is_start=False).y
                    )
                    for link, before, after in self.between[number]
                ]
                slope = min(_WIDEST_SLOPE_PX, 0.14 * max(rises, default=0))
                at += _GAP_PX + slope + self.room_px(number)

    def corner(self, name: str) -> Point:
        number = self.layer_of[name]
        return Point(self.left[number] + (self.column_px[number] - self.size(name).width) / 2, self.y[name])

    def places(self) -> Places:
        margin = _MARGIN_PX if len(self._rows) > 1 else 0.0
        lines = [self._line(index).moved(margin, 0) for index in range(len(self.links))]
        width = max((self.left[row.layers[-1]] + self.column_px[row.layers[-1]] for row in self._rows), default=0)
        return Places(
            corners={name: Point(self.corner(name).x + margin, self.y[name]) for name in self.sizes},
            lines=tuple(lines),
            width=width + 2 * margin,
            height=max((row.bottom for row in self._rows), default=0),
        )

    def _line(self, index: int) -> Line:
        link, route = self.links[index], self.routes[index]
        pieces: list[Piece] = []
        label: Point | None = None
        for before, after in pairwise(route):
            start = self._meets(link, before, is_start=True)
            end = self._meets(link, after, is_start=False)
            number = self.layer_of[before]
            right = Point(self.left[number] + self.column_px[number], start.y)
            row = next(row for row in self._rows if number in row.layers)
            if number + 1 not in row.layers:
                pieces += self._into_next_row(row, start, end)
                continue
            room = link.room_px if before in self.sizes else 0
            run = _RUN_PX if after in self.sizes else 0
            left = Point(self.left[number + 1], end.y)
            bent = Point(left.x - run - room, end.y)
            if before not in self.sizes:
                pieces += straight(Point(self.left[number], start.y), right)
            elif self.is_backward[index]:  # its head is at this end
                right = Point(right.x + _RUN_PX, start.y)
            pieces += [*straight(start, right)] if before in self.sizes else []
            pieces += [curve(right, bent), *straight(bent, end)]
            if room:
                label = Point(bent.x + room / 2, end.y)
        line = Line(tuple(pieces), label)
        return line.reversed() if self.is_backward[index] else line

    def _meets(self, link: Link, name: str, *, is_start: bool) -> Point:
        if name not in self.sizes:  # a waypoint: the whole width of its column
            number = self.layer_of[name]
            return Point(self.left[number] + (self.column_px[number] if is_start else 0), self.y[name])
        port, corner = self._port(link, name, is_start=is_start), self.corner(name)
        return Point(corner.x + port.x, corner.y + port.y)

    def _into_next_row(self, row: _Row, start: Point, end: Point) -> tuple[Piece, ...]:
        """Return the way from the end of one row to the beginning of the next, around both."""
        last = row.layers[-1]
        right, between = self.left[last] + self.column_px[last] + _MARGIN_PX - 4, row.bottom + _ROW_GAP_PX / 2
        left = -(_MARGIN_PX - 4.0)
        corners = [Point(right, start.y), Point(right, between), Point(left, between), Point(left, end.y)]
        return rounded([start, *corners, end], _CORNER_PX)


_Neighbours = defaultdict[str, list[tuple[str, float, float]]]
_NOTHING: Final = Size(0, 0)
_IDLE_WEIGHT: Final = 0.01
"""Of a box that nothing pulls: it makes place for the others."""
