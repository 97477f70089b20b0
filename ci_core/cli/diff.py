"""``graphship diff``: compare two commits, or a commit with the work tree."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from ci_core.cli._common import echo_json, json_option, need, project_option, read_settings

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from ci_core.versioning.revision import Snapshot


@click.command()
@click.argument("base", required=False)
@click.argument("head", required=False)
@project_option
@json_option
@click.pass_obj
def command(env: Mapping[str, str], *, base: str | None, head: str | None, project: Path, as_json: bool) -> None:
    """Compare data, params, metrics and models of two revisions.

    BASE is where the work began by default: the newest commit that the checked-out one shares with the default branch.
    HEAD is the work tree by default.
    """
    settings = read_settings(project, env)
    need("dvc", "git", "dvc")
    from ci_core.cli._version_text import difference_text
    from ci_core.versioning.base_revision import find_base
    from ci_core.versioning.compare import compare
    from ci_core.versioning.dvc import DvcProject
    from ci_core.versioning.git import GitRepository
    from ci_core.versioning.plain import to_plain
    from ci_core.versioning.snapshot import snapshot_or_problem, take_snapshot

    dvc = DvcProject(settings.root)
    new = take_snapshot(settings.root, head, dvc=dvc)
    if base is not None:
        old: Snapshot | None = take_snapshot(settings.root, base, dvc=dvc)
        problem = None
    else:
        chosen = find_base(GitRepository(settings.root), head or "HEAD")
        old, problem = None, chosen.problem
        if chosen.commit is not None:
            old, problem = snapshot_or_problem(settings.root, chosen.commit, dvc=dvc)
    diff = compare(old, new, gates=settings.gates.metrics, base_problem=problem)
    if as_json:
        echo_json(to_plain(diff))
    else:
        click.echo(difference_text(diff))
