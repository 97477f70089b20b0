"""``graphship run``: run the pipeline stages that are stale."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from ci_core.cli._clean_stdout import stdout_kept_clean
from ci_core.cli._common import (
    dry_run_option,
    echo_aside,
    echo_json,
    echo_text,
    json_option,
    masker,
    need,
    project_option,
    read_settings,
)

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from ci_core.masking import Masker
    from ci_core.pipelines.dvc import DvcEngine
    from ci_core.pipelines.spec import Activity, PipelineRun
    from ci_core.versioning.dvc import Transfer


@click.command()
@click.option(
    "--push", is_flag=True, help="Afterwards send the data to the default DVC remote, and look that it is there."
)
@project_option
@dry_run_option
@json_option
@click.pass_obj
def command(env: Mapping[str, str], *, push: bool, project: Path, dry_run: bool, as_json: bool) -> None:
    """Run the pipeline stages that are stale.

    Stages whose outputs are in the run cache are not run again, and only the data that is needed is fetched. What
    stages print goes to standard error and to .graphship/logs. Nothing is committed: the last line says what to
    commit. (`graphship ci` commits as `pipeline: {commit-lock: …}` says.)
    """
    need("dvc", "git", "dvc", "rich")
    settings = read_settings(project, env)
    from ci_core.pipelines.dvc import DvcEngine
    from ci_core.versioning.dvc import DvcProject

    mask = masker()
    engine = DvcEngine(DvcProject(settings.root), masker=mask)
    if dry_run:
        _foresee(engine, push=push, as_json=as_json)
        return
    with stdout_kept_clean():
        run, sent, problem = _run(engine, mask, push=push)
    if as_json:
        _echo_json(run, sent)
    else:
        _echo_text(run)
    if problem is not None:
        raise problem
    _require_success(run)
    _hint_commit(settings.root, run)


def _foresee(engine: DvcEngine, *, push: bool, as_json: bool) -> None:
    from ci_core.cli._version_text import stale_text
    from ci_core.versioning.plain import to_plain

    with stdout_kept_clean():
        stale = engine.stale()
        remote = engine.need_remote() if push else None
    if as_json:
        echo_json(to_plain(stale))
    else:
        echo_text(stale_text(stale))
    if remote is not None:
        echo_aside(f"then the data would be sent to {remote}")


def _run(engine: DvcEngine, mask: Masker, *, push: bool) -> tuple[PipelineRun, Transfer | None, Exception | None]:
    """Run and push; a push that fails is returned, so that what was run can be told first."""
    from ci_core.cli._run_view import make_view
    from ci_core.errors import GraphshipError
    from ci_core.operations.pipeline import sent_text

    busy_with = ""

    def hear(activity: Activity) -> None:
        nonlocal busy_with
        busy_with = activity.what
        view.activity(activity)

    with make_view(mask) as view:
        try:
            run = engine.run(on_line=view.line, on_stage=view.stage, on_activity=hear, needs_remote=push)
        except KeyboardInterrupt:
            view.note(f"ended before it was done: {busy_with}")
            raise
        for note in run.notes:
            view.note(f"note: {note}")
        if not push or run.failure is not None:
            return run, None, None
        try:
            sent = engine.push(on_activity=hear)
        except GraphshipError as error:
            return run, None, error
        view.note(sent_text(sent))
    return run, sent, None


def _echo_json(run: PipelineRun, sent: Transfer | None) -> None:
    from ci_core.versioning.plain import to_plain

    plain: Any = to_plain(run)
    echo_json({**plain, "push": to_plain(sent)})


def _echo_text(run: PipelineRun) -> None:
    from ci_core.cli._version_text import run_text

    is_idle = all(stage.outcome == "skipped" for stage in run.stages)
    echo_text("nothing is stale" if is_idle else run_text(run))


def _require_success(run: PipelineRun) -> None:
    """Raise the failure of a stage; its last lines were shown as they came, so they are not shown again."""
    from ci_core.errors import StageFailedError

    failure = run.failure
    if failure is not None:
        raise StageFailedError(
            stage=failure.stage,
            reason=failure.reason,
            command=failure.command,
            log=failure.log,
            last_lines=["its last lines are above"] if failure.last_lines else [],
        )


def _hint_commit(root: Path, run: PipelineRun) -> None:
    """Say what Git has to commit for this run to be recorded."""
    import shlex

    from ci_core.versioning.git import GitRepository

    changed = GitRepository(root).uncommitted(run.git_files)
    if changed:
        echo_aside(f"to keep this run: git add {shlex.join(changed)}")
