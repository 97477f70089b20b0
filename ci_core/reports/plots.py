"""A plot as inline SVG, so that a page needs no script, no program and no address (pure).

The frames are drawn by ``plot_panels.py`` and ``plot_heat.py``; here is what surrounds them: the legend, several frames
in one picture, and what the picture says to readers without eyes. Pictures that the project made are embedded as they
are. All text is a stranger's, and escaped.
"""

from __future__ import annotations

import html
from typing import TYPE_CHECKING, Final

from ci_core.reports.plot_heat import heat_maps
from ci_core.reports.plot_panels import COLOURS, DASHES, LETTERS_PX, Drawn, Panel, draw, points_each, px, text
from ci_core.reports.text import number, plural, shorten, visible
from ci_core.serving.picture.letters import fitting, width_px

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ci_core.reports.document import PlotFigure
    from ci_core.reports.report import Image, Plot, Series

WIDTH_PX: Final = 480
HEIGHT_PX: Final = 260
_SMALL_HEIGHT_PX: Final = 160
_GAP_PX: Final = 14
_LEGEND_ROOM_PX: Final = 20
_FONT: Final = "system-ui, -apple-system, Segoe UI, Roboto, Noto Sans, DejaVu Sans, sans-serif"
_LONGEST_LABEL_PX: Final = 150


def plot_svg(figure: PlotFigure) -> str | None:
    """Return the plot as an ``<svg>`` element (pictures as ``<img>`` elements), or None when nothing can be drawn.

    A drawing stays below 40 kB whatever the numbers are; an embedded picture is as large as it is.
    """
    plot = figure.plot
    if plot.kind == "image":
        return _images(figure)
    drawn = _content(figure)
    if drawn is None:
        return None
    size = f'width="{WIDTH_PX}" height="{px(drawn.height)}" viewBox="0 0 {WIDTH_PX} {px(drawn.height)}"'
    return (
        f'<svg class="plot" role="img" {size} font-family="{_FONT}" font-size="{LETTERS_PX}">'
        f"<title>{_escape(shorten(plot.name, 120))}</title><desc>{_escape(describe(figure))}</desc>"
        f"{drawn.content}</svg>"
    )


def describe(figure: PlotFigure) -> str:
    """Return the picture in words: what it is, and of each series how long it is and between which values."""
    plot = figure.plot
    names = {"base": figure.base_name, "head": figure.head_name}
    axes = " over ".join(shorten(label, 60) for label in (plot.y_label, plot.x_label) if label)
    parts = [f"{_KINDS[plot.kind]}{f' of {axes}' if axes else ''}"]
    for series in _in_order(plot)[:8]:
        label = f" {shorten(series.label, 60)}" if series.label else ""
        count = plural(series.sampled_from or len(series.y), "value")
        parts.append(f"{names[series.side]}{label}: {count} from {number(min(series.y))} to {number(max(series.y))}")
    for matrix in plot.matrices:
        right = sum(row[index] for index, row in enumerate(matrix.counts))
        total = sum(map(sum, matrix.counts))
        parts.append(f"{names[matrix.side]}: {number(right)} of {number(total)} right")
    return shorten(". ".join(parts), 900)


_KINDS: Final = {
    "line": "Lines",
    "scatter": "Points",
    "bar": "Bars",
    "histogram": "Histogram",
    "confusion": "Confusion matrix",
    "image": "Picture",
}


def _content(figure: PlotFigure) -> Drawn | None:
    names = {"base": figure.base_name, "head": figure.head_name}
    if figure.plot.kind == "confusion":
        return heat_maps(figure.plot, names, WIDTH_PX)
    every = _in_order(figure.plot)
    if not every:
        return None
    groups = _groups(figure.plot, every)
    legend = _legend(figure, every, is_dashed=len(groups) == 1)
    frames = _one(figure.plot, every) if len(groups) == 1 else _several(figure.plot, groups)
    if not legend:
        return frames
    moved = f'<g transform="translate(0 {_LEGEND_ROOM_PX})">{frames.content}</g>'
    return Drawn(content=legend + moved, height=frames.height + _LEGEND_ROOM_PX)


def _in_order(plot: Plot) -> list[Series]:
    """Return base before head: what is drawn last lies on top."""
    return sorted((series for series in plot.series if series.y), key=lambda series: series.side)


def _groups(plot: Plot, every: Sequence[Series]) -> dict[str, list[Series]]:
    """Return what is drawn in one frame each: everything, or the series of a label when they cannot share one."""
    groups: dict[str, list[Series]] = {}
    for series in every:
        groups.setdefault(series.label, []).append(series)
    if len(groups) <= (len(DASHES) if plot.kind == "line" else 1):
        return {"": list(every)}
    return groups


def _one(plot: Plot, series: Sequence[Series]) -> Drawn:
    return draw(Panel(plot=plot, series=series, width=WIDTH_PX, height=HEIGHT_PX, points=points_each(len(series))))


def _several(plot: Plot, groups: dict[str, list[Series]]) -> Drawn:
    """Return two frames side by side, row after row."""
    width = (WIDTH_PX - _GAP_PX) / 2
    points = points_each(sum(map(len, groups.values())))
    drawn = [
        draw(Panel(plot=plot, series=series, title=label, width=width, height=_SMALL_HEIGHT_PX, points=points))
        for label, series in groups.items()
    ]
    parts, top = [], 0.0
    for first in range(0, len(drawn), 2):
        row = drawn[first : first + 2]
        for place, one in enumerate(row):
            parts.append(f'<g transform="translate({px((width + _GAP_PX) * place)} {px(top)})">{one.content}</g>')
        top += max(one.height for one in row) + _GAP_PX
    return Drawn(content="".join(parts), height=top)


def _legend(figure: PlotFigure, every: Sequence[Series], *, is_dashed: bool) -> str:
    """Return which colour is which side, and which dashes are which label; nothing where there is one of each."""
    sides = list(dict.fromkeys(series.side for series in every))
    labels = list(dict.fromkeys(series.label for series in every)) if is_dashed and figure.plot.kind == "line" else []
    names = {"base": figure.base_name, "head": figure.head_name}
    parts, x = [], 2.0
    is_clear = len(sides) == 1 and figure.plot.change in {None, "same"}
    for side in [] if is_clear else sides:
        words = fitting(visible(names[side]), _LONGEST_LABEL_PX, LETTERS_PX)
        parts.append(_sample(figure.plot, side, x) + text(x + 19, 11, words, fill="var(--ink)"))
        x += 33 + width_px(words, LETTERS_PX)
    for index, label in enumerate(labels if len(labels) > 1 else []):
        words = fitting(visible(label), _LONGEST_LABEL_PX, LETTERS_PX)
        dash = f' stroke-dasharray="{DASHES[index]}"' if DASHES[index] else ""
        line = f'<path d="M{px(x)},7h22" stroke="var(--muted)" stroke-width="2" fill="none"{dash}/>'
        parts.append(line + text(x + 27, 11, words))
        x += 41 + width_px(words, LETTERS_PX)
    return "".join(parts)


def _sample(plot: Plot, side: str, x: float) -> str:
    """Return a piece of what a side is drawn with."""
    colour = COLOURS[side]
    if plot.kind == "line":
        return f'<path d="M{px(x)},7h14" stroke="{colour}" stroke-width="2.5" stroke-linecap="round"/>'
    if plot.kind == "scatter" and side == "base":
        return f'<path d="M{px(x + 4)},7h6m-3,-3v6" stroke="{colour}" stroke-width="1.6"/>'
    if plot.kind == "scatter":
        return f'<circle cx="{px(x + 7)}" cy="7" r="3.2" fill="{colour}"/>'
    return f'<rect x="{px(x)}" y="1" width="12" height="12" rx="2" fill="{colour}"/>'


def _images(figure: PlotFigure) -> str | None:
    names = {"base": figure.base_name, "head": figure.head_name}
    is_repeated = {image.digest for image in figure.plot.images if image.side == "head"}
    shown = [_image(image, names[image.side]) for image in figure.plot.images if image.data]
    same = any(image.side == "base" and image.digest in is_repeated for image in figure.plot.images)
    note = f'<p class="hint">{_escape(names["base"])} and {_escape(names["head"])} are the same</p>' if same else ""
    return f'<div class="images">{"".join(shown)}</div>{note}' if shown else None


def _image(image: Image, name: str) -> str:
    words = _escape(f"{name}: {shorten(image.path, 120)}")
    address = f"data:{image.media_type};base64,{image.data}"
    return f'<div><p class="hint">{_escape(name)}</p><img alt="{words}" src="{address}"></div>'


def _escape(words: str) -> str:
    return html.escape(visible(words))
