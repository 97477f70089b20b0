"""A serving graph or a pipeline with its changes as inline SVG, so that a page needs no script and no program (pure).

Where things go is decided as for the picture in a notebook, by ``serving/picture/places.py``.

Colours come from the page's style sheet through classes; every node says its kind, its change and what it runs in
words too, for readers without colours or without eyes.
"""

from __future__ import annotations

import html
from typing import TYPE_CHECKING, Literal

from ci_core.reports.text import plural, shorten, visible
from ci_core.serving.picture.letters import width_px
from ci_core.serving.picture.places import Link, Size, arrange

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from ci_core.reports.report import Graph, GraphEdge, GraphNode
    from ci_core.serving.picture.lines import Line, Point
    from ci_core.serving.picture.places import Places

MOST_NODES = 80
_LONGEST_TEXT = 22
_LETTER_PX = 7.3
"""Mean width of a letter of the node's 13 px text; system fonts differ by a tenth, the padding takes it up."""
_HEIGHT_PX = 46
_LEAST_WIDTH_PX = 92
_MARGIN_PX = 14
_EDGE_TEXT_PX = 11
_REST_ROOM_PX = 20
_BESIDE_PX = 6
_ON_ERROR = "on error"
_BESIDE_THE_FLOW = {_ON_ERROR, "goes on"}
_BESIDE_WEIGHT = 0.001
"""Of arrows to error handlers and back: they bend, so that the flow runs straight."""
_WIDEST_PX = 960
"""Wider graphs go on in a row below, where that can be seen at a glance: so much room is on the page."""
_SIGNS = {"added": "+", "removed": "−", "changed": "~", "renamed": "~"}


def graph_svg(graph: Graph, *, direction: Literal["right", "down"] = "right", name: str = "graph") -> str:
    """Return the graph as an ``<svg>`` element with a title and a description.

    Args:
        graph: at most :data:`MOST_NODES` of its nodes are drawn; the description says so when there are more.
        direction: where the events flow; ``down`` is for narrow pages.
        name: unique on the page; prefix of the element ids.
    """
    nodes = {node.id: node for node in graph.nodes[:MOST_NODES]}
    edges = [
        edge for edge in graph.edges if edge.source in nodes and edge.target in nodes and edge.source != edge.target
    ]
    places = _places(nodes, edges, direction)
    width = max([places.width, *(_text_end(*pair, direction) for pair in zip(edges, places.lines, strict=True))])
    width, height = width + 2 * _MARGIN_PX, places.height + 2 * _MARGIN_PX
    rest = ""
    if hidden := _hidden(graph):
        words = f"and {plural(hidden, 'box', 'boxes')} more, far from every change"
        width, height = max(width, width_px(words, _EDGE_TEXT_PX) + 2 * _MARGIN_PX), height + _REST_ROOM_PX
        rest = f'<text class="edge-text" x="{_MARGIN_PX}" y="{height - 8:.0f}">{words}</text>'
    lines = [
        _edge(edge, line.moved(_MARGIN_PX, _MARGIN_PX), direction, name)
        for edge, line in zip(edges, places.lines, strict=True)
    ]
    drawn = [_node(node, places.corners[node.id]) for node in nodes.values()]
    is_fitting = width <= _WIDEST_PX + 2 * _MARGIN_PX  # then it shrinks with its page a little, rather than be cut off
    kind = f"graph {direction}{' fitting' if is_fitting else ''}"
    return (
        f'<svg class="{kind}" role="img" aria-labelledby="{name}-title {name}-desc" '
        f'width="{width:.0f}" height="{height:.0f}" viewBox="0 0 {width:.0f} {height:.0f}">'
        f'<title id="{name}-title">{_title(graph)}</title>'
        f'<desc id="{name}-desc">{_escape(_description(graph))}</desc>'
        f'<defs><marker id="{name}-tip" viewBox="0 0 8 8" refX="7" refY="4" markerWidth="7" markerHeight="7" '
        f'orient="auto"><path class="tip" d="M0,0.5L8,4L0,7.5Z"/></marker></defs>'
        f"{''.join(lines)}{''.join(drawn)}{rest}</svg>"
    )


def _hidden(graph: Graph) -> int:
    return graph.hidden + max(0, len(graph.nodes) - MOST_NODES)


def _title(graph: Graph) -> str:
    is_pipeline = any(node.kind == "stage" for node in graph.nodes)
    return "Pipeline" if is_pipeline else f"Serving graph {_escape(shorten(graph.name, 80))}"


def _places(nodes: Mapping[str, GraphNode], edges: Sequence[GraphEdge], direction: str) -> Places:
    """Return where boxes and lines go: downwards is to the right with x and y exchanged."""
    widths = {key: _width(node) for key, node in nodes.items()}
    if direction == "right":
        sizes = {key: Size(width, _HEIGHT_PX) for key, width in widths.items()}
        rooms = [width_px(_edge_text(edge), _EDGE_TEXT_PX) + 8 if edge.text else 0 for edge in edges]
    else:
        sizes = {key: Size(_HEIGHT_PX, width) for key, width in widths.items()}
        rooms = [_EDGE_TEXT_PX + 6 if edge.text else 0 for edge in edges]
    links = [
        Link(
            source=edge.source,
            target=edge.target,
            room_px=room,
            weight=_BESIDE_WEIGHT if edge.text in _BESIDE_THE_FLOW else 1,
        )
        for edge, room in zip(edges, rooms, strict=True)
    ]
    handlers = {edge.target for edge in edges if edge.text == _ON_ERROR}
    if direction == "right":
        return arrange(sizes, links, low=handlers, widest_px=_WIDEST_PX)
    return arrange(sizes, links, low=handlers).turned()


def _width(node: GraphNode) -> float:
    letters = len(_short(node))
    return max(_LEAST_WIDTH_PX, letters * _LETTER_PX + 34)


def _short(node: GraphNode) -> str:
    """Return what is written in a box: of a path, which a stage's name may be, the end says most."""
    text = visible(node.text)
    if node.kind in {"stage", "data"} and len(text) > _LONGEST_TEXT:
        return f"…{text[1 - _LONGEST_TEXT :]}"
    return shorten(text, _LONGEST_TEXT)


def _edge_text(edge: GraphEdge) -> str:
    return shorten(visible(edge.text), 16)


def _text_end(edge: GraphEdge, line: Line, direction: str) -> float:
    """Return how far right the text of an edge goes, where it stands beside its line."""
    if line.label is None or direction == "right":
        return 0
    return line.label.x + _BESIDE_PX + width_px(_edge_text(edge), _EDGE_TEXT_PX)


def _edge(edge: GraphEdge, line: Line, direction: str, name: str) -> str:
    path = f'<path class="edge {edge.change}" fill="none" d="{line.path}" marker-end="url(#{name}-tip)"/>'
    if not edge.text or line.label is None:
        return path
    x, y, anchor = line.label.x, line.label.y - 5, "middle"
    if direction == "down":
        x, y, anchor = line.label.x + _BESIDE_PX, line.label.y + 4, "start"
    text = _escape(_edge_text(edge))
    return f'{path}<text class="edge-text" x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}">{text}</text>'


def _node(node: GraphNode, corner: Point) -> str:
    text = _short(node)
    sign = _SIGNS.get(node.change, "")
    stale = ["stale"] if node.is_stale else []
    marks = [*([node.change] if sign else []), *stale]
    kind = ", ".join([node.kind, *stale])
    tip = ", ".join(part for part in (f"{node.kind} {node.text}", node.detail, *marks) if part)
    radius = {"source": 23, "response": 23, "data": 23, "router": 4}.get(node.kind, 10)
    left, top, width = corner.x + _MARGIN_PX, corner.y + _MARGIN_PX, _width(node)
    x = left + width / 2
    parts = [
        f'<g class="{" ".join(["node", node.kind, node.change, *stale])}"><title>{_escape(shorten(tip, 300))}</title>',
        f'<rect x="{left:.1f}" y="{top:.1f}" width="{width:.1f}" height="{_HEIGHT_PX}" rx="{radius}"/>',
        f'<text class="kind" x="{x:.1f}" y="{top + 17:.1f}" text-anchor="middle">{kind}</text>',
        f'<text class="name" x="{x:.1f}" y="{top + 34:.1f}" text-anchor="middle">{_escape(text)}</text>',
    ]
    if sign:
        badge_x, badge_y = left + width - 4, top + 4
        parts.append(
            f'<circle class="badge" cx="{badge_x:.1f}" cy="{badge_y:.1f}" r="9"/>'
            f'<text class="sign" x="{badge_x:.1f}" y="{badge_y + 4.5:.1f}" text-anchor="middle">{sign}</text>'
        )
    return "".join([*parts, "</g>"])


def _description(graph: Graph) -> str:
    edges = "; ".join(f"{edge.source} to {edge.target}" for edge in graph.edges[:40])
    changed = [f"{node.text} {node.change}" for node in graph.nodes if node.change != "same"]
    changed += [f"{node.text} stale" for node in graph.nodes if node.is_stale]
    parts = [plural(len(graph.nodes), "node"), edges, ", ".join(changed[:40])]
    if hidden := _hidden(graph):
        parts.append(f"{hidden} more are not drawn")
    return shorten(". ".join(part for part in parts if part), 2_000)


def _escape(text: str) -> str:
    return html.escape(visible(text))
