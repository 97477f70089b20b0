"""``graphship status``: say what is live."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from ci_core.cli._common import echo_json, echo_text, json_option, project_option, read_settings

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path


@click.command()
@click.argument("environment", metavar="[ENV]", required=False)
@project_option
@json_option
@click.pass_obj
def command(env: Mapping[str, str], *, environment: str | None, project: Path, as_json: bool) -> None:
    """Say what is live in ENV, or in all environments in promotion order.

    On the local target a live release whose supervisor is gone, after a crash or a restart of the machine, is brought
    up again.
    """
    settings = read_settings(project, env)
    from ci_core.cli._adapters import make_target
    from ci_core.cli._deploy_text import live_text
    from ci_core.versioning.plain import to_plain

    chosen = [settings.environment(environment)] if environment else settings.environments
    lives = [make_target(settings, one, env).observe(one.name) for one in chosen]
    if as_json:
        echo_json([to_plain(live) for live in lives])
    elif lives:
        echo_text("\n".join(live_text(live) for live in lives))
    else:
        click.echo("this project has no environments; add them to graphship.yaml under `environments`", err=True)
