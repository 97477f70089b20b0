"""Tell the host what came of a retraining: one change request, and at most one remark on it."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ci_core.errors import HostError
from ci_core.hosts.marker import MARKER_ROOM, Run
from ci_core.hosts.spec import Topic
from ci_core.hosts.upsert import upsert_change_request, upsert_comment
from ci_core.reports.markdown import to_markdown
from ci_core.retrain.change_request import body, branch_name, title
from ci_core.retrain.decision import earlier_requests

if TYPE_CHECKING:
    from ci_core.ci.context import Context
    from ci_core.config.settings import RetrainChangeRequestSettings
    from ci_core.hosts.base import RepositoryHost
    from ci_core.hosts.upsert import Delivery
    from ci_core.operations.project import Project
    from ci_core.reports.document import Document
    from ci_core.retrain.change_request import RetrainCase
    from ci_core.retrain.spec import RetrainRequest
    from ci_core.types import CommitId

WAITING_CHECKS = (
    "The checks of this change request do not start by themselves, since a job's own token opened it: a person with "
    "write access approves their run, or closes and reopens the change request. With the token of a GitHub App in "
    "`GRAPHSHIP_TOKEN` they start at once."
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Requests:
    """The retrain requests of one environment on its host."""

    project: Project
    context: Context
    host: RepositoryHost
    environment: str
    standing: RetrainRequest | None
    """The open one."""
    closed: RetrainRequest | None
    """The newest that was merged or closed."""

    @property
    def branch(self) -> str:
        """The branch that all of them come from."""
        return branch_name(self.project.settings.name, self.environment)

    @property
    def url(self) -> str | None:
        """Address of the open one."""
        return self.standing.url if self.standing else None

    @property
    def settled(self) -> frozenset[CommitId]:
        """Commits of the branch that may be replaced with all before them."""
        return frozenset().union(*(request.settled for request in (self.standing, self.closed) if request))

    @property
    def run(self) -> Run:
        """Who writes. A person's command has no number; it follows the run that wrote last."""
        if self.context.run_id == 0 and self.standing is not None and self.standing.run is not None:
            return Run(id=self.standing.run.id, attempt=self.standing.run.attempt + 1)
        return Run(id=self.context.run_id, attempt=self.context.attempt)

    def propose(self, case: RetrainCase, head: CommitId, settings: RetrainChangeRequestSettings) -> Delivery:
        """Open or renew the change request; its branch has been pushed.

        Raises:
            HostError: the host refused, or kept failing.
        """
        mask = self.project.redactor.text
        return upsert_change_request(
            self.host,
            scope=("retrain", case.project, case.environment),
            branch=self.branch,
            target_branch=self.context.default_branch,
            title=mask(title(case)),
            body=mask(body(case, self.host.body_limit - MARKER_ROOM)),
            labels=settings.labels,
            reviewers=settings.reviewers,
            is_draft=settings.is_draft,
            head=head,
            run=self.run,
        )

    def remark(self, document: Document, *, essence: str) -> Delivery | None:
        """Say something on the open change request, or on the last one; None when there never was one.

        Args:
            document: what to say.
            essence: while this stays the same, the remark stays as it is.

        Raises:
            HostError: the host refused, or kept failing.
        """
        request = self.standing or self.closed
        if request is None:
            return None
        text = to_markdown(document, self.host.body_limit - MARKER_ROOM)
        return upsert_comment(
            self.host,
            topic=Topic("change-request", request.number),
            scope=("retrain-remark", self.project.settings.name, self.environment),
            body=self.project.redactor.text(text),
            head=self.context.head,
            run=self.run,
            essence=essence,
        )

    def close(self, reason: Document, *, essence: str) -> None:
        """Close the open change request and say why.

        Raises:
            HostError: the host refused, or kept failing.
        """
        if self.standing is None:
            return
        self.remark(reason, essence=essence)
        self.host.change_requests.update(self.standing.number, state="closed")


def find_requests(project: Project, context: Context, host: RepositoryHost, environment: str) -> Requests:
    """Look at the host for what earlier runs proposed.

    Raises:
        HostError: the host refused, or kept failing.
    """
    branch = branch_name(project.settings.name, environment)
    standing, closed = earlier_requests(host.change_requests.find(source_branch=branch), host.identity().login)
    return Requests(
        project=project, context=context, host=host, environment=environment, standing=standing, closed=closed
    )


def notes_on_checks(host: RepositoryHost) -> tuple[str, ...]:
    """Return what a reader must know of the checks of a change request that we open."""
    with suppress(HostError):  # a remark is not worth a failure
        if host.name == "github" and host.access().token == "job":  # noqa: S105 - the kind of a token
            return (WAITING_CHECKS,)
    return ()
