"""``graphship init``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from ci_core.cli._common import dry_run_option, need

if TYPE_CHECKING:
    from ci_core.config.survey import Survey


@click.command("init")
@click.option(
    "--project",
    type=click.Path(path_type=Path, file_okay=False, exists=True),
    default=Path(),
    show_default="this folder",
    help="Top folder of the repository; the file is written there.",
)
@click.option("--force", is_flag=True, help="Replace an existing graphship.yaml.")
@dry_run_option
def command(project: Path, *, force: bool, dry_run: bool) -> None:
    """Write a commented graphship.yaml for this repository.

    It names what is there: DVC's metrics, a serving graph, a tracked table. Everything else is in the file too,
    commented out. An existing file is left as it is.
    """
    need("ci", "pydantic")
    from ci_core.operations.init_project import init_project

    made = init_project(project, force=force, dry_run=dry_run)
    if dry_run:
        click.echo(made.text, nl=False)
        return
    click.echo(f"wrote {made.path.name}: {_found(made.found)}", err=True)
    click.echo("next: `graphship doctor` says what is still missing", err=True)


def _found(found: Survey) -> str:
    parts = {
        "pipeline": "dvc.yaml" if found.has_pipeline else None,
        "metrics": ", ".join(found.metrics_files) or None,
        "params": ", ".join(found.params_files) or None,
        "model": found.model,
        "graph": found.graph,
        "reference": found.table,
        "smoke": found.smoke,
    }
    named = [f"{noun} `{what}`" for noun, what in parts.items() if what]
    return f"found {', '.join(named)}" if named else "an empty start, nothing was found to name"
