"""``graphship diff``: compare two commits, or a commit with the work tree."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import click

from ci_core.cli._common import echo_json, json_option, masker, need, project_option, terminal_style, without_option
from ci_core.cli._no_change import tell_when_nothing_changed

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path


@click.command()
@click.argument("base", required=False)
@click.argument("head", required=False)
@project_option
@without_option("tables", "graph", "behaviour", "plots")
@json_option
@click.pass_obj
def command(
    env: Mapping[str, str],
    *,
    base: str | None,
    head: str | None,
    project: Path,
    without: tuple[str, ...],
    as_json: bool,
) -> None:
    """Compare data, params, metrics, models and answers of two revisions.

    BASE is where the work began by default: the newest commit that the checked-out one shares with the default branch.
    HEAD is the work tree by default. `graphship report` judges the difference by the gates, too.
    """
    need("dvc", "git", "dvc")
    from ci_core.ci.plain import PlainConsole
    from ci_core.cli._project import open_project
    from ci_core.operations.comparison import PARTS, compare_named
    from ci_core.operations.comparison_json import comparison_json
    from ci_core.operations.report import Occasion, make_report
    from ci_core.reports.render import render_terminal

    opened = open_project(project, env, PlainConsole.from_environment(env, sys.stderr))
    left_out = {"plots", *without} if as_json else set(without)
    comparison = compare_named(opened, base, head, without=[part for part in PARTS if part in left_out])
    if as_json:
        echo_json(comparison_json(comparison, masker()))
    else:
        report = make_report(opened, comparison, Occasion())
        click.echo(render_terminal(report, redactor=opened.redactor, **terminal_style(env)))
        tell_when_nothing_changed(report, opened.console, command="diff", base=base)
