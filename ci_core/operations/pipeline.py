"""Run the pipeline and send what it made, with a word to the log now and then.

Used by the operations of CI, whose logs nobody watches live: a stage, a pull or a push that is silent for half a minute
is told of.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ci_core.errors import NoPipelineError
from ci_core.pipelines.heartbeat import Heartbeat
from ci_core.pipelines.spec import PipelineRun
from ci_core.reports.text import plural, seconds

if TYPE_CHECKING:
    from ci_core.operations.project import Project
    from ci_core.pipelines.spec import StageRun
    from ci_core.versioning.dvc import Transfer


def run_stale(project: Project) -> PipelineRun:
    """Run what is stale; a stage that fails is in the result, not raised. A project may have no pipeline at all.

    Raises:
        GraphshipError: as :meth:`PipelineEngine.run`.
    """
    with Heartbeat(project.console.step) as heartbeat:

        def tell(line: str) -> None:
            heartbeat.spoken()
            project.console.step(line)

        def over(stage: StageRun) -> None:
            tell(f"{stage.name}: {stage.outcome} ({seconds(stage.seconds)})")

        try:
            return project.engine.run(
                on_line=lambda line: tell(f"  {line}"), on_stage=over, on_activity=heartbeat.on_activity
            )
        except NoPipelineError:  # what is served may be kept by Git, or by `dvc add` alone
            tell("there is no pipeline to run")
            return PipelineRun(stages=())


def push_objects(project: Project) -> Transfer:
    """Send what the pipeline made to the DVC remote, and look that it is there.

    Raises:
        GraphshipError: as :meth:`PipelineEngine.push`.
    """
    with Heartbeat(project.console.step) as heartbeat:
        sent = project.engine.push(on_activity=heartbeat.on_activity)
    project.console.step(sent_text(sent))
    return sent


def sent_text(sent: Transfer) -> str:
    """Return what a push came to: ``3 objects are in storage (s3://bucket)``."""
    if not sent.verified:
        return f"there is nothing to send to {sent.remote}"
    return f"{plural(sent.verified, 'object')} {'is' if sent.verified == 1 else 'are'} in {sent.remote}"
