"""The history of deployments as a page, from the ledger."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ci_core.reports.deployments import DeploymentRow, DeploymentsReport, Phase
from ci_core.reports.render import render_deployments_page
from ci_core.workspace import write_whole

if TYPE_CHECKING:
    from pathlib import Path

    from ci_core.operations.project import Project


def write_deployments_page(project: Project) -> Path:
    """Write ``deployments/index.html`` to the output folder and return its path."""
    rows = [
        _row(line)
        for environment in project.settings.environments
        for line in project.ledger.read_lines(project.history("deployments", environment.name))
    ]
    report = DeploymentsReport(project=project.settings.name, rows=tuple(sorted(rows, key=lambda row: row.when)))
    page = project.output("deployments", "index.html")
    write_whole(page, render_deployments_page(report, redactor=project.redactor))
    return page


def _row(stored: Any) -> DeploymentRow:
    request = stored["change-request"]
    return DeploymentRow(
        when=stored["at"],
        environment=stored["environment"],
        release=stored["release"],
        commit=stored["commit"],
        outcome=stored["outcome"],
        reason=stored["reason"],
        phases=tuple(Phase(phase=phase, seconds=seconds) for phase, seconds in stored["phases"]),
        who=f"change request {request}" if request else "",
    )
