"""On a change request: run what is stale, compare with the base, judge the gates, plan the merge, and say it once.

The report is written to files first, then to the host. A run that was overtaken by a newer push says nothing. What is
said on the host is about the change alone, and not about the run: a second run of the same commit writes nothing.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from ci_core import __version__
from ci_core.errors import ExitCode, GraphshipError, Location, PushRejectedError, worst
from ci_core.hosts.marker import Run
from ci_core.hosts.spec import CommitStatus
from ci_core.operations import report_data
from ci_core.operations.comparison import base_snapshot, compare_revisions
from ci_core.operations.delivery import Deliveries
from ci_core.operations.handover import write_handover
from ci_core.operations.pipeline import push_objects, run_stale
from ci_core.operations.release import build_with_lowering, make_plan, pull_served
from ci_core.operations.report import Occasion, exit_code, judged_report, write_report
from ci_core.operations.report_comment import write_comment
from ci_core.printable import one_line
from ci_core.reports import report as shown
from ci_core.reports.render import render_summary
from ci_core.reports.text import plural
from ci_core.types import CommitId

if TYPE_CHECKING:
    from pathlib import Path

    from ci_core.ci.console import Console
    from ci_core.ci.context import Context
    from ci_core.hosts.spec import ChangeRequest
    from ci_core.operations.comparison import Part
    from ci_core.operations.project import Project
    from ci_core.pipelines.spec import PipelineRun
    from ci_core.serving.spec import GraphSpec


@dataclass(frozen=True, slots=True, kw_only=True)
class ReportResult:
    """What a change request's run found and did."""

    report: shown.Report | None
    """None when the run was overtaken by a newer push."""
    folder: Path | None
    """Where ``report.json``, ``report.md``, ``report.html`` and ``junit.xml`` are."""
    exit_code: ExitCode
    is_delivered: bool = True


def report_change_request(project: Project, context: Context) -> ReportResult:
    """Report on the change request of `context`, whose head is checked out.

    A pipeline that fails is reported like anything else: the report says which stage, and the exit code is 3.

    Raises:
        GraphshipError: the project's files make no sense, or a remote is not reachable.
    """
    deliveries = Deliveries(project.console)
    request = _request(project, context, deliveries)
    if request is not None and request.head != context.head:
        return _overtaken(project, request)
    run = _run_stale(project)
    head, troubles = context.head, _Troubles(project.console)
    if request is not None and context.is_trusted and run.failure is None and project.settings.pipeline.commit_lock:
        try:
            head = _keep_lock(project, request, run)
        except GraphshipError as error:
            if isinstance(error, PushRejectedError) and error.reason == "moved":
                return _overtaken(project, request)
            troubles.add("do not merge yet: what the pipeline made could not be kept", error)
    serving = _serving(project, context, troubles) if run.failure is None else _Serving(is_known=False)
    report = _report(project, context, request, head, run, serving=serving, troubles=troubles)
    folder = project.output("report", "report.json").parent
    write_report(project, report, folder)
    project.console.output("report-path", str(folder / "report.html"))
    project.console.summary(render_summary(report))
    _annotate(project.console, report)
    if request is not None and context.is_trusted:
        _deliver(project, context, request, report, deliveries)
    if context.change_request is not None and not context.is_trusted:
        _hand_over(project, context.change_request, report)
    return ReportResult(
        report=report,
        folder=folder,
        exit_code=worst([exit_code(report), *troubles.codes]),
        is_delivered=deliveries.is_complete,
    )


class _Troubles:
    """What went wrong and must not keep the report from being written: told in it, and by the exit code."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self.notes: list[str] = []
        self.codes: list[ExitCode] = []

    def add(self, what: str, error: GraphshipError) -> None:
        """Take note of `error`; `what` says what it prevented."""
        self._console.error(f"{what}: {error.fact}")
        self.notes.append(f"{what}: {error.fact}" + (f" ({error.hint})" if error.hint else ""))
        self.codes.append(error.exit_code)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Serving:
    """The serving graph of the change, and what its merge does."""

    graph: GraphSpec | None = None
    plans: tuple[shown.Plan, ...] = ()
    is_known: bool = True
    """False when it could not be loaded, or was not, since the pipeline failed."""


def _serving(project: Project, context: Context, troubles: _Troubles) -> _Serving:
    """Load the graph and its models as a server would, and plan the merge; a graph that fails is in `troubles`."""
    if project.settings.graph is None:
        return _Serving()
    from ci_core.serving import load_graph

    try:
        pull_served(project)
        graph = load_graph(project.settings.graph, project.root)
        graph.compile(root=project.root)
        # A look at a target may bring its servers up again, with the environment of this job: not for a fork.
        plans = _plans(project) if context.is_trusted else ()
    except GraphshipError as error:
        troubles.add("the serving graph cannot be released", error)
        return _Serving(is_known=False)
    return _Serving(graph=graph.spec, plans=plans)


def _request(project: Project, context: Context, deliveries: Deliveries) -> ChangeRequest | None:
    """Return the change request; None without a host that tells us of it: then the report stays in files."""
    host, number = project.host, context.change_request
    if host is None or number is None:
        return None
    return deliveries.result(f"the report to change request {number}", lambda: host.change_requests.get(number))


def _overtaken(project: Project, request: ChangeRequest) -> ReportResult:
    project.console.notice(f"a newer push to {request.source_branch} has its own run; this one says nothing")
    return ReportResult(report=None, folder=None, exit_code=ExitCode.DONE)


def _run_stale(project: Project) -> PipelineRun:
    with project.console.group("run what is stale"):
        run = run_stale(project)
        for note in run.notes:
            project.console.warning(note)
        if run.failure is not None:
            project.console.error(f"stage {run.failure.stage} failed: {run.failure.reason}")
    return run


def _keep_lock(project: Project, request: ChangeRequest, run: PipelineRun) -> CommitId:
    """Send the new objects to the DVC remote and commit ``dvc.lock`` to the branch; return the head from then on.

    Otherwise the merged commit would describe a model that nobody made. The run that this commit starts finds nothing
    stale and writes nothing.

    Raises:
        PushRejectedError: the branch moved meanwhile, or we may not push to it.
    """
    with project.console.group("keep what the pipeline made"):
        if project.dvc.remote() is not None:
            push_objects(project)
        commit = project.git.commit(run.git_files, "chore(graphship): record what the pipeline made")
        if commit is None:
            return request.head
        project.git.push(commit, f"refs/heads/{request.source_branch}", lease=request.head)
        project.console.step(f"committed dvc.lock as {commit[:7]}")
    return commit


def _report(
    project: Project,
    context: Context,
    request: ChangeRequest | None,
    head: CommitId,
    run: PipelineRun,
    *,
    serving: _Serving,
    troubles: _Troubles,
) -> shown.Report:
    target = request.target_branch if request else context.default_branch
    base, problem = base_snapshot(project, head, branch=target)
    # What is told of a graph that cannot be loaded need not be found a second time. One that the change takes away is
    # compared: the base's gates may ask for its answers.
    without: tuple[Part, ...] = () if serving.is_known else ("graph",)
    with project.console.group("compare with the base"):
        comparison = compare_revisions(
            project, base, None, base_problem=problem, head_graph=serving.graph, without=without
        )
    occasion = Occasion(
        title=request.title if request else "",
        base_label=target,
        head_label=context.branch or head[:7],
        head=head,
        run=shown.Run(
            system=context.system,
            event=context.event,
            change_request=context.change_request,
            url=context.run_url,
            version=__version__,
        ),
        pipeline=run,
        plans=serving.plans,
        troubles=tuple(troubles.notes),
        warnings=()
        if context.is_trusted
        else ("the change comes from another repository: what its merge deploys was not looked up",),
    )
    return judged_report(project, comparison, occasion)


def _plans(project: Project) -> tuple[shown.Plan, ...]:
    """Return what the merge does to each environment."""
    environments = [env for env in project.settings.environments if env.deploy_on == "merge"]
    if not environments:
        return ()
    built = build_with_lowering(project)
    return tuple(
        report_data.plan_part(make_plan(project, environment, built.release, notes=built.notes), environment.deploy_on)
        for environment in environments
    )


def _annotate(console: Console, report: shown.Report) -> None:
    """Say on the changed lines what they did to a gate, where the CI system can show it there."""
    say = {"error": console.error, "warning": console.warning, "notice": console.notice}
    for annotation in report.annotations:
        place = annotation.where
        say[annotation.level](annotation.text, where=Location(file=place.file, line=place.line, key=place.key or None))


def _deliver(
    project: Project,
    context: Context,
    request: ChangeRequest,
    report: shown.Report,
    deliveries: Deliveries,
) -> None:
    """Put the report into the one comment of the change request, and the light on its head commit."""
    host, head = project.host, CommitId(report.head.id)
    if host is None:
        return
    # Hours may have passed since the head was looked at: what is said of an older one would stand as the newest.
    now = deliveries.result("the report", lambda: host.change_requests.get(request.number))
    if now is None:
        return
    if now.head not in (context.head, head):
        project.console.notice(f"{now.source_branch} moved during this run: its own run reports, this one says nothing")
        return
    light = CommitStatus(
        commit=head,
        context=project.status_context("report"),
        state="failure" if report.verdict == "fail" else "success",
        description=_in_short(report),
        url=context.run_url,
    )
    deliveries.light(host, light)
    with deliveries.attempt("the report"):
        run = Run(id=context.run_id, attempt=context.attempt)
        delivery = write_comment(project, host, request.topic, report, run=run)
        project.console.step(f"report {delivery.outcome}: {delivery.url}")
        project.console.output("change-request-url", request.url)


def _hand_over(project: Project, number: int, report: shown.Report) -> None:
    """Leave the report of a run without rights where a run with rights, ``graphship deliver``, can take it from."""
    folder = project.output("handover", "report.json").parent
    write_handover(folder, report, number=number)
    project.console.output("handover-path", str(folder))
    project.console.notice(
        "the change comes from another repository: this run may write nothing on the host, so the report is in the job "
        "summary and in files (`graphship deliver` in a trusted run posts it)"
    )


def _in_short(report: shown.Report) -> str:
    if report.pipeline is not None and report.pipeline.failure is not None:
        return f"stage {report.pipeline.failure.stage} failed"[:140]
    gates = plural(len(report.gates), "gate")
    for state, verb in (("fail", "failed"), ("warn", "warned")):
        keys = [gate.key for gate in report.gates if gate.state == state]
        if keys:
            return one_line(f"{len(keys)} of {gates} {verb}: {', '.join(keys)}", max_chars=140)
        if report.verdict == state and report.notes:
            return one_line(report.notes[0].text, max_chars=140)
    return f"{gates} passed" if report.gates else "nothing is gated"
