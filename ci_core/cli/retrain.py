"""``graphship retrain``: train a challenger on new windows, and open a change request if it wins."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import click

from ci_core.cli._common import dry_run_option, echo_text, need, project_option
from ci_core.errors import ForeignEventError

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path


@click.command()
@click.argument("environment", metavar="ENV")
@project_option
@dry_run_option
@click.pass_obj
def command(env: Mapping[str, str], environment: str, project: Path, dry_run: bool) -> None:  # noqa: FBT001 - click's way
    """Train a challenger on the windows that ENV's traffic was judged by; open a change request if it wins.

    Needs no drift: you asked for it. The windows must have been judged before, by `graphship ci` on a schedule.
    """
    need("dvc", "dvc", "git")
    need("monitor", "duckdb", "numpy")
    from ci_core.ci.detect import detect
    from ci_core.ci.plain import PlainConsole
    from ci_core.cli._project import open_project
    from ci_core.operations.schedule import retrain_on_command

    opened = open_project(project, env, PlainConsole.from_environment(env, sys.stderr))
    context = detect({**env, "GRAPHSHIP_EVENT": "manual"}, read_event=lambda _path: {}, checkout=opened.git)
    if not context.is_trusted:
        raise ForeignEventError(event=context.event)
    result = retrain_on_command(opened, context, opened.settings.environment(environment), dry_run=dry_run)
    if result is not None:
        echo_text(result.outcome or result.decision.reason)
        if result.request:
            echo_text(f"change request: {result.request}")
