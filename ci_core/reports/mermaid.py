"""Graphs and plots as Mermaid, which GitHub and GitLab draw in comments (pure).

Nothing of a user's may reach Mermaid's own grammar: nodes get numbers for names, and every character of a label beyond
letters, digits and plain punctuation is written as its code point (``#64;``), which Mermaid shows as the character.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from ci_core.reports.text import shorten, thin, visible
from ci_core.serving.render import mermaid_text

if TYPE_CHECKING:
    from ci_core.reports.report import Graph, GraphNode, Plot, Series

MOST_NODES = 60
"""Above, the picture is a thicket; the table of changes says more."""
MOST_POINTS = 40
_LONGEST_LABEL = 40
_LONGEST_BIN = 12
_SHAPES = {
    "step": ("[", "]"),
    "router": ("{{", "}}"),
    "choice": ("{", "}"),
    "queue": (">", "]"),
    "graph": ("[[", "]]"),
    "model": ("[(", ")]"),
    "source": ("([", "])"),
    "response": ("([", "])"),
    "stage": ("[", "]"),
    "data": ("[(", ")]"),
}
_SIGNS = {"added": "+ ", "removed": "- ", "changed": "~ "}
_CLASSES = """\
classDef added fill:#dafbe1,stroke:#1a7f37,color:#0a3d1c
classDef changed fill:#fff8c5,stroke:#9a6700,color:#4d3400
classDef removed fill:#ffebe9,stroke:#cf222e,color:#66101a,stroke-dasharray:4 3"""
_PALETTE = "#8c959f, #0969da"


def label(text: str, longest: int = _LONGEST_LABEL) -> str:
    """Return text as the inside of a quoted Mermaid label."""
    return re.sub(r"[^\w .,()/:+\-]", lambda match: f"#{ord(match.group())};", shorten(visible(text), longest))


def flowchart(graph: Graph) -> str:
    """Return a flow chart of the graph, changes coloured and signed with ``+``, ``-``, ``~``.

    Edges whose ends are unknown are left out; so is everything beyond :data:`MOST_NODES` nodes.
    """
    nodes = graph.nodes[:MOST_NODES]
    names = {node.id: f"n{index}" for index, node in enumerate(nodes)}
    lines = ["flowchart LR", *(f"  {names[node.id]}{_node(node)}" for node in nodes)]
    for edge in graph.edges:
        if edge.source in names and edge.target in names:
            arrow = "-.->" if edge.change == "removed" else "==>" if edge.change == "added" else "-->"
            text = f'|"{_node_label(edge.text)}"|' if edge.text else ""
            lines.append(f"  {names[edge.source]} {arrow}{text} {names[edge.target]}")
    changed = [f"  class {names[node.id]} {node.change}" for node in nodes if node.change in _SIGNS]
    if changed:
        lines += [f"  {line}" for line in _CLASSES.splitlines()] + changed
    return "\n".join(lines)


def _node(node: GraphNode) -> str:
    opening, closing = _SHAPES[node.kind]
    return f'{opening}"{_SIGNS.get(node.change, "")}{_node_label(node.text)}"{closing}'


def _node_label(text: str) -> str:
    """Return text for a flow chart, where Mermaid reads Markdown, too."""
    return mermaid_text(shorten(visible(text), _LONGEST_LABEL))


def xy_chart(plot: Plot) -> str | None:
    """Return a line plot or histogram as an ``xychart-beta``, or None when it is of another kind.

    Mermaid spaces points evenly and draws no legend: series are resampled to at most :data:`MOST_POINTS` points over
    their common range, base first (grey), head second (blue).
    """
    chosen = [series for side in ("base", "head") for series in plot.series if series.side == side and series.y]
    if plot.kind == "histogram":
        body = _bars(chosen)
    elif plot.kind == "line" and all(not isinstance(series.x[0], str) for series in chosen):
        body = _lines(plot, chosen)
    else:
        return None
    if body is None:
        return None
    palette = _PALETTE if chosen[0].side == "base" else "#0969da"
    init = f'%%{{init: {{"themeVariables": {{"xyChart": {{"plotColorPalette": "{palette}"}}}}}}}}%%'
    return "\n".join([init, "xychart-beta", f'  title "{label(plot.name)}"', *body])


def _lines(plot: Plot, chosen: list[Series]) -> list[str] | None:
    curves = [sorted(zip((float(x) for x in series.x), series.y, strict=True)) for series in chosen]
    if not curves:
        return None
    low, high = min(curve[0][0] for curve in curves), max(curve[-1][0] for curve in curves)
    if high <= low:
        return None
    points = min(MOST_POINTS, max(2, *(len(curve) for curve in curves)))
    grid = [low + (high - low) * index / (points - 1) for index in range(points)]
    axis = f'  x-axis "{label(plot.x_label or "x")}" {low:.6g} --> {high:.6g}'
    return [axis, f'  y-axis "{label(plot.y_label or "y")}"', *(f"  line {_numbers(_at(c, grid))}" for c in curves)]


def _bars(chosen: list[Series]) -> list[str] | None:
    if not chosen or len({len(series.y) for series in chosen}) != 1:
        return None
    counts = [thin(series.y, MOST_POINTS) for series in chosen]
    shares = [[value / (sum(row) or 1) for value in row] for row in counts]
    rows = [f"  bar {_numbers(shares[-1])}"]
    if len(shares) > 1:
        rows = [f"  bar {_numbers(shares[0])}", f"  line {_numbers(shares[-1])}"]
    return [f"  x-axis [{', '.join(_bin_names(chosen[0], len(counts[0])))}]", '  y-axis "share"', *rows]


def _bin_names(series: Series, bins: int) -> list[str]:
    if len(series.x) == len(series.y) == bins:
        return [f'"{label(str(name), _LONGEST_BIN)}"' for name in series.x]
    edges = [float(edge) for edge in series.x]
    picked = [edges[round(index * (len(edges) - 1) / bins)] for index in range(bins)]
    return [f'"{edge:.4g}"' for edge in picked]


def _at(curve: list[tuple[float, float]], grid: list[float]) -> list[float]:
    """Return the curve's values at the grid's positions: straight lines between points, flat beyond its ends."""
    values, index = [], 0
    for position in grid:
        while index < len(curve) - 2 and curve[index + 1][0] < position:
            index += 1
        (left, low), (right, high) = curve[index], curve[min(index + 1, len(curve) - 1)]
        share = 0.0 if right <= left else min(1.0, max(0.0, (position - left) / (right - left)))
        values.append(low + (high - low) * share)
    return values


def _numbers(values: list[float]) -> str:
    return f"[{', '.join(f'{value:.5g}' for value in values)}]"
