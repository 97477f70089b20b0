"""Lines, clouds, histograms and bars in one frame each, as pieces of SVG (pure).

Base is grey and below, head is in the accent colour and above; crosses against dots, areas against outlines and dashes
tell them apart without colours, too. Colours are the page's own custom properties: a plot follows light and dark.
"""

from __future__ import annotations

import html
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from ci_core.reports.plot_scales import number_scale, places, time_scale
from ci_core.reports.text import visible
from ci_core.reports.thinning import thin_cloud, thin_line
from ci_core.serving.picture.letters import ending, fitting, width_px

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from ci_core.reports.plot_scales import Scale
    from ci_core.reports.report import Plot, Series

COLOURS: Final = {"base": "var(--base)", "head": "var(--head)"}
DASHES: Final = ("", "7 4", "2 3")
LETTERS_PX: Final = 11
_TITLE_ROOM_PX, _TICK_ROOM_PX, _NAME_ROOM_PX = 18, 17, 16
_BAR_PX, _BETWEEN_PX = 9, 8
MOST_NAMES: Final = 30
"""Of bars that are drawn."""
_MOST_UPRIGHT: Final = 8
_MOST_POINTS: Final = 1_600
"""Of a whole picture, so that it stays below 40 kB."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Panel:
    """What is drawn in one frame."""

    plot: Plot
    series: Sequence[Series]
    """Base before head."""
    title: str = ""
    width: float
    height: float
    points: int
    """How many of a series may be drawn."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Drawn:
    """A panel as SVG, from 0, 0."""

    content: str
    height: float


def draw(panel: Panel) -> Drawn:
    """Return a panel of any kind that has series."""
    if panel.plot.kind == "bar" or (panel.plot.kind == "histogram" and not _has_edges(panel.series)):
        return _lying(panel) if panel.plot.is_horizontal or not _fits_upright(panel) else _upright(panel)
    if panel.plot.kind == "histogram":
        return _histogram(panel)
    mark = _lines if panel.plot.kind == "line" else _cloud
    return _numbers(panel, mark)


def points_each(series: int) -> int:
    """Return how many points of each series a picture has room for."""
    return max(12, _MOST_POINTS // max(1, series))


def text(x: float, y: float, words: str, *, anchor: str = "start", fill: str = "var(--muted)", more: str = "") -> str:
    """Return a line of text, escaped."""
    at = f' text-anchor="{anchor}"' if anchor != "start" else ""
    return f'<text x="{px(x)}" y="{px(y)}"{at} fill="{fill}"{more}>{html.escape(visible(words))}</text>'


def px(value: float) -> str:
    """Return a coordinate to a tenth of a pixel."""
    return f"{value:.1f}".removesuffix(".0")


def _has_edges(series: Sequence[Series]) -> bool:
    return all(len(one.x) == len(one.y) + 1 for one in series)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Frame:
    left: float
    top: float
    right: float
    bottom: float


def _frame(panel: Panel, y_texts: Sequence[str], *, has_x_ticks: bool = True) -> _Frame:
    left = max([width_px(words, LETTERS_PX) for words in y_texts], default=0) + 8
    top = 6 + _TITLE_ROOM_PX * (bool(panel.title) + bool(panel.plot.y_label and not panel.title))
    bottom = panel.height - _TICK_ROOM_PX * has_x_ticks - _NAME_ROOM_PX * bool(panel.plot.x_label)
    return _Frame(left=left, top=top, right=panel.width - 10, bottom=bottom)


def _names(panel: Panel, frame: _Frame) -> str:
    """Return what stands above (the title, or the name of y) and below (the name of x)."""
    above, below = panel.title or panel.plot.y_label, panel.plot.x_label
    most = panel.width - 8
    parts = []
    if above:
        fill = "var(--ink)" if panel.title else "var(--muted)"
        parts.append(text(2, 12, fitting(visible(above), most, LETTERS_PX), fill=fill))
    if below:
        middle = (frame.left + frame.right) / 2
        words = fitting(visible(below), most, LETTERS_PX)
        parts.append(text(middle, panel.height - 4, words, anchor="middle"))
    return "".join(parts)


def _y_axis(scale: Scale, frame: _Frame) -> str:
    lines = "".join(f"M{px(frame.left)},{px(scale.at(value))}H{px(frame.right)}" for value, _ in scale.ticks)
    labels = "".join(text(frame.left - 6, scale.at(value) + 4, words, anchor="end") for value, words in scale.ticks)
    return f'<path d="{lines}" stroke="var(--line)" fill="none"/>{labels}'


def _x_axis(scale: Scale, frame: _Frame, width: float) -> str:
    """Return the line, its ticks and as many of their texts as do not touch each other."""
    line = f"M{px(frame.left)},{px(frame.bottom)}H{px(frame.right)}"
    labels, free = [], 0.0
    for value, words in scale.ticks:
        half = width_px(words, LETTERS_PX) / 2
        x = min(max(scale.at(value), half), width - half)
        line += f"M{px(scale.at(value))},{px(frame.bottom)}v4"
        if x - half >= free:
            labels.append(text(x, frame.bottom + 15, words, anchor="middle"))
            free = x + half + 6
    return f'<path d="{line}" stroke="var(--base)" fill="none"/>{"".join(labels)}'


def _numbers(panel: Panel, mark: Callable[[Panel, Scale, Scale], str]) -> Drawn:
    """Return lines or clouds over numbers, times or names."""
    ys = [y for series in panel.series for y in series.y]
    rough = number_scale(ys, panel.height, 0, is_loose=True)
    frame = _frame(panel, [words for _, words in rough.ticks])
    y = number_scale(ys, frame.bottom, frame.top, is_loose=True)
    xs = [x for series in panel.series for x in places(series.x)]
    most_ticks = 7 if panel.width > 300 else 3  # noqa: PLR2004 - a whole picture, or one of several in it
    make = time_scale if panel.plot.x_type == "time" else number_scale
    x = make(xs, frame.left + 2, frame.right, most_ticks=most_ticks)
    content = _y_axis(y, frame) + _x_axis(x, frame, panel.width) + mark(panel, x, y) + _names(panel, frame)
    return Drawn(content=content, height=panel.height)


def _located(series: Series, x: Scale, y: Scale, points: int, *, is_line: bool) -> list[tuple[float, float]]:
    pairs = list(zip(places(series.x), series.y, strict=True))
    kept = thin_line(pairs, points) if is_line else thin_cloud(pairs, points)
    return [(x.at(one), y.at(other)) for one, other in kept]


def _lines(panel: Panel, x: Scale, y: Scale) -> str:
    labels = list(dict.fromkeys(series.label for series in panel.series))
    parts = []
    for series in panel.series:
        places = _located(series, x, y, panel.points, is_line=True)
        path = "M" + " ".join(f"{px(one)},{px(other)}" for one, other in places)
        dash = DASHES[labels.index(series.label) % len(DASHES)]
        dashes = f' stroke-dasharray="{dash}"' if dash else ""
        # A line of one point is a dot: its cap is all that is seen of it.
        path += "h0" if len(places) == 1 else ""
        width = 4 if len(places) == 1 else 2
        parts.append(f'<path d="{path}" stroke="{COLOURS[series.side]}" stroke-width="{width}"{dashes}/>')
    return f'<g fill="none" stroke-linejoin="round" stroke-linecap="round">{"".join(parts)}</g>'


def _cloud(panel: Panel, x: Scale, y: Scale) -> str:
    parts = []
    for series in panel.series:
        places = _located(series, x, y, panel.points, is_line=False)
        if series.side == "base":
            crosses = "".join(f"M{px(one - 3)},{px(other)}h6m-3,-3v6" for one, other in places)
            parts.append(f'<path d="{crosses}" stroke="{COLOURS["base"]}" stroke-width="1.4" opacity=".9"/>')
        else:
            dots = "".join(f"M{px(one)},{px(other)}h0" for one, other in places)
            parts.append(f'<path d="{dots}" stroke="{COLOURS["head"]}" stroke-width="5.5" opacity=".7"/>')
    return f'<g fill="none" stroke-linecap="round">{"".join(parts)}</g>'


def _histogram(panel: Panel) -> Drawn:
    """Return bins as densities, so that wide and narrow ones compare: base as an area, head as an outline over it."""
    outlines = [(series.side, _densities(series)) for series in panel.series]
    frame = _frame(panel, [])
    ends = [edge for _, bins in outlines for left, right, _ in bins for edge in (left, right)]
    x = number_scale(ends, frame.left, frame.right, most_ticks=6)
    y = number_scale([height for _, bins in outlines for _, _, height in bins], frame.bottom, frame.top, from_zero=True)
    parts = []
    for side, bins in outlines:
        if bins:
            steps = "".join(f"V{px(y.at(height))}H{px(x.at(right))}" for _, right, height in bins)
            path = f"M{px(x.at(bins[0][0]))},{px(frame.bottom)}{steps}V{px(frame.bottom)}"
            is_outline = side == "head"
            opacity, width = (".16", "2") if is_outline else (".45", "1")
            parts.append(
                f'<path d="{path}" fill="{COLOURS[side]}" fill-opacity="{opacity}" '
                f'stroke="{COLOURS[side]}" stroke-width="{width}" stroke-linejoin="round"/>'
            )
    content = "".join(parts) + _x_axis(x, frame, panel.width) + _names(panel, frame)
    return Drawn(content=content, height=panel.height)


def _densities(series: Series) -> list[tuple[float, float, float]]:
    edges = [float(edge) for edge in series.x]
    largest = max(series.y, default=0.0) or 1.0
    shares = [max(0.0, count / largest) for count in series.y]
    total = sum(shares) or 1.0
    bins = zip(edges, edges[1:], shares, strict=False)
    return [(left, right, share / total / (right - left)) for left, right, share in bins if right > left]


def _lengths(panel: Panel) -> tuple[list[str], dict[str, dict[str, float]]]:
    """Return the names of the bars and, by side, their lengths; those of a histogram are shares."""
    sides: dict[str, dict[str, float]] = {}
    for series in panel.series:
        total = (sum(series.y) or 1.0) if panel.plot.kind == "histogram" else 1.0
        sides[series.side] = {name: y / total for name, y in zip(map(_name, series.x), series.y, strict=False)}
    order = [*sides.get("head", {}), *sides.get("base", {})]
    return list(dict.fromkeys(order))[:MOST_NAMES], sides


def _name(x: float | str) -> str:
    return x if isinstance(x, str) else f"{x:g}"


def _fits_upright(panel: Panel) -> bool:
    names, _ = _lengths(panel)
    room = (panel.width - 60) / max(1, len(names))
    return len(names) <= _MOST_UPRIGHT and all(width_px(visible(name), LETTERS_PX) < room for name in names)


def _upright(panel: Panel) -> Drawn:
    names, sides = _lengths(panel)
    lengths = [length for side in sides.values() for length in side.values()]
    rough = number_scale(lengths, panel.height, 0, from_zero=True, is_loose=True)
    frame = _frame(panel, [words for _, words in rough.ticks])
    y = number_scale(lengths, frame.bottom, frame.top, from_zero=True, is_loose=True)
    band = (frame.right - frame.left) / max(1, len(names))
    thick = min(34.0, band * 0.76 / max(1, len(sides)))
    parts = []
    for number, name in enumerate(names):
        middle = frame.left + band * (number + 0.5)
        parts.append(text(middle, frame.bottom + 15, name, anchor="middle"))
        for place, side in enumerate(sides):
            if name in sides[side]:
                left = middle + thick * (place - len(sides) / 2)
                ends = sorted((y.at(sides[side][name]), y.at(0)))
                parts.append(_bar(left, ends[0], thick - 1, ends[1] - ends[0], side))
    zero = f'<path d="M{px(frame.left)},{px(y.at(0))}H{px(frame.right)}" stroke="var(--base)" fill="none"/>'
    return Drawn(content=_y_axis(y, frame) + "".join(parts) + zero + _names(panel, frame), height=panel.height)


def _lying(panel: Panel) -> Drawn:
    """Return bars one below the other with their lengths behind them: any name is readable, and the height grows."""
    names, sides = _lengths(panel)
    lengths = [length for side in sides.values() for name, length in side.items() if name in names]
    shown = {name: ending(visible(name), panel.width * 0.38, LETTERS_PX) for name in names}
    left = max([width_px(words, LETTERS_PX) for words in shown.values()], default=0) + 8
    top = 6.0 + _TITLE_ROOM_PX * bool(panel.title or panel.plot.y_label)
    beside = max([width_px(_length_text(panel, length), LETTERS_PX) for length in lengths], default=0) + 8
    has_negative = any(length < 0 for length in lengths)
    x = number_scale(lengths, left + beside * has_negative, panel.width - beside, from_zero=True)
    parts, y = [], top
    for name in names:
        middle = y + _BAR_PX * len(sides) / 2
        parts.append(text(left - 6, middle + 4, shown[name], anchor="end", fill="var(--ink)"))
        for side, found in sides.items():
            if name in found:
                ends = sorted((x.at(found[name]), x.at(0)))
                parts.append(_bar(ends[0], y, ends[1] - ends[0], _BAR_PX - 1, side))
                words = _length_text(panel, found[name])
                is_left = found[name] < 0
                place = ends[0] - 4 if is_left else ends[1] + 4
                size = f' font-size="{_BAR_PX}"' if len(sides) > 1 else ""
                parts.append(text(place, y + _BAR_PX - 1.5, words, anchor="end" if is_left else "start", more=size))
            y += _BAR_PX
        y += _BETWEEN_PX
    zero = f'<path d="M{px(x.at(0))},{px(top - 3)}V{px(y - 4)}" stroke="var(--base)" fill="none"/>'
    above = panel.title or panel.plot.y_label
    fill = "var(--ink)" if panel.title else "var(--muted)"
    title = text(2, 12, fitting(visible(above), panel.width - 8, LETTERS_PX), fill=fill) if above else ""
    return Drawn(content=title + "".join(parts) + zero, height=y)


def _length_text(panel: Panel, length: float) -> str:
    return f"{100 * length:.1f} %" if panel.plot.kind == "histogram" else f"{length:.4g}"


def _bar(x: float, y: float, width: float, height: float, side: str) -> str:
    size = f'width="{px(max(width, 0.5))}" height="{px(max(height, 0.5))}"'
    return f'<rect x="{px(x)}" y="{px(y)}" {size} fill="{COLOURS[side]}"/>'
