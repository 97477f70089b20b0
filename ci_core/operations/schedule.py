"""On a schedule: judge what each environment's traffic did, say it in one issue, and retrain when it matters.

Every complete window that was not judged yet is judged, in order, and kept in the ledger. A run that finds nothing new
writes nothing. A retraining that fails is told in the issue, beside the verdict, and then by the exit code.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from ci_core.errors import CannotRetrainError, GraphshipError, HostError, worst
from ci_core.hosts.marker import MARKER_ROOM, Run
from ci_core.hosts.spec import CommitStatus
from ci_core.hosts.upsert import upsert_issue
from ci_core.monitoring.records import WindowRecord
from ci_core.operations.delivery import Deliveries
from ci_core.operations.monitor import judge_windows
from ci_core.operations.monitoring_data import monitoring_report
from ci_core.operations.release import pull_served
from ci_core.operations.release_reference import keep_reference, read_reference
from ci_core.operations.retrain import RetrainResult, retrain
from ci_core.reports.render import render_issue, render_monitoring_page
from ci_core.reports.report import Link
from ci_core.types import CommitId
from ci_core.workspace import write_whole

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from ci_core.ci.context import Context
    from ci_core.config.settings import EnvironmentSettings, MonitorSettings
    from ci_core.deploy.spec import Live
    from ci_core.hosts.spec import StatusState
    from ci_core.hosts.upsert import Delivery
    from ci_core.monitoring.spec import State
    from ci_core.operations.project import Project
    from ci_core.operations.release_reference import ReleaseReference
    from ci_core.reports.monitoring import MonitoringReport
    from ci_core.types import ReleaseId

_LIGHTS: dict[State, StatusState] = {
    "no-drift": "success",
    "potential": "success",
    "drift": "failure",
    "broken-data": "failure",
    "insufficient-data": "pending",
}
"""What a verdict looks like on the shipped commit. `potential` stays green: one odd window asks for nothing."""


@dataclass(frozen=True, slots=True, kw_only=True)
class EnvironmentWatch:
    """What one scheduled run found and did in one environment."""

    environment: str
    report: MonitoringReport
    judged: tuple[WindowRecord, ...]
    """The windows that this run judged, oldest first."""
    page: Path
    issue: Delivery | None
    retrain: RetrainResult | None
    failure: GraphshipError | None = None
    """Why the retraining that was called for did not come to an end."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ScheduleResult:
    """What a scheduled run did."""

    environments: tuple[EnvironmentWatch, ...] = ()
    is_delivered: bool = True

    @property
    def failure(self) -> GraphshipError | None:
        """The failure that decides the exit code; None when everything was done."""
        failures = [watched.failure for watched in self.environments if watched.failure is not None]
        code = worst(failure.exit_code for failure in failures)
        return next((failure for failure in failures if failure.exit_code is code), None)


def watch(project: Project, context: Context) -> ScheduleResult:
    """Judge the traffic of every environment that has a live release.

    A verdict is a result and not a failure. A retraining that failed is in the result, not raised.

    Raises:
        GraphshipError: captures, reference or ledger cannot be read.
    """
    if project.settings.monitor is None:
        project.console.notice("nothing is watched: graphship.yaml has no `monitor` section")
        return ScheduleResult()
    deliveries = Deliveries(project.console)
    watched = []
    for environment in project.settings.environments:
        live = project.target(environment).observe(environment.name)
        if live.release is None or live.commit is None or live.captures is None:
            project.console.notice(f"nothing is live in {environment.name}, so there is nothing to watch")
            continue
        found = _watch_environment(
            project, context, environment, project.settings.monitor, deliveries,
            live=live, release=live.release, shipped=live.commit, captures=Path(live.captures),
        )  # fmt: skip
        watched.append(found)
    for found in watched:
        project.console.output("verdict", found.report.state)
        project.console.output("drifted-columns", ",".join(c.name for c in found.report.columns if c.drifted))
    return ScheduleResult(environments=tuple(watched), is_delivered=deliveries.is_complete)


def _watch_environment(
    project: Project,
    context: Context,
    environment: EnvironmentSettings,
    settings: MonitorSettings,
    deliveries: Deliveries,
    *,
    live: Live,
    release: ReleaseId,
    shipped: CommitId,
    captures: Path,
) -> EnvironmentWatch:
    reference = _reference(project, release)
    history = read_history(project, environment)
    with project.console.group(f"judge the traffic of {environment.name}"):
        judged = judge_windows(
            reference.profile,
            captures,
            settings,
            importance=reference.importance,
            history=history,
            now=project.now(),
            warn=project.console.warning,
        )
        for record in judged:
            project.console.step(f"{record.window.label}: {record.verdict.state} ({record.rows:,} rows)")
        if not judged:
            project.console.step("no complete window that was not judged already")
    if judged:
        project.ledger.append(
            project.history("monitoring", environment.name),
            [record.to_dict() for record in judged],
            f"judge {len(judged)} windows of {environment.name}",
        )
    records = sorted((*history, *judged), key=lambda record: record.window.start)
    current = [record for record in records if record.reference == reference.profile.digest]
    challenge, failure = None, None
    if current:
        try:
            challenge = retrain(project, context, environment, live=live, records=current)
        except HostError as error:
            deliveries.note("a retrain change request", error)
        except GraphshipError as error:
            failure = error
    report = project.redactor.model(
        monitoring_report(
            project=project.settings.name,
            environment=environment.name,
            live=live,
            reference=reference.profile,
            records=records,
            next_steps=next_steps(environment.name, current, challenge, failure),
            links=_links(challenge),
        )
    )
    page = project.output("monitoring", f"{environment.name}.html")
    write_whole(page, render_monitoring_page(report))
    write_whole(page.with_suffix(".json"), report.to_json())
    # Until a window is judged for the live release, what was said of the one before it stands.
    issue = _tell(project, context, environment, report, shipped=shipped, deliveries=deliveries) if current else None
    return EnvironmentWatch(
        environment=environment.name,
        report=report,
        judged=judged,
        page=page,
        issue=issue,
        retrain=challenge,
        failure=failure,
    )


def _reference(project: Project, release: ReleaseId) -> ReleaseReference:
    """Return what the live release is judged by, or that of the work tree for one that was deployed by hand."""
    reference = read_reference(project, release)
    if reference is None:
        project.console.notice(f"no reference was kept for release {release[:12]}; that of this commit is taken")
        pull_served(project)
        reference = keep_reference(project, release)
    assert reference is not None  # noqa: S101 - there is a monitor section
    return reference


def retrain_on_command(
    project: Project, context: Context, environment: EnvironmentSettings, *, dry_run: bool = False
) -> RetrainResult | None:
    """Train and propose a challenger because a person asked: on the windows judged for the live release.

    Raises:
        GraphshipError: as :func:`ci_core.operations.retrain.retrain`.
    """
    if context.branch != context.default_branch:
        raise CannotRetrainError(
            missing=f"`{context.default_branch}` to be checked out, which its change request will build on",
            where=f"the branch `{context.branch}`",
            hint=f"git switch {context.default_branch}",
        )
    if project.settings.retrain is None or project.settings.monitor is None:
        lacking = "retrain" if project.settings.retrain is None else "monitor"
        raise CannotRetrainError(
            missing=f"a `{lacking}` section",
            where=project.settings.locate(lacking),
            hint=f"add `{lacking}:` to graphship.yaml; `graphship init --dry-run` prints it with its keys",
        )
    if project.host is None:
        raise CannotRetrainError(
            missing="a host to open the change request on",
            where="the remote `origin`",
            hint="`graphship host init` makes a local one beside a bare repository",
        )
    live = project.target(environment).observe(environment.name)
    reference = read_reference(project, live.release) if live.release else None
    history = read_history(project, environment)
    current = [record for record in history if reference and record.reference == reference.profile.digest]
    return retrain(project, context, environment, live=live, records=current, trigger="command", dry_run=dry_run)


def next_steps(
    environment: str,
    records: Sequence[WindowRecord],
    challenge: RetrainResult | None,
    failure: GraphshipError | None = None,
) -> list[str]:
    """Say what happens next; the same words on every run until something changes.

    Args:
        environment: the environment's name.
        records: the windows judged for the live release, oldest first.
        challenge: what became of retraining; None when the project does not retrain by itself.
        failure: why retraining did not come to an end.
    """
    if not is_alarming([record.verdict.state for record in records]):
        return []
    if records[-1].verdict.state == "broken-data":
        return ["Mend the source of the data: graphship does not retrain on broken data."]
    if failure is not None:
        return [f"Retraining failed: {failure.fact}.", *([f"To mend it: {failure.hint}."] if failure.hint else [])]
    if challenge is None:
        return [f"Run `graphship retrain {environment}` to train a challenger on the new windows."]
    return _after(challenge)


def _after(challenge: RetrainResult) -> list[str]:
    if challenge.request:
        return [
            "Review the retrain change request: its address is below.",
            "Merging it deploys the challenger; this issue closes when the windows that follow are without drift.",
        ]
    if challenge.outcome:
        return [f"No change request: {challenge.outcome}"]
    return [f"No retraining: {challenge.decision.reason}."]


def _links(challenge: RetrainResult | None) -> tuple[Link, ...]:
    if challenge is None or not challenge.request:
        return ()
    return (Link(kind="change-request", text=challenge.request, url=challenge.request),)


def read_history(project: Project, environment: EnvironmentSettings) -> tuple[WindowRecord, ...]:
    """Return every window of `environment` that was ever judged, oldest first."""
    lines = project.ledger.read_lines(project.history("monitoring", environment.name))
    return tuple(sorted((WindowRecord.from_dict(line) for line in lines), key=lambda record: record.window.start))


def is_alarming(states: Iterable[State]) -> bool:
    """Say whether there is something to act on after these verdicts, oldest first.

    Drift and broken data raise the alarm, a window without drift ends it; `potential` and `insufficient-data` decide
    nothing, so one odd window neither opens an issue nor closes one.
    """
    alarming = False
    for state in states:
        if state in ("drift", "broken-data"):
            alarming = True
        elif state == "no-drift":
            alarming = False
    return alarming


def _tell(
    project: Project,
    context: Context,
    environment: EnvironmentSettings,
    report: MonitoringReport,
    *,
    shipped: CommitId,
    deliveries: Deliveries,
) -> Delivery | None:
    """Put the verdict on the shipped commit and into the environment's one issue."""
    host = project.host
    if host is None or report.window is None:
        return None
    commit, dirty, _ = shipped.partition("+")  # of a release that was deployed by hand from a changed work tree
    light = CommitStatus(
        commit=CommitId(commit),
        context=project.status_context("monitor", environment.name),
        state=_LIGHTS[report.state],
        description=f"{report.state} on {report.window.label}"[:140],
        url=context.run_url,
    )
    if not dirty:
        deliveries.light(host, light)
    return deliveries.result(
        "the monitoring issue",
        lambda: upsert_issue(
            host,
            scope=("monitor", project.settings.name, environment.name),
            title=f"{project.settings.name}/{environment.name}: {report.state}",
            body=render_issue(report, host.body_limit - MARKER_ROOM),
            labels=("graphship", "monitoring"),
            is_open=is_alarming([window.state for window in report.history]),
            head=light.commit,
            run=Run(id=context.run_id, attempt=context.attempt),
        ),
    )
