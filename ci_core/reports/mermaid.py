"""Graphs and plots as Mermaid, which GitHub and GitLab draw in comments (pure).

Nothing of a user's may reach Mermaid's own grammar: nodes get numbers for names, and every character of a label beyond
letters, digits and plain punctuation is written as its code point (``#64;``), which Mermaid shows as the character.
"""

from __future__ import annotations

import math
import re
from itertools import pairwise
from typing import TYPE_CHECKING

from ci_core.reports.plot_scales import date_text, places
from ci_core.reports.text import shorten, thin, visible
from ci_core.serving.render import mermaid_text

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from ci_core.reports.report import Graph, GraphEdge, GraphNode, Plot, Series

MOST_NODES = 60
"""Above, the picture is a thicket; the table of changes says more."""
MOST_POINTS = 40
_LONGEST_LABEL = 40
_BLANK = "(blank)"
"""Stands for a name without letters: Mermaid takes no empty text."""
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
_CLASSES = {
    "added": "fill:#dafbe1,stroke:#1a7f37,color:#0a3d1c",
    "changed": "fill:#fff8c5,stroke:#9a6700,color:#4d3400",
    "removed": "fill:#ffebe9,stroke:#cf222e,color:#66101a,stroke-dasharray:4 3",
    "stale": "stroke:#9a6700,stroke-width:2px,stroke-dasharray:4 3",
}
"""Dark letters on pale boxes are readable on a dark page, too."""
_ARROWS = {"added": "#1a7f37", "removed": "#cf222e"}
_MOST_LEVELS = 6
"""Boxes side by side that a comment is wide enough for."""
_GREYS, _BLUES = ("#8c959f", "#c3c9d0"), ("#2f81f7", "#9cc7ff")
_COLOURS = {"base": "grey", "head": "blue"}
_SMALLEST, _LARGEST = 0.01, 1e5
"""Numbers between these are written as they are."""
_ALMOST = 1e-6
_TIME_UNITS = (("days", 86_400), ("hours", 3_600), ("minutes", 60))


def label(text: str, longest: int = _LONGEST_LABEL) -> str:
    """Return text as the inside of a quoted Mermaid label."""
    shown = shorten(visible(text), longest).strip() or _BLANK
    return re.sub(r"[^\w .,()/:+\-]", lambda match: f"#{ord(match.group())};", shown)


def flowchart(graph: Graph) -> str:
    """Return a flow chart of the graph, changes coloured and signed with ``+``, ``-``, ``~``.

    Edges whose ends are unknown are left out. So is everything beyond :data:`MOST_NODES` nodes; a box says how many.
    """
    nodes = graph.nodes[:MOST_NODES]
    names = {node.id: f"n{index}" for index, node in enumerate(nodes)}
    edges = [edge for edge in graph.edges if edge.source in names and edge.target in names]
    direction = "TD" if _longest_way(list(names), edges) > _MOST_LEVELS else "LR"
    lines = [f"flowchart {direction}", *(f"  {names[node.id]}{_node(node)}" for node in nodes)]
    if hidden := graph.hidden + len(graph.nodes) - len(nodes):
        lines.append(f'  more(["… {hidden} more"])')
    for edge in edges:
        arrow = "-.->" if edge.change == "removed" else "==>" if edge.change == "added" else "-->"
        text = f'|"{_node_label(edge.text)}"|' if edge.text else ""
        lines.append(f"  {names[edge.source]} {arrow}{text} {names[edge.target]}")
    return "\n".join([*lines, *_styles(nodes, names, edges)])


def _styles(nodes: Sequence[GraphNode], names: Mapping[str, str], edges: Sequence[GraphEdge]) -> list[str]:
    """Return the colours of what changed; of an arrow in the order they are drawn, which is how Mermaid names them."""
    changed = [f"  class {names[node.id]} {node.change}" for node in nodes if node.change in _SIGNS]
    stale = [f"  class {names[node.id]} stale" for node in nodes if node.is_stale and node.change not in _SIGNS]
    used = {node.change for node in nodes} | ({"stale"} if stale else set())
    classes = [f"  classDef {name} {style}" for name, style in _CLASSES.items() if name in used]
    arrows = [
        f"  linkStyle {','.join(places)} stroke:{colour}"
        for change, colour in _ARROWS.items()
        if (places := [str(place) for place, edge in enumerate(edges) if edge.change == change])
    ]
    return [*classes, *changed, *stale, *arrows]


def _longest_way(nodes: list[str], edges: Sequence[GraphEdge]) -> int:
    """Return how many boxes stand one behind the other; of circles, as far as they can be followed."""
    levels = dict.fromkeys(nodes, 1)
    for _ in nodes:
        before = dict(levels)
        for edge in edges:
            levels[edge.target] = max(levels[edge.target], min(len(nodes), before[edge.source] + 1))
        if levels == before or max(levels.values()) > _MOST_LEVELS:
            break
    return max(levels.values(), default=0)


def _node(node: GraphNode) -> str:
    opening, closing = _SHAPES[node.kind]
    stale = " ⟳" if node.is_stale else ""
    return f'{opening}"{_SIGNS.get(node.change, "")}{_node_label(node.text)}{stale}"{closing}'


def _node_label(text: str) -> str:
    """Return text for a flow chart, where Mermaid reads Markdown, too."""
    return mermaid_text(shorten(visible(text), _LONGEST_LABEL).strip() or _BLANK)


def xy_chart(plot: Plot) -> str | None:
    """Return a line plot or histogram as an ``xychart-beta``, or None when words or a table tell it better.

    Mermaid spaces points evenly and draws no legend: series are resampled to at most :data:`MOST_POINTS` points over
    their common range, base in greys, head in blues, and the title says which is which. More than two series a side
    cannot be told apart so.
    """
    chosen = [series for side in ("base", "head") for series in plot.series if series.side == side and series.y]
    labels = list(dict.fromkeys(series.label for series in chosen))
    if plot.kind == "histogram":
        body = _bars(plot, chosen)
    elif plot.kind == "line" and len(labels) <= len(_GREYS) and not any(isinstance(one.x[0], str) for one in chosen):
        body = _lines(plot, chosen)
    else:
        return None
    if body is None:
        return None
    colours = [(_GREYS if series.side == "base" else _BLUES)[labels.index(series.label)] for series in chosen]
    init = f'%%{{init: {{"themeVariables": {{"xyChart": {{"plotColorPalette": "{", ".join(colours)}"}}}}}}}}%%'
    return "\n".join([init, "xychart-beta", f'  title "{_legend(plot.kind, chosen, labels)}"', *body])


def _legend(kind: str, chosen: list[Series], labels: list[str]) -> str:
    words = [f"{colour}: {side}" for side, colour in _COLOURS.items() if any(one.side == side for one in chosen)]
    words += [f"paler: {label(labels[1], _LONGEST_BIN)}"] if len(labels) > 1 else []
    reaches = {(min(places(series.x)), max(places(series.x))) for series in chosen}
    words += ["level where there are no points"] if kind == "line" and len(reaches) > 1 else []
    return ", ".join(words)


def _lines(plot: Plot, chosen: list[Series]) -> list[str] | None:
    curves = [sorted(zip(places(series.x), series.y, strict=True)) for series in chosen]
    if not curves:
        return None
    low, high = min(curve[0][0] for curve in curves), max(curve[-1][0] for curve in curves)
    if not 0 < high - low < math.inf:
        return None
    unit = _unit(y for curve in curves for _, y in curve)
    steps = _even_steps(curves) or MOST_POINTS
    grid = [low + (high - low) * index / (steps - 1) for index in range(steps)]
    rows = [_numbers(_at([(x, y / unit) for x, y in curve], grid)) for curve in curves]
    y_axis = f'  y-axis "{label(plot.y_label or "y")}{_in_unit(unit)}"'
    return [_x_axis(plot, low, high), y_axis, *(f"  line {row}" for row in rows)]


def _even_steps(curves: list[list[tuple[float, float]]]) -> int | None:
    """Return how many points the curves have, if they are few, at the same places, and evenly spaced."""
    xs = [x for x, _ in curves[0]]
    if len(xs) > MOST_POINTS or any([x for x, _ in curve] != xs for curve in curves[1:]):
        return None
    widths = [after - before for before, after in pairwise(xs)]
    return len(xs) if max(widths) - min(widths) <= max(widths) * _ALMOST else None


def _x_axis(plot: Plot, low: float, high: float) -> str:
    """Return the axis; Mermaid writes no dates, so that times are counted from the first one."""
    name = plot.x_label or "x"
    if plot.x_type == "time" and (start := date_text(low)):
        words, unit_s = next(((one, long) for one, long in _TIME_UNITS if high - low >= 2 * long), ("seconds", 1))
        name, low, high = f"{name}: {words} from {start}", 0, (high - low) / unit_s
    return _range_axis(name, low, high)


def _range_axis(name: str, low: float, high: float) -> str:
    unit = _unit((low, high))
    return f'  x-axis "{label(name)}{_in_unit(unit)}" {_plain(low / unit)} --> {_plain(high / unit)}'


def _unit(values: Iterable[float]) -> float:
    """Return the power of ten that numbers are counted in: Mermaid reads none with an exponent."""
    largest = max((abs(value) for value in values), default=0.0)
    if largest == 0 or _SMALLEST <= largest < _LARGEST:
        return 1.0
    return 10.0 ** max(-300, math.floor(math.log10(largest)))


def _in_unit(unit: float) -> str:
    return "" if unit == 1 else f" in 1e{round(math.log10(unit))}"


def _bars(plot: Plot, chosen: list[Series]) -> list[str] | None:
    if not chosen or len({len(series.y) for series in chosen}) != 1:
        return None
    counts = [thin(series.y, MOST_POINTS) for series in chosen]
    shares = [[value / (sum(row) or 1) for value in row] for row in counts]
    rows = [f"  bar {_numbers(shares[-1])}"]
    if len(shares) > 1:
        rows = [f"  bar {_numbers(shares[0])}", f"  line {_numbers(shares[-1])}"]
    return [_bin_axis(plot, chosen[0], len(counts[0])), '  y-axis "share"', *rows]


def _bin_axis(plot: Plot, series: Series, bins: int) -> str:
    """Return names below the bars, or numbers where the bins are of one width: names of many numbers would overlap."""
    if len(series.x) == len(series.y) == bins:
        return f"  x-axis [{', '.join(_bin_name(name) for name in series.x)}]"
    edges = places(series.x)
    widths = [after - before for before, after in pairwise(edges)]
    if len(widths) > 1 and max(widths) < math.inf and max(widths) - min(widths) <= max(widths) * _ALMOST:
        half = (edges[-1] - edges[0]) / bins / 2
        return _range_axis(plot.x_label or "x", edges[0] + half, edges[-1] - half)
    picked = [edges[round(index * (len(edges) - 1) / bins)] for index in range(bins)]
    return f"  x-axis [{', '.join(map(_bin_name, picked))}]"


def _bin_name(name: float | str) -> str:
    return f'"{label(name, _LONGEST_BIN) if isinstance(name, str) else f"{name:.4g}"}"'


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
    return f"[{', '.join(map(_plain, values))}]"


def _plain(value: float) -> str:
    """Return a number without an exponent, five digits after its point at most."""
    text = f"{value:.5f}".rstrip("0").rstrip(".")
    return "0" if text == "-0" else text
