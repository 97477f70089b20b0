"""Run a DVC pipeline in this process: what is stale, with the run cache, fetching only what is needed.

It decides for each stage in order, as ``dvc repro --pull --allow-missing`` does, with three differences: a stage that
does not make its declared output is an error; what it needs is fetched and then looked for; outputs of unchanged stages
come back from the cache when they are gone. Git is left alone: ``PipelineRun.git_files`` says what to commit.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from ci_core.errors import NoDataRemoteError
from ci_core.masking import SHAPES_ONLY
from ci_core.pipelines._dvc_causes import causes_told
from ci_core.pipelines._dvc_progress import heard
from ci_core.pipelines._dvc_run import DvcRun
from ci_core.pipelines._watch import Watch
from ci_core.pipelines.base import unheard

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from ci_core.masking import Masker
    from ci_core.pipelines.base import OnActivity, OnLine, OnStage
    from ci_core.pipelines.spec import PipelineRun
    from ci_core.versioning.dvc import DvcProject, StaleStage, Transfer


class DvcEngine:
    """The DVC pipeline of a project.

    Args:
        project: the DVC project.
        stage_env: variables for the stages' programs, beside those of this process.
        clock: seconds that only grow, for how long a stage took.
        masker: takes secrets out of what stages print, where it is kept and where it is told.
    """

    name = "dvc"

    def __init__(
        self,
        project: DvcProject,
        *,
        stage_env: Mapping[str, str] | None = None,
        clock: Callable[[], float] = time.perf_counter,
        masker: Masker = SHAPES_ONLY,
    ) -> None:
        self._project, self._masker = project, masker
        # A Python program that prints into a pipe keeps its lines back; then progress would come all at the end.
        self._stage_env = {"PYTHONUNBUFFERED": "1", **(stage_env or {})}
        self._clock = clock

    def stale(self) -> tuple[StaleStage, ...]:
        """Return the stages that would run, in order, with the reasons.

        Raises:
            NoPipelineError: there is no ``dvc.yaml``.
        """
        return self._project.stale()

    def run(
        self,
        *,
        on_line: OnLine = unheard,
        on_stage: OnStage = unheard,
        on_activity: OnActivity = unheard,
        needs_remote: bool = False,
    ) -> PipelineRun:
        """Run what is stale and return what happened; a stage that fails is in the result, not raised.

        Args:
            on_line: told each line that a stage prints.
            on_stage: told each stage when it is over.
            on_activity: told what the run is busy with.
            needs_remote: whether to give up before the first stage when the remote is out of reach, because what the
                stages make shall be pushed.

        Raises:
            NoPipelineError: there is no ``dvc.yaml``.
            MissingObjectsError: data that a stale stage needs is in neither the cache nor the remote.
            DvcBusyError: another DVC process works in the project.
            NoDataRemoteError: `needs_remote`, and no default remote is configured.
            DataRemoteError: the remote fails in the middle, or `needs_remote`, and it cannot be reached.
            FileNotWritableError: the disk is full, or the project is read-only.
        """
        watch = Watch(on_activity, self._masker)
        remote = self.need_remote() if needs_remote else self._project.remote()
        with heard(watch.progress), causes_told(self._project):
            watch.begin("comparing the stages with what they depend on")
            stale = {stage.name: stage.reasons for stage in self._project.stale()}
            with (
                self._project.session("run the pipeline", remote=remote) as repo,
                causes_told(self._project) as causes,  # inside, too: a disk of ours is no remote
            ):
                run = DvcRun(
                    self._project,
                    repo,
                    stale=stale,
                    remote=remote,
                    needs_remote=needs_remote,
                    env=self._stage_env,
                    clock=self._clock,
                    on_line=on_line,
                    on_stage=on_stage,
                    watch=watch,
                    causes=causes,
                    masker=self._masker,
                )
                return run.perform()

    def need_remote(self) -> str:
        """Return the name and the address of the default remote.

        Raises:
            NoDataRemoteError: no default remote is configured.
        """
        remote = self._project.remote()
        if remote is None:
            raise NoDataRemoteError(remotes=sorted(self._project.repo.config["remote"]))
        return remote

    def push(self, *, on_activity: OnActivity = unheard) -> Transfer:
        """Send objects and run cache to the default remote, and look that they are there."""
        watch = Watch(on_activity, self._masker)
        with heard(watch.progress), causes_told(self._project, sends=True):
            watch.begin(f"sending the data to {self.need_remote()}")
            return self._project.push()

    def pull(self, paths: Sequence[str] | None = None, *, on_activity: OnActivity = unheard) -> Transfer:
        """Fetch what `paths` need (None: all), and look that it is there."""
        watch = Watch(on_activity, self._masker)
        with heard(watch.progress), causes_told(self._project):
            watch.begin(f"fetching {'the data' if paths is None else ', '.join(paths)} from {self._project.remote()}")
            return self._project.pull(paths)
