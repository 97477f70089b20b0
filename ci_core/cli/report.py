"""``graphship report``: what a change does and whether it may merge, as files and on the terminal."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from ci_core.cli._common import json_option, need, project_option, terminal_style, without_option
from ci_core.cli._no_change import tell_when_nothing_changed
from ci_core.errors import FileNotWritableError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ci_core.errors import ExitCode


@click.command()
@click.argument("base", required=False)
@click.argument("head", required=False)
@project_option
@click.option(
    "--output",
    type=click.Path(path_type=Path, file_okay=False),
    show_default=".graphship/report",
    help="Folder for report.json, report.md, report.html and junit.xml.",
)
@without_option("tables", "graph", "behaviour", "plots", "html")
@json_option
@click.pass_obj
def command(
    env: Mapping[str, str],
    *,
    base: str | None,
    head: str | None,
    project: Path,
    output: Path | None,
    without: tuple[str, ...],
    as_json: bool,
) -> ExitCode:
    """Compare two revisions, judge the gates, and write the report of it.

    BASE is where the work began by default: the newest commit that the checked-out one shares with the default branch.
    HEAD is the work tree by default. Nothing is run but recorded requests through both serving graphs; run stages that
    are stale first, with `graphship run`. Exits with 1 when a gate fails.
    """
    need("dvc", "git", "dvc")
    from ci_core.ci.plain import PlainConsole
    from ci_core.cli._project import open_project
    from ci_core.operations.comparison import PARTS
    from ci_core.operations.report import exit_code, report_revisions, write_report
    from ci_core.reports.render import render_terminal

    opened = open_project(project, env, PlainConsole.from_environment(env, sys.stderr))
    folder = _made(output) if output else opened.output("report", "report.json").parent
    report = report_revisions(opened, base, head, without=[part for part in PARTS if part in without])
    write_report(opened, report, folder, with_html="html" not in without)
    if as_json:
        click.echo(report.to_json(), nl=False)
    else:
        click.echo(render_terminal(report, redactor=opened.redactor, **terminal_style(env)))
    tell_when_nothing_changed(report, opened.console, command="report", base=base)
    opened.console.output("report-path", str(folder / ("report.json" if "html" in without else "report.html")))
    return exit_code(report)


def _made(folder: Path) -> Path:
    """Return the folder, made when needed, before a comparison that may take minutes.

    Raises:
        FileNotWritableError: it cannot be made, for example since a file stands in its place.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise FileNotWritableError(path=str(folder), reason=error.strerror or str(error)) from error
    return folder
