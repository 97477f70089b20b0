"""A scene as SVG. Pure.

Nothing in it comes from elsewhere or runs: no links, scripts, fonts, ids or foreign objects, so it can stand several
times on one page, or be an image of its own.
"""

from __future__ import annotations

from html import escape
from typing import TYPE_CHECKING, Final

from ci_core.serving.picture.cards import TEXT_PX
from ci_core.serving.picture.letters import width_px
from ci_core.serving.picture.lines import Point, number
from ci_core.serving.picture.palette import painted, style_sheet
from ci_core.serving.picture.scene import Group

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ci_core.serving.picture.cards import Card, ModelBox, Text
    from ci_core.serving.picture.scene import Drawn, Scene

_MARGIN_PX: Final = 20.0
_LEAST_SCALE: Final = 0.75
"""A picture that is too wide shrinks so far and no further: then one scrolls."""
_FONTS: Final = "system-ui,-apple-system,'Segoe UI',Roboto,'Noto Sans',Helvetica,Arial,sans-serif"
_HEAD_LONG, _HEAD_WIDE = 8.0, 3.6
_DASHES: Final = {"later": "1 5", "error": "5 4", "back": "5 4"}


def draw(scene: Scene, *, title: str, description: str, may_scroll: bool) -> str:
    """Return one ``<svg>`` element.

    Args:
        scene: of the whole graph.
        title: what the picture is called.
        description: what it shows, for those who do not see it.
        may_scroll: whether what is around it can be scrolled: then it does not shrink until nobody can read it.
    """
    width, height = scene.width + 2 * _MARGIN_PX, scene.height + 2 * _MARGIN_PX
    least = f"min-width:{number(width * _LEAST_SCALE)}px;" if may_scroll else ""
    sheet = (
        f'<rect {painted("sheet")} x="0.5" y="0.5" width="{number(width - 1)}" height="{number(height - 1)}" rx="10"/>'
    )
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{number(width)}" height="{number(height)}" '
        f'viewBox="0 0 {number(width)} {number(height)}" role="img" aria-label="{escape(title)}" '
        f'font-family="{_FONTS}" '
        f'style="max-width:100%;{least}height:auto">'
        f"<desc>{escape(description)}</desc><style>{style_sheet()}</style>{sheet}"
        f'<g transform="translate({number(_MARGIN_PX)} {number(_MARGIN_PX)})">{"".join(_scene(scene))}</g></svg>'
    )


def _scene(scene: Scene) -> Iterator[str]:
    """Yield lines first, then boxes, then what is written on the lines."""
    for drawn in sorted(scene.arrows, key=lambda one: not one.arrow.is_error):
        yield from _line(drawn)
    for box, at in scene.boxes:
        yield _moved(at, _group(box) if isinstance(box, Group) else _card(box))
    for drawn in scene.arrows:
        yield from _label(drawn)


def _moved(at: Point, parts: Iterator[str]) -> str:
    return f'<g transform="translate({number(at.x)} {number(at.y)})">{"".join(parts)}</g>'


def _line(drawn: Drawn) -> Iterator[str]:
    role = "fail" if drawn.arrow.is_error else "flow"
    dashes = _DASHES.get(drawn.arrow.kind)
    dashed = f' stroke-dasharray="{dashes}" stroke-linecap="round"' if dashes else ""
    yield f'<path {painted(role)} stroke-width="1.5"{dashed} d="{drawn.line.path}"/>'
    if not drawn.is_open:
        yield f'<path {painted(f"{role}-tip")} d="{_head(drawn)}"/>'


def _head(drawn: Drawn) -> str:
    """Return the outline of an arrow's head; the last piece of a line is straight."""
    before, tip = drawn.line.tip
    length = abs(tip.x - before.x) + abs(tip.y - before.y) or 1.0
    x, y = (tip.x - before.x) / length, (tip.y - before.y) / length
    back = Point(tip.x - x * _HEAD_LONG, tip.y - y * _HEAD_LONG)
    corners = [
        Point(back.x - y * _HEAD_WIDE, back.y + x * _HEAD_WIDE),
        tip,
        Point(back.x + y * _HEAD_WIDE, back.y - x * _HEAD_WIDE),
    ]
    return f"M{'L'.join(f'{number(one.x)} {number(one.y)}' for one in corners)}Z"


def _label(drawn: Drawn) -> Iterator[str]:
    middle = drawn.line.label
    if not drawn.label or middle is None:
        return
    width = width_px(drawn.label, TEXT_PX) + 12
    role = "fail-ink" if drawn.arrow.is_error else "dim"
    box = f'x="{number(middle.x - width / 2)}" y="{number(middle.y - 9)}" width="{number(width)}" height="18" rx="9"'
    yield (
        f"<g><title>{escape(drawn.arrow.text)}</title><rect {painted('tag')} {box}/>"
        f'<text {painted(role)} font-size="{TEXT_PX:g}" text-anchor="middle" x="{number(middle.x)}" '
        f'y="{number(middle.y + 4)}">{escape(drawn.label)}</text></g>'
    )


def _card(card: Card) -> Iterator[str]:
    yield f"<title>{escape(card.tip)}</title>"
    yield _outline(card)
    yield from map(_text, card.texts)
    left = min((text.x for text in card.texts), default=0.0)
    for model in card.models:
        yield from _model(model, left, card.width - 2 * left)


def _group(group: Group) -> Iterator[str]:
    yield from _card(group.card)
    yield from _gates(group)
    yield _moved(group.at, _scene(group.scene))


def _gates(group: Group) -> Iterator[str]:
    """Yield where lines pass through the edges of a nested graph's box."""
    scene, at = group.scene, group.at
    if scene.entry is None or scene.exit is None:
        return
    for edge, inner in ((0.0, scene.entry), (group.card.width, scene.exit)):
        y = number(at.y + inner.y)
        yield f'<path {painted("flow")} stroke-width="1.5" d="M{number(edge)} {y}H{number(at.x + inner.x)}"/>'
        yield f'<circle {painted("graph")} stroke-width="1.5" cx="{number(edge)}" cy="{y}" r="3.5"/>'


def _outline(card: Card) -> str:
    role = "handler" if card.is_failing else card.role
    looks = f'{painted(role)} stroke-width="1.3"' + (' stroke-dasharray="5 4"' if card.is_failing else "")
    w, h = card.width, card.height
    if card.role == "choice":
        return f'<path {looks} d="{_hexagon(w, h)}"/>'
    if card.role == "queue":
        return f'<path {looks} d="{_drum(w, h)}"/>'
    radius = min(h / 2, 18.0) if card.role == "end" else 8.0
    return f'<rect {looks} width="{number(w)}" height="{number(h)}" rx="{number(radius)}"/>'


def _hexagon(w: float, h: float) -> str:
    slant = 12.0
    outline = [(slant, 0), (w - slant, 0), (w, h / 2), (w - slant, h), (slant, h), (0, h / 2)]
    return f"M{'L'.join(f'{number(x)} {number(y)}' for x, y in outline)}Z"


def _drum(w: float, h: float) -> str:
    """Return a cylinder that lies on its side, open end to the right."""
    r, half = 9.0, h / 2
    side = f"A{number(r)} {number(half)} 0 0"
    return (
        f"M{number(r)} 0H{number(w - r)}{side} 1 {number(w - r)} {number(h)}H{number(r)}{side} 1 {number(r)} 0Z"
        f"M{number(w - r)} 0{side} 0 {number(w - r)} {number(h)}"
    )


def _model(model: ModelBox, left: float, width: float) -> Iterator[str]:
    texts = "".join(_text(text._replace(x=text.x + left)) for text in model.texts)
    box = f'x="{number(left)}" y="{number(model.y)}" width="{number(width)}" height="38" rx="6"'
    yield f"<g><title>{escape(model.tip)}</title><rect {painted('model')} {box}/>{texts}</g>"


def _text(text: Text) -> str:
    looks = ' font-weight="600"' if text.is_bold else ""
    looks += ' text-anchor="end"' if text.is_at_end else ""
    return (
        f'<text {painted(text.role)} font-size="{text.size_px:g}"{looks} x="{number(text.x)}" y="{number(text.y)}">'
        f"{escape(text.text)}</text>"
    )
