"""A plot in words, small tables and dots of text, for where it cannot be drawn (pure).

What a reviewer understands in one look differs by kind: a line is a sparkline with its ends, bars are a table of both
sides, a confusion matrix is a table of ``base → head``, a cloud is a picture of braille dots, and of a picture only its
size and whether it is another one can be told.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ci_core.reports.document import Column, Spark, Strong, Table, code
from ci_core.reports.prose import prose
from ci_core.reports.text import ABSENT, number, percent, plural, short, shorten, signed, size, thin

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ci_core.reports.document import Line, PlotFigure
    from ci_core.reports.report import ConfusionMatrix, Image, Plot, Series

MOST_CLASSES = 12
"""Classes of a confusion matrix that are shown; more do not fit a page."""
MOST_BARS = 20
MOST_LINES = 2
"""Lines of one side that a chart of Mermaid shows."""
_SPARK_POINTS = 24
_LONGEST_BAR = 12
_EIGHTHS = "▏▎▍▌▋▊▉█"
_MOST_NOTES = 8
_DIGITS = 4
_CHANGES = {
    "added": "new: the base declares no such plot",
    "removed": "removed: only the base declares it",
    "same": "as at the base",
}


def plot_lines(figure: PlotFigure) -> list[Line]:
    """Return one line a series or matrix, then what else is to be said: see :func:`plot_notes`."""
    plot = figure.plot
    names = {"base": figure.base_name, "head": figure.head_name}
    lines: list[Line] = [
        (
            Strong(names[series.side]),
            *((" ", code(series.label)) if series.label else ()),
            " ",
            *_summary(plot, series),
        )
        for series in plot.series
        if series.y and plot.kind != "bar" and not _is_table_of_lines(plot)
    ]
    lines += [(Strong(names[matrix.side]), " ", _right(matrix)) for matrix in plot.matrices]
    if any(image.data for image in plot.images):
        lines.append(("pictures are in the page ", code("report.html")))
    return [*lines, *plot_notes(figure)]


def plot_notes(figure: PlotFigure) -> list[Line]:
    """Return what a picture of the plot does not show: which side is missing and why, and what was left out."""
    plot = figure.plot
    lines: list[Line] = [(_CHANGES[plot.change],)] if plot.change in _CHANGES else []
    lines += [prose(sentence, 300) for sentence in (*plot.problems, *plot.notes)[:_MOST_NOTES]]
    sampled = [series.sampled_from for series in plot.series if series.sampled_from]
    if sampled:
        shown = max(len(series.y) for series in plot.series if series.sampled_from)
        lines.append((f"{number(shown)} of {number(max(sampled))} {'bars' if plot.kind == 'bar' else 'points'} shown",))
    return lines


def _summary(plot: Plot, series: Series) -> Line:
    low, high = min(series.y), max(series.y)
    if plot.kind == "scatter":
        count = plural(series.sampled_from or len(series.y), "point")
        return (f"{count}, y from {short(low, _DIGITS)} to {short(high, _DIGITS)}",)
    curve = list(series.y)
    if plot.kind == "line" and not isinstance(series.x[0], str):
        curve = [y for _, y in sorted(zip(series.x, series.y, strict=True), key=lambda point: point[0])]
    is_counts = plot.kind == "histogram"
    spark = Spark(tuple(thin(curve, _SPARK_POINTS)), side=series.side, from_zero=is_counts)
    if is_counts:
        return (spark,)
    first, last = curve[0], curve[-1]
    inside = [
        f"{word} {short(value, _DIGITS)}"
        for word, value in (("lowest", low), ("highest", high))
        if value not in {first, last}
    ]
    more = f" ({', '.join(inside)})" if inside else ""
    return (spark, f" {short(first, _DIGITS)} → {short(last, _DIGITS)}{more}")


def _right(matrix: ConfusionMatrix) -> str:
    right, total = sum(row[index] for index, row in enumerate(matrix.counts)), sum(map(sum, matrix.counts))
    return f"{percent(right / (total or 1))} right ({number(right)} of {number(total)})"


def plot_table(figure: PlotFigure) -> Table | None:
    """Return bars, a confusion matrix or pictures as a table with both sides; None for another kind of plot."""
    plot = figure.plot
    names = {"base": figure.base_name, "head": figure.head_name}
    if plot.kind == "confusion" and plot.matrices:
        return _confusion(plot)
    if plot.kind == "bar" and any(series.y for series in plot.series):
        return _bars(plot, names)
    if plot.kind == "image" and plot.images:
        return _pictures(plot.images, names)
    return _lines_table(plot, names) if _is_table_of_lines(plot) else None


def _is_table_of_lines(plot: Plot) -> bool:
    """Return whether there are so many lines that a chart of them is a thicket."""
    return plot.kind == "line" and len({series.label for series in plot.series if series.y}) > MOST_LINES


def _lines_table(plot: Plot, names: Mapping[str, str]) -> Table:
    """Return a row a line, both sides side by side, with the difference at their ends."""
    found: dict[str, dict[str, Series]] = {}
    for series in plot.series:
        if series.y:
            found.setdefault(series.label, {})[series.side] = series
    rows: list[tuple[Line, ...]] = []
    for label, sides in found.items():
        cells = [_summary(plot, sides[side]) if side in sides else (ABSENT,) for side in ("base", "head")]
        moved = signed(sides["head"].y[-1] - sides["base"].y[-1]) if len(sides) > 1 else ABSENT
        rows.append(((code(label),), *cells, (moved,)))
    columns = (Column(title="line"), *(Column(title=_title(names[side])) for side in ("base", "head")))
    return Table(columns=(*columns, Column(title="difference at the end", align="right")), rows=tuple(rows))


def _confusion(plot: Plot) -> Table:
    base, head = (_matrix(plot, side) for side in ("base", "head"))
    classes = list(dict.fromkeys([*(head or {}), *(base or {})]))
    shown = classes[:MOST_CLASSES]
    columns = (Column(title="actual"), *(Column(title=f"as {_title(name)}", align="right") for name in shown))
    rows: list[tuple[Line, ...]] = [
        ((code(row),), *((_cell(plot, base, head, row, column),) for column in shown)) for row in shown
    ]
    return Table(columns=columns, rows=tuple(rows), hidden=len(classes) - len(shown))


def _title(name: str) -> str:
    """Return a name as a column's title, which no renderer escapes: letters, digits and plain signs only."""
    plain = "".join(character if character.isalnum() or character in " .-" else "·" for character in name)
    return shorten(plain, 16)


_Matrix = dict[str, dict[str, int]]


def _matrix(plot: Plot, side: str) -> _Matrix | None:
    found: ConfusionMatrix | None = next((matrix for matrix in plot.matrices if matrix.side == side), None)
    if found is None:
        return None
    return {
        actual: dict(zip(found.classes, counts, strict=True))
        for actual, counts in zip(found.classes, found.counts, strict=True)
    }


def _cell(plot: Plot, base: _Matrix | None, head: _Matrix | None, actual: str, predicted: str) -> str:
    sides = [matrix for matrix in (base, head) if matrix is not None]
    texts = [ABSENT if actual not in matrix else _count(plot, matrix[actual], predicted) for matrix in sides]
    return " → ".join(dict.fromkeys(texts))


def _count(plot: Plot, row: dict[str, int], predicted: str) -> str:
    count = row.get(predicted, 0)
    return percent(count / (sum(row.values()) or 1)) if plot.is_normalized else number(count)


def _bars(plot: Plot, names: Mapping[str, str]) -> Table:
    """Return a row a bar, with both sides and by how much they differ."""
    sides = [side for side in ("base", "head") if any(series.side == side and series.y for series in plot.series)]
    lengths: dict[tuple[str, str], dict[str, float]] = {}
    for series in sorted(plot.series, key=lambda series: series.side, reverse=True):
        for x, y in zip(series.x, series.y, strict=True):
            lengths.setdefault((series.label, x if isinstance(x, str) else f"{x:g}"), {})[series.side] = y
    longest = max(abs(length) for found in lengths.values() for length in found.values()) or 1.0
    rows: list[tuple[Line, ...]] = []
    for (label, name), found in list(lengths.items())[:MOST_BARS]:
        cells: list[Line] = [(_bar_text(found.get(side), longest),) for side in sides]
        if len(sides) > 1:
            both = len(found) > 1
            cells.append((signed(found["head"] - found["base"]) if both else ABSENT,))
        rows.append(((*((code(label), " ") if label else ()), code(name)), *cells))
    columns = [Column(title=_title(plot.x_label) or "bar"), *(Column(title=_title(names[side])) for side in sides)]
    columns += [Column(title="difference", align="right")] if len(sides) > 1 else []
    return Table(columns=tuple(columns), rows=tuple(rows), hidden=max(0, len(lengths) - MOST_BARS))


def _bar_text(length: float | None, longest: float) -> str:
    if length is None:
        return ABSENT
    eighths = round(abs(length) / longest * _LONGEST_BAR * len(_EIGHTHS))
    whole, rest = divmod(eighths, len(_EIGHTHS))
    return f"{'█' * whole}{_EIGHTHS[rest - 1] if rest else ''} {short(length, _DIGITS)}".strip()


def _pictures(images: tuple[Image, ...], names: Mapping[str, str]) -> Table:
    found: dict[str, dict[str, Image]] = {}
    for image in images:
        found.setdefault(image.path, {})[image.side] = image
    rows: list[tuple[Line, ...]] = [
        ((code(path),), *((_image_text(sides.get(side)),) for side in ("base", "head")), (_image_change(sides),))
        for path, sides in found.items()
    ]
    columns = (Column(title="picture"), *(Column(title=_title(names[side])) for side in ("base", "head")))
    return Table(columns=(*columns, Column(title="change")), rows=tuple(rows))


def _image_text(image: Image | None) -> str:
    if image is None:
        return ABSENT
    kind = image.media_type.removeprefix("image/") if image.media_type else "not shown"
    return f"{size(image.size_bytes)}, {kind}"


def _image_change(sides: Mapping[str, Image]) -> str:
    if len(sides) == 1:
        return ABSENT
    return "same" if sides["base"].digest == sides["head"].digest else "changed"
