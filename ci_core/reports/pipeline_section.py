"""The pipeline and the serving graph of a report: what failed, what is declared otherwise, what ran (pure)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ci_core.reports.document import BulletList, CodeBlock, Column, GraphFigure, Mark, Paragraph, Section, code
from ci_core.reports.prose import prose
from ci_core.reports.rows import CHANGE, change_mark, count_changes, table
from ci_core.reports.text import ABSENT, number, plural, seconds, shorten

if TYPE_CHECKING:
    from ci_core.reports.build import Extent
    from ci_core.reports.document import Block, Line, Tone
    from ci_core.reports.report import Graph, Pipeline, Report, Stage, StageChange

_STAGE_TONES: dict[str, Tone] = {
    "ran": "good",
    "cached": "muted",
    "skipped": "muted",
    "failed": "bad",
    "not-run": "warn",
}
_STATE_ORDER = ("failed", "not-run", "ran", "cached", "skipped")
_TAIL_LINES = 20
_TAIL_CHARACTERS = 8_000
_LINE_CHARACTERS = 400
_MOST_DETAILS = 6
_MOST_LISTED_NODES = 30


def failure_section(report: Report) -> Section | None:
    """Return the stage that failed with its last lines of output."""
    failure = report.pipeline.failure if report.pipeline else None
    if failure is None:
        return None
    how = f" with exit code {failure.exit_code}" if failure.exit_code is not None else ""
    blocks: list[Block] = [Paragraph(line=("The stage ", code(failure.stage), f" ended{how}."), tone="bad")]
    if failure.command:
        blocks.append(Paragraph(line=("It ran ", code(failure.command))))
    lines = failure.tail[-_TAIL_CHARACTERS:].splitlines()[-_TAIL_LINES:]
    tail = "\n".join(shorten(line, _LINE_CHARACTERS) for line in lines)
    blocks.append(CodeBlock(text=tail) if tail.strip() else Paragraph(line=("It printed nothing.",)))
    return Section(slug="failure", title="What failed", blocks=tuple(blocks))


def pipeline_section(report: Report, extent: Extent) -> Section | None:
    """Return the stages that are declared otherwise, their diagram, and what this run did."""
    blocks: list[Block] = []
    if report.stages:
        columns = (CHANGE, Column(title="stage"), Column(title="what is declared otherwise"))
        rows = [_declared(stage) for stage in report.stages[: extent.rows]]
        blocks.append(table(columns, rows, len(report.stages)))
    if report.pipeline_graph is not None and report.pipeline_graph.nodes:
        blocks.append(GraphFigure(graph=report.pipeline_graph))
    blocks += _run(report.pipeline, extent) if report.pipeline else []
    if not blocks:
        return None
    hints = [_declared_hint(report), _drawn_hint(report), _run_hint(report.pipeline) if report.pipeline else ""]
    hint = " · ".join(hint for hint in hints if hint)
    return Section(slug="pipeline", title="Pipeline", hint=hint, blocks=tuple(blocks), folded=True)


def _declared(stage: StageChange) -> tuple[Line, ...]:
    details = [shorten(detail, 120) for detail in stage.details[:_MOST_DETAILS]]
    hidden = len(stage.details) - _MOST_DETAILS
    if hidden > 0:
        details.append(f"{number(hidden)} more")
    return ((change_mark(stage.change),), (code(stage.name),), prose(", ".join(details)))


def _declared_hint(report: Report) -> str:
    counts = count_changes(stage.change for stage in report.stages)
    return f"declared: {counts}" if counts else ""


def _drawn_hint(report: Report) -> str:
    """Return how much of the diagram differs, and how many stages are stale, drawn or not."""
    nodes, hints = report.pipeline_graph.nodes if report.pipeline_graph else (), []
    changed = sum(node.change != "same" for node in nodes)
    if changed and not report.stages:
        is_all = report.pipeline_graph and report.pipeline_graph.hidden and changed == len(nodes)
        hints.append(f"{'at least ' if is_all else ''}{plural(changed, 'node')} changed")
    if report.stale:
        hints.append(f"{number(report.stale)} stale")
    return ", ".join(hints)


def _run(pipeline: Pipeline, extent: Extent) -> list[Block]:
    blocks: list[Block] = [Paragraph(line=prose(pipeline.note, 300))] if pipeline.note else []
    if pipeline.stages:
        columns = (
            Column(title="stage"),
            Column(title="state"),
            Column(title="time", align="right"),
            Column(title="why"),
        )
        rows = [_ran(stage, with_times=extent.with_times) for stage in pipeline.stages[: extent.rows]]
        blocks.append(table(columns, rows, len(pipeline.stages)))
    return blocks


def _ran(stage: Stage, *, with_times: bool) -> tuple[Line, ...]:
    state = Mark(tone=_STAGE_TONES[stage.state], text=stage.state.replace("-", " "))
    time: Line = (seconds(stage.seconds) if stage.seconds is not None else ABSENT,) if with_times else ()
    return ((code(stage.name),), (state,), time, prose(stage.reason, 200))


def _run_hint(pipeline: Pipeline) -> str:
    states = [stage.state for stage in pipeline.stages]
    counts = ((states.count(state), state.replace("-", " ")) for state in _STATE_ORDER if state in states)
    return ", ".join(f"{number(count)} {state}" for count, state in counts)


def graph_section(report: Report, extent: Extent) -> Section | None:
    """Return the serving graph as a picture, and its changed nodes in words."""
    graph = report.graph
    if graph is None or not graph.nodes:
        return None
    changes = [node.change for node in graph.nodes]
    hint = count_changes(changes) or f"{plural(len(changes), 'node')}, unchanged"
    blocks: list[Block] = [GraphFigure(graph=graph)]
    if extent.with_changed_nodes:
        blocks += _nodes(graph)
    return Section(
        slug="graph", title="Serving graph", hint=hint, blocks=tuple(blocks), folded=not extent.with_pictures
    )


def _nodes(graph: Graph) -> list[Block]:
    changed = [node for node in graph.nodes if node.change != "same"]
    items: list[Line] = [
        (
            change_mark(node.change),
            f" {node.kind} ",
            code(node.text),
            *((" (", code(node.detail), ")") if node.detail else ()),
        )
        for node in changed[:_MOST_LISTED_NODES]
    ]
    hidden = len(changed) - _MOST_LISTED_NODES
    if hidden > 0:
        items.append((f"… and {number(hidden)} more",))
    return [BulletList(items=tuple(items))] if items else []
