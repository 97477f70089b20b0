"""Run a DVC pipeline in this process: what is stale, with the run cache, fetching only what is needed.

It decides for each stage in order, as ``dvc repro --pull --allow-missing`` does, with three differences: a stage that
does not make its declared output is an error; what it needs is fetched and then looked for; outputs of unchanged stages
come back from the cache when they are gone. Git is left alone: ``PipelineRun.git_files`` says what to commit.
"""

from __future__ import annotations

import re
import time
from typing import TYPE_CHECKING, Any, Final

from ci_core.pipelines._stage_output import StageOutput
from ci_core.pipelines.spec import PipelineRun, StageFailure, StageRun
from ci_core.workspace import WORKSPACE, workspace_folder

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from ci_core.pipelines.base import OnLine, OnStage
    from ci_core.pipelines.spec import Outcome
    from ci_core.versioning.dvc import DvcProject, StaleStage, Transfer

_LOGS: Final = "logs"
_EXITED: Final = re.compile(r"^failed to run: (?P<command>.*), exited with (?P<status>-?\d+)$", re.DOTALL)


class DvcEngine:
    """The DVC pipeline of a project.

    Args:
        project: the DVC project.
        stage_env: variables for the stages' programs, beside those of this process.
        clock: seconds that only grow, for how long a stage took.
    """

    name = "dvc"

    def __init__(
        self,
        project: DvcProject,
        *,
        stage_env: Mapping[str, str] | None = None,
        clock: Callable[[], float] = time.perf_counter,
    ) -> None:
        self._project = project
        # A Python program that prints into a pipe keeps its lines back; then progress would come all at the end.
        self._stage_env = {"PYTHONUNBUFFERED": "1", **(stage_env or {})}
        self._clock = clock

    def stale(self) -> tuple[StaleStage, ...]:
        """Return the stages that would run, in order, with the reasons.

        Raises:
            NoPipelineError: there is no ``dvc.yaml``.
        """
        return self._project.stale()

    def run(self, *, on_line: OnLine = lambda _line: None, on_stage: OnStage = lambda _stage: None) -> PipelineRun:
        """Run what is stale and return what happened; a stage that fails is in the result, not raised.

        Raises:
            NoPipelineError: there is no ``dvc.yaml``.
            MissingObjectsError: data that a stale stage needs is in neither the cache nor the remote.
            DvcBusyError: another DVC process works in the project.
        """
        stale = {stage.name: stage.reasons for stage in self._project.stale()}
        remote = self._project.remote()
        with self._project.session("run the pipeline", remote=remote) as repo:
            run = _Run(
                self._project,
                repo,
                stale=stale,
                can_pull=remote is not None,
                env=self._stage_env,
                clock=self._clock,
                on_line=on_line,
                on_stage=on_stage,
            )
            return run.perform()

    def push(self) -> Transfer:
        """Send objects and run cache to the default remote, and look that they are there."""
        return self._project.push()

    def pull(self, paths: Sequence[str] | None = None) -> Transfer:
        """Fetch what `paths` need (None: all), and look that it is there."""
        return self._project.pull(paths)


class _Run:
    """The state of one run: which stages are over, and which failed."""

    def __init__(
        self,
        project: DvcProject,
        repo: Any,
        *,
        stale: Mapping[str, tuple[str, ...]],
        can_pull: bool,
        env: Mapping[str, str],
        clock: Callable[[], float],
        on_line: OnLine,
        on_stage: OnStage,
    ) -> None:
        self._project, self._repo, self._stale, self._can_pull = project, repo, stale, can_pull
        self._env, self._clock, self._on_line, self._on_stage = env, clock, on_line, on_stage
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
            problem = self._project.fetch_run_cache(self._repo)
            if problem is not None:
                self._notes.append(f"the run cache of the DVC remote was out of reach: {problem}")
                self._can_pull = False
        try:
            self._repo.reproduce(targets=self._pipeline_files(), repro_fn=self._one, run_env=self._env)
        except ReproductionError as error:
            if self._failure is None:  # not the stage's fault: data that is missing, or a mistake of ours
                raise error.__cause__ or error from None
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

    def _one(self, stage: Any, upstream: Any = None, **options: Any) -> Any:
        """Bring one stage up to date; DVC calls this for each in order. Returns the stage when it was touched."""
        from dvc.exceptions import DvcException

        name = self._project.stage_name(stage)
        if name is None:  # made outside the project: DVC's own way
            touched = stage.reproduce(upstream=upstream, **options)
            if touched:
                stage.dump(update_pipeline=False)
            return touched
        start = self._clock()
        output = StageOutput(self._logs / f"{_file_name(name)}.log", self._on_line)
        try:
            outcome = self._bring_up_to_date(stage, upstream, output, options)
        except DvcException as error:
            self._failure = _failure(name, error, self._log(name), output.last_lines)
            self._finish_stage(stage, name, "failed", start)
            raise
        self._finish_stage(stage, name, outcome, start)
        return None if outcome == "skipped" else stage

    def _bring_up_to_date(self, stage: Any, upstream: Any, output: StageOutput, options: dict[str, Any]) -> Outcome:
        is_forced = False
        if not stage.changed(allow_missing=True, upstream=upstream):
            lost = [out for out in stage.outs if not out.exists]
            if not lost or not stage.cmd:
                return "skipped"
            if all(not out.changed_cache() for out in lost if out.use_cache) and all(out.use_cache for out in lost):
                stage.checkout()
                return "cached"
            if self._can_pull:
                return "skipped"  # it is fetched when somebody needs it
            is_forced = True
        needed = [path for path in map(self._path_of, stage.deps) if path]
        self._project.fetch(self._repo, [path for path in needed if not (self._project.root / path).exists()])
        with output.caught():
            stage.reproduce(upstream=upstream, **{**options, "force": is_forced, "pull": self._can_pull})
        stage.dump(update_pipeline=False)
        return "ran" if output.has_started or not stage.cmd else "cached"

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
    message = " ".join(str(error).split())
    exited = _EXITED.match(str(error))
    status = int(exited["status"]) if exited else None
    if status is None:
        reason = message
    else:
        reason = f"it ended with exit code {status}" if status >= 0 else f"it was ended by signal {-status}"
    return StageFailure(
        stage=name,
        reason=reason,
        command=exited["command"] if exited else "",
        exit_code=status,
        log=log,
        last_lines=last_lines,
    )


def _file_name(stage: str) -> str:
    """Return a stage's name as a file may be called: ``sub/dvc.yaml:train`` → ``sub-dvc.yaml-train``."""
    return re.sub(r"[^\w.-]+", "-", stage)
