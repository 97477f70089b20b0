"""Turn the plots that a project declares to DVC into those of a report, base and head together (pure).

Everything DVC declares is drawn: its templates by their names, and a template of the user's own (which only Vega can
draw) as lines of the declared columns, which a note then says. What a side lacks is a sentence, never a blank.
"""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Final

from ci_core.operations.plot_columns import read_columns
from ci_core.operations.plot_images import ImageRoom, images
from ci_core.operations.plot_series import numbers_of
from ci_core.reports import report as shown

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ci_core.operations.plot_series import Kind
    from ci_core.versioning.plots import Plot, PlotSource

MOST_POINTS: Final = 400
"""Of one series: more than a picture has pixels to tell apart."""
_LEAST_POINTS: Final = 60
_ALL_POINTS: Final = 40_000
"""Of a report with many plots, so that ``report.json`` stays a few megabytes."""

_TEMPLATES: Final[dict[str, Kind]] = {
    "linear": "line",
    "simple": "line",
    "smooth": "line",
    "scatter": "scatter",
    "scatter_jitter": "scatter",
    "confusion": "confusion",
    "confusion_normalized": "confusion",
    "bar_horizontal": "bar",
    "bar_horizontal_sorted": "bar",
}
"""DVC's own."""
_KINDS_BY_WORD: Final[dict[str, Kind]] = {
    "scatter": "scatter",
    "confusion": "confusion",
    "bar": "bar",
    "hist": "histogram",
}
"""What the name of a user's template may tell."""


def plot_parts(base: Sequence[Plot] | None, head: Sequence[Plot] | None) -> tuple[shown.Plot, ...]:
    """Return the declared plots with base and head over each other; those without a difference come last.

    Args:
        base: the plots of the base; None when there is nothing to compare with.
        head: the plots of the change; None when they could not be read, which leaves nothing to show.
    """
    if head is None:
        return ()
    before = {plot.id: plot for plot in base or ()}
    pairs: list[tuple[Plot | None, Plot]] = [(before.pop(plot.id, None), plot) for plot in head]
    most = max(_LEAST_POINTS, min(MOST_POINTS, _ALL_POINTS // max(1, 2 * (len(pairs) + len(before)))))
    room = ImageRoom()
    made = [(new.id, _plot(old, new, _change(old, new, base), most, room)) for old, new in pairs]
    made += [(old.id, _plot(old, None, "removed", most, room)) for old in before.values()]
    names = Counter(plot.name for _, plot in made)
    plots = [
        plot if names[plot.name] == 1 else plot.model_copy(update={"name": f"{plot.name} ({plot_id})"})
        for plot_id, plot in made
    ]
    return tuple(sorted(plots, key=lambda plot: plot.change == "same"))


def _change(old: Plot | None, new: Plot, base: Sequence[Plot] | None) -> shown.Change | None:
    if base is None:
        return None
    if old is None:
        return "added"
    if all(any(source.problem for source in side.sources) for side in (old, new)):
        return None  # what neither side can show may be the same or not
    return "same" if (old.sources, old.properties) == (new.sources, new.properties) else "changed"


def _plot(old: Plot | None, new: Plot | None, change: shown.Change | None, most: int, room: ImageRoom) -> shown.Plot:
    """Return one plot; of two sides that are the same, the head's is enough."""
    sides: dict[shown.Side, Plot] = {"base": old} if old and change != "same" else {}
    sides |= {"head": new} if new else {}
    declared = sides.get("head") or sides["base"]
    unread = [
        f"{side}: `{source.path}`: {source.problem}"
        for side, plot in sides.items()
        for source in plot.sources
        if source.problem
    ]
    name = str(declared.properties.get("title") or declared.id)
    if any(source.image is not None for plot in sides.values() for source in plot.sources):
        pictures, notes = images(_images(old), _images(new), room)
        return shown.Plot(name=name, kind="image", change=change, images=pictures, notes=notes, problems=tuple(unread))
    template = str(declared.properties.get("template") or "linear")
    columns = {side: read_columns(plot) for side, plot in sides.items()}
    kind = _kind(template, declared)
    numbers = numbers_of(
        kind, {side: found.curves for side, found in columns.items()}, most=most, is_sorted=template.endswith("_sorted")
    )
    lies = kind == "bar"
    shown_columns = columns.get("head") or columns["base"]
    labels = [shown_columns.x_label, shown_columns.y_label]
    if kind == "histogram":  # the bins are of y, and how often is what is drawn
        labels = [shown_columns.y_label, ""]
    missing = [f"{side}: {problem}" for side, found in columns.items() for problem in found.problems]
    return shown.Plot(
        name=name,
        kind=numbers.kind,
        change=change,
        x_label=labels[lies],
        y_label=labels[not lies],
        x_type=numbers.x_type,
        is_horizontal=lies,
        is_normalized=kind == "confusion" and "normalized" in template,
        series=tuple(numbers.series),
        matrices=tuple(numbers.matrices),
        notes=(*_template_notes(template, kind), *numbers.notes),
        problems=(*unread, *missing, *numbers.problems),
    )


def _images(plot: Plot | None) -> list[PlotSource]:
    return [source for source in plot.sources if source.image is not None] if plot else []


def _kind(template: str, plot: Plot) -> Kind:
    if template in _TEMPLATES:
        return _TEMPLATES[template]
    kind: Kind = next((kind for word, kind in _KINDS_BY_WORD.items() if word in template.lower()), "line")
    is_counted = kind == "histogram" and {"x", "y"} <= plot.properties.keys()
    return "line" if is_counted else kind


def _template_notes(template: str, kind: Kind) -> list[str]:
    if template not in _TEMPLATES:
        words = {"line": "lines", "scatter": "points", "bar": "bars", "confusion": "a matrix", "histogram": "counts"}
        return [f"its template `{template}` is not one of DVC's: drawn as {words[kind]}"]
    return ["drawn as in the file, not smoothed"] if template == "smooth" else []
