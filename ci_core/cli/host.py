"""``graphship host``: see and do on the local host what people do on a forge's pages."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from ci_core.cli._common import dry_run_option, echo_json, json_option, need, project_option
from ci_core.errors import NoLocalHostError, NotFoundOnHostError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from ci_core.hosts.local import LocalHost


def _host_options(function: Callable[..., Any]) -> Callable[..., Any]:
    """Add ``--path`` and ``--project``: where the host is."""
    path = click.option(
        "--path",
        type=click.Path(path_type=Path, file_okay=False, exists=True),
        help="The bare repository of the host.  [default: the project's origin]",
    )
    return path(project_option(function))


@click.group(name="host", short_help="Show and act on the local host.")
def command() -> None:
    """Show and act on the local host: change requests, issues, statuses, deployments.

    The local host is a bare repository with a folder beside it; it stands in for GitHub or GitLab in the demo, in tests
    and where no forge can be reached. You act under the name that Git knows you by.
    """
    need("ci", "filelock", "markdown_it", "rich")


@command.command()
@click.argument("number", type=int, required=False)
@_host_options
@json_option
@click.pass_obj
def show(env: Mapping[str, str], *, number: int | None, project: Path, path: Path | None, as_json: bool) -> None:
    """Show everything, or topic NUMBER whole.

    NUMBER is a change request or an issue; it is shown with its text, statuses and comments.
    """
    from ci_core.cli import _host_view as view

    host = _find(project, path)
    if number is None:
        overview = view.read_overview(host)
        if as_json:
            echo_json(asdict(overview))
        else:
            view.print_overview(overview, env)
        return
    topic = view.read_topic(host, number)
    if as_json:
        echo_json(asdict(topic))
    else:
        view.print_topic(topic, env)


@command.command("open")
@click.option("--branch", required=True, help="The pushed branch to merge from.")
@click.option("--title", required=True, help="One line.")
@click.option("--body", default="", help="Markdown.")
@click.option("--target", help="The branch to merge into.  [default: the default branch]")
@_host_options
@dry_run_option
def open_(
    *,
    branch: str,
    title: str,
    body: str,
    target: str | None,
    project: Path,
    path: Path | None,
    dry_run: bool,
) -> None:
    """Open a change request from a pushed branch."""
    host = _find(project, path)
    target = target or host.default_branch
    for name in (branch, target):
        if host.branch_head(name) is None:
            raise NotFoundOnHostError(host=str(host.folder), kind="branch", name=name)
    if dry_run:
        click.echo(f"would open a change request from {branch} to {target}", err=True)
        return
    made = host.open_change_request(branch, title, body, target)
    click.echo(f"opened change request {made.number}", err=True)
    click.echo(made.url)


@command.command()
@click.argument("number", type=int)
@_host_options
@dry_run_option
def merge(*, number: int, project: Path, path: Path | None, dry_run: bool) -> None:
    """Merge change request NUMBER.

    It gets a merge commit, and no branch is deleted.
    """
    host = _find(project, path)
    request = host.change_requests.get(number)
    if dry_run:
        click.echo(f"would merge {request.source_branch} into {request.target_branch}; it is {request.state}", err=True)
        return
    merged = host.merge(number)
    click.echo(f"merged change request {number} into {merged.target_branch}", err=True)
    click.echo(merged.merge_commit)


@command.command()
@click.argument("number", type=int)
@_host_options
@dry_run_option
def close(*, number: int, project: Path, path: Path | None, dry_run: bool) -> None:
    """Close a change request or issue."""
    from ci_core.cli._host_view import read_topic

    host = _find(project, path)
    topic = read_topic(host, number)
    if dry_run:
        click.echo(f"would close {topic.kind} {number}; it is {topic.state}", err=True)
        return
    host.close(number)
    click.echo(f"closed {topic.kind} {number}", err=True)


@command.command()
@click.argument("number", type=int)
@click.argument("text")
@_host_options
@dry_run_option
def comment(*, number: int, text: str, project: Path, path: Path | None, dry_run: bool) -> None:
    """Write TEXT as a remark on topic NUMBER."""
    from ci_core.cli._host_view import read_topic

    host = _find(project, path)
    topic = read_topic(host, number)
    if dry_run:
        click.echo(f"would comment on {topic.kind} {number}", err=True)
        return
    click.echo(host.comment(number, text).url)


@command.command()
@click.argument("path", type=click.Path(path_type=Path))
@dry_run_option
def init(*, path: Path, dry_run: bool) -> None:
    """Make a local host at PATH.

    That is a bare repository, unless one is there, and a folder beside it: flights.git and flights.host.
    """
    from ci_core.hosts.local import create_local_host
    from ci_core.hosts.local.host import host_folder

    if dry_run:
        click.echo(f"would make {path} and {host_folder(path)}", err=True)
        return
    host = create_local_host(path)
    click.echo(f"made {host.repository} and {host.folder}", err=True)
    click.echo(f"next: git remote add origin '{host.repository}'", err=True)


def _find(project: Path, path: Path | None) -> LocalHost:
    """Return the host named by ``--path``, else the one that the project's ``origin`` is on.

    Raises:
        NoLocalHostError: there is no local host there.
    """
    from ci_core.hosts.local import find_local_host
    from ci_core.hosts.local.repository import origin_url, person

    if path is not None:
        remote: str | None = str(path.absolute())
        base = None
    else:
        base, remote = origin_url(project) or (None, None)
    host = None if remote is None else find_local_host(remote, base=base, login=person(project) or "you")
    if host is None:
        raise NoLocalHostError(remote=remote)
    return host
