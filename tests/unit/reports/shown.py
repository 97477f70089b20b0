"""A report of a few parts, and what is shown of it."""

from __future__ import annotations

from ci_core.reports.document import Code, Line, Mark, Strong
from ci_core.reports.render import render_terminal
from ci_core.reports.report import (
    Change,
    Commit,
    Plot,
    Report,
)

BASE = Commit(id="b" * 40, label="main")


def report_of(**parts: object) -> Report:
    """Return a report that passes and has nothing but the named parts."""
    return Report.model_validate(
        {"project": "p", "verdict": "pass", "base": BASE, "head": Commit(id="a" * 40, label="x"), **parts}
    )


def words(line: Line) -> str:
    """Return the text of a line without what marks it."""
    return "".join(
        part if isinstance(part, str) else part.text for part in line if isinstance(part, str | Code | Strong | Mark)
    )


def lines(report: Report) -> list[str]:
    """Return what a wide terminal shows."""
    return render_terminal(report, width=200).splitlines()


def plots_of(*changes: Change | None) -> tuple[Plot, ...]:
    """Return one plot with nothing to draw for each change."""
    return tuple(Plot(name=f"plot {index}", kind="line", change=change) for index, change in enumerate(changes))
