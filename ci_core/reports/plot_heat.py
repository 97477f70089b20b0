"""Confusion matrices as heat maps, base left of head, as pieces of SVG (pure)."""

from __future__ import annotations

import math
from collections import defaultdict
from typing import TYPE_CHECKING, Final, NamedTuple

from ci_core.reports.plot_panels import LETTERS_PX, Drawn, px, text
from ci_core.reports.text import visible
from ci_core.serving.picture.letters import fitting, width_px

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from ci_core.reports.report import ConfusionMatrix, Plot

MOST_CLASSES: Final = 20
"""That are drawn; the counts of all are in the data of the report."""
_MOST_WITH_COUNTS: Final = 8
_SHADES: Final = 12
"""By the root of the share: rare mistakes are what one looks for."""
_PALEST, _DARKEST = 0.03, 0.6
_LARGEST_CELL_PX = 58


def heat_maps(plot: Plot, names: Mapping[str, str], width: float) -> Drawn | None:
    """Return the matrices of a plot with row shares as shades; None when there is nothing in them."""
    matrices = sorted((matrix for matrix in plot.matrices if matrix.classes), key=lambda matrix: matrix.side)
    if not matrices:
        return None
    classes = shown_classes(matrices)
    left = min(86.0, max(width_px(visible(name), LETTERS_PX) for name in classes) + 10) + 14
    half = (width - left) / 2
    cell = min(_LARGEST_CELL_PX, (half - 14) / len(classes))
    parts = []
    for place, matrix in enumerate(matrices):
        x = left + half * place if len(matrices) > 1 else left
        before = matrices[0] if len(matrices) > 1 and matrix.side == "head" else None
        where = _Place(left=x, top=22, cell=cell)
        words = [] if len(classes) > _MOST_WITH_COUNTS else _texts(plot, matrix, before, classes, where)
        parts += [text(x, 12, names[matrix.side], fill="var(--ink)"), *_map(matrix, classes, where), *words]
    bottom = 22 + cell * len(classes)
    parts += [
        text(left - 6, 22 + cell * (row + 0.5) + 4, fitting(visible(name), left - 24, LETTERS_PX), anchor="end")
        for row, name in enumerate(classes)
        if cell > LETTERS_PX
    ]
    middle = 22 + cell * len(classes) / 2
    turned = f' transform="rotate(-90 10 {px(middle)})"'
    parts.append(text(10, middle, "actual", anchor="middle", more=turned))
    parts.append(text(left, bottom + 32, "predicted · shade: share of the actual class"))
    return Drawn(content="".join(parts), height=bottom + 38)


def shown_classes(matrices: Sequence[ConfusionMatrix]) -> list[str]:
    """Return the classes of all matrices; of too many, the most frequent ones."""
    frequency: dict[str, int] = defaultdict(int)
    for matrix in matrices:
        for name, counts in zip(matrix.classes, matrix.counts, strict=True):
            frequency[name] += sum(counts)
    kept = set(sorted(frequency, key=lambda name: -frequency[name])[:MOST_CLASSES])
    return [name for name in frequency if name in kept]


class _Place(NamedTuple):
    """Where a matrix is drawn."""

    left: float
    top: float
    cell: float


def _map(matrix: ConfusionMatrix, classes: Sequence[str], place: _Place) -> list[str]:
    """Return the cells, one path a shade, and the classes below them."""
    counts, cell = cell_counts(matrix), place.cell
    sums = {name: sum(row) for name, row in zip(matrix.classes, matrix.counts, strict=True)}
    shades: dict[int, list[str]] = defaultdict(list)
    for row, actual in enumerate(classes):
        for column, predicted in enumerate(classes):
            if (actual, predicted) in counts:
                share = counts[actual, predicted] / (sums[actual] or 1)
                corner = f"{px(place.left + cell * column)},{px(place.top + cell * row)}"
                shades[round(math.sqrt(share) * _SHADES)].append(
                    f"M{corner}h{px(cell - 1)}v{px(cell - 1)}h-{px(cell - 1)}z"
                )
    drawn = [
        f'<path d="{"".join(cells)}" fill="var(--head)" fill-opacity="{_opacity(shade):.2f}"/>'
        for shade, cells in sorted(shades.items())
    ]
    if cell > width_px("0", LETTERS_PX) * 2:
        bottom = place.top + cell * len(classes) + 14
        drawn += [
            text(place.left + cell * (at + 0.5), bottom, fitting(visible(name), cell - 2, LETTERS_PX), anchor="middle")
            for at, name in enumerate(classes)
        ]
    return drawn


def _texts(
    plot: Plot, matrix: ConfusionMatrix, before: ConfusionMatrix | None, classes: Sequence[str], place: _Place
) -> list[str]:
    """Return the count or share of each cell, and by how many the count differs from the base's."""
    counts, old = cell_counts(matrix), cell_counts(before) if before else {}
    sums = {name: sum(row) for name, row in zip(matrix.classes, matrix.counts, strict=True)}
    words = []
    for row, actual in enumerate(classes):
        for column, predicted in enumerate(classes):
            count = counts.get((actual, predicted))
            if count is not None:
                x, y = place.left + place.cell * (column + 0.5), place.top + place.cell * (row + 0.5)
                value = f"{100 * count / (sums[actual] or 1):.0f} %" if plot.is_normalized else f"{count:,}"
                words += _cell_text(x, y, value, count - old.get((actual, predicted), count))
    return words


def cell_counts(matrix: ConfusionMatrix) -> dict[tuple[str, str], int]:
    """Return the counts by actual and predicted class."""
    return {
        (actual, predicted): count
        for actual, row in zip(matrix.classes, matrix.counts, strict=True)
        for predicted, count in zip(matrix.classes, row, strict=True)
    }


def _opacity(shade: int) -> float:
    return _PALEST + (_DARKEST - _PALEST) * shade / _SHADES


def _cell_text(x: float, y: float, value: str, difference: int) -> list[str]:
    if not difference:
        return [text(x, y + 4, value, anchor="middle", fill="var(--ink)")]
    signed = text(x, y + 13, f"{difference:+,}", anchor="middle", fill="var(--ink)", more=' font-size="9"')
    return [text(x, y, value, anchor="middle", fill="var(--ink)"), signed]
