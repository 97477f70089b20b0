"""Do what the event of this CI run calls for."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from ci_core.errors import ExitCode, ForeignEventError, NotCheckedOutError
from ci_core.reports.render import render_monitoring_terminal, render_terminal

if TYPE_CHECKING:
    from ci_core.ci.context import Context
    from ci_core.errors import GraphshipError
    from ci_core.operations.project import Project


@dataclass(frozen=True, slots=True, kw_only=True)
class CiResult:
    """What one CI run came to."""

    did: Literal["report", "deploy", "watch", "nothing"]
    exit_code: ExitCode = ExitCode.DONE
    failure: GraphshipError | None = None
    """What the user is told at the end, with its exit code; what could be done and said without it is done and said."""
    is_delivered: bool = True
    text: str = ""
    """What was found, for a terminal; empty after a deployment."""


def run_ci(project: Project, context: Context) -> CiResult:
    """Report on a change request, deploy a push to the default branch, or watch the traffic on a schedule.

    Raises:
        NotCheckedOutError: the work tree holds another commit; what is done would be said of the wrong one.
        ForeignEventError: a fork's event asks for more than a report.
        GraphshipError: whatever the work raises.
    """
    checked_out = project.git.head()
    if checked_out != context.head:
        raise NotCheckedOutError(wanted=context.head, found=checked_out)
    # What an event does not call for is not loaded: the arithmetic of monitoring alone takes half a second.
    if context.event == "change-request":
        from ci_core.operations.change_request import report_change_request

        reported = report_change_request(project, context)
        text = render_terminal(reported.report) if reported.report else ""
        return CiResult(did="report", exit_code=reported.exit_code, is_delivered=reported.is_delivered, text=text)
    if not context.is_trusted:
        raise ForeignEventError(event=context.event)
    if context.event == "push" and context.branch == context.default_branch:
        from ci_core.operations.deployments_page import write_deployments_page
        from ci_core.operations.merge import deploy_merge

        merged = deploy_merge(project, context)
        write_deployments_page(project)
        return CiResult(did="deploy", failure=merged.failure, is_delivered=merged.is_delivered)
    if context.event in ("schedule", "manual") and context.branch == context.default_branch:
        from ci_core.operations.schedule import watch

        watched = watch(project, context)
        text = "\n".join(render_monitoring_terminal(found.report) for found in watched.environments)
        return CiResult(did="watch", failure=watched.failure, is_delivered=watched.is_delivered, text=text)
    project.console.notice(f"nothing to do for a `{context.event}` of {context.branch or context.tag}")
    return CiResult(did="nothing")
