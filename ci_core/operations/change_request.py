"""On a change request: run what is stale, compare with the base, judge the gates, plan the merge, and say it once.

The report is written to files first, then to the host. A run that was overtaken by a newer push says nothing. What is
said on the host is about the change alone, and not about the run: a second run of the same commit writes nothing.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from ci_core import __version__
from ci_core.errors import ExitCode, GraphshipError, PushRejectedError, UnknownRevisionError, worst
from ci_core.gates.metrics import judge_gates
from ci_core.hosts.marker import MARKER_ROOM, Run
from ci_core.hosts.spec import CommitStatus
from ci_core.hosts.upsert import upsert_comment
from ci_core.operations import report_data
from ci_core.operations.delivery import Deliveries
from ci_core.operations.graph_data import graph_part
from ci_core.operations.pipeline import push_objects, run_stale
from ci_core.operations.plot_data import plot_parts
from ci_core.operations.release import build_with_lowering, live_release, make_plan, pull_served
from ci_core.printable import one_line
from ci_core.reports import report as shown
from ci_core.reports.render import render_html, render_junit, render_markdown
from ci_core.reports.text import plural
from ci_core.types import CommitId
from ci_core.versioning.compare import compare
from ci_core.versioning.snapshot import take_snapshot
from ci_core.workspace import write_whole

if TYPE_CHECKING:
    from pathlib import Path

    from ci_core.ci.console import Console
    from ci_core.ci.context import Context
    from ci_core.hosts.spec import ChangeRequest
    from ci_core.operations.project import Project
    from ci_core.pipelines.spec import PipelineRun
    from ci_core.serving.spec import GraphSpec
    from ci_core.versioning.difference import SnapshotDiff
    from ci_core.versioning.plots import Plot
    from ci_core.versioning.revision import Snapshot

_REMOTE = "origin"


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
    serving = _serving(project, context, troubles) if run.failure is None else _Serving()
    report = _compare(project, context, request, head, run, serving=serving, troubles=troubles)
    folder = _write_files(project, report)
    project.console.summary(render_markdown(report))
    if request is not None and context.is_trusted:
        _deliver(project, context, request, report, deliveries)
    return ReportResult(
        report=report,
        folder=folder,
        exit_code=worst([_exit_code(report), *troubles.codes]),
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
    live_graph: GraphSpec | None = None


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
        plans, live_graph = _plans(project) if context.is_trusted else ((), None)
    except GraphshipError as error:
        troubles.add("the serving graph cannot be released", error)
        return _Serving()
    return _Serving(graph=graph.spec, plans=plans, live_graph=live_graph)


def _exit_code(report: shown.Report) -> ExitCode:
    if report.pipeline is not None and report.pipeline.failure is not None:
        return ExitCode.USER_CODE
    is_red = any(gate.state == "fail" for gate in report.gates)
    return ExitCode.CHECK_FAILED if is_red else ExitCode.DONE


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


def _compare(
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
    after = take_snapshot(project.root, dvc=project.dvc)
    base, problem = _base_snapshot(project, target, head)
    diff = compare(base, after, gates=project.settings.gates.metrics, base_problem=problem)
    base_commit = diff.base.commit if diff.base else None
    gates = judge_gates(project.settings.gates.metrics, diff)
    graph = serving.graph
    models = report_data.model_rows(diff, graph.models if graph else ())
    return shown.Report(
        project=project.settings.name,
        title=request.title if request else "",
        verdict="fail" if troubles.notes else report_data.verdict(gates, run),
        base=_commit(project, base_commit, target),
        head=_commit(project, head, context.branch or head[:7]) or shown.Commit(id=head, label=head[:7]),
        run=shown.Run(
            system=context.system,
            event=context.event,
            change_request=context.change_request,
            url=context.run_url,
            version=__version__,
        ),
        gates=report_data.gate_rows(gates),
        metrics=report_data.metric_rows(diff),
        params=report_data.param_rows(diff),
        data=report_data.data_rows(diff),
        models=models,
        environment=report_data.environment_rows(diff),
        pipeline=report_data.pipeline_part(run),
        graph=graph_part(graph, serving.live_graph, [row.path for row in models]) if graph else None,
        plans=serving.plans,
        plots=plot_parts(_plots(project, base_commit) if base_commit else (), _plots(project, None)),
        notes=_notes(diff, context, troubles),
        links=(shown.Link(kind="run", text="run", url=context.run_url),) if context.run_url else (),
    )


def _base_snapshot(project: Project, target: str, head: CommitId) -> tuple[Snapshot | None, str | None]:
    """Return the snapshot of where the change began, or one sentence on why there is none."""
    try:
        base = project.git.merge_base(_remote_branch(project, target), head, remote=_REMOTE)
        if base is None:
            return None, f"nothing to compare with: this branch and `{target}` have no common commit"
        return take_snapshot(project.root, base, dvc=project.dvc), None
    except GraphshipError as error:
        return None, f"the base could not be read: {'; '.join((error.fact, *error.known[:1]))}"


def _remote_branch(project: Project, branch: str) -> str:
    """Return what this clone calls the remote's branch; it is fetched when the CI system cloned one branch only."""
    name = f"{_REMOTE}/{branch}"
    try:
        project.git.resolve(name)
    except UnknownRevisionError:
        project.git.fetch(f"+refs/heads/{branch}:refs/remotes/{name}", remote=_REMOTE)
    return name


def _plots(project: Project, revision: CommitId | None) -> tuple[Plot, ...]:
    """Return the plots of a commit (None: the work tree); a base without plots is no reason to fail."""
    try:
        return project.dvc.plots(revision)
    except GraphshipError as error:
        project.console.warning(f"no plots of {'the head' if revision is None else 'the base'}: {error.fact}")
        return ()


def _plans(project: Project) -> tuple[tuple[shown.Plan, ...], GraphSpec | None]:
    """Return what the merge does to each environment, and the live graph of the first one."""
    environments = [env for env in project.settings.environments if env.deploy_on == "merge"]
    if not environments:
        return (), None
    from ci_core.serving.spec import GraphSpec

    built = build_with_lowering(project)
    plans = tuple(
        report_data.plan_part(make_plan(project, environment, built.release, notes=built.notes), environment.deploy_on)
        for environment in environments
    )
    live = live_release(project, project.target(environments[0]).observe(environments[0].name).release)
    return plans, GraphSpec.from_dict(live.graph) if live else None


def _commit(project: Project, commit: CommitId | None, label: str) -> shown.Commit | None:
    if commit is None:
        return None
    url = project.host.commit_url(commit) if project.host else None
    return shown.Commit(id=commit, label=label, url=url)


def _notes(diff: SnapshotDiff, context: Context, troubles: _Troubles) -> tuple[shown.Note, ...]:
    """Return what the reader must know: a base that cannot be read is said, never shown as no change."""
    said = [*troubles.notes, *([diff.base_problem] if diff.base_problem else [])]
    if not context.is_trusted:
        said.append("the change comes from another repository: what its merge deploys was not looked up")
    return tuple(shown.Note(kind="warning", text=text) for text in (*said, *diff.problems))


def _write_files(project: Project, report: shown.Report) -> Path:
    folder = project.output("report", "report.json").parent
    write_whole(folder / "report.json", report.to_json())
    write_whole(folder / "report.md", render_markdown(report))
    write_whole(folder / "report.html", render_html(report))
    write_whole(folder / "junit.xml", render_junit(report))
    project.console.output("report-path", str(folder / "report.html"))
    return folder


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
    with deliveries.attempt("the report"):
        delivery = upsert_comment(
            host,
            topic=request.number,
            scope=("report", project.settings.name),
            body=render_markdown(_about_the_change(report), host.body_limit - MARKER_ROOM),
            head=head,
            run=Run(id=context.run_id, attempt=context.attempt),
        )
        project.console.step(f"report {delivery.outcome}: {delivery.url}")
        project.console.output("change-request-url", request.url)
    light = CommitStatus(
        commit=head,
        context=project.status_context("report"),
        state="failure" if report.verdict == "fail" else "success",
        description=_in_short(report),
        url=context.run_url,
    )
    deliveries.light(host, light)


def _about_the_change(report: shown.Report) -> shown.Report:
    """Return the report without what is about this run alone: its address, and the stages it ran unless one failed."""
    has_failed = report.pipeline is not None and report.pipeline.failure is not None
    return report.model_copy(update={"links": (), "pipeline": report.pipeline if has_failed else None})


def _in_short(report: shown.Report) -> str:
    if report.pipeline is not None and report.pipeline.failure is not None:
        return f"stage {report.pipeline.failure.stage} failed"[:140]
    failed = [gate.key for gate in report.gates if gate.state == "fail"]
    if failed:
        return f"{len(failed)} of {plural(len(report.gates), 'gate')} failed: {', '.join(failed)}"[:140]
    if report.verdict == "fail":
        return one_line(report.notes[0].text, max_chars=140)
    return f"{plural(len(report.gates), 'gate')} passed" if report.gates else "nothing is gated"
