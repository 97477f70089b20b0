"""``graphship monitor``: compare a window with the reference."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from ci_core.cli._common import echo_json, echo_text, json_option, need
from ci_core.errors import ExitCode

if TYPE_CHECKING:
    from ci_core.monitoring.spec import State

_FAILS_ON: dict[str, frozenset[str]] = {
    "potential": frozenset({"potential", "drift"}),
    "drift": frozenset({"drift"}),
    "broken-data": frozenset({"broken-data"}),
}


@click.command()
@click.option(
    "--reference",
    type=click.Path(path_type=Path),
    metavar="TABLE",
    help="What is right by definition: Parquet, CSV, TSV, JSON lines or an Arrow stream.",
)
@click.option("--window", type=click.Path(path_type=Path), metavar="TABLE", help="The table to judge.")
@click.option(
    "--time-column",
    metavar="COLUMN",
    help="The events' own time, in both tables. Only with it can bounds come from the reference's own days, and only "
    "with it can the verdict be drift.",
)
@click.option(
    "--length", default="24h", show_default=True, metavar="DURATION", help="Length of a window, with --time-column."
)
@click.option("--ignore", multiple=True, metavar="COLUMN", help="Do not compare this column. Repeatable.")
@click.option(
    "--fail-on",
    type=click.Choice(tuple(_FAILS_ON)),
    multiple=True,
    help="Exit with 1 on this verdict; potential includes drift. Repeatable.",
)
@json_option
def command(
    *,
    reference: Path | None,
    window: Path | None,
    time_column: str | None,
    length: str,
    ignore: tuple[str, ...],
    fail_on: tuple[str, ...],
    as_json: bool,
) -> ExitCode:
    """Compare a window of live traffic with the reference.

    Any two tables will do, no project is needed. Exit code 0 whatever the verdict, unless --fail-on says otherwise.
    """
    if reference is None or window is None:
        raise click.UsageError("name both tables: --reference TABLE --window TABLE")
    need("monitor", "duckdb", "scipy", "numpy")
    from ci_core.cli._monitor_text import render
    from ci_core.config.durations import parse_duration
    from ci_core.operations.compare_tables import compare_tables

    try:
        parsed = parse_duration(length)
        if not parsed:
            raise ValueError("a window must have a length")
    except ValueError as error:
        raise click.BadParameter(str(error), param_hint="--length") from error
    comparison = compare_tables(reference, window, time_column=time_column, ignore=ignore, length=parsed)
    if as_json:
        from ci_core.cli._monitor_json import to_json

        echo_json(to_json(comparison))
    else:
        echo_text(render(comparison))
    return _exit_code(comparison.verdict.state, fail_on)


def _exit_code(state: State, fail_on: tuple[str, ...]) -> ExitCode:
    failed = any(state in _FAILS_ON[name] for name in fail_on)
    return ExitCode.CHECK_FAILED if failed else ExitCode.DONE
