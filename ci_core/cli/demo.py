"""``graphship demo``: the whole loop on real flight data, here, with embedded parts only."""

from __future__ import annotations

import signal
import sys
import time
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import click

from ci_core.cli._common import need

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from types import FrameType

    from rich.console import Console

_ENDING_SIGNALS = (signal.SIGTERM, signal.SIGHUP)


@click.command()
@click.option(
    "--folder",
    type=click.Path(path_type=Path),
    default=Path("graphship-demo"),
    show_default=True,
    help="The folder to play in; an earlier demo there is removed.",
)
@click.option("--verbose", is_flag=True, help="Show every line that the runs print.")
@click.pass_obj
def command(env: Mapping[str, str], *, folder: Path, verbose: bool) -> None:
    """Play the whole loop on real flight data, here, with embedded parts only.

    A project with Git and DVC is made, deployed, changed, merged under load, sent a summer's traffic, found drifting,
    retrained and deployed again, by the commands that your own project would use. It takes about a minute and needs no
    network. On a terminal the last release keeps serving until you press Enter.
    """
    need("demo", "rich", "git", "dvc", "duckdb", "onnxruntime", "sklearn", "skl2onnx")
    from rich.console import Console

    from ci_core.demo.narrator import Narrator
    from ci_core.demo.story import Story
    from ci_core.demo.workspace import open_workspace

    console = Console(highlight=False, no_color=True if "NO_COLOR" in env else None)
    narrator = Narrator(console, clock=time.perf_counter, is_verbose=verbose)
    root = folder.absolute()
    try:
        with _signals_as_interrupts():
            ending = Story(root, env=env, narrator=narrator, clock=time.perf_counter).tell()
            if sys.stdin.isatty() and console.is_terminal:
                _serve_until_enter(console, ending.url)
    finally:
        with _undisturbed():
            open_workspace(root, env).stop()


def _serve_until_enter(console: Console, url: str) -> None:
    console.print(f"\n  The last release answers on [cyan]{url}[/] until you press Enter.")
    try:
        sys.stdin.readline()
    except KeyboardInterrupt:
        console.print()


@contextmanager
def _signals_as_interrupts() -> Iterator[None]:
    """Let a request to end, or a closed terminal, do what Ctrl-C does, so that everything that was started ends too."""

    def interrupt(_number: int, _frame: FrameType | None) -> None:
        raise KeyboardInterrupt

    before = {number: signal.signal(number, interrupt) for number in _ENDING_SIGNALS}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


@contextmanager
def _undisturbed() -> Iterator[None]:
    """Keep a second Ctrl-C from interrupting the clean-up: it takes a second."""
    before = {number: signal.signal(number, signal.SIG_IGN) for number in (signal.SIGINT, *_ENDING_SIGNALS)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
