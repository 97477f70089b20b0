"""Make the report of a comparison, and write it to files: data first, then its renderings."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from ci_core import __version__
from ci_core.errors import ExitCode, worst
from ci_core.operations import report_data
from ci_core.operations.comparison import compare_named
from ci_core.operations.graph_data import graph_part
from ci_core.operations.judging import Judgement, judge_change
from ci_core.operations.metric_data import metric_rows
from ci_core.operations.model_data import model_rows
from ci_core.operations.pipeline_graph import pipeline_graph
from ci_core.operations.plot_data import plot_parts
from ci_core.reports import report as shown
from ci_core.reports.render import render_html, render_junit, render_markdown
from ci_core.workspace import write_whole

if TYPE_CHECKING:
    from collections.abc import Collection
    from pathlib import Path

    from ci_core.gates.spec import Remark
    from ci_core.operations.comparison import Comparison, Part
    from ci_core.operations.project import Project
    from ci_core.pipelines.spec import PipelineRun
    from ci_core.types import CommitId


NOT_JUDGED = Judgement()
_NUMBER: Final = re.compile(r"\d[\d.,]*")


@dataclass(frozen=True, slots=True, kw_only=True)
class Occasion:
    """What a report is about beside the two revisions."""

    title: str = ""
    """The change request's title."""
    base_label: str = ""
    head_label: str = ""
    """What people call the two sides; empty for the short name of the commit."""
    head: CommitId | None = None
    """The head when it is not the snapshot's: the commit that recorded what the pipeline made."""
    run: shown.Run = field(default_factory=lambda: shown.Run(version=__version__))
    pipeline: PipelineRun | None = None
    """None when nothing was run."""
    plans: tuple[shown.Plan, ...] = ()
    troubles: tuple[str, ...] = ()
    """What went wrong: the check fails."""
    warnings: tuple[str, ...] = ()


def judged_report(project: Project, comparison: Comparison, occasion: Occasion) -> shown.Report:
    """Return the report with what the gates say of it.

    Raises:
        MissingExtraError: a library that a gate needs is not installed.
    """
    judged = judge_change(
        project,
        comparison.diff,
        head=comparison.commit,
        tables=comparison.tables,
        behaviour=comparison.behaviour,
        graph=comparison.head_graph,
    )
    return make_report(project, comparison, occasion, judged)


def make_report(
    project: Project, comparison: Comparison, occasion: Occasion, judged: Judgement = NOT_JUDGED
) -> shown.Report:
    """Return the report of a comparison, with known secrets masked."""
    diff, failure = comparison.diff, _head_failure(comparison)
    graphs = [graph for graph in (comparison.head_graph, comparison.base_graph) if graph is not None]
    metrics = metric_rows(diff, project.redactor)
    loaded = [path for graph in graphs for path in graph.models]
    models = model_rows(diff, loaded, comparison.graph_models)
    base, head = diff.base, occasion.head or diff.head.commit
    report = shown.Report(
        project=project.settings.name,
        title=occasion.title,
        verdict="fail" if occasion.troubles or failure else report_data.verdict(judged.results, occasion.pipeline),
        base=_commit(project, base.commit, occasion.base_label or base.label) if base else None,
        head=_commit(project, head, occasion.head_label or diff.head.label),
        run=occasion.run,
        gates=report_data.gate_rows(judged.results),
        metrics=metrics.rows,
        unchanged_texts=metrics.unchanged_texts,
        more_texts=metrics.more_texts,
        params=report_data.param_rows(diff),
        data=report_data.data_rows(
            diff,
            makers=report_data.stage_of_files(comparison.base, comparison.head),
            tables=comparison.tables,
            besides=[row.path for row in models],
        ),
        tables=report_data.table_parts(comparison.tables),
        models=models,
        environment=report_data.environment_rows(diff),
        stages=report_data.stage_changes(diff),
        stale=len(diff.stale),
        pipeline=report_data.pipeline_part(occasion.pipeline) if occasion.pipeline else None,
        pipeline_graph=pipeline_graph(comparison.base, comparison.head),
        graph=_graph(comparison, [row.path for row in models if row.change != "same"]),
        behaviour=report_data.behaviour_part(comparison.behaviour),
        plans=occasion.plans,
        plots=plot_parts(comparison.base_plots, comparison.head_plots),
        annotations=report_data.annotation_parts(judged.annotations),
        notes=_notes(comparison, occasion, judged.notes),
        links=(shown.Link(kind="run", text="run", url=occasion.run.url),) if occasion.run.url else (),
    )
    return project.redactor.model(report)


def report_revisions(
    project: Project, base: str | None, head: str | None, *, without: Collection[Part] = ()
) -> shown.Report:
    """Return the report on what differs between any two revisions, of which nothing is run.

    Args:
        project: the project and its adapters.
        base: a revision; None for where the work on `head` began. One that is named must be readable.
        head: a revision; None for the work tree.
        without: parts to leave out.

    Raises:
        GraphshipError: a named revision cannot be read.
    """
    return judged_report(project, compare_named(project, base, head, without=without), Occasion())


def write_report(project: Project, report: shown.Report, folder: Path, *, with_html: bool = True) -> None:
    """Write ``report.json``, ``report.md``, ``report.html`` and ``junit.xml`` to `folder`, which must be there."""
    write_whole(folder / "report.json", report.to_json())
    write_whole(folder / "report.md", render_markdown(report, redactor=project.redactor))
    if with_html:
        write_whole(folder / "report.html", render_html(report, redactor=project.redactor))
    else:  # one of an earlier run would pass for this one's
        (folder / "report.html").unlink(missing_ok=True)
    write_whole(folder / "junit.xml", render_junit(report, redactor=project.redactor))


def without_measures(report: shown.Report) -> shown.Report:
    """Return the report without what differs between two runs of the same change: times, memory, and what they decide.

    What each gate came to stays: a change that is red now is told. A comparison of behaviour that is not whole may
    have been ended by the clock, so how far it came is left out, too.
    """
    behaviour, measured = report.behaviour, {"latency"}
    if behaviour is not None and behaviour.problem is not None:
        measured.add("behaviour")
    unmeasured = {"new": None, "interval": None, "sentence": "", "is_within_noise": False}
    return report.model_copy(
        update={
            "behaviour": _still(behaviour) if behaviour is not None else None,
            "gates": tuple(
                gate.model_copy(update=unmeasured) if gate.key in measured else gate for gate in report.gates
            ),
            "annotations": tuple(line for line in report.annotations if line.gate not in measured),
            "notes": tuple(note for note in report.notes if note.gate not in measured),
        }
    )


def _still(behaviour: shown.Behaviour) -> shown.Behaviour:
    """Return what does not depend on how fast the machine is."""
    if behaviour.problem is not None:
        failure = behaviour.head_failure
        return shown.Behaviour(
            source=behaviour.source,
            problem=_NUMBER.sub("0", behaviour.problem),
            head_failure=None if failure is None else _NUMBER.sub("0", failure),
        )
    sides = {
        name: side and shown.BehaviourSide(failed=side.failed)
        for name, side in (("base", behaviour.base), ("head", behaviour.head))
    }
    return behaviour.model_copy(update={**sides, "latency_ratio": None, "memory_ratio": None})


def exit_code(report: shown.Report) -> ExitCode:
    """Return what a command that made this report ends with: a project that fails comes before its gates."""
    codes = [ExitCode.CHECK_FAILED for gate in report.gates if gate.state == "fail"]
    if report.pipeline is not None and report.pipeline.failure is not None:
        codes.append(ExitCode.USER_CODE)
    if report.behaviour is not None and report.behaviour.head_failure is not None:
        codes.append(ExitCode(report.behaviour.head_exit_code or ExitCode.USER_CODE))
    return worst(codes)


def _head_failure(comparison: Comparison) -> str | None:
    return comparison.behaviour.head_failure if comparison.behaviour is not None else None


def _graph(comparison: Comparison, models: Collection[str]) -> shown.Graph | None:
    """Return the serving graph; None when the head's is not known, or neither side serves anything that is known."""
    head, base = comparison.head_graph, comparison.base_graph
    if head is None or not (head.steps or (base is not None and base.steps)):
        return None
    return graph_part(head, base, models)


def _commit(project: Project, commit: CommitId, label: str) -> shown.Commit:
    return shown.Commit(id=commit, label=label, url=project.links.commit_url(commit) if project.links else None)


def _notes(comparison: Comparison, occasion: Occasion, judging: tuple[Remark, ...]) -> tuple[shown.Note, ...]:
    """Return what the reader must know: what cannot be read is said, never shown as no change."""
    diff, failure = comparison.diff, _head_failure(comparison)
    stale = report_data.stale_sentences(diff) if occasion.pipeline is None else ()
    wrong = [*occasion.troubles, *([failure] if failure else [])]
    before = [
        *([diff.base_problem] if diff.base_problem else []),
        *occasion.warnings,
        *stale,
    ]
    after = [*diff.problems, *comparison.problems]
    return (
        *(shown.Note(kind="error", text=text) for text in wrong),
        *(shown.Note(kind="warning", text=text) for text in before),
        *(shown.Note(kind="warning", text=remark.text, gate=remark.gate) for remark in judging),
        *(shown.Note(kind="warning", text=text) for text in after),
    )
