"""A project's pipeline, run by our engine, and what became of its stages."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ci_core.pipelines.dvc import DvcEngine
from ci_core.versioning.dvc import DvcProject

if TYPE_CHECKING:
    from ci_core.pipelines.spec import PipelineRun
    from ci_core.testing.projects import SampleProject


def engine(project: SampleProject) -> DvcEngine:
    """Return the engine of a project."""
    return DvcEngine(DvcProject(project.root))


def outcomes(run: PipelineRun) -> dict[str, str]:
    """Return what became of each stage."""
    return {stage.name: stage.outcome for stage in run.stages}
