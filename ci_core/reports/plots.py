"""Plots as SVG through Vega-Lite, drawn by vl-convert without a browser (extra ``plots``).

The Vega-Lite documents are written as plain mappings, which is all that vl-convert needs. Colours are the page's own
custom properties, so that a plot follows light and dark; the drawing loads nothing (no address is allowed).
"""

from __future__ import annotations

import importlib.util
import re
from typing import TYPE_CHECKING, Any, TypeAlias

from ci_core.errors import MissingExtraError
from ci_core.reports.text import shorten, visible

if TYPE_CHECKING:
    from ci_core.reports.document import PlotFigure
    from ci_core.reports.report import Plot, Series

Spec: TypeAlias = dict[str, Any]
"""A Vega-Lite document or a part of one; its grammar is not ours to type."""

MOST_POINTS = 200
"""Points of one series that are drawn: more than a plot of this width has pixels to tell apart."""
MOST_CLASSES = 12
WIDTH_PX, HEIGHT_PX = 380, 210

_COORDINATES = re.compile(r'\b(?:d|transform)="[^"]*"')
_LONG_NUMBER = re.compile(r"-?\d+\.\d{2,}")
_COLOURS = {"base": "var(--base)", "head": "var(--head)"}
_CONFIG: Spec = {
    "background": None,
    "font": "system-ui, sans-serif",
    "view": {"stroke": None},
    "aria": False,
    "axis": {
        "labelColor": "var(--muted)",
        "titleColor": "var(--muted)",
        "titleFontWeight": "normal",
        "titlePadding": 8,
        "labelFontSize": 11,
        "titleFontSize": 12,
        "gridColor": "var(--line)",
        "domainColor": "var(--line)",
        "tickColor": "var(--line)",
        "tickCount": 5,
    },
    "axisX": {"grid": False},
    "axisY": {"domain": False, "ticks": False},
    "legend": {
        "labelColor": "var(--ink)",
        "orient": "top",
        "direction": "horizontal",
        "title": None,
        "labelFontSize": 12,
        "symbolType": "square",
        "offset": 6,
    },
}


def can_draw() -> bool:
    """Return whether the library of the extra ``plots`` is installed."""
    return importlib.util.find_spec("vl_convert") is not None


def plot_svg(figure: PlotFigure) -> str | None:
    """Return the plot as an ``<svg>`` element, or None when it holds nothing to draw.

    Raises:
        MissingExtraError: the extra ``plots`` is not installed.
    """
    spec = plot_spec(figure)
    if spec is None:
        return None
    try:
        import vl_convert
    except ImportError as error:
        raise MissingExtraError(extra="plots", module="vl_convert") from error
    svg: str = vl_convert.vegalite_to_svg(spec, allowed_base_urls=[])
    return _COORDINATES.sub(lambda found: _LONG_NUMBER.sub(_round, found.group()), svg)


def _round(found: re.Match[str]) -> str:
    """Return a coordinate to a tenth of a pixel: half of the size of a picture is digits that nobody sees."""
    return f"{float(found.group()):.1f}".removesuffix(".0")


def plot_spec(figure: PlotFigure) -> Spec | None:
    """Return the Vega-Lite document of a plot, or None when it holds nothing to draw."""
    plot = figure.plot
    names = {"base": visible(figure.base_name), "head": visible(figure.head_name)}
    if plot.kind == "confusion":
        body = _confusion(plot, names)
    else:
        make = {"line": _line, "scatter": _scatter, "histogram": _histogram}[plot.kind]
        body = make(plot, names) if any(series.y for series in plot.series) else None
    if body is None:
        return None
    return {"config": _CONFIG, **({} if "facet" in body else {"width": WIDTH_PX, "height": HEIGHT_PX}), **body}


def _sides(plot: Plot, names: dict[str, str]) -> Spec:
    """Return the colour channel: base grey, head in the accent colour, whichever of them is there."""
    present = [side for side in ("base", "head") if any(series.side == side for series in plot.series)]
    scale = {"domain": [names[side] for side in present], "range": [_COLOURS[side] for side in present]}
    legend = {} if len(present) > 1 else {"legend": None}
    return {"field": "side", "type": "nominal", "scale": scale, **legend}


def _in_order(plot: Plot) -> list[Series]:
    """Return base before head: what is drawn last lies on top."""
    return sorted((series for series in plot.series if series.y), key=lambda series: series.side)


def _points(plot: Plot, names: dict[str, str]) -> list[Spec]:
    rows: list[Spec] = []
    for series in _in_order(plot):
        stride = max(1, -(-len(series.y) // MOST_POINTS))
        label = visible(shorten(series.label, 40))
        rows += [
            {
                "x": visible(shorten(x, 40)) if isinstance(x, str) else x,
                "y": y,
                "side": names[series.side],
                "part": label,
            }
            for x, y in list(zip(series.x, series.y, strict=True))[::stride]
        ]
    return rows


def _axes(plot: Plot) -> Spec:
    is_named = any(isinstance(series.x[0], str) for series in plot.series if series.x)
    x_type: Spec = {"type": "ordinal", "sort": None} if is_named else {"type": "quantitative", "scale": {"zero": False}}
    return {
        "x": {"field": "x", "title": _title(plot.x_label), **x_type},
        "y": {"field": "y", "type": "quantitative", "scale": {"zero": False}, "title": _title(plot.y_label)},
    }


def _line(plot: Plot, names: dict[str, str]) -> Spec:
    parts = {series.label for series in plot.series}
    dash: Spec = {"strokeDash": {"field": "part", "type": "nominal"}} if len(parts) > 1 else {}
    return {
        "data": {"values": _points(plot, names)},
        "mark": {"type": "line", "strokeWidth": 2},
        "encoding": {**_axes(plot), "color": _sides(plot, names), **dash},
    }


def _scatter(plot: Plot, names: dict[str, str]) -> Spec:
    shape: Spec = {}
    if len({series.label for series in plot.series}) > 1:
        shape = {"shape": {"field": "part", "type": "nominal"}}
    return {
        "data": {"values": _points(plot, names)},
        "mark": {"type": "point", "filled": True, "size": 55, "opacity": 0.65},
        "encoding": {**_axes(plot), "color": _sides(plot, names), **shape},
    }


def _histogram(plot: Plot, names: dict[str, str]) -> Spec:
    """Bins with edges are drawn as densities, so that wide and narrow bins compare; named bins as shares."""
    first = next(series for series in plot.series if series.y)
    if isinstance(first.x[0], str) or len(first.x) == len(first.y):
        return _levels(plot, names)
    rows = [row for series in _in_order(plot) for row in _bins(series, names)]
    return {
        "data": {"values": rows},
        "mark": {"type": "rect", "opacity": 0.55},
        "encoding": {
            "x": {
                "field": "x",
                "type": "quantitative",
                "scale": {"zero": False, "nice": False},
                "title": _title(plot.x_label),
            },
            "x2": {"field": "x2"},
            "y": {"field": "y", "type": "quantitative", "title": "density", "axis": {"labels": False}},
            "y2": {"datum": 0},
            "color": _sides(plot, names),
        },
    }


def _bins(series: Series, names: dict[str, str]) -> list[Spec]:
    edges = [float(edge) for edge in series.x]
    total = sum(series.y) or 1.0
    return [
        {"x": left, "x2": right, "y": count / total / (right - left), "side": names[series.side]}
        for left, right, count in zip(edges, edges[1:], series.y, strict=False)
        if right > left
    ]


def _levels(plot: Plot, names: dict[str, str]) -> Spec:
    rows = []
    for series in _in_order(plot):
        total = sum(series.y) or 1.0
        for name, count in list(zip(series.x, series.y, strict=True))[:MOST_POINTS]:
            text = name if isinstance(name, str) else f"{name:g}"
            rows.append({"x": visible(shorten(text, 24)), "y": count / total, "side": names[series.side]})
    return {
        "data": {"values": rows},
        "mark": {"type": "bar", "cornerRadiusEnd": 2, "opacity": 0.85},
        "encoding": {
            "x": {
                "field": "x",
                "type": "nominal",
                "sort": None,
                "title": _title(plot.x_label),
                "axis": {"labelAngle": -40},
            },
            "xOffset": {"field": "side", "sort": None},
            "y": {"field": "y", "type": "quantitative", "title": "share", "axis": {"format": ".0%"}},
            "color": _sides(plot, names),
        },
    }


def _confusion(plot: Plot, names: dict[str, str]) -> Spec | None:
    """Each matrix as a heat map of row shares with the counts written in, base left of head."""
    matrices = sorted((matrix for matrix in plot.matrices if matrix.classes), key=lambda matrix: matrix.side)
    if not matrices:
        return None
    rows = [
        {
            "actual": visible(shorten(actual, 20)),
            "predicted": visible(shorten(predicted, 20)),
            "count": count,
            "share": count / (sum(counts) or 1),
            "side": names[matrix.side],
        }
        for matrix in matrices
        for actual, counts in list(zip(matrix.classes, matrix.counts, strict=True))[:MOST_CLASSES]
        for predicted, count in list(zip(matrix.classes, counts, strict=True))[:MOST_CLASSES]
    ]
    x = {"field": "predicted", "type": "nominal", "sort": None, "axis": {"labelAngle": 0, "ticks": False}}
    y = {"field": "actual", "type": "nominal", "sort": None, "axis": {"ticks": False}}
    heat = {"field": "share", "type": "quantitative", "legend": None, "scale": {"domain": [0, 1], "range": [0.04, 0.6]}}
    return {
        "data": {"values": rows},
        "facet": {"column": {"field": "side", "sort": None, "title": None, "header": {"labelColor": "var(--ink)"}}},
        "spec": {
            "width": WIDTH_PX // 2 - 30,
            "height": HEIGHT_PX - 40,
            "encoding": {"x": x, "y": y},
            "layer": [
                {"mark": {"type": "rect", "fill": "var(--head)"}, "encoding": {"fillOpacity": heat}},
                {
                    "mark": {"type": "text", "fill": "var(--ink)", "fontSize": 12},
                    "encoding": {"text": {"field": "count", "type": "quantitative", "format": ","}},
                },
            ],
        },
    }


def _title(label: str) -> str | None:
    return visible(shorten(label, 60)) or None
