"""Write down what a deployment did: on the host, in the ledger, as a status, and on the change request that shipped it.

The target holds the truth; all of this mirrors it. What an earlier run could not write is written by the next run of
the same release, which the target answers with "unchanged"; what stands there already is not written again.
"""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING

from ci_core.hosts.marker import MARKER_ROOM, Run
from ci_core.hosts.mirror import close_deployment, open_deployment
from ci_core.hosts.spec import CommitStatus
from ci_core.hosts.upsert import upsert_comment
from ci_core.reports.document import Banner, BulletList, Document, code
from ci_core.reports.markdown import to_markdown
from ci_core.reports.prose import prose
from ci_core.reports.text import plural

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ci_core.ci.context import Context
    from ci_core.config.settings import EnvironmentSettings
    from ci_core.deploy.spec import DeploymentOutcome, Live, Plan, ReleaseRecord
    from ci_core.errors import GraphshipError
    from ci_core.hosts.spec import ChangeRequest, DeploymentRecord, StatusState
    from ci_core.operations.delivery import Deliveries
    from ci_core.operations.project import Project
    from ci_core.types import JsonObject, ReleaseId


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
        self._served_before: ReleaseId | None = None
        self._short = record.release.id[:12]

    def begin(self, plan: Plan) -> None:
        """Open the host's record, unless the release is live already and the host says so too.

        A record that a run before this one did not close goes on.
        """
        self._served_before = plan.live
        host = self._project.host
        if host is None:
            return
        with self._deliveries.attempt("the deployment record"):
            self._opened = open_deployment(
                host,
                environment=self._environment.name,
                commit=self._record.commit,
                release=self._record.release.id,
                description=f"release {self._short}",
                is_live=plan.action == "none",
            )

    def succeed(self, outcome: DeploymentOutcome, *, smoke_requests: int) -> None:
        """Record that the release serves; `smoke_requests` is the number of recorded requests it had to answer."""
        text = f"release {self._short} serves"
        self._close("success", text, url=outcome.live.url)
        self._keep("deployed", "", outcome)
        self._say("success", text, _deployed_note(self._environment.name, self._short, outcome.live, smoke_requests))

    def fail(self, error: GraphshipError) -> None:
        """Record that the release does not serve, and why: a server's last words may tell the secrets it was given."""
        fact, *known = self._project.redactor.texts([error.fact, *error.known])
        self._close("failure", fact)
        self._keep("failed", fact, None)
        note = _failed_note(self._environment.name, fact, known, serving=self._served_before)
        self._say("failure", f"release {self._short} failed", note)

    def _close(self, state: StatusState, description: str, *, url: str | None = None) -> None:
        host = self._project.host
        if host is None or self._opened is None:
            return
        with self._deliveries.attempt("the deployment record"):
            close_deployment(
                host,
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
            "change-request": self._shipped_by.number if self._shipped_by else None,
        }
        path = self._project.history("deployments", self._environment.name)
        with self._deliveries.attempt("the ledger entry"):
            newest = next(reversed(self._project.ledger.read_lines(path)), None)
            is_known = newest is not None and (newest["release"], newest["outcome"]) == (line["release"], outcome)
            if not (is_known and result is not None and result.outcome == "unchanged"):
                self._project.ledger.append(path, [line], f"{outcome}: release {self._short}")

    def _say(self, state: StatusState, description: str, note: Document) -> None:
        host = self._project.host
        if host is None:
            return
        light = CommitStatus(
            commit=self._record.commit,
            context=self._project.status_context("deploy", self._environment.name),
            state=state,
            description=description[:140],
            url=self._context.run_url,
        )
        self._deliveries.light(host, light)
        request = self._shipped_by
        if request is not None:
            with self._deliveries.attempt("the note on the change request"):
                upsert_comment(
                    host,
                    topic=request.topic,
                    scope=("deploy", self._project.settings.name, self._environment.name),
                    body=to_markdown(note, host.body_limit - MARKER_ROOM),
                    head=self._record.commit,
                    run=Run(id=self._context.run_id, attempt=self._context.attempt),
                )

    @cached_property
    def _shipped_by(self) -> ChangeRequest | None:
        """The change request that brought the commit; None without a host that tells us of one."""
        host = self._project.host
        if host is None:
            return None
        merged = self._deliveries.result(
            "the note on the change request",
            lambda: tuple(host.change_requests.find(state="merged", commit=self._record.commit)),
        )
        return merged[0] if merged else None


def _deployed_note(environment: str, short: str, live: Live, smoke_requests: int) -> Document:
    """Return what is said of a release that serves: the same words on every run, so nothing of how long it took."""
    lines = []
    if smoke_requests:
        lines.append(prose(f"{plural(smoke_requests, 'recorded request')} answered as expected before it took over."))
    if live.url:
        lines.append(("It answers at ", code(live.url), "."))
    if live.previous:
        back = f"`graphship rollback {environment}` puts release `{live.previous[:12]}` back without a build."
        lines.append(prose(back))
    title = f"Release {short} serves {environment}"
    return Document(banner=Banner(tone="good", title=title, lines=tuple(lines)), blocks=())


def _failed_note(environment: str, fact: str, known: Sequence[str], *, serving: ReleaseId | None) -> Document:
    still = f"release {serving[:12]} keeps serving" if serving else "nothing serves there, as before"
    lines = BulletList(items=tuple(prose(line) for line in known))
    return Document(
        banner=Banner(tone="bad", title=f"Not deployed to {environment}: {still}", lines=(prose(fact),)),
        blocks=(lines,) if known else (),
    )
