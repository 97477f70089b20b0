"""Put a report into the one comment of a change request. Shared by the run that made it and by `deliver`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ci_core.hosts.marker import MARKER_ROOM
from ci_core.hosts.upsert import upsert_comment
from ci_core.operations.report import without_measures
from ci_core.reports.render import render_markdown
from ci_core.types import CommitId

if TYPE_CHECKING:
    from ci_core.hosts.base import RepositoryHost
    from ci_core.hosts.marker import Run
    from ci_core.hosts.spec import Topic
    from ci_core.hosts.upsert import Delivery
    from ci_core.operations.project import Project
    from ci_core.reports.report import Report


def write_comment(project: Project, host: RepositoryHost, topic: Topic, report: Report, *, run: Run) -> Delivery:
    """Make the project's one comment on a change request tell `report`; no write when that says nothing new.

    Raises:
        HostError: the host refused, or kept failing.
    """
    said, room = _about_the_change(report), host.body_limit - MARKER_ROOM
    return upsert_comment(
        host,
        topic=topic,
        scope=("report", project.settings.name),
        body=render_markdown(said, room, redactor=project.redactor),
        essence=render_markdown(without_measures(said), room, redactor=project.redactor),
        head=CommitId(report.head.id),
        run=run,
    )


def _about_the_change(report: Report) -> Report:
    """Return the report without what is about this run alone: its address, and the stages it ran unless one failed."""
    has_failed = report.pipeline is not None and report.pipeline.failure is not None
    return report.model_copy(update={"links": (), "pipeline": report.pipeline if has_failed else None})
