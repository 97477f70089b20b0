"""``graphship register``: give a model's state at a commit a version."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, cast

import click

from ci_core.cli._common import dry_run_option, json_option, project_option

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from ci_core.versioning.registry_grammar import Part


@click.command()
@click.argument("name", metavar="[NAME]", required=False)
@click.option("--version", metavar="VERSION", help="The version, such as v1.3.0. Default: the next one.")
@click.option(
    "--bump",
    type=click.Choice(["major", "minor", "patch"]),
    help="The part of the newest version that grows. Default: patch; the first version is v0.0.1.",
)
@click.option("--rev", metavar="REVISION", help="A commit, branch or tag. Default: the commit that is checked out.")
@click.option("--message", "-m", metavar="TEXT", help="The text of the tag.")
@click.option("--push", is_flag=True, help="Send the tag to `origin`; it is kept only when `origin` takes it.")
@click.option("--force", is_flag=True, help="Do it although the pipeline is stale or the DVC remote lacks objects.")
@project_option
@dry_run_option
@json_option
@click.pass_obj
def command(
    env: Mapping[str, str],
    *,
    name: str | None,
    version: str | None,
    bump: str | None,
    rev: str | None,
    message: str | None,
    push: bool,
    force: bool,
    project: Path,
    dry_run: bool,
    as_json: bool,
) -> None:
    """Register a version of the model NAME.

    NAME stands under `artifacts` in a dvc.yaml; it may be left out when there is only one. The version is an annotated
    Git tag as GTO writes it (`churn@v1.3.0`), and is refused when the work tree has changes, the pipeline is stale or
    the DVC remote lacks objects of the commit: nobody could use it.
    """
    if version is not None and bump is not None:
        raise click.UsageError("--version names the version, --bump derives it: give one of them")
    from ci_core.ci.plain import PlainConsole
    from ci_core.cli._project import open_project
    from ci_core.cli._registry_text import echo_change
    from ci_core.operations.register import register
    from ci_core.operations.registry import TagOptions

    change = register(
        open_project(project, env, PlainConsole.from_environment(env, sys.stderr)),
        name,
        version=version,
        part=cast("Part | None", bump),
        revision=rev,
        options=TagOptions(push=push, force=force, dry_run=dry_run, message=message),
    )
    echo_change(change, as_json=as_json)
