"""``graphship rollback``: put the previous release back."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from ci_core.cli._common import dry_run_option, echo_json, echo_text, json_option, project_option, read_settings
from ci_core.types import ReleaseId

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path


@click.command()
@click.argument("environment", metavar="ENV")
@click.option("--to", metavar="RELEASE", help="The release to put back, or the beginning of its id; else the previous.")
@project_option
@dry_run_option
@json_option
@click.pass_obj
def command(
    env: Mapping[str, str], *, environment: str, to: str | None, project: Path, dry_run: bool, as_json: bool
) -> None:
    """Put the previous release of ENV back.

    Nothing is built: the target keeps its last releases. The release that is left is refused in ENV from then on
    (`graphship deploy --force` overrides).
    """
    settings = read_settings(project, env)
    from ci_core.cli._adapters import make_target
    from ci_core.cli._deploy_text import outcome_text
    from ci_core.versioning.plain import to_plain

    chosen = settings.environment(environment)
    target = make_target(settings, chosen, env)
    if dry_run:
        live = target.observe(chosen.name)
        wanted = to or live.previous
        click.echo(f"would put release {wanted[:12]} back" if wanted else "there is nothing to roll back to", err=True)
        return
    outcome = target.rollback(
        chosen.name, ReleaseId(to) if to else None, progress=lambda line: click.echo(f"  {line}", err=True)
    )
    if as_json:
        echo_json(to_plain(outcome))
    else:
        echo_text(outcome_text(outcome))
