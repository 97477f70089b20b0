"""``graphship deploy``: deploy the serving graph to an environment."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from ci_core.cli._common import dry_run_option, echo_json, echo_text, json_option, project_option, read_settings

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path


@click.command()
@click.argument("environment", metavar="ENV")
@click.option("--force", is_flag=True, help="Try a release again that failed in ENV before.")
@project_option
@dry_run_option
@json_option
@click.pass_obj
def command(
    env: Mapping[str, str], *, environment: str, force: bool, project: Path, dry_run: bool, as_json: bool
) -> None:
    """Deploy the serving graph of this work tree to ENV.

    The new release is started beside the live one, must get ready and answer the smoke requests, and only then gets
    the traffic. When it fails, the live one keeps serving and the exit code is 4. Files are taken as they are: run the
    pipeline first (`graphship run`) when it is stale.
    """
    settings = read_settings(project, env)
    from ci_core.cli._adapters import make_target
    from ci_core.cli._deploy_text import outcome_text
    from ci_core.operations.deploy import deploy_work_tree, plan_work_tree
    from ci_core.versioning.plain import to_plain

    chosen = settings.environment(environment)
    target = make_target(settings, chosen, env, accepts_known_bad=force)
    if dry_run:
        from ci_core.cli.plan import print_plan

        print_plan(plan_work_tree(settings, chosen.name, target), as_json=as_json)
        return
    outcome = deploy_work_tree(settings, chosen.name, target, progress=lambda line: click.echo(f"  {line}", err=True))
    if as_json:
        echo_json(to_plain(outcome))
    else:
        echo_text(outcome_text(outcome))
