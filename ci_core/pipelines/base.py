"""What the operations need of a pipeline engine, and how they run one."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from ci_core.pipelines.spec import Activity, PipelineRun, StageRun
    from ci_core.versioning.dvc import StaleStage, Transfer

    OnLine = Callable[[str], None]
    """Told each line that a stage prints, as it comes, from another thread."""
    OnStage = Callable[[StageRun], None]
    """Told each stage when it is over."""
    OnActivity = Callable[[Activity], None]
    """Told what the engine is busy with, and often how far it is; from several threads, one at a time."""


def unheard(_told: object) -> None:
    """Listen to nothing."""


class PipelineEngine(Protocol):
    """Runs the batch pipeline that makes the model. Nothing here changes Git."""

    name: str

    def stale(self) -> tuple[StaleStage, ...]:
        """Return the stages that would run, in order, with the reasons.

        Raises:
            NoPipelineError: there is no pipeline.
        """
        ...

    def run(
        self, *, on_line: OnLine = unheard, on_stage: OnStage = unheard, on_activity: OnActivity = unheard
    ) -> PipelineRun:
        """Run what is stale and return what happened; a stage that fails is in the result, not raised.

        Raises:
            NoPipelineError: there is no pipeline.
            MissingObjectsError: data that a stale stage needs is nowhere to be had.
        """
        ...

    def push(self, *, on_activity: OnActivity = unheard) -> Transfer:
        """Send what the project's version needs to the remote, and look that it is there."""
        ...

    def pull(self, paths: Sequence[str] | None = None, *, on_activity: OnActivity = unheard) -> Transfer:
        """Fetch what `paths` need (None: all), and look that it is there."""
        ...
