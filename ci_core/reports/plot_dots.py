"""Clouds of points as text: each sign of braille holds two by four dots (pure).

Mermaid draws no clouds, and a comment has no room for images of ours; every font with a fixed width has these signs.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from ci_core.reports.plot_scales import number_scale, places
from ci_core.reports.text import number, shorten, visible

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ci_core.reports.document import PlotFigure
    from ci_core.reports.plot_scales import Scale
    from ci_core.reports.report import Series

_COLUMNS, _ROWS = 30, 9
_EMPTY: Final = 0x2800
_DOTS: Final = ((0x01, 0x08), (0x02, 0x10), (0x04, 0x20), (0x40, 0x80))
"""Bits of a sign, by row and column."""
_HALVES: Final = (0x1B, 0xE4)
"""Bits of the upper and the lower four: one dot alone is hard to see."""
_FEW: Final = 60
_GAP: Final = "   "


def plot_dots(figure: PlotFigure) -> str | None:
    """Return a cloud as lines of text, base left of head on the same axes; None for another kind of plot."""
    plot = figure.plot
    sides = {
        side: found
        for side in ("base", "head")
        if (found := [series for series in plot.series if series.side == side and series.y])
    }
    if plot.kind != "scatter" or not sides:
        return None
    every = [series for found in sides.values() for series in found]
    x = number_scale([x for series in every for x in places(series.x)], 0, _COLUMNS * 2 - 1)
    y = number_scale([y for series in every for y in series.y], _ROWS * 4 - 1, 0)
    names = {"base": figure.base_name, "head": figure.head_name}
    high, low = number(y.high, 3), number(y.low, 3)
    indent = max(len(high), len(low))
    frames = [_frame(found, x, y) for found in sides.values()]
    rows = [_GAP.join(f"│{line}" for line in lines) for lines in zip(*frames, strict=True)]
    ends = f"{number(x.low, 3)}{number(x.high, 3):>{_COLUMNS - len(number(x.low, 3))}}"
    titles = _GAP.join(f" {shorten(visible(names[side]), _COLUMNS):<{_COLUMNS}}" for side in sides)
    return "\n".join(
        line.rstrip()
        for line in (
            f"{'':{indent}}{titles}",
            f"{high:>{indent}}{rows[0]}",
            *(f"{'':{indent}}{row}" for row in rows[1:-1]),
            f"{low:>{indent}}{rows[-1]}",
            f"{'':{indent}}{_GAP.join('└' + '─' * _COLUMNS for _ in sides)}",
            f"{'':{indent}}{_GAP.join(f' {ends:<{_COLUMNS}}' for _ in sides)}",
        )
    )


def _frame(series: Sequence[Series], x: Scale, y: Scale) -> list[str]:
    cells = [[_EMPTY] * _COLUMNS for _ in range(_ROWS)]
    is_sparse = sum(len(one.y) for one in series) <= _FEW
    for one in series:
        for left, up in zip(places(one.x), one.y, strict=True):
            column, row = round(x.at(left)), round(y.at(up))
            dot = _HALVES[row % 4 // 2] if is_sparse else _DOTS[row % 4][column % 2]
            cells[row // 4][column // 2] |= dot
    return ["".join(map(chr, row)) for row in cells]
