"""A graph as boxes and lines with their places, nested graphs inside their boxes. Pure; ``drawing.py`` draws it."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from ci_core.serving.picture.cards import TEXT_PX, Card, answer_card, header, request_card, step_card
from ci_core.serving.picture.letters import fitting, width_px
from ci_core.serving.picture.lines import Line, Point
from ci_core.serving.picture.places import Link, Size, arrange
from ci_core.serving.spec import ANSWER, REQUEST
from ci_core.serving.words import Arrow, arrows, visible

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from ci_core.serving.spec import GraphSpec, StepSpec

_WIDEST_PX: Final = 1280.0
_HANG_PX: Final = 30.0
"""From a step down to its error handler."""
_HANG_AT_PX: Final = 26.0
_GROUP_PAD: Final = 22.0
_ERROR_PORT_PX: Final = 9.0
"""Above the lower edge of a step: where lines to and from error handlers meet it, beside the main flow."""
_MOST_LABEL_PX: Final = 110.0
_LABEL_PAD: Final = 7.0
_CALM: Final = 0.001
"""Weight of lines beside the main flow: they bend, so that it runs straight."""


@dataclass(frozen=True, slots=True)
class Group:
    """The box of a nested graph: a card whose height includes the scene below its texts."""

    card: Card
    scene: Scene
    at: Point
    """Corner of the scene, from that of the card."""


@dataclass(frozen=True, slots=True)
class Drawn:
    """One arrow."""

    arrow: Arrow
    line: Line
    label: str = ""
    is_open: bool = False
    """Whether it has no head, because it goes on outside of a nested graph."""


@dataclass(frozen=True, slots=True)
class Scene:
    """What is to be drawn.

    Attributes:
        boxes: with the upper left corner of each.
        entry: where the request comes in and the answer goes out, in a nested graph.
    """

    boxes: tuple[tuple[Card | Group, Point], ...]
    arrows: tuple[Drawn, ...]
    width: float
    height: float
    entry: Point | None = None
    exit: Point | None = None


def compose(spec: GraphSpec, *, is_nested: bool = False) -> Scene:
    """Return the scene of a graph.

    Args:
        spec: of the graph.
        is_nested: its request and answer are then points on the edges of the box around it.

    Raises:
        GraphshipError: the graph makes no sense; see ``topology.check``.
    """
    return _Composition(spec, is_nested=is_nested).scene()


class _Composition:
    """Puts each error handler of a single step below that step, and lets ``arrange`` place the stacks."""

    def __init__(self, spec: GraphSpec, *, is_nested: bool) -> None:
        self.spec, self.is_nested = spec, is_nested
        self.arrows = list(arrows(spec))
        self.handled = Counter(step.on_error for step in spec.steps if step.on_error is not None)
        handlers = {*self.handled, *filter(None, [spec.on_error])}
        self.boxes: dict[str, Card | Group] = {
            step.name: _box(spec, step, is_handler=step.name in handlers) for step in spec.steps
        }
        self.stacks = self._stacks()
        self.stack_of = {name: stack for stack, names in self.stacks.items() for name in names}

    def _stacks(self) -> dict[str, list[str]]:
        """Return stack → the boxes in it, from above; the handler of the whole graph alone is in none."""
        hanging: dict[str, str] = {}
        for step in self.spec.steps:
            if step.on_error is not None and self.handled[step.on_error] == 1 and step.on_error != self.spec.on_error:
                hanging[step.name] = step.on_error
        below = set(hanging.values())
        stacks = {REQUEST: [REQUEST]}
        for step in self.spec.steps:
            is_apart = step.name == self.spec.on_error and not self.handled[step.name]
            if step.name not in below and not is_apart:
                stacks[step.name] = [step.name, *filter(None, [hanging.get(step.name)])]
        if any(arrow.end == ANSWER for arrow in self.arrows):
            stacks[ANSWER] = [ANSWER]
        if not self.is_nested:
            self.boxes |= {REQUEST: request_card(self.spec), ANSWER: answer_card()}
        return stacks

    def size(self, name: str) -> Size:
        box = self.boxes.get(name)
        card = box.card if isinstance(box, Group) else box
        return Size(card.width, card.height) if card is not None else Size(0, 0)

    def scene(self) -> Scene:
        offsets = {stack: self._offsets(names) for stack, names in self.stacks.items()}
        sizes = {stack: self._stack_size(names) for stack, names in self.stacks.items()}
        drawn = [arrow for arrow in self.arrows if not self._is_hanging(arrow)]
        links = [self._link(arrow, offsets) for arrow in drawn]
        shared = [name for name, count in self.handled.items() if count > 1 or name == self.spec.on_error]
        places = arrange(
            sizes, links, low=shared, last=ANSWER if self.is_nested and ANSWER in sizes else None, widest_px=_WIDEST_PX
        )
        corners = {
            name: Point(places.corners[stack].x + at.x, places.corners[stack].y + at.y)
            for stack, inside in offsets.items()
            for name, at in inside.items()
        }
        lines = [
            Drawn(arrow, line, _label(arrow), is_open=self.is_nested and arrow.end == ANSWER)
            for arrow, line in zip(drawn, places.lines, strict=True)
        ]
        lines += [self._hanging(arrow, corners) for arrow in self.arrows if self._is_hanging(arrow)]
        width, height = places.width, places.height
        alone = self.spec.on_error
        if alone is not None and alone not in corners:
            corners[alone] = Point(corners[REQUEST].x, height + _HANG_PX)
            size = self.size(alone)
            width, height = max(width, corners[alone].x + size.width), height + _HANG_PX + size.height
        return Scene(
            boxes=tuple((self.boxes[name], at) for name, at in corners.items() if name in self.boxes),
            arrows=tuple(lines),
            width=width,
            height=height,
            entry=corners[REQUEST] if self.is_nested else None,
            exit=corners.get(ANSWER) if self.is_nested else None,
        )

    def _offsets(self, names: Sequence[str]) -> dict[str, Point]:
        """Return where each box of a stack is, from the stack's corner."""
        offsets, y = {}, 0.0
        for name in names:
            offsets[name] = Point(0, y)
            y += self.size(name).height + _HANG_PX
        return offsets

    def _stack_size(self, names: Sequence[str]) -> Size:
        sizes = [self.size(name) for name in names]
        return Size(max(size.width for size in sizes), sum(size.height for size in sizes) + _HANG_PX * (len(sizes) - 1))

    def _is_hanging(self, arrow: Arrow) -> bool:
        return arrow.kind == "error" and self.stack_of[arrow.start] == self.stack_of[arrow.end]

    def _link(self, arrow: Arrow, offsets: Mapping[str, Mapping[str, Point]]) -> Link:
        start, end = self.stack_of[arrow.start], self.stack_of[arrow.end]
        leaves, arrives = self._exit(arrow), self._entry(arrow)
        label = _label(arrow)
        return Link(
            source=start,
            target=end,
            leaves=Point(leaves.x, leaves.y + offsets[start][arrow.start].y),
            arrives=Point(arrives.x, arrives.y + offsets[end][arrow.end].y),
            room_px=width_px(label, TEXT_PX) + 2 * _LABEL_PAD + 6 if label else 0,
            weight=_CALM if arrow.is_error else 1,
        )

    def _exit(self, arrow: Arrow) -> Point:
        box, size = self.boxes.get(arrow.start), self.size(arrow.start)
        if arrow.kind == "error":
            return Point(size.width, size.height - _ERROR_PORT_PX)
        if isinstance(box, Group) and box.scene.exit is not None:
            return Point(size.width, box.at.y + box.scene.exit.y)
        return Point(size.width, size.height / 2)

    def _entry(self, arrow: Arrow) -> Point:
        box, size = self.boxes.get(arrow.end), self.size(arrow.end)
        if isinstance(box, Group) and box.scene.entry is not None:
            return Point(0, box.at.y + box.scene.entry.y)
        return Point(0, size.height - _ERROR_PORT_PX if arrow.kind == "back" else size.height / 2)

    def _hanging(self, arrow: Arrow, corners: Mapping[str, Point]) -> Drawn:
        """Return the short line from a step down to its handler."""
        x = corners[arrow.start].x + _HANG_AT_PX
        top, bottom = corners[arrow.start].y + self.size(arrow.start).height, corners[arrow.end].y
        label = _label(arrow)
        middle = Point(x + 8 + width_px(label, TEXT_PX) / 2 + _LABEL_PAD, (top + bottom) / 2 - 1)
        return Drawn(arrow, Line(((Point(x, top), Point(x, bottom)),), middle), label)


def _label(arrow: Arrow) -> str:
    """Return what is written on an arrow; where a way back leads is seen without a word."""
    return "" if arrow.kind == "back" else fitting(visible(arrow.text), _MOST_LABEL_PX, TEXT_PX)


def _box(spec: GraphSpec, step: StepSpec, *, is_handler: bool) -> Card | Group:
    if step.graph is None:
        return step_card(spec, step, is_handler=is_handler)
    scene = compose(step.graph, is_nested=True)
    texts, width, height, tip = header(step)
    at = Point(_GROUP_PAD, height)
    card = Card(
        role="graph",
        width=max(width, scene.width + 2 * _GROUP_PAD),
        height=height + scene.height + _GROUP_PAD,
        texts=texts,
        tip=tip,
        is_failing=is_handler,
    )
    return Group(card, scene, at)
