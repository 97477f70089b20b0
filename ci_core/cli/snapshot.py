"""``graphship snapshot``: print the exact versions of everything."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from ci_core.cli._common import echo_json, echo_text, json_option, need, project_option, read_settings

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path


@click.command()
@click.option(
    "--rev", metavar="REVISION", help="A commit, branch or tag; it is not checked out. Default: the work tree."
)
@project_option
@json_option
@click.pass_obj
def command(env: Mapping[str, str], *, rev: str | None, project: Path, as_json: bool) -> None:
    """Print the exact versions of code, data, params, models and results."""
    need("dvc", "git", "dvc")
    settings = read_settings(project, env)
    from ci_core.cli._version_text import snapshot_text
    from ci_core.versioning.plain import to_plain
    from ci_core.versioning.snapshot import take_snapshot

    snapshot = take_snapshot(settings.root, rev)
    if as_json:
        echo_json(to_plain(snapshot))
    else:
        echo_text(snapshot_text(snapshot))
