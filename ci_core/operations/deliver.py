"""The trusted second stage of a fork's report: post what a run without rights handed over, and believe none of it."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Literal

from ci_core.errors import DeliveryRefusedError, NoHostError
from ci_core.operations.report_comment import write_comment
from ci_core.reports.report import Note
from ci_core.types import CommitId

if TYPE_CHECKING:
    from pathlib import Path

    from ci_core.hosts.marker import Run
    from ci_core.hosts.spec import ChangeRequest
    from ci_core.hosts.upsert import Delivery
    from ci_core.operations.handover import Handover
    from ci_core.operations.project import Project
    from ci_core.reports.report import Commit, Report

_COMMIT: Final = re.compile(r"[0-9a-f]{40}(?:[0-9a-f]{24})?")
NOT_VOUCHED = (
    "The change comes from another repository. Its own code ran without any rights and made this report; the figures "
    "are what that run says, and no check is set by them."
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Delivered:
    """What became of a report that was handed over."""

    outcome: Literal["delivered", "overtaken", "dry-run"]
    """``overtaken``: a newer push has its own run."""
    number: int
    comment: Delivery | None = None


def deliver(
    project: Project,
    handover: Handover,
    *,
    path: Path,
    head: CommitId,
    run: Run,
    number: int | None = None,
    repository: str | None = None,
    dry_run: bool = False,
) -> Delivered:
    """Post the report as the one comment of its change request.

    Args:
        project: of the repository's own default branch, never of the change.
        handover: as :func:`ci_core.operations.handover.read_handover` gives it.
        path: where that came from, for messages.
        head: the commit that the untrusted run was about, as the *host* says: ``workflow_run.head_sha``.
        run: this run, not the untrusted one: who hands over must not choose what is newest.
        number: the change request, where the host says it; else the one that `handover` names is looked up.
        repository: where the untrusted run was, ``owner/name``, where the host says it.
        dry_run: check everything, write nothing.

    Raises:
        DeliveryRefusedError: the report is not of that commit, or the change request is not an open one of that commit
            from another repository.
        NoHostError: there is no host to post on.
        HostError: the host refused, or kept failing.
    """
    host = project.host
    if host is None:
        raise NoHostError
    if handover.head != head:
        raise _refused(path, f"it is about commit `{handover.head[:12]}`, and the run was about `{head[:12]}`")
    if number is not None and number != handover.number:
        raise _refused(path, f"it names change request {handover.number}, and the run was about {number}")
    request = host.change_requests.get(handover.number)
    if request.state == "open" and request.head != head:
        project.console.notice(f"{request.source_branch} has moved: its own run reports, this one says nothing")
        return Delivered(outcome="overtaken", number=request.number)
    _check_request(path, request, repository)
    report = _as_ours(project, handover.report, request)
    if dry_run:
        return Delivered(outcome="dry-run", number=request.number)
    return Delivered(
        outcome="delivered",
        number=request.number,
        comment=write_comment(project, host, request.topic, report, run=run),
    )


def _check_request(path: Path, request: ChangeRequest, repository: str | None) -> None:
    """Refuse a change request that a fork's run has no say in; its number was chosen by that run."""
    if request.state != "open":
        raise _refused(path, f"change request {request.number} is {request.state}")
    if not request.is_fork:
        raise _refused(path, f"change request {request.number} is not from a fork: its own run reports on it")
    theirs = request.source_repository
    if repository is not None and theirs is not None and repository.casefold() != theirs.casefold():
        raise _refused(path, f"change request {request.number} comes from another repository than the run")


def _as_ours(project: Project, report: Report, request: ChangeRequest) -> Report:
    """Return the report with no address but those that we make, told to be nobody's word, and masked."""

    def commit(said: Commit, label: str) -> Commit:
        is_commit = _COMMIT.fullmatch(said.id) is not None
        url = project.links.commit_url(CommitId(said.id)) if project.links and is_commit else None
        return said.model_copy(update={"url": url, "label": label})

    return project.redactor.model(
        report.model_copy(
            update={
                "project": project.settings.name,
                "title": request.title,
                "base": None if report.base is None else commit(report.base, request.target_branch),
                "head": commit(report.head, request.source_branch),
                "run": report.run.model_copy(update={"url": None, "change_request": request.number}),
                "plans": (),  # looked up with rights alone
                "links": (),
                "notes": (Note(kind="warning", text=NOT_VOUCHED), *report.notes),
            }
        )
    )


def _refused(path: Path, reason: str) -> DeliveryRefusedError:
    return DeliveryRefusedError(path=str(path), reasons=[reason])
