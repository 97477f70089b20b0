"""Tell the demo's story on a terminal or into a log: headings, paragraphs, facts, and what programs say.

The only file of the demo that prints. On a terminal the newest line of a running program is shown and replaced; in a
log there is nothing to replace, so only what stays is written. Colours are rich's business; it respects ``NO_COLOR``.
"""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

from rich.markup import escape
from rich.padding import Padding
from rich.table import Table

from ci_core.printable import one_line

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from pathlib import Path

    from rich.console import Console
    from rich.status import Status


@dataclass(frozen=True, slots=True, kw_only=True)
class StepSummary:
    """One line of the table at the end."""

    number: int
    title: str
    result: str
    seconds: float


class Narrator:
    """Speaks to whoever watches.

    Args:
        console: where to; rich knows whether it is a terminal and whether it has colours.
        clock: seconds that only grow.
        is_verbose: whether every line of every program stays.
    """

    def __init__(self, console: Console, *, clock: Callable[[], float], is_verbose: bool = False) -> None:
        self._console, self._clock, self._is_verbose = console, clock, is_verbose
        self._status: Status | None = None
        self.summaries: list[StepSummary] = []

    @contextmanager
    def step(self, number: int, count: int, title: str) -> Iterator[list[str]]:
        """Put a heading over a step, and its time under it.

        Yields:
            A list; its last entry becomes the step's result in the table at the end.
        """
        began = self._clock()
        results = [""]
        self._console.print()
        self._console.rule(f"[bold]{number}/{count}  {escape(title)}[/]", align="left", style="cyan", characters="─")
        yield results
        seconds = self._clock() - began
        self.summaries.append(StepSummary(number=number, title=title, result=results[-1], seconds=seconds))
        self._print(f"[dim]{seconds:.1f} s[/]", indent=2)

    def say(self, paragraph: str) -> None:
        """Tell one short paragraph; backticks are for commands and names."""
        self._print(escape(paragraph), indent=2)

    def fact(self, text: str) -> None:
        """Tell one thing that was seen to be so."""
        line = Table.grid(padding=(0, 1, 0, 0))  # a grid, so that a second line starts under the first
        line.add_row("[green]•[/]", escape(text))
        self._console.print(Padding(line, (0, 0, 0, 2), expand=False), highlight=False)

    def command(self, text: str) -> None:
        """Show a command that can be pasted: it is not wrapped."""
        self._console.print()
        self._console.print(f"  [bold cyan]{escape(text)}[/]", soft_wrap=True, highlight=False)
        self._console.print()

    @contextmanager
    def busy(self, what: str) -> Iterator[Callable[[str], None]]:
        """Show that something runs.

        Yields:
            A function that is told each line of what runs; the newest is shown on a terminal.
        """
        self._print(f"[dim]… {escape(what)}[/]", indent=2)
        if not self._console.is_terminal:
            yield self._detail
            return
        with self._console.status("") as self._status:
            yield self._detail
        self._status = None

    def _detail(self, line: str) -> None:
        text = one_line(line).strip()
        if self._is_verbose:
            self._print(f"[dim]│ {escape(text)}[/]", indent=4)
        elif self._status is not None:
            width = max(self._console.width - 8, 20)
            self._status.update(f"[dim]{escape(text[:width])}[/]")

    def table(self, pages: Sequence[tuple[str, Path]], total_s: float) -> None:
        """End the story: what each step came to, and the pages to open."""
        table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0))
        table.add_column("", justify="right", style="cyan")
        table.add_column("step")
        table.add_column("what came of it")
        table.add_column("time", justify="right", style="dim")
        for line in self.summaries:
            table.add_row(str(line.number), escape(line.title), escape(line.result), f"{line.seconds:.1f} s")
        table.add_row("", "", "", f"{total_s:.1f} s")
        self._console.print()
        self._console.rule("[bold]What you saw[/]", align="left", style="cyan", characters="─")
        self._console.print(Padding(table, (0, 2)))
        self._console.print()
        self._print("Pages to open (they need no network):", indent=2)
        for title, path in pages:
            self._console.print(
                f"    {escape(title):<22} [cyan]{escape(str(path))}[/]", soft_wrap=True, highlight=False
            )

    def _print(self, markup: str, *, indent: int) -> None:
        self._console.print(Padding(markup, (0, 0, 0, indent), expand=False), highlight=False)
