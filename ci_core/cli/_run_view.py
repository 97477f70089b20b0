"""What ``graphship run`` shows while it works: a bar on a terminal, else lines and a sign of life now and then.

Lines of a stage are indented, ours are not; all of it goes to standard error. What an engine tells is without
secrets; our own notes are masked here.
"""

from __future__ import annotations

import sys
import threading
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Protocol, Self

import click

from ci_core.masking import SHAPES_ONLY
from ci_core.pipelines.heartbeat import EVERY_S, Heartbeat, facts
from ci_core.printable import one_line, printable
from ci_core.reports.text import seconds

if TYPE_CHECKING:
    from collections.abc import Iterator
    from types import TracebackType

    from rich.console import Console, ConsoleOptions
    from rich.progress import Progress, TaskID
    from rich.progress_bar import ProgressBar
    from rich.segment import Segment

    from ci_core.masking import Masker
    from ci_core.pipelines.spec import Activity, StageRun

_COMMAND: Final = 160
"""Characters of a stage's command in a line of ours; it may be a whole script."""
_PRINT_EVERY_S: Final = 0.1
_LINES_AT_ONCE: Final = 1_000
"""Lines after which the bar's view does not wait for the tenth of a second, which bounds its memory."""


class RunView(Protocol):
    """Shows a run; used as a context manager."""

    def __enter__(self) -> Self: ...

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None: ...

    def line(self, text: str) -> None:
        """Show a line that a stage printed."""
        ...

    def stage(self, stage: StageRun) -> None:
        """Show that a stage is over."""
        ...

    def activity(self, activity: Activity) -> None:
        """Show what the run is busy with."""
        ...

    def note(self, text: str) -> None:
        """Show a line of ours."""
        ...


def make_view(masker: Masker) -> RunView:
    """Return the view that fits where standard error goes."""
    return BarView(masker) if sys.stderr.isatty() else LineView(masker)


class LineView:
    """Lines only, for logs and files.

    Args:
        masker: takes secrets out of notes.
        every_s: seconds of silence after which it says what the run is busy with.
    """

    def __init__(self, masker: Masker = SHAPES_ONLY, *, every_s: float = EVERY_S) -> None:
        self._masker = masker
        self._lock = threading.Lock()
        self._heartbeat = Heartbeat(self._say, every_s=every_s)
        self._what = ""

    def __enter__(self) -> Self:
        self._heartbeat.__enter__()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._heartbeat.__exit__(kind, error, trace)

    def line(self, text: str) -> None:
        """Show a line that a stage printed."""
        self._say(f"  {text}")

    def stage(self, stage: StageRun) -> None:
        """Show that a stage is over."""
        told = over(stage)
        if told:
            self._say(told)

    def activity(self, activity: Activity) -> None:
        """Show what the run is busy with, once; later only when it is silent for long."""
        self._heartbeat.on_activity(activity)
        if activity.what != self._what:
            self._what = activity.what
            if activity.is_command:
                self._say(one_line(activity.what, max_chars=_COMMAND))

    def note(self, text: str) -> None:
        """Show a line of ours."""
        self._say(self._masker.text(text))

    def _say(self, text: str) -> None:
        with self._lock:
            click.echo(printable(text), err=True)
        self._heartbeat.spoken()


class BarView:
    """One moving line below what was said, for a terminal.

    What a stage prints is shown ten times a second, since drawing the moving line anew for each of a million lines
    would hold the stage up.

    Args:
        masker: takes secrets out of notes.
    """

    def __init__(self, masker: Masker = SHAPES_ONLY) -> None:
        from rich.console import Console

        self._masker = masker
        self._console = Console(stderr=True, highlight=False, soft_wrap=True)
        self._bar = _make_bar(self._console)
        self._task: TaskID | None = None
        self._what = ""
        self._lines: list[str] = []
        self._lock = threading.RLock()
        self._is_over = threading.Event()
        self._printer = threading.Thread(target=self._print_now_and_then, name="run-view", daemon=True)

    def __enter__(self) -> Self:
        self._bar.start()
        self._printer.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._is_over.set()
        self._printer.join()
        self._print_lines()
        self._bar.stop()

    def line(self, text: str) -> None:
        """Show a line that a stage printed."""
        with self._lock:
            self._lines.append(f"  {printable(text)}")
            if len(self._lines) >= _LINES_AT_ONCE:
                self._print_lines()

    def stage(self, stage: StageRun) -> None:
        """Show that a stage is over."""
        told = over(stage)
        if told:
            self._say(told, style="red" if stage.outcome == "failed" else "green")

    def activity(self, activity: Activity) -> None:
        """Show what the run is busy with."""
        with self._lock:
            task = self._task
            if task is None or activity.what != self._what:
                task = self._begin(activity)
            self._bar.update(
                task,
                completed=activity.files_done,
                total=activity.files_total,
                facts=one_line(", ".join(facts(activity)), max_chars=max(self._console.width // 3, 20)),
            )

    def note(self, text: str) -> None:
        """Show a line of ours."""
        self._say(self._masker.text(text))

    def _begin(self, activity: Activity) -> TaskID:
        if self._task is not None:
            self._bar.remove_task(self._task)
        self._what = activity.what
        short = one_line(activity.what, max_chars=max(self._console.width // 2, 20))
        self._task = self._bar.add_task(short, total=None, facts="")
        if activity.is_command:
            self._say(one_line(activity.what, max_chars=_COMMAND), style="bold")
        return self._task

    def _say(self, text: str, *, style: str = "") -> None:
        from rich.text import Text

        with self._lock:
            self._print_lines()
            self._console.print(Text(printable(text), style=style))

    def _print_now_and_then(self) -> None:
        while not self._is_over.wait(_PRINT_EVERY_S):
            self._print_lines()

    def _print_lines(self) -> None:
        with self._lock:
            if self._lines:
                self._console.print(_PlainLines(tuple(self._lines)))
                self._lines.clear()


@dataclass(frozen=True, slots=True)
class _PlainLines:
    """Lines for rich to print as they are: laying out a million of them would take longer than most stages."""

    lines: tuple[str, ...]

    def __rich_console__(self, _console: Console, _options: ConsoleOptions) -> Iterator[Segment]:
        from rich.segment import Segment

        yield Segment("\n".join(self.lines) + "\n")


def _make_bar(console: Console) -> Progress:
    from rich.progress import BarColumn, Progress, SpinnerColumn, Task, TextColumn, TimeElapsedColumn

    class BarWhenCounted(BarColumn):
        """A bar that is not there as long as nobody knows how much there is to do."""

        def render(self, task: Task) -> ProgressBar:
            shown = super().render(task)
            shown.width = self.bar_width if task.total is not None else 0
            return shown

    return Progress(
        SpinnerColumn(),
        TimeElapsedColumn(),
        TextColumn("{task.description}", markup=False),
        BarWhenCounted(bar_width=20),
        TextColumn("{task.fields[facts]}", markup=False, style="dim"),
        console=console,
        transient=True,
        redirect_stdout=False,
        redirect_stderr=False,
    )


def over(stage: StageRun) -> str:
    """Return the line that says that a stage is over; empty for one that had nothing to do."""
    match stage.outcome:
        case "ran":
            return f"{stage.name}: ran in {seconds(stage.seconds)}"
        case "cached":
            return f"{stage.name}: nothing to run, its outputs came from the cache"
        case "failed":
            return f"{stage.name}: failed after {seconds(stage.seconds)}"
        case _:
            return ""
