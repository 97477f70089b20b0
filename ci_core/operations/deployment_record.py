"""Write down what a deployment did: on the host, in the ledger, as a status, and on the change request that shipped it.

The target holds the truth; all of this mirrors it. A record that an earlier run could not write is written by the next
run of the same release, which the target answers with "unchanged".
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ci_core.hosts.marker import MARKER_ROOM, Run
from ci_core.hosts.spec import CommitStatus
from ci_core.hosts.upsert import upsert_comment
from ci_core.reports.document import Banner, Document, Paragraph, code, prose
from ci_core.reports.markdown import to_markdown

if TYPE_CHECKING:
    from ci_core.ci.context import Context
    from ci_core.config.settings import EnvironmentSettings
    from ci_core.deploy.spec import DeploymentOutcome, Plan, ReleaseRecord
    from ci_core.errors import GraphshipError
    from ci_core.hosts.spec import ChangeRequest, DeploymentRecord, StatusState
    from ci_core.operations.delivery import Deliveries
    from ci_core.operations.project import Project
    from ci_core.types import JsonObject


class DeploymentRecorder:
    """The record of one deployment to one environment, from ``in-progress`` to its end."""

    def __init__(
        self,
        project: Project,
        context: Context,
        environment: EnvironmentSettings,
        record: ReleaseRecord,
        deliveries: Deliveries,
    ) -> None:
        self._project = project
        self._context = context
        self._environment = environment
        self._record = record
        self._deliveries = deliveries
        self._opened: DeploymentRecord | None = None
        self._short = record.release.id[:12]

    def begin(self, plan: Plan) -> None:
        """Open the host's record, unless the release is live already and the host says so too."""
        host = self._project.host
        if host is None or (plan.action == "none" and self._is_recorded()):
            return
        with self._deliveries.attempt("the deployment record"):
            self._opened = host.deployments.create(
                environment=self._environment.name,
                commit=self._record.commit,
                release=self._record.release.id,
                description=f"release {self._short}",
            )

    def succeed(self, outcome: DeploymentOutcome) -> None:
        """Record that the release serves."""
        text = f"release {self._short} serves"
        self._close("success", text, url=outcome.live.url)
        if outcome.outcome == "unchanged" and self._opened is None:
            return
        self._keep("deployed", "", outcome)
        self._say("success", text, _deployed_note(self._environment.name, self._short, outcome))

    def fail(self, error: GraphshipError) -> None:
        """Record that the release does not serve, and why."""
        self._close("failure", error.fact)
        self._keep("failed", error.fact, None)
        self._say("failure", f"release {self._short} failed", _failed_note(self._environment.name, error))

    def _is_recorded(self) -> bool:
        host = self._project.host
        newest = next(iter(host.deployments.list(self._environment.name)), None) if host else None
        return newest is not None and newest.state == "success" and newest.release == self._record.release.id

    def _close(self, state: StatusState, description: str, *, url: str | None = None) -> None:
        host = self._project.host
        if host is None or self._opened is None:
            return
        with self._deliveries.attempt("the deployment record"):
            host.deployments.update(
                self._opened,
                state="success" if state == "success" else "failure",
                description=description,
                url=url,
                log_url=self._context.run_url,
            )

    def _keep(self, outcome: str, reason: str, result: DeploymentOutcome | None) -> None:
        line: JsonObject = {
            "at": self._project.now().isoformat(timespec="seconds"),
            "environment": self._environment.name,
            "release": self._record.release.id,
            "commit": self._record.commit,
            "outcome": outcome,
            "reason": reason,
            "phases": [[phase.phase, round(phase.seconds, 3)] for phase in result.phases] if result else [],
            "change-request": getattr(self._shipped_by(), "number", None),
        }
        with self._deliveries.attempt("the ledger entry"):
            self._project.ledger.append(
                f"deployments/{self._environment.name}.jsonl", [line], f"{outcome}: release {self._short}"
            )

    def _say(self, state: StatusState, description: str, note: Document) -> None:
        host = self._project.host
        if host is None:
            return
        with self._deliveries.attempt("the commit status"):
            host.statuses.set(
                CommitStatus(
                    commit=self._record.commit,
                    context=f"graphship/deploy/{self._environment.name}",
                    state=state,
                    description=description[:140],
                    url=self._context.run_url,
                )
            )
        request = self._shipped_by()
        if request is not None:
            with self._deliveries.attempt("the note on the change request"):
                upsert_comment(
                    host,
                    topic=request.number,
                    scope=("deploy", self._project.settings.name, self._environment.name),
                    body=to_markdown(note, host.body_limit - MARKER_ROOM),
                    head=self._record.commit,
                    run=Run(id=self._context.run_id, attempt=self._context.attempt),
                )

    def _shipped_by(self) -> ChangeRequest | None:
        host = self._project.host
        if host is None:
            return None
        return next(iter(host.change_requests.find(state="merged", commit=self._record.commit)), None)


def _deployed_note(environment: str, short: str, outcome: DeploymentOutcome) -> Document:
    lines = [prose(f"After {outcome.smoke_requests} recorded requests it took over; no connection was cut.")]
    if outcome.live.url:
        lines.append(("It answers at ", code(outcome.live.url), "."))
    if outcome.live.previous:
        back = f"`graphship rollback {environment}` puts release `{outcome.live.previous[:12]}` back without a build."
        lines.append(prose(back))
    took = ", ".join(f"{phase.phase} {phase.seconds:.1f} s" for phase in outcome.phases)
    return Document(
        banner=Banner(tone="good", title=f"Release {short} serves {environment}", lines=tuple(lines)),
        blocks=(),
        footer=((f"{took}.",),) if took else (),
    )


def _failed_note(environment: str, error: GraphshipError) -> Document:
    reasons = tuple(Paragraph(line=prose(line)) for line in (error.fact, *error.known))
    title = f"Not deployed to {environment}: the previous release is serving"
    return Document(banner=Banner(tone="bad", title=title), blocks=reasons)
