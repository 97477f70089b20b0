"""A report as a page: what comes first, what is folded, what is left out (pure).

The first screen answers "did it get better, may it merge, what will happen"; everything else can be unfolded. Each part
of the page is made by a file of its own, named ``…_section.py``.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from ci_core.reports.behaviour_section import behaviour_section
from ci_core.reports.data_section import data_section
from ci_core.reports.document import Address, BulletList, Document, Paragraph, PlotFigure, Section, Tiles, code
from ci_core.reports.gate_section import gates_section
from ci_core.reports.headline import banner, tiles
from ci_core.reports.pipeline_section import failure_section, graph_section, pipeline_section
from ci_core.reports.plan_section import plan_section
from ci_core.reports.prose import prose
from ci_core.reports.rows import count_changes
from ci_core.reports.text import number, plural, seconds, shorten, visible
from ci_core.reports.value_sections import environment_section, metrics_section, models_section, params_section

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ci_core.reports.document import Block, Inline, Line
    from ci_core.reports.report import Change, Commit, Link, Report


@dataclass(frozen=True, slots=True, kw_only=True)
class Extent:
    """How much of a report a page shows."""

    rows: int
    """Rows of each table."""
    plots: int
    with_times: bool
    """Whether durations and times are shown: they differ between two runs of the same change."""
    with_pictures: bool
    """Whether graph and plots are real pictures: then they come early and unfolded."""
    with_addresses: bool = True
    """Whether commits are linked: a terminal would show whole addresses."""
    with_changed_nodes: bool = False
    """Whether the nodes of a diagram that changed are listed below it, with what they run."""


COMMENT = Extent(rows=50, plots=8, with_times=False, with_pictures=False, with_changed_nodes=True)
SUMMARY = Extent(rows=300, plots=24, with_times=True, with_pictures=False, with_changed_nodes=True)
PAGE = Extent(rows=300, plots=24, with_times=True, with_pictures=True)
TERMINAL = Extent(rows=30, plots=8, with_times=True, with_pictures=False, with_addresses=False)

_PLOT_ORDER: tuple[Change | None, ...] = ("removed", "added", None, "changed", "renamed", "same")
_MOST_WARNINGS = 10
_MOST_NOTES = 30
_MOST_LINKS = 12


def document(report: Report, extent: Extent) -> Document:
    """Return the page of a report."""
    lead = tiles(report)
    first: list[Block | None] = [
        Tiles(tiles=lead) if lead else None,
        failure_section(report),
        *_errors(report),
        *_warnings(report),
        gates_section(report, extent),
        metrics_section(report, extent),
    ]
    graph, plots = graph_section(report, extent), _plots(report, extent)
    changes: list[Block | None] = [
        params_section(report, extent),
        data_section(report, extent),
        models_section(report, extent),
        pipeline_section(report, extent),
    ]
    behaviour, environment = behaviour_section(report, extent), environment_section(report, extent)
    if extent.with_pictures:
        details = [graph, plots, behaviour, *changes, environment]
    else:
        details = [*changes, graph, behaviour, environment, plots]
    return Document(
        banner=banner(report),
        blocks=tuple(block for block in (*first, *details, plan_section(report), _notes(report)) if block is not None),
        footer=_footer(report, extent),
        whole=next((link for link in report.links if link.kind == "report"), None),
    )


def _errors(report: Report) -> list[Paragraph]:
    return [Paragraph(line=prose(note.text, 600), tone="bad") for note in report.notes if note.kind == "error"]


def _warnings(report: Report) -> list[Paragraph]:
    warnings = [note for note in report.notes if note.kind == "warning"]
    shown = [Paragraph(line=prose(note.text, 600), tone="warn") for note in warnings[:_MOST_WARNINGS]]
    hidden = len(warnings) - _MOST_WARNINGS
    if hidden > 0:
        shown.append(Paragraph(line=(f"… and {plural(hidden, 'warning')} more",), tone="warn"))
    return shown


def _plots(report: Report, extent: Extent) -> Section | None:
    """Return the plots, those of which one side is missing first, unchanged ones last: few of many are shown."""
    if not report.plots:
        return None
    plots = sorted(report.plots, key=lambda plot: _PLOT_ORDER.index(plot.change))
    blocks: list[Block] = [PlotFigure(plot=plot) for plot in plots[: extent.plots]]
    hidden = plots[extent.plots :]
    if hidden:
        changed = count_changes(plot.change for plot in hidden if plot.change)
        more = f"… and {plural(len(hidden), 'plot')} more in the data of this report"
        blocks.append(Paragraph(line=(f"{more}: {changed}" if changed else more,)))
    mute = sum(bool(plot.problems) and not (plot.series or plot.matrices or plot.images) for plot in plots)
    hints = (
        plural(len(plots), "plot"),
        count_changes(plot.change for plot in plots if plot.change),
        f"{number(mute)} with nothing to draw" if mute else "",
    )
    hint = ", ".join(part for part in hints if part)
    return Section(slug="plots", title="Plots", hint=hint, blocks=tuple(blocks), folded=not extent.with_pictures)


def _notes(report: Report) -> Section | None:
    notes = [note for note in report.notes if note.kind == "info"]
    if not notes:
        return None
    items = [prose(note.text, 600) for note in notes[:_MOST_NOTES]]
    hidden = len(notes) - _MOST_NOTES
    if hidden > 0:
        items.append((f"… and {number(hidden)} more",))
    return Section(slug="notes", title="Notes", blocks=(BulletList(items=tuple(items)),))


def _footer(report: Report, extent: Extent) -> tuple[Line, ...]:
    run = report.run
    by = f"graphship {visible(run.version)}" if extent.with_times and run.version else "graphship"
    facts: list[Inline] = [by, ": head ", _commit(report.head, extent)]
    if report.base:
        facts += [", base ", _commit(report.base, extent)]
    if extent.with_times:
        system = "a plain shell" if run.system == "plain" else visible(run.system)
        facts.append(f", {visible(run.event)} run on {system}" if run.event != "manual" else "")
        facts += [f", {visible(run.started_at)}"] if run.started_at else []
        facts += [f", {seconds(run.seconds)}"] if run.seconds is not None else []
    return (*((links_line(report.links),) if report.links else ()), tuple(facts))


def _commit(commit: Commit, extent: Extent) -> Inline:
    short = shorten(commit.id[:12], 12)
    return Address(text=short, url=commit.url) if commit.url and extent.with_addresses else code(short)


def links_line(links: Sequence[Link]) -> Line:
    """Return links side by side."""
    line: Line = ()
    for link in links[:_MOST_LINKS]:
        line += (*((" · ",) if line else ()), Address(text=shorten(link.text, 80), url=link.url))
    return line
