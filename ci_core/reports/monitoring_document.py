"""The monitoring of an environment as a page: verdict, the columns that matter, the trend, what happens next (pure)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ci_core.reports import bounds
from ci_core.reports.build import Extent, links_line
from ci_core.reports.document import (
    Banner,
    BulletList,
    Column,
    Document,
    Mark,
    Paragraph,
    PlotFigure,
    Section,
    Spark,
    Strip,
    StripCell,
    Strong,
    Table,
    Tile,
    Tiles,
    code,
)
from ci_core.reports.prose import prose
from ci_core.reports.report import Plot, Series
from ci_core.reports.text import ABSENT, number, percent, plural, shorten, thin

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ci_core.reports.document import Block, Line, Tone
    from ci_core.reports.monitoring import Bins, ColumnReport, MonitoringReport, State, WindowReport

STATE_TONES: dict[State, Tone] = {
    "no-drift": "good",
    "potential": "warn",
    "drift": "bad",
    "broken-data": "info",
    "insufficient-data": "muted",
}
_TITLES: dict[State, str] = {
    "no-drift": "No drift",
    "potential": "Potential drift",
    "drift": "Drift",
    "broken-data": "Broken data",
    "insufficient-data": "Not enough data to tell",
}
_TREND_WINDOWS = 30
_SPARK_POINTS = 12


def monitoring_document(report: MonitoringReport, extent: Extent) -> Document:
    """Return the page of an environment's monitoring; `extent` as for reports, `plots` limits the histograms."""
    blocks = [
        _tiles(report),
        _uncalibrated(report),
        _columns(report, extent),
        _trend(report, extent),
        _next(report),
        _histograms(report, extent),
        _calm_columns(report, extent),
    ]
    return Document(
        banner=_banner(report),
        blocks=tuple(block for block in blocks if block is not None),
        footer=_footer(report),
        whole=next((link for link in report.links if link.kind == "report"), None),
    )


def _banner(report: MonitoringReport) -> Banner:
    where = f" in {shorten(report.environment, 60)}"
    eyebrow: Line = (Strong(shorten(report.project, 60)), " · ", Strong(shorten(report.environment, 60)))
    if report.release:
        eyebrow += (" · release ", code(report.release[:12]))
    if report.window:
        eyebrow += (f" · window {report.window.label}, {plural(report.window.rows, 'row')}",)
    lines = tuple(prose(reason, 500) for reason in report.reasons[:2])
    return Banner(tone=STATE_TONES[report.state], title=_TITLES[report.state] + where, eyebrow=eyebrow, lines=lines)


def _tiles(report: MonitoringReport) -> Tiles | None:
    if not report.columns:
        return None
    moved = [column for column in report.columns if column.drifted]
    share = sum(column.importance or 0.0 for column in moved)
    drifted = Tile(label="columns beyond their bound", value=str(len(moved)), before=f"of {len(report.columns)}")
    tiles = [drifted]
    if moved and any(column.importance is not None for column in report.columns):
        tiles.append(Tile(label="of the model's importance", value=percent(share), before="lies in them"))
    furthest = max(report.columns, key=lambda column: column.shift or 0.0)
    if furthest.shift:
        tiles.append(Tile(label="largest shift", value=f"{furthest.shift:.2f} sd", before=shorten(furthest.name, 30)))
    if report.window:
        tiles.append(Tile(label="rows in the window", value=number(report.window.rows), before=report.window.label))
    return Tiles(tiles=tuple(tiles))


def _uncalibrated(report: MonitoringReport) -> Paragraph | None:
    if report.calibrated or report.state == "insufficient-data":
        return None
    text = "The bounds are not calibrated: the reference has no time column, or too little of it. Read them as hints."
    return Paragraph(line=(text,), tone="warn")


def _columns(report: MonitoringReport, extent: Extent) -> Section | None:
    chosen = [column for column in report.columns if column.drifted or column.quality]
    if not chosen:
        return None
    table = _column_table(chosen, extent)
    findings: list[Line] = [
        (code(column.name), ": ", *prose(finding, 300)) for column in chosen for finding in column.quality[:5]
    ]
    blocks: list[Block] = [table]
    if findings:
        blocks.append(BulletList(items=tuple(findings[:30])))
    return Section(slug="columns", title="Columns that matter", blocks=tuple(blocks))


def _calm_columns(report: MonitoringReport, extent: Extent) -> Section | None:
    calm = [column for column in report.columns if not column.drifted and not column.quality]
    if not calm:
        return None
    hint = f"{plural(len(calm), 'column')} within the bound"
    title = "The others" if len(calm) < len(report.columns) else "Columns"
    return Section(slug="other-columns", title=title, hint=hint, blocks=(_column_table(calm, extent),), folded=True)


def _column_table(columns: Sequence[ColumnReport], extent: Extent) -> Table:
    heads = (
        Column(title="column"),
        Column(title="reference"),
        Column(title="window"),
        *bounds.HEADS,
        Column(title="importance", align="right"),
        Column(title="reference → window"),
    )
    rows = tuple(_column_row(column) for column in columns[: extent.rows])
    return Table(columns=heads, rows=rows, hidden=max(0, len(columns) - extent.rows))


def _column_row(column: ColumnReport) -> tuple[Line, ...]:
    return (
        (code(column.name),),
        (shorten(column.reference_summary, 60) or ABSENT,),
        (shorten(column.window_summary, 60) or ABSENT,),
        *bounds.cells(column),
        (percent(column.importance),) if column.importance is not None else (ABSENT,),
        _sparks(column.bins),
    )


def _sparks(bins: Bins | None) -> Line:
    if bins is None:
        return (ABSENT,)
    before, after = (tuple(thin(_shares(counts), _SPARK_POINTS)) for counts in (bins.reference, bins.window))
    return (Spark(before, side="base", from_zero=True), " → ", Spark(after, from_zero=True))


def _shares(counts: Sequence[float]) -> list[float]:
    total = sum(counts) or 1.0
    return [count / total for count in counts]


def _trend(report: MonitoringReport, extent: Extent) -> Section | None:
    if not report.history:
        return None
    windows = report.history[-_TREND_WINDOWS:]
    states = [window.state for window in windows]
    counts = ", ".join(f"{states.count(state)} {state}" for state in STATE_TONES if state in states)
    span = (
        f"{windows[0].label} to {windows[-1].label}: {counts}" if len(windows) > 1 else f"{windows[0].label}: {counts}"
    )
    blocks: list[Block] = [Strip(cells=tuple(map(_cell, windows))), Paragraph(line=(span,))]
    rows = tuple(_window_row(window) for window in reversed(windows[-extent.rows :]))
    heads = (
        Column(title="window"),
        Column(title="verdict"),
        Column(title="rows", align="right"),
        Column(title="moved most"),
    )
    hint = plural(len(rows), "window")
    table = Table(columns=heads, rows=rows, hidden=len(report.history) - len(rows))
    blocks.append(Section(slug="windows", title="Window by window", hint=hint, blocks=(table,), folded=True))
    return Section(slug="trend", title="Trend", blocks=tuple(blocks))


def _cell(window: WindowReport) -> StripCell:
    detail = ", ".join([plural(window.rows, "row"), *window.top_columns[:5]])
    return StripCell(
        tone=STATE_TONES[window.state], label=window.label, state=window.state, detail=shorten(detail, 200)
    )


def _window_row(window: WindowReport) -> tuple[Line, ...]:
    columns: Line = ()
    for name in window.top_columns[:5]:
        columns += (*((", ",) if columns else ()), code(name))
    mark = Mark(tone=STATE_TONES[window.state], text=window.state)
    return ((window.label,), (mark,), (number(window.rows),), columns or (ABSENT,))


def _next(report: MonitoringReport) -> Section | None:
    if not report.next_steps:
        return None
    items = tuple(prose(step, 500) for step in report.next_steps[:10])
    return Section(slug="next", title="What happens next", blocks=(BulletList(items=items),))


def _histograms(report: MonitoringReport, extent: Extent) -> Section | None:
    if not extent.plots:
        return None
    drawn = [column for column in report.columns if column.drifted and column.bins is not None][: extent.plots]
    if not drawn:
        return None
    figures = tuple(
        PlotFigure(plot=_histogram(column.name, column.bins), base_name="reference", head_name="window")
        for column in drawn
        if column.bins is not None
    )
    return Section(slug="histograms", title="Reference and window", blocks=figures)


def _histogram(name: str, bins: Bins) -> Plot:
    positions = bins.levels or bins.edges
    reference = Series(side="base", x=positions, y=bins.reference)
    return Plot(name=name, kind="histogram", series=(reference, Series(side="head", x=positions, y=bins.window)))


def _footer(report: MonitoringReport) -> tuple[Line, ...]:
    lines: list[Line] = [links_line(report.links)] if report.links else []
    if report.commit:
        lines.append(("The live release was built from commit ", code(report.commit[:12]), "."))
    return tuple(lines)
