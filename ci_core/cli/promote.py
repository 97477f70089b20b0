"""``graphship promote``: make what one environment has the next one's stage."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import click

from ci_core.cli._common import dry_run_option, json_option, project_option

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path


@click.command()
@click.argument("source", metavar="FROM")
@click.argument("to", metavar="TO")
@click.option("--message", "-m", metavar="TEXT", help="The text of the tag.")
@click.option("--push", is_flag=True, help="Send the tag to `origin`; it is kept only when `origin` takes it.")
@click.option(
    "--force",
    is_flag=True,
    help="Do it although the pipeline is stale, the DVC remote lacks objects, or FROM serves another commit.",
)
@project_option
@dry_run_option
@json_option
@click.pass_obj
def command(
    env: Mapping[str, str],
    *,
    source: str,
    to: str,
    message: str | None,
    push: bool,
    force: bool,
    project: Path,
    dry_run: bool,
    as_json: bool,
) -> None:
    """Promote what the environment FROM has to the environment TO.

    FROM has the commit of its newest stage tag or, when it deploys on merge, of its live release. On that commit the
    stage tag of TO is written, as GTO does: `churn#production#3`. Nothing is deployed by this command.
    """
    if source == to:
        raise click.UsageError(f"FROM and TO are the same environment, {to}")
    from ci_core.ci.plain import PlainConsole
    from ci_core.cli._project import open_project
    from ci_core.cli._registry_text import echo_promotion
    from ci_core.operations.promote import promote
    from ci_core.operations.registry import TagOptions

    opened = open_project(project, env, PlainConsole.from_environment(env, sys.stderr))
    promotion = promote(
        opened,
        opened.settings.environment(source),
        opened.settings.environment(to),
        options=TagOptions(push=push, force=force, dry_run=dry_run, message=message),
    )
    echo_promotion(promotion, as_json=as_json)
