"""``graphship stop``: stop everything that runs for an environment."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from ci_core.cli._common import dry_run_option, project_option, read_settings

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path


@click.command()
@click.argument("environment", metavar="ENV")
@project_option
@dry_run_option
@click.pass_obj
def command(env: Mapping[str, str], environment: str, project: Path, dry_run: bool) -> None:  # noqa: FBT001 - click's way
    """Stop everything that runs for ENV.

    Releases, history and captures stay. `graphship deploy ENV` starts it again.
    """
    settings = read_settings(project, env)
    from ci_core.cli._adapters import make_target

    chosen = settings.environment(environment)
    target = make_target(settings, chosen, env)
    live = target.observe(chosen.name)
    if live.release is None:
        click.echo(f"nothing is live in {chosen.name}")
    elif dry_run:
        click.echo(f"would stop release {live.release[:12]} in {chosen.name}")
    else:
        target.destroy(chosen.name)
        click.echo(f"stopped release {live.release[:12]} in {chosen.name}")
