"""``graphship plan``: say what a deployment would do."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from ci_core.cli._common import echo_json, echo_text, json_option, project_option, read_settings

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from ci_core.deploy.spec import Plan


@click.command()
@click.argument("environment", metavar="ENV")
@project_option
@json_option
@click.pass_obj
def command(env: Mapping[str, str], *, environment: str, project: Path, as_json: bool) -> None:
    """Say what deploying this work tree to ENV would do.

    The graph is loaded and the release is built, so its id is known; nothing is deployed.
    """
    settings = read_settings(project, env)
    from ci_core.cli._adapters import make_target
    from ci_core.operations.deploy import plan_work_tree

    chosen = settings.environment(environment)
    print_plan(plan_work_tree(settings, chosen.name, make_target(settings, chosen, env)), as_json=as_json)


def print_plan(plan: Plan, *, as_json: bool) -> None:
    """Print a plan to stdout."""
    from ci_core.cli._deploy_text import plan_text
    from ci_core.versioning.plain import to_plain

    if as_json:
        echo_json({"digest": plan.digest, "plan": to_plain(plan)})
    else:
        echo_text(plan_text(plan))
