"""Which columns of which files a plot is drawn from, by DVC's rules (pure).

``x`` and ``y`` may be a column, a list of columns, or a mapping of file → column or columns. Without ``y`` the last
column is drawn, without ``x`` the number of the row.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from ci_core.types import JsonObject, JsonValue
    from ci_core.versioning.plots import Plot

STEP = "step"
"""What DVC calls the number of the row."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Curve:
    """Two columns side by side, as the files have them."""

    file: str
    """That `y` is in."""
    x_column: str | None
    """None: the number of the row."""
    y_column: str
    x: Sequence[JsonValue]
    y: Sequence[JsonValue]


@dataclass(frozen=True, slots=True, kw_only=True)
class Columns:
    """What one side of a plot is drawn from."""

    curves: tuple[Curve, ...] = ()
    x_label: str = ""
    y_label: str = ""
    """What is written on the axes: as declared, else the column when there is only one."""
    problems: tuple[str, ...] = ()
    """One sentence for each column that is not there; files that are not are told by the plot itself."""


def read_columns(plot: Plot) -> Columns:
    """Return the columns that a plot declares, in its order."""
    rows = {source.path: source.rows for source in plot.sources if not source.problem and source.image is None}
    own_file = plot.sources[0].path if plot.sources else plot.id
    ys = list(_declared(plot.properties.get("y"), own_file)) or _last_column(own_file, rows)
    xs = _aligned_x(plot.properties.get("x"), own_file, ys)
    if xs is None:
        return Columns(problems=("it names another number of columns for `x` than for `y`",))
    if not ys and rows:
        return Columns(problems=tuple(f"`{path}` has no rows" for path in rows))
    curves: list[Curve] = []
    problems: dict[str, None] = {}
    for (y_file, y_column), x_place in zip(ys, xs, strict=True):
        made = _curve(rows, y_file, y_column, x_place)
        if isinstance(made, Curve):
            curves.append(made)
        elif made:
            problems[made] = None
    return Columns(
        curves=tuple(curves),
        x_label=_label(plot, "x", {place[1] if place else STEP for place in xs}),
        y_label=_label(plot, "y", {column for _, column in ys}),
        problems=tuple(problems),
    )


def _label(plot: Plot, axis: str, columns: set[str]) -> str:
    declared = plot.properties.get(f"{axis}_label")
    if declared is not None:
        return str(declared)
    return columns.pop() if len(columns) == 1 else ""


def _declared(value: JsonValue, own_file: str) -> Iterator[tuple[str, str]]:
    """Yield file and column of each column that ``x`` or ``y`` names."""
    if isinstance(value, dict):
        for file, columns in value.items():
            yield from _declared(columns, file)
    elif isinstance(value, list):
        for column in value:
            if not isinstance(column, dict | list):
                yield own_file, str(column)
    elif value is not None:
        yield own_file, str(value)


def _last_column(file: str, rows: Mapping[str, Sequence[JsonObject]]) -> list[tuple[str, str]]:
    found = rows.get(file)
    return [(file, list(found[0])[-1])] if found and found[0] else []


def _aligned_x(value: JsonValue, own_file: str, ys: list[tuple[str, str]]) -> list[tuple[str, str] | None] | None:
    """Return the place of x for each y; None when they cannot be told apart."""
    if value is None:
        return [None] * len(ys)
    if not isinstance(value, dict | list):
        return [(file, str(value)) for file, _ in ys]
    xs = list(_declared(value, own_file))
    if len(xs) == 1:
        return [xs[0]] * len(ys)
    return list(xs) if len(xs) == len(ys) else None


def _curve(
    rows: Mapping[str, Sequence[JsonObject]], y_file: str, y_column: str, x_place: tuple[str, str] | None
) -> Curve | str | None:
    """Return the two columns, a sentence on what is wrong with them, or None when that is said already."""
    y = _column(rows, y_file, y_column)
    if not isinstance(y, list):
        return y
    if x_place is None:
        return Curve(file=y_file, x_column=None, y_column=y_column, x=range(len(y)), y=y)
    x_file, x_column = x_place
    x = _column(rows, x_file, x_column)
    if not isinstance(x, list):
        return x
    if len(x) != len(y):
        return f"`{x_file}` has {len(x)} rows and `{y_file}` has {len(y)}: they cannot be put together"
    return Curve(file=y_file, x_column=x_column, y_column=y_column, x=x, y=y)


def _column(rows: Mapping[str, Sequence[JsonObject]], file: str, column: str) -> list[JsonValue] | str | None:
    if file not in rows:
        return None
    if not rows[file]:
        return f"`{file}` has no rows"
    if not any(column in row for row in rows[file]):
        return f"`{file}` has no column `{column}`"
    return [row.get(column) for row in rows[file]]
