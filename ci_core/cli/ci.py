"""``graphship ci``: do what this CI event calls for."""

from __future__ import annotations

import json
import sys
from typing import TYPE_CHECKING, cast

import click

from ci_core.cli._common import echo_text, need, project_option
from ci_core.errors import ExitCode

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from ci_core.types import JsonObject


@click.command()
@project_option
@click.option("--require-delivery", is_flag=True, help="Exit with 6 when a result could not be delivered to the host.")
@click.pass_obj
def command(env: Mapping[str, str], project: Path, require_delivery: bool) -> int:  # noqa: FBT001 - click's way
    """Do what this CI event calls for: report, deploy, or watch.

    A change request gets a report, a push to the default branch is deployed, and a schedule judges the live traffic.
    The event is found in the variables of the CI system; on an unknown one set GRAPHSHIP_EVENT to change-request, push,
    tag, schedule or manual.
    """
    need("dvc", "dvc", "git")
    need("monitor", "duckdb", "numpy", "scipy")
    from ci_core.ci.detect import detect
    from ci_core.ci.plain import PlainConsole
    from ci_core.cli._project import open_project
    from ci_core.operations.ci import run_ci

    console = PlainConsole.from_environment(env, sys.stderr)
    opened = open_project(project, env, console)
    context = detect(env, read_event=_read_event, checkout=opened.git)
    result = run_ci(opened, context)
    if result.text:
        echo_text(result.text)
    console.output("delivered", "true" if result.is_delivered else "false")
    if result.failure is not None:
        raise result.failure
    if require_delivery and not result.is_delivered and result.exit_code is ExitCode.DONE:
        return ExitCode.NOT_DELIVERED
    return result.exit_code


def _read_event(path: Path) -> JsonObject:
    return cast("JsonObject", json.loads(path.read_text(encoding="utf-8")))
