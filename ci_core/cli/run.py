"""``graphship run``: run the pipeline stages that are stale."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from ci_core.cli._common import dry_run_option, echo_json, json_option, need, project_option, read_settings

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from ci_core.pipelines.spec import StageRun


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

    What stages print goes to standard error and to .graphship/logs. Nothing is committed: `git status` shows the
    refreshed dvc.lock and metrics.
    """
    settings = read_settings(project, env)
    need("dvc", "git", "dvc")
    from ci_core.cli._version_text import run_text, stale_text
    from ci_core.pipelines.dvc import DvcEngine
    from ci_core.printable import printable
    from ci_core.versioning.dvc import DvcProject
    from ci_core.versioning.plain import to_plain

    engine = DvcEngine(DvcProject(settings.root))
    if dry_run:
        stale = engine.stale()
        if as_json:
            echo_json(to_plain(stale))
        else:
            click.echo(stale_text(stale))
        return
    run = engine.run(on_line=lambda line: click.echo(f"  {printable(line)}", err=True), on_stage=_tell)
    for note in run.notes:
        click.echo(f"note: {printable(note)}", err=True)
    if as_json:
        echo_json(to_plain(run))
    else:
        click.echo(run_text(run))
    run.require_success()
    if push:
        sent = engine.push()
        click.echo(f"{sent.verified} objects are in {sent.remote}", err=True)


def _tell(stage: StageRun) -> None:
    if stage.outcome in {"ran", "cached", "failed"}:
        click.echo(f"{stage.name}: {stage.outcome}", err=True)
