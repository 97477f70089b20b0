"""The picture of a graph that a notebook shows: an SVG with nothing to download. Pure."""

from __future__ import annotations

from html import escape
from typing import TYPE_CHECKING

from ci_core.serving.render import Arrow, arrows, labels
from ci_core.serving.spec import ANSWER, REQUEST

if TYPE_CHECKING:
    from ci_core.serving.spec import GraphSpec

_LETTER_PX = 7.2
"""Mean width of a letter of the 12 px font."""
_LINE_PX = 16
_GAP_X, _GAP_Y, _PADDING = 46, 18, 12


def svg(spec: GraphSpec) -> str:
    """Return the graph as one ``<svg>`` element: request left, answer right, one column a step of depth."""
    texts = {REQUEST: ("request",), ANSWER: ("answer",)} | {step.name: labels(step) for step in spec.steps}
    all_arrows = list(arrows(spec))
    boxes = _place(texts, _depths(texts, all_arrows))
    width = max(x + w for x, _, w, _ in boxes.values()) + _PADDING
    height = max(y + h for _, y, _, h in boxes.values()) + _PADDING
    parts = [_arrow(boxes[arrow.start], boxes[arrow.end], arrow) for arrow in all_arrows]
    parts += [_box(texts[name], box, is_round=name in {REQUEST, ANSWER}) for name, box in boxes.items()]
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{width:.0f}" height="{height:.0f}" role="img" '
        f'aria-label="serving graph {escape(spec.name)}" font-family="sans-serif" font-size="12">'
        '<defs><marker id="gs-tip" viewBox="0 0 8 8" refX="8" refY="4" markerWidth="7" markerHeight="7" orient="auto">'
        '<path d="M0 0 8 4 0 8z" fill="#57606a"/></marker></defs>' + "".join(parts) + "</svg>"
    )


def _depths(texts: dict[str, tuple[str, ...]], all_arrows: list[Arrow]) -> dict[str, int]:
    """Return the column of each box: one more than the deepest box with an arrow to it."""
    depths = dict.fromkeys(texts, 0)
    for _ in texts:
        for arrow in all_arrows:
            depths[arrow.end] = max(depths[arrow.end], depths[arrow.start] + 1)
    return depths


def _place(texts: dict[str, tuple[str, ...]], depths: dict[str, int]) -> dict[str, tuple[float, float, float, float]]:
    boxes: dict[str, tuple[float, float, float, float]] = {}
    x = float(_PADDING)
    for depth in sorted(set(depths.values())):
        column = [name for name in texts if depths[name] == depth]
        width = max(len(line) for name in column for line in texts[name]) * _LETTER_PX + 2 * _PADDING
        y = float(_PADDING)
        for name in column:
            height = len(texts[name]) * _LINE_PX + _PADDING
            boxes[name] = (x, y, width, height)
            y += height + _GAP_Y
        x += width + _GAP_X
    return boxes


def _arrow(start: tuple[float, float, float, float], end: tuple[float, float, float, float], arrow: Arrow) -> str:
    x1, y1 = start[0] + start[2], start[1] + start[3] / 2
    x2, y2 = end[0], end[1] + end[3] / 2
    middle = (x1 + x2) / 2
    dashes = ' stroke-dasharray="4 3"' if arrow.is_error else ""
    path = f"M{x1:.0f} {y1:.0f}C{middle:.0f} {y1:.0f} {middle:.0f} {y2:.0f} {x2:.0f} {y2:.0f}"
    line = f'<path d="{path}" fill="none" stroke="#57606a"{dashes} marker-end="url(#gs-tip)"/>'
    if not arrow.text:
        return line
    # white behind the letters, so that a line may cross them
    return line + (
        f'<text x="{middle:.0f}" y="{(y1 + y2) / 2 - 4:.0f}" text-anchor="middle" font-size="11" fill="#57606a" '
        f'stroke="#ffffff" stroke-width="3" paint-order="stroke">{escape(arrow.text)}</text>'
    )


def _box(lines: tuple[str, ...], box: tuple[float, float, float, float], *, is_round: bool) -> str:
    x, y, width, height = box
    radius = height / 2 if is_round else 6
    place = f'x="{x:.0f}" y="{y:.0f}" width="{width:.0f}" height="{height:.0f}"'
    parts = [f'<rect {place} rx="{radius:.0f}" fill="#f6f8fa" stroke="#8c959f"/>']
    for index, line in enumerate(lines):
        baseline = y + _PADDING / 2 + (index + 0.8) * _LINE_PX
        look = 'font-weight="600" fill="#1f2328"' if index == 0 else 'fill="#57606a"'
        parts.append(
            f'<text x="{x + width / 2:.0f}" y="{baseline:.0f}" text-anchor="middle" {look}>{escape(line)}</text>'
        )
    return "".join(parts)
