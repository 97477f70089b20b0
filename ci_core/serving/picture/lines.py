"""The lines of a picture: pieces that are straight or bent, as SVG draws them. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING, NamedTuple, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Sequence

_LEAST_STEP_PX = 0.5


class Point(NamedTuple):
    """A place in a picture, in pixels; y grows downwards."""

    x: float
    y: float


Piece: TypeAlias = tuple[Point, ...]
"""Two points: straight; three: bent towards the second; four: a cubic Bézier curve."""


@dataclass(frozen=True, slots=True)
class Line:
    """A line from one box to another.

    Attributes:
        pieces: each begins where the one before ends.
        label: middle of the place for a text; None when there is no room for one.
    """

    pieces: tuple[Piece, ...]
    label: Point | None = None

    @property
    def tip(self) -> tuple[Point, Point]:
        """The two last points: where the arrow's head is, and where it comes from."""
        last = self.pieces[-1]
        return last[-2], last[-1]

    def moved(self, x: float, y: float) -> Line:
        """Return the line at another place."""
        pieces = tuple(tuple(Point(one.x + x, one.y + y) for one in piece) for piece in self.pieces)
        return Line(pieces, self.label and Point(self.label.x + x, self.label.y + y))

    def reversed(self) -> Line:
        """Return the line in the other direction."""
        return Line(tuple(piece[::-1] for piece in self.pieces[::-1]), self.label)

    def turned(self) -> Line:
        """Return the line with x and y exchanged."""
        pieces = tuple(tuple(Point(one.y, one.x) for one in piece) for piece in self.pieces)
        return Line(pieces, self.label and Point(self.label.y, self.label.x))

    @property
    def path(self) -> str:
        """The line as the attribute ``d`` of a path."""
        words = [f"M{_place(self.pieces[0][0])}"]
        words += [f"{_COMMANDS[len(piece)]}{' '.join(map(_place, piece[1:]))}" for piece in self.pieces]
        return "".join(words)


_COMMANDS = {2: "L", 3: "Q", 4: "C"}


def number(value: float) -> str:
    """Return a length as short as a tenth of a pixel allows."""
    return f"{round(value, 1):g}"


def _place(point: Point) -> str:
    return f"{number(point.x)} {number(point.y)}"


def straight(*points: Point) -> tuple[Piece, ...]:
    """Return straight pieces through `points`, without those that lead nowhere."""
    return tuple(pair for pair in pairwise(points) if pair[0] != pair[1])


def curve(start: Point, end: Point) -> Piece:
    """Return a curve that leaves and arrives level, and stays between the two in x."""
    if abs(start.y - end.y) < _LEAST_STEP_PX:
        return (start, end)
    middle = (start.x + end.x) / 2
    return (start, Point(middle, start.y), Point(middle, end.y), end)


def rounded(points: Sequence[Point], radius: float) -> tuple[Piece, ...]:
    """Return level and upright pieces through `points`, with rounded corners."""
    pieces: list[Piece] = []
    at = points[0]
    for before, corner, after in zip(points, points[1:], points[2:], strict=False):
        enter, leave = _towards(corner, before, radius), _towards(corner, after, radius)
        pieces += [(at, enter), (enter, corner, leave)]
        at = leave
    return (*pieces, (at, points[-1]))


def _towards(start: Point, end: Point, distance: float) -> Point:
    length = abs(end.x - start.x) + abs(end.y - start.y)
    share = min(distance / length, 0.5) if length else 0.0
    return Point(start.x + (end.x - start.x) * share, start.y + (end.y - start.y) * share)
