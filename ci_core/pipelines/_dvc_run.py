"""One run of a DVC pipeline: which stages are over, what they made, and which failed.

Used by ``pipelines/dvc.py``, inside a session of the project.
"""

from __future__ import annotations

import contextlib
import re
from typing import TYPE_CHECKING, Any, Final

from ci_core.errors import DataRemoteError
from ci_core.pipelines._stage_output import StageOutput
from ci_core.pipelines._stage_programs import StageProgramError, printing_to
from ci_core.pipelines.spec import PipelineRun, StageFailure, StageRun
from ci_core.workspace import WORKSPACE, workspace_folder

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from ci_core.masking import Masker
    from ci_core.pipelines._dvc_causes import DvcCauses
    from ci_core.pipelines._watch import Watch
    from ci_core.pipelines.base import OnLine, OnStage
    from ci_core.pipelines.spec import Outcome
    from ci_core.versioning.dvc import DvcProject

_LOGS: Final = "logs"


class DvcRun:
    """The state of one run: which stages are over, and which failed."""

    def __init__(
        self,
        project: DvcProject,
        repo: Any,
        *,
        stale: Mapping[str, tuple[str, ...]],
        remote: str | None,
        needs_remote: bool,
        env: Mapping[str, str],
        clock: Callable[[], float],
        on_line: OnLine,
        on_stage: OnStage,
        watch: Watch,
        causes: DvcCauses,
        masker: Masker,
    ) -> None:
        self._project, self._repo, self._stale = project, repo, stale
        self._remote, self._needs_remote, self._can_pull = remote, needs_remote, remote is not None
        self._env, self._clock, self._on_line, self._on_stage = env, clock, on_line, on_stage
        self._watch, self._causes, self._masker = watch, causes, masker
        self._logs = workspace_folder(project.root, _LOGS)
        self._stages: list[StageRun] = []
        self._failure: StageFailure | None = None
        self._git_files: set[str] = set()
        self._notes: list[str] = []

    def perform(self) -> PipelineRun:
        """Bring every stage up to date, in order; the first failure ends the run."""
        from dvc.exceptions import ReproductionError

        plan = self._project.plan(self._repo)
        order = [name for stage in plan if stage.cmd and (name := self._project.stage_name(stage))]
        if self._can_pull and self._stale:
            self._reach_remote()
        # DVC lets go of its lock while a program runs. Hours of training must not be lost because somebody else
        # holds it for four seconds just when the program ends.
        self._repo.lock._wait = True  # noqa: SLF001 - DVC has no door for this
        try:
            with self._project.run_cache_of_remote(self._repo) if self._can_pull else contextlib.nullcontext():
                self._repo.reproduce(targets=self._pipeline_files(), repro_fn=self._one)
        except ReproductionError as error:
            if self._failure is None:  # not the stage's fault: data that is missing, or a mistake of ours
                raise error.__cause__ or error from None
        finally:
            self._repo.lock._wait = False  # noqa: SLF001 - as above
        over = {stage.name for stage in self._stages}
        for name in order:
            if name not in over:
                self._finish(StageRun(name=name, outcome="not-run", reasons=self._stale.get(name, ())))
        return PipelineRun(
            stages=tuple(self._stages),
            failure=self._failure,
            git_files=tuple(sorted(path for path in self._git_files if (self._project.root / path).exists())),
            notes=tuple(self._notes),
            log_folder=f"{WORKSPACE}/{_LOGS}",
        )

    def _reach_remote(self) -> None:
        self._watch.begin(f"looking for {self._remote}")
        problem = self._project.run_cache_problem(self._repo)
        if problem is None:
            return
        if self._needs_remote:
            raise DataRemoteError(doing="look into the run cache", remote=self._remote or "", message=problem)
        self._notes.append(f"the run cache of the DVC remote was out of reach: {problem}")
        self._can_pull = False

    def _one(self, stage: Any, upstream: Any = None, **options: Any) -> Any:
        """Bring one stage up to date; DVC calls this for each in order. Returns the stage when it was touched."""
        from dvc.exceptions import DvcException, FileTransferError
        from dvc.lock import LockError

        name = self._project.stage_name(stage)
        if name is None:  # made outside the project: DVC's own way
            touched = stage.reproduce(upstream=upstream, **options)
            if touched:
                stage.dump(update_pipeline=False)
            return touched
        start = self._clock()
        log = self._logs / f"{_file_name(name)}.log"
        output = StageOutput(log, self._on_line, self._watch.shows, masker=self._masker)
        try:
            outcome = self._bring_up_to_date(stage, name, upstream, output, options)
        except (DvcException, StageProgramError) as error:
            if isinstance(error, LockError | FileTransferError):
                raise  # somebody else works here, or the remote failed
            self._failure = _failure(name, error, self._log(name), output.last_lines)
            self._finish_stage(stage, name, "failed", start)
            raise
        finally:
            if output.log_problem is not None:
                self._notes.append(f"{self._log(name)} does not hold all of the output: {output.log_problem.strerror}")
        self._finish_stage(stage, name, outcome, start)
        return None if outcome == "skipped" else stage

    def _bring_up_to_date(
        self, stage: Any, name: str, upstream: Any, output: StageOutput, options: dict[str, Any]
    ) -> Outcome:
        # DVC takes what is missing for unchanged, even what was never made, unless a dependency is new.
        is_forced = not stage.deps and not stage.frozen and any(not out.hash_info for out in stage.outs)
        if not is_forced and not stage.changed(allow_missing=True, upstream=upstream):
            lost = [out for out in stage.outs if not out.exists]
            if not lost or not stage.cmd:
                return "skipped"
            if all(not out.changed_cache() for out in lost if out.use_cache) and all(out.use_cache for out in lost):
                stage.checkout()
                return "cached"
            if self._can_pull:
                return "skipped"  # it is fetched when somebody needs it
            is_forced = True
        self._fetch_dependencies(stage)
        has_started = False

        def started(command: str) -> None:
            nonlocal has_started
            has_started = True
            self._watch.begin(f"{name}: {command}", is_command=True)

        def ended() -> None:
            self._watch.begin(f"{name}: keeping what it made")

        with (
            output.caught() as descriptor,
            printing_to(descriptor, env=self._env, on_start=started, on_end=ended),
        ):
            stage.reproduce(upstream=upstream, **{**options, "force": is_forced, "pull": self._can_pull})
        self._causes.insist_on_cache(stage)
        stage.dump(update_pipeline=False)
        return "ran" if has_started or not stage.cmd else "cached"

    def _fetch_dependencies(self, stage: Any) -> None:
        needed = [path for path in map(self._path_of, stage.deps) if path]
        missing = [path for path in needed if not (self._project.root / path).exists()]
        if missing:
            self._watch.begin(f"fetching {', '.join(missing)} from {self._remote}")
            self._project.fetch(self._repo, missing)

    def _finish_stage(self, stage: Any, name: str, outcome: Outcome, start: float) -> None:
        if outcome in {"ran", "cached"}:
            self._git_files |= self._files_for_git(stage)
        if stage.cmd or outcome != "skipped":
            ran = outcome in {"ran", "failed"} and bool(stage.cmd)
            self._finish(
                StageRun(
                    name=name,
                    outcome=outcome,
                    seconds=round(self._clock() - start, 3),
                    reasons=self._stale.get(name, ()),
                    log=self._log(name) if ran else None,
                )
            )

    def _finish(self, stage: StageRun) -> None:
        self._stages.append(stage)
        self._on_stage(stage)

    def _files_for_git(self, stage: Any) -> set[str]:
        """Return the files that record what this stage made, and those of its outputs that Git keeps."""
        definition = self._project.path_of(self._repo, stage.path) or ""
        folder = definition.rpartition("/")[0]
        files = {f"{folder}/dvc.lock".removeprefix("/") if stage.cmd else definition}
        for out in stage.outs:
            path = self._path_of(out)
            if path is not None:
                files.add(f"{path.rpartition('/')[0]}/.gitignore".removeprefix("/") if out.use_cache else path)
        return files

    def _path_of(self, file: Any) -> str | None:
        """Return the project's path of an output or a dependency that is a file of the repository."""
        return self._project.path_of(self._repo, file.fs_path) if file.protocol == "local" else None

    def _pipeline_files(self) -> list[str]:
        return sorted(
            {stage.path for stage in self._repo.index.stages if stage.cmd and self._project.stage_name(stage)}
        )

    def _log(self, name: str) -> str:
        return f"{WORKSPACE}/{_LOGS}/{_file_name(name)}.log"


def _failure(name: str, error: Exception, log: str, last_lines: tuple[str, ...]) -> StageFailure:
    """Return what is known of a failed stage: its program's exit code, or DVC's own words."""
    if isinstance(error, StageProgramError):
        reason, command, exit_code = error.reason, error.command, error.exit_code
    else:
        reason, command, exit_code = " ".join(str(error).split()), "", None
    return StageFailure(stage=name, reason=reason, command=command, exit_code=exit_code, log=log, last_lines=last_lines)


def _file_name(stage: str) -> str:
    """Return a stage's name as a file may be called: ``sub/dvc.yaml:train`` → ``sub-dvc.yaml-train``."""
    return re.sub(r"[^\w.-]+", "-", stage)
