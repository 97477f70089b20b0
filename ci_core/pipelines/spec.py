"""What running a pipeline did, as data (pure)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from ci_core.errors import StageFailedError

Outcome = Literal["ran", "cached", "skipped", "failed", "not-run"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Activity:
    """What a run is busy with, for whoever watches it."""

    what: str
    """As a line of a log may begin: ``train: python train.py``, ``fetching data/raw.csv from storage (s3://…)``. A new
    text is a new activity."""
    files_done: int = 0
    files_total: int | None = None
    """None: not known, or nothing is counted."""
    bytes_done: int = 0
    is_command: bool = False
    """Whether it is a program of a stage, which was started just now."""
    shows: str = ""
    """What a stage printed last on a line without an end: a progress bar, dots."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StageRun:
    """One stage of one run."""

    name: str
    """As a person types it: ``train``, or ``sub/dvc.yaml:train``."""
    outcome: Outcome
    """``cached``: the outputs came from the run cache. ``skipped``: nothing it depends on moved. ``not-run``: an
    earlier stage failed."""
    seconds: float = 0.0
    reasons: tuple[str, ...] = ()
    """Why it was stale, when that was known before the run; empty for a stage that followed another."""
    log: str | None = None
    """File with its whole output, relative to the project; None unless it ran."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StageFailure:
    """The stage that failed."""

    stage: str
    reason: str
    """``it ended with exit code 2``, ``it was ended by signal 9``, or what DVC says."""
    command: str = ""
    exit_code: int | None = None
    """None when it was not the stage's program that failed."""
    log: str | None = None
    last_lines: tuple[str, ...] = ()
    """The end of its output, at most 20 lines."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PipelineRun:
    """One run of the pipeline."""

    stages: tuple[StageRun, ...]
    """In the order of the pipeline."""
    failure: StageFailure | None = None
    git_files: tuple[str, ...] = ()
    """What Git must commit for this run to be recorded: ``dvc.lock``, metrics and plots that Git keeps. Relative to the
    project, sorted; whether they really differ is for Git to say."""
    notes: tuple[str, ...] = ()
    """What the reader should know: the run cache was out of reach, so stages ran that may have run elsewhere."""
    log_folder: str = ""
    """Where the stages' output is kept, relative to the project."""

    def require_success(self) -> PipelineRun:
        """Return this run.

        Raises:
            StageFailedError: a stage failed.
        """
        if self.failure is not None:
            raise StageFailedError(
                stage=self.failure.stage,
                reason=self.failure.reason,
                command=self.failure.command,
                log=self.failure.log,
                last_lines=self.failure.last_lines,
            )
        return self
