"""The command line: the only code that parses arguments, reads the environment, prints and exits.

Sub-commands are loaded when they are called: ``graphship --help`` imports click and nothing else. Each module in this
package holds one command, called ``command``.
"""

from __future__ import annotations

import importlib
import os
import signal
import sys
from typing import NoReturn

import click

from ci_core import __version__

_COMMANDS: dict[str, str] = {
    # name -> one line for `graphship --help`, kept here so that help imports no command
    "ci": "Do what this CI event calls for: report, deploy, monitor or retrain.",
    "demo": "Play the whole loop on real flight data, here, with embedded parts only.",
    "deploy": "Deploy the serving graph to an environment.",
    "diff": "Compare data, params and metrics of two commits.",
    "deliver": "Post the report of a fork's change request, from a run with rights.",
    "doctor": "Say what is missing in this project, in the order to mend it.",
    "host": "Show and act on the local host: change requests, issues, statuses.",
    "init": "Write a commented graphship.yaml for this repository.",
    "monitor": "Compare a window of live traffic with the reference.",
    "plan": "Say what a deployment would do.",
    "promote": "Promote what one environment has to the next one.",
    "register": "Register a version of a model.",
    "report": "Compare two revisions, judge the gates, and write the report of it.",
    "retrain": "Train a challenger on new windows and open a change request if it wins.",
    "rollback": "Put the previous release back.",
    "run": "Run the pipeline stages that are stale.",
    "serve": "Serve the graph of this project on this machine.",
    "snapshot": "Print the exact versions of code, data, params and models.",
    "status": "Say what is live in the environments.",
    "stop": "Stop everything that runs for an environment.",
}

_EXTRAS: dict[str, tuple[str, ...]] = {
    # name -> an extra and libraries of it, for commands whose options cannot be told without them
    "serve": ("serve", "granian", "msgspec", "nanoarrow", "numpy", "orjson"),
}


class _LazyGroup(click.Group):
    """A group that knows its commands by name and imports one only to run it."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002 - click gives it
        return sorted(_COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002 - as above
        if cmd_name not in _COMMANDS:
            return None
        if cmd_name in _EXTRAS:
            from ci_core.cli._common import need  # only here: `--help` imports click and nothing else

            need(*_EXTRAS[cmd_name])
        module = importlib.import_module(f"ci_core.cli.{cmd_name.replace('-', '_')}")
        command: click.Command = module.command
        return command

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        name = args[0]
        if name not in _COMMANDS and not name.startswith("-") and not ctx.resilient_parsing:
            from difflib import get_close_matches  # only here: `--help` imports click and nothing else

            close = get_close_matches(name, _COMMANDS, n=1)
            ctx.fail(f"there is no command `{name}`" + (f"; did you mean `{close[0]}`?" if close else ""))
        return super().resolve_command(ctx, args)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:  # noqa: ARG002 - as above
        with formatter.section("Commands"):
            formatter.write_dl(sorted(_COMMANDS.items()))


@click.group(
    cls=_LazyGroup,
    context_settings={"help_option_names": ["-h", "--help"]},
    epilog="Start here: `graphship demo` shows the whole loop; `graphship init` sets your repository up.",
)
@click.version_option(__version__, prog_name="graphship")
@click.option("--debug", is_flag=True, help="Show tracebacks of errors.")
def cli(debug: bool) -> None:  # noqa: FBT001 - click passes flags by name
    """Continuous delivery for machine learning, run by the repository itself."""


def main() -> NoReturn:
    """Run the command line and exit with the code of docs/reference/exit-codes.md."""
    from ci_core.cli._render import run

    # A cancelled CI job is told so by SIGTERM: let it clean up as for Ctrl-C, rather than end where it stands.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    sys.exit(run(cli, sys.argv[1:], os.environ))
