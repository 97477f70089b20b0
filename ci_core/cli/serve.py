"""``graphship serve``: the graph of this project on this machine."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

import click

from ci_core.cli._common import project_option, read_settings
from ci_core.errors import CaptureFolderError, NoGraphError
from ci_core.serving.flags import FLAGS, serve_options
from ci_core.workspace import WORKSPACE, workspace_folder

if TYPE_CHECKING:
    from collections.abc import Callable

    from ci_core.config.settings import Settings


def serving_options(function: Callable[..., Any]) -> Callable[..., Any]:
    """Add the flags that a server has wherever it is started."""
    for flag in reversed(FLAGS):
        if flag.type is bool:
            add = click.option(
                f"--{flag.name}/--no-{flag.name}", default=flag.default, show_default=True, help=flag.help
            )
        else:
            kind = click.IntRange if flag.type is int else click.FloatRange
            add = click.option(
                f"--{flag.name}",
                type=kind(min=flag.at_least),  # type: ignore[arg-type] # whole numbers have whole limits
                default=flag.default,
                show_default="no limit" if flag.default is None else True,
                metavar=flag.metavar,
                help=flag.help,
            )
        function = add(function)
    return function


@click.command(short_help="Serve the graph of this project on this machine.")
@project_option
@click.option("--host", default="127.0.0.1", show_default=True, help="Address to listen on.")
@click.option("--port", type=click.IntRange(0, 65535), default=8080, show_default=True, help="0 is any free port.")
@click.option("--no-capture", is_flag=True, help="Do not write model calls down.")
@click.option(
    "--function",
    "functions",
    multiple=True,
    metavar="NAME=URL",
    callback=lambda _context, _option, given: _addresses(given),
    help="The child function runs there, http://host:port or unix:/path; without one it gets a process of its own.",
)
@serving_options
@click.pass_obj
def command(
    env: dict[str, str],
    /,
    *,
    project: Path,
    host: str,
    port: int,
    no_capture: bool,
    functions: dict[str, str],
    **given: Any,
) -> NoReturn:
    """Serve the graph of this project on this machine, in the foreground.

    POST a JSON object, or a list of them, to `/`. Model calls are written to the folder `capture.to` of graphship.yaml.
    Ctrl-C stops: requests in flight are finished first.
    """
    settings = read_settings(project, env)
    if settings.graph is None:
        raise NoGraphError(where=settings.locate("graph"))
    from ci_core.serving.__main__ import QUEUE_URL, limit_threads
    from ci_core.serving.ending import leave
    from ci_core.serving.logs import set_up_logs

    limit_threads(os.environ)
    from ci_core.serving.project import serve_project

    options = serve_options(
        given,
        host=host,
        port=port,
        captures=None if no_capture else _captures_folder(settings),
        capture_sample=settings.capture.sample,
        time_column=settings.monitor.time_column if settings.monitor else None,
        environment=env,
        queue_url=env.get(QUEUE_URL),
        functions=functions,
    )
    set_up_logs()
    code = serve_project(settings.graph, settings.root, options)
    sys.stderr.write("stopped\n")
    leave(code)


def _addresses(given: tuple[str, ...]) -> dict[str, str]:
    for one in given:
        if "=" not in one:
            raise click.BadParameter(f"`{one}` is not NAME=URL")
    return dict(one.split("=", 1) for one in given)


def _captures_folder(settings: Settings) -> Path:
    """Return the folder that model calls are written to.

    Raises:
        CaptureFolderError: `capture.to` is no folder of this machine.
    """
    to = settings.capture.to
    if "://" in to:
        raise CaptureFolderError(folder=to, reason="a server on this machine writes to a folder, not to a URL")
    if Path(to).parts[0] == WORKSPACE:
        workspace_folder(settings.root)
    return settings.root / to
