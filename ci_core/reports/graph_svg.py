"""A serving graph as inline SVG: our own drawing, so that a page needs no script and no program (pure).

Colours come from the page's style sheet through classes; every node says its kind, its change and what it runs in
words too, for readers without colours or without eyes.
"""

from __future__ import annotations

import html
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING, Literal

from ci_core.reports.graph_layout import lay_out
from ci_core.reports.text import plural, shorten, visible

if TYPE_CHECKING:
    from ci_core.reports.graph_layout import Layout
    from ci_core.reports.report import GraphNode, ServingGraph

MOST_NODES = 80
_LONGEST_TEXT = 22
_LETTER_PX = 7.3
"""Mean width of a letter of the node's 13 px text; system fonts differ by a tenth, the padding takes it up."""
_HEIGHT_PX = 46
_LEAST_WIDTH_PX = 92
_MARGIN_PX = 14
_GAP_ALONG_PX = 52
_GAP_ACROSS_PX = 22
_SIGNS = {"added": "+", "removed": "−", "changed": "~", "renamed": "~"}


@dataclass(frozen=True, slots=True, kw_only=True)
class _Box:
    x: float
    y: float
    width: float

    @property
    def middle(self) -> tuple[float, float]:
        return self.x + self.width / 2, self.y + _HEIGHT_PX / 2


def graph_svg(graph: ServingGraph, *, direction: Literal["right", "down"] = "right", name: str = "graph") -> str:
    """Return the graph as an ``<svg>`` element with a title and a description.

    Args:
        graph: at most :data:`MOST_NODES` of its nodes are drawn; the description says so when there are more.
        direction: where the events flow; ``down`` is for narrow pages.
        name: unique on the page; prefix of the element ids.
    """
    nodes = {node.id: node for node in graph.nodes[:MOST_NODES]}
    layout = lay_out(list(nodes), [(edge.source, edge.target) for edge in graph.edges])
    boxes = _place(layout, nodes, direction)
    width = max((box.x + box.width for box in boxes.values()), default=0) + _MARGIN_PX
    height = max((box.y for box in boxes.values()), default=0) + _HEIGHT_PX + _MARGIN_PX
    changes = {(edge.source, edge.target): (edge.change, edge.text) for edge in graph.edges}
    edges = [
        _edge([boxes[stop] for stop in route], *changes[edge], direction, name) for edge, route in layout.routes.items()
    ]
    drawn = [_node(node, boxes[node.id]) for node in nodes.values()]
    return (
        f'<svg class="graph {direction}" role="img" aria-labelledby="{name}-title {name}-desc" '
        f'width="{width:.0f}" height="{height:.0f}" viewBox="0 0 {width:.0f} {height:.0f}">'
        f'<title id="{name}-title">Serving graph {_escape(shorten(graph.name, 80))}</title>'
        f'<desc id="{name}-desc">{_escape(_description(graph))}</desc>'
        f'<defs><marker id="{name}-tip" viewBox="0 0 8 8" refX="7" refY="4" markerWidth="7" markerHeight="7" '
        f'orient="auto"><path class="tip" d="M0,0.5L8,4L0,7.5Z"/></marker></defs>'
        f"{''.join(edges)}{''.join(drawn)}</svg>"
    )


def _place(layout: Layout, nodes: dict[str, GraphNode], direction: str) -> dict[str, _Box]:
    widths = {name: _width(nodes[name]) if name in nodes else 0.0 for layer in layout.layers for name in layer}
    boxes = _place_right(layout, widths) if direction == "right" else _place_down(layout, widths)
    left = min((box.x for box in boxes.values()), default=0)
    top = min((box.y for box in boxes.values()), default=0)
    return {
        name: _Box(x=box.x - left + _MARGIN_PX, y=box.y - top + _MARGIN_PX, width=box.width)
        for name, box in boxes.items()
    }


def _place_right(layout: Layout, widths: dict[str, float]) -> dict[str, _Box]:
    boxes, x = {}, 0.0
    for layer in layout.layers:
        column = max(widths[name] for name in layer)
        for name in layer:
            y = layout.place[name][1] * (_HEIGHT_PX + _GAP_ACROSS_PX)
            boxes[name] = _Box(x=x + (column - widths[name]) / 2, y=y, width=widths[name])
        x += column + _GAP_ALONG_PX
    return boxes


def _place_down(layout: Layout, widths: dict[str, float]) -> dict[str, _Box]:
    boxes, y = {}, 0.0
    for layer in layout.layers:
        x = -(sum(widths[name] for name in layer) + _GAP_ACROSS_PX * (len(layer) - 1)) / 2
        for name in layer:
            boxes[name] = _Box(x=x, y=y, width=widths[name])
            x += widths[name] + _GAP_ACROSS_PX
        y += _HEIGHT_PX + _GAP_ALONG_PX * 0.65
    return boxes


def _width(node: GraphNode) -> float:
    letters = len(shorten(visible(node.text), _LONGEST_TEXT))
    return max(_LEAST_WIDTH_PX, letters * _LETTER_PX + 34)


def _edge(stops: list[_Box], change: str, text: str, direction: str, name: str) -> str:
    points = [
        _port(stops[0], direction, "out"),
        *(box.middle for box in stops[1:-1]),
        _port(stops[-1], direction, "in"),
    ]
    path = f"M{points[0][0]:.1f},{points[0][1]:.1f}"
    for (x1, y1), (x2, y2) in pairwise(points):
        bend = (x2 - x1) / 2 if direction == "right" else (y2 - y1) / 2
        first, second = (
            ((x1 + bend, y1), (x2 - bend, y2)) if direction == "right" else ((x1, y1 + bend), (x2, y2 - bend))
        )
        path += f"C{first[0]:.1f},{first[1]:.1f} {second[0]:.1f},{second[1]:.1f} {x2:.1f},{y2:.1f}"
    label = ""
    if text:
        x, y = (points[0][0] + points[1][0]) / 2, (points[0][1] + points[1][1]) / 2 - 6
        label = (
            f'<text class="edge-text" x="{x:.1f}" y="{y:.1f}" text-anchor="middle">{_escape(shorten(text, 16))}</text>'
        )
    return f'<path class="edge {change}" fill="none" d="{path}" marker-end="url(#{name}-tip)"/>{label}'


def _port(box: _Box, direction: str, side: Literal["in", "out"]) -> tuple[float, float]:
    middle_x, middle_y = box.middle
    if direction == "right":
        return (box.x + box.width + 1 if side == "out" else box.x - 2), middle_y
    return middle_x, (box.y + _HEIGHT_PX + 1 if side == "out" else box.y - 2)


def _node(node: GraphNode, box: _Box) -> str:
    text = shorten(visible(node.text), _LONGEST_TEXT)
    sign = _SIGNS.get(node.change, "")
    tip = ", ".join(part for part in (f"{node.kind} {node.text}", node.detail, node.change if sign else "") if part)
    radius = {"source": 23, "response": 23, "router": 4}.get(node.kind, 10)
    x, _ = box.middle
    parts = [
        f'<g class="node {node.kind} {node.change}"><title>{_escape(shorten(tip, 300))}</title>',
        f'<rect x="{box.x:.1f}" y="{box.y:.1f}" width="{box.width:.1f}" height="{_HEIGHT_PX}" rx="{radius}"/>',
        f'<text class="kind" x="{x:.1f}" y="{box.y + 17:.1f}" text-anchor="middle">{node.kind}</text>',
        f'<text class="name" x="{x:.1f}" y="{box.y + 34:.1f}" text-anchor="middle">{_escape(text)}</text>',
    ]
    if sign:
        badge_x, badge_y = box.x + box.width - 4, box.y + 4
        parts.append(
            f'<circle class="badge" cx="{badge_x:.1f}" cy="{badge_y:.1f}" r="9"/>'
            f'<text class="sign" x="{badge_x:.1f}" y="{badge_y + 4.5:.1f}" text-anchor="middle">{sign}</text>'
        )
    return "".join([*parts, "</g>"])


def _description(graph: ServingGraph) -> str:
    edges = "; ".join(f"{edge.source} to {edge.target}" for edge in graph.edges[:40])
    changed = [f"{node.text} {node.change}" for node in graph.nodes if node.change != "same"]
    parts = [plural(len(graph.nodes), "node"), edges, ", ".join(changed[:40])]
    if len(graph.nodes) > MOST_NODES:
        parts.append(f"only {MOST_NODES} nodes are drawn")
    return shorten(". ".join(part for part in parts if part), 2_000)


def _escape(text: str) -> str:
    return html.escape(visible(text))
