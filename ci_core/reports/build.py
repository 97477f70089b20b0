"""A report as a page: what comes first, what is folded, what is left out (pure).

The first screen answers "did it get better, may it merge, what will happen"; everything else can be unfolded.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from ci_core.reports.document import (
    Address,
    BulletList,
    CodeBlock,
    Column,
    Document,
    GraphFigure,
    Paragraph,
    PlotFigure,
    Section,
    Strong,
    Table,
    Tiles,
    code,
    prose,
)
from ci_core.reports.headline import banner, change_line, gate_lines, tiles
from ci_core.reports.rows import data_rows, environment_rows, model_rows, param_rows, stage_rows
from ci_core.reports.text import number, pair, plural, seconds, shorten, visible

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ci_core.reports.document import Block, Line
    from ci_core.reports.report import Link, Part, Pipeline, Plan, Report


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


COMMENT = Extent(rows=50, plots=8, with_times=False, with_pictures=False)
PAGE = Extent(rows=300, plots=24, with_times=True, with_pictures=True)
TERMINAL = Extent(rows=30, plots=8, with_times=True, with_pictures=False)

_RIGHT_PAIR = (Column(title="before", align="right"), Column(title="after", align="right"))
_TAIL_LINES = 20
_TAIL_CHARACTERS = 6_000


def document(report: Report, extent: Extent) -> Document:
    """Return the page of a report."""
    first: list[Block | None] = [_failure(report), *_warnings(report), _gates(report, extent), _metrics(report, extent)]
    changes = [*_changes(report, extent), _plan(report)]
    pictures = [_graph(report, extent), _plots(report, extent)]
    details = [*pictures, *changes] if extent.with_pictures else [*changes, *pictures]
    then: list[Block | None] = [*details, _pipeline(report, extent), _notes(report)]
    lead = tiles(report)
    blocks = [Tiles(tiles=lead) if lead else None, *first, *then]
    return Document(
        banner=banner(report),
        blocks=tuple(block for block in blocks if block is not None),
        footer=_footer(report, extent),
        whole=next((link for link in report.links if link.kind == "report"), None),
    )


def _table(columns: Sequence[Column], rows: Sequence[tuple[Line, ...]], most: int) -> Table:
    return Table(columns=tuple(columns), rows=tuple(rows[:most]), hidden=max(0, len(rows) - most))


def _failure(report: Report) -> Section | None:
    failure = report.pipeline.failure if report.pipeline else None
    if failure is None:
        return None
    how = f" with exit code {failure.exit_code}" if failure.exit_code is not None else ""
    blocks: list[Block] = [Paragraph(line=("The stage ", code(failure.stage), f" ended{how}."), tone="bad")]
    if failure.command:
        blocks.append(Paragraph(line=("It ran ", code(failure.command))))
    tail = "\n".join(failure.tail.splitlines()[-_TAIL_LINES:])[-_TAIL_CHARACTERS:]
    blocks.append(CodeBlock(text=tail) if tail.strip() else Paragraph(line=("It printed nothing.",)))
    return Section(slug="failure", title="What failed", blocks=tuple(blocks))


def _warnings(report: Report) -> list[Paragraph]:
    warnings = [note for note in report.notes if note.kind == "warning"]
    return [Paragraph(line=prose(shorten(note.text, 600)), tone="warn") for note in warnings[:10]]


def _gates(report: Report, extent: Extent) -> Section | None:
    if not report.gates:
        return None
    columns = (Column(title="state"), Column(title="gate"), *_RIGHT_PAIR, Column(title="rule"))
    table = _table(columns, list(gate_lines(report)), extent.rows)
    return Section(slug="gates", title="Gates", blocks=(table,))


def _metrics(report: Report, extent: Extent) -> Section | None:
    if not report.metrics:
        return None
    rows = []
    for row in report.metrics[: extent.rows]:
        old, new = pair(row.old, row.new)
        rows.append(((code(row.key),), (shorten(old, 40),), (Strong(shorten(new, 40)),), change_line(row)))
    columns = (Column(title="metric"), *_RIGHT_PAIR, Column(title="difference"))
    table = Table(columns=columns, rows=tuple(rows), hidden=max(0, len(report.metrics) - extent.rows))
    return Section(slug="metrics", title="Metrics", blocks=(table,))


def _changes(report: Report, extent: Extent) -> list[Section | None]:
    """Return the folded tables of what differs in params, data, models and environment."""
    most = extent.rows
    pair_ = (Column(title="before"), Column(title="after"))
    change = Column(title="change")
    data_columns = (change, Column(title="file"), *_RIGHT_PAIR, Column(title="detail"))
    return [
        _change_section("params", (Column(title="param"), *pair_), report.params, param_rows(report.params[:most])),
        _change_section("data", data_columns, report.data, data_rows(report.data[:most])),
        _change_section(
            "models", (change, Column(title="model"), *pair_), report.models, model_rows(report.models[:most])
        ),
        _change_section(
            "environment",
            (Column(title="what"), *pair_),
            report.environment,
            environment_rows(report.environment[:most]),
        ),
    ]


def _change_section(
    slug: str, columns: tuple[Column, ...], data: Sequence[Part], rows: Sequence[tuple[Line, ...]]
) -> Section | None:
    """Return one folded table; `rows` are the shown ones of `data`."""
    if not data:
        return None
    changed = sum(getattr(row, "change", "changed") != "same" for row in data)
    hint = f"{number(changed)} changed" if changed else "unchanged"
    table = Table(columns=columns, rows=tuple(rows), hidden=len(data) - len(rows))
    return Section(slug=slug, title=slug.capitalize(), hint=hint, blocks=(table,), folded=True)


def _plan(report: Report) -> Section | None:
    if not report.plans:
        return None
    blocks = tuple(block for plan in report.plans for block in _one_plan(plan))
    hint = ", ".join(f"{shorten(plan.environment, 30)}: {plan.action}" for plan in report.plans[:5])
    return Section(slug="plan", title="Plan", hint=hint, blocks=blocks, folded=True)


def _one_plan(plan: Plan) -> list[Block]:
    target: Line = (" on target ", code(plan.target)) if plan.target else ()
    head = Paragraph(line=(Strong(shorten(plan.environment, 60)), *target, f": {plan.action}"))
    items: list[Line] = [
        (f"{step.change} step ", code(step.step), *((": ", *prose(shorten(step.detail, 200))) if step.detail else ()))
        for step in plan.steps[:50]
    ]
    items += [prose(shorten(model, 300)) for model in plan.models[:50]]
    items += [prose(shorten(note, 600)) for note in plan.notes[:20]]
    if not items and plan.action in {"create", "replace"}:
        items = [("the graph and its models stay the same; code, settings or the lock file changed",)]
    return [head, BulletList(items=tuple(items))] if items else [head]


def _graph(report: Report, extent: Extent) -> Section | None:
    if report.graph is None or not report.graph.nodes:
        return None
    changed = sum(node.change != "same" for node in report.graph.nodes)
    hint = f"{plural(changed, 'node')} changed" if changed else plural(len(report.graph.nodes), "node")
    blocks = (GraphFigure(graph=report.graph),)
    return Section(slug="graph", title="Serving graph", hint=hint, blocks=blocks, folded=not extent.with_pictures)


def _pipeline(report: Report, extent: Extent) -> Section | None:
    pipeline = report.pipeline
    if pipeline is None or not (pipeline.stages or pipeline.note):
        return None
    blocks: list[Block] = [Paragraph(line=prose(shorten(pipeline.note, 300)))] if pipeline.note else []
    if pipeline.stages:
        columns = [Column(title="stage"), Column(title="state"), Column(title="why")]
        if extent.with_times:
            columns.insert(2, Column(title="time", align="right"))
        blocks.append(_table(columns, stage_rows(pipeline.stages, with_times=extent.with_times), extent.rows))
    hint = _pipeline_hint(pipeline)
    return Section(slug="pipeline", title="Pipeline", hint=hint, blocks=tuple(blocks), folded=True)


def _pipeline_hint(pipeline: Pipeline) -> str:
    states = [stage.state for stage in pipeline.stages]
    counts = {state: states.count(state) for state in dict.fromkeys(states)}
    return ", ".join(f"{count} {state.replace('-', ' ')}" for state, count in counts.items())


def _plots(report: Report, extent: Extent) -> Section | None:
    if not report.plots:
        return None
    blocks: list[Block] = [PlotFigure(plot=plot) for plot in report.plots[: extent.plots]]
    hidden = len(report.plots) - extent.plots
    if hidden > 0:
        blocks.append(Paragraph(line=(f"… and {plural(hidden, 'plot')} more in the data of this report",)))
    hint = plural(len(report.plots), "plot")
    return Section(slug="plots", title="Plots", hint=hint, blocks=tuple(blocks), folded=not extent.with_pictures)


def _notes(report: Report) -> Section | None:
    notes = [note for note in report.notes if note.kind == "info"]
    if not notes:
        return None
    items = tuple(prose(shorten(note.text, 600)) for note in notes[:30])
    return Section(slug="notes", title="Notes", blocks=(BulletList(items=items),))


def _footer(report: Report, extent: Extent) -> tuple[Line, ...]:
    lines: list[Line] = []
    if report.links:
        lines.append(links_line(report.links))
    ids = [("head ", code(report.head.id[:12]))] + ([(", base ", code(report.base.id[:12]))] if report.base else [])
    facts: Line = ("graphship: ", *(inline for pair_ in ids for inline in pair_))
    if extent.with_times:
        run = report.run
        facts += (f", {visible(run.system)}, {visible(run.event)}",)
        facts += (f", {visible(run.started_at)}",) if run.started_at else ()
        facts += (f", {seconds(run.seconds)}",) if run.seconds is not None else ()
        facts += (f", graphship {visible(run.version)}",) if run.version else ()
    lines.append(facts)
    return tuple(lines)


def links_line(links: Sequence[Link]) -> Line:
    """Return links side by side."""
    line: Line = ()
    for link in links[:12]:
        line += (*((" · ",) if line else ()), Address(text=shorten(link.text, 80), url=link.url))
    return line
