"""The numbers of a plot: columns of both sides as lines, clouds, bars, histograms or matrices (pure)."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final, Literal, TypeAlias

from ci_core.operations.plot_matrix import MOST_CLASSES, matrix
from ci_core.operations.plot_points import as_finite, as_time, bins_of, counted
from ci_core.reports import report as shown
from ci_core.reports.text import number, plural, scalar
from ci_core.reports.thinning import in_order, thin_cloud, thin_line

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from ci_core.operations.plot_columns import Curve
    from ci_core.types import JsonValue

    AsNumber = Callable[[JsonValue], float | None]

MOST_SERIES: Final = 8
"""Of one side of a plot; more lines are a thicket."""
MOST_BARS: Final = 60

Kind: TypeAlias = Literal["line", "scatter", "bar", "confusion", "histogram"]
XType: TypeAlias = Literal["number", "time", "name"]
Sides: TypeAlias = "Mapping[shown.Side, Sequence[Curve]]"


@dataclass(slots=True)
class Numbers:
    """What a plot is drawn from, as it is gathered."""

    kind: Kind
    x_type: XType = "number"
    series: list[shown.Series] = field(default_factory=list)
    matrices: list[shown.ConfusionMatrix] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)


def numbers_of(kind: Kind, sides: Sides, *, most: int, is_sorted: bool = False) -> Numbers:
    """Return the numbers of a plot of some kind.

    Args:
        kind: as declared; lines over names become bars.
        sides: the columns of each.
        most: points that are kept of a line or a cloud.
        is_sorted: whether the longest bars come first.
    """
    if kind == "confusion":
        return _matrices(sides)
    if kind == "histogram":
        return _histogram(sides)
    numbers = Numbers(kind)
    kept = {side: curves[:MOST_SERIES] for side, curves in sides.items()}
    if hidden := max((len(curves) - MOST_SERIES for curves in sides.values()), default=0):
        numbers.notes += [f"{plural(hidden, 'column')} more are not drawn"] if hidden > 0 else []
    if kind == "bar":
        _bars(numbers, {side: [_with_names_first(curve) for curve in curves] for side, curves in kept.items()})
        if is_sorted:
            numbers.series = [_sorted(series) for series in numbers.series]
    else:
        _points(numbers, kept, most)
    numbers.series = [_cut(series) if numbers.kind == "bar" else series for series in numbers.series]
    return numbers


def _points(numbers: Numbers, sides: Sides, most: int) -> None:
    every = [curve for curves in sides.values() for curve in curves]
    as_x = _reader(every)
    if as_x is None:
        numbers.kind, numbers.x_type = "bar", "name"
        named = {side: [(curve, _names(curve.x), curve.y) for curve in curves] for side, curves in sides.items()}
        _bars(numbers, named)
        return
    numbers.x_type = "time" if as_x is as_time else "number"
    labels = _labels(every)
    for side, curves in sides.items():
        for curve in curves:
            points = [
                (x, y)
                for x_cell, y_cell in zip(curve.x, curve.y, strict=True)
                if (x := as_x(x_cell)) is not None and (y := as_finite(y_cell)) is not None
            ]
            if not _is_sound(numbers, side, curve, len(points)):
                continue
            is_line = numbers.kind == "line"
            thinned = thin_line(in_order(points), most) if is_line else thin_cloud(points, most)
            xs, ys = zip(*thinned, strict=True)
            sampled = len(points) if len(thinned) < len(points) else None
            label = labels[curve.file, curve.y_column]
            numbers.series.append(shown.Series(side=side, label=label, x=xs, y=ys, sampled_from=sampled))


def _reader(curves: Sequence[Curve]) -> AsNumber | None:
    """Return how cells of x become numbers; None when they are names. One number is enough for numbers."""
    if any(as_finite(cell) is not None for curve in curves for cell in curve.x):
        return as_finite
    cells = [cell for curve in curves for cell in curve.x if cell is not None and cell != ""]
    if not cells:
        return as_finite
    return as_time if all(as_time(cell) is not None for cell in cells) else None


def _is_sound(numbers: Numbers, side: shown.Side, curve: Curve, sound: int) -> bool:
    """Return whether there is anything to draw, and tell what is left out."""
    if not sound:
        numbers.problems.append(f"{side}: `{curve.file}` has no numbers in `{curve.y_column}`")
    elif left_out := len(curve.y) - sound:
        rows = f"{number(left_out)} of {plural(len(curve.y), 'row')}"
        numbers.notes.append(f"{side}: {rows} of `{curve.y_column}` hold no finite number and are left out")
    return sound > 0


def _labels(curves: Sequence[Curve]) -> dict[tuple[str, str], str]:
    """Return what tells the columns apart: nothing, their names, their files, or both."""
    places = dict.fromkeys((curve.file, curve.y_column) for curve in curves)
    files, columns = {file for file, _ in places}, {column for _, column in places}
    parts = {
        place: [*([place[0]] if len(files) > 1 else []), *([place[1]] if len(columns) > 1 else [])] for place in places
    }
    return {place: ": ".join(found) for place, found in parts.items()}


def _names(cells: Sequence[JsonValue]) -> list[str]:
    return [scalar(cell) if cell is None or isinstance(cell, bool | int | float) else str(cell) for cell in cells]


_Named: TypeAlias = "tuple[Curve, list[str], Sequence[JsonValue]]"


def _with_names_first(curve: Curve) -> _Named:
    """Return the names and lengths of lying bars, which DVC has in y and x; the other way round where only y counts."""
    is_upright = not any(as_finite(cell) is not None for cell in curve.x)
    return (curve, _names(curve.x), curve.y) if is_upright else (curve, _names(curve.y), curve.x)


def _bars(numbers: Numbers, sides: Mapping[shown.Side, Sequence[_Named]]) -> None:
    """Add one bar a name; of rows with the same name, the sum."""
    numbers.x_type = "name"
    labels = _labels([curve for curves in sides.values() for curve, _, _ in curves])
    for side, curves in sides.items():
        for curve, names, lengths in curves:
            sums: dict[str, float] = {}
            sound = 0
            for name, cell in zip(names, lengths, strict=True):
                if (length := as_finite(cell)) is not None:
                    sums[name] = sums.get(name, 0.0) + length
                    sound += 1
            finite = {name: length for name, length in sums.items() if as_finite(length) is not None}
            if _is_sound(numbers, side, curve, sound) and finite:
                label = labels[curve.file, curve.y_column]
                numbers.series.append(shown.Series(side=side, label=label, x=tuple(finite), y=tuple(finite.values())))


def _sorted(series: shown.Series) -> shown.Series:
    bars = sorted(zip(map(str, series.x), series.y, strict=True), key=lambda bar: -bar[1])
    return series.model_copy(update={"x": tuple(name for name, _ in bars), "y": tuple(length for _, length in bars)})


def _cut(series: shown.Series) -> shown.Series:
    if len(series.y) <= MOST_BARS:
        return series
    kept = {"x": series.x[:MOST_BARS], "y": series.y[:MOST_BARS], "sampled_from": len(series.y)}
    return series.model_copy(update=kept)


def _histogram(sides: Sides) -> Numbers:
    """Return how often values of the first column occur, in bins that both sides share."""
    numbers = Numbers("histogram")
    values: dict[shown.Side, list[float]] = {}
    for side, curves in sides.items():
        found = [value for cell in (curves[0].y if curves else ()) if (value := as_finite(cell)) is not None]
        if curves and _is_sound(numbers, side, curves[0], len(found)):
            values[side] = found
    edges = bins_of(list(values.values()))
    numbers.series = [shown.Series(side=side, x=edges, y=counted(found, edges)) for side, found in values.items()]
    return numbers


def _matrices(sides: Sides) -> Numbers:
    numbers = Numbers("confusion", "name")
    for side, every in sides.items():
        curves = [curve for curve in every if curve.x_column is not None]
        if len(curves) < len(every):
            numbers.problems.append(f"{side}: a matrix needs `x` and `y`, the columns of actual and predicted classes")
        found, hidden = matrix(side, curves)
        if found is not None:
            numbers.matrices.append(found)
        if hidden:
            numbers.notes.append(f"{side}: only the {MOST_CLASSES} most frequent classes are shown, {hidden} are not")
    return numbers
