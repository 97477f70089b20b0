"""The history of deployments as data and as a page."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from ci_core.reports.build import links_line
from ci_core.reports.document import Banner, Column, Document, Mark, Section, Strong, Table, Tile, Tiles, code
from ci_core.reports.prose import prose
from ci_core.reports.report import Link, Part
from ci_core.reports.text import ABSENT, plural, seconds, shorten

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ci_core.reports.build import Extent
    from ci_core.reports.document import Line, Tone

Outcome = Literal["deployed", "unchanged", "rolled-back", "refused", "failed"]

_TONES: dict[Outcome, Tone] = {
    "deployed": "good",
    "unchanged": "muted",
    "rolled-back": "bad",
    "refused": "warn",
    "failed": "bad",
}

_NO_BREAK = "\N{NO-BREAK SPACE}"
"""Keeps a duration in one line with its unit and its phase."""


class Phase(Part):
    """How long one phase took."""

    phase: str
    seconds: float


class DeploymentRow(Part):
    """One attempt to change what is live."""

    when: str
    """ISO 8601, UTC."""
    environment: str
    release: str
    """The release that was to go live."""
    commit: str = ""
    outcome: Outcome
    reason: str = ""
    """Names in backticks."""
    phases: tuple[Phase, ...] = ()
    who: str = ""
    """Change request, person or job that set it off."""
    url: str | None = None
    """The run or the change request."""


class DeploymentsReport(Part):
    """What happened to the environments of a project, newest last."""

    project: str
    rows: tuple[DeploymentRow, ...] = ()
    links: tuple[Link, ...] = ()


def deployments_document(report: DeploymentsReport, extent: Extent) -> Document:
    """Return the page of a project's deployments, newest first."""
    newest_first = report.rows[::-1]
    tiles = tuple(_tile(name, newest_first) for name in dict.fromkeys(row.environment for row in report.rows))
    rows = tuple(_row(row) for row in newest_first[: extent.rows])
    heads = tuple(
        Column(title=title)
        for title in ("when (UTC)", "environment", "release", "outcome", "why", "phases", "set off by")
    )
    table = Table(columns=heads, rows=rows, hidden=max(0, len(report.rows) - extent.rows))
    sections = (Section(slug="deployments", title="Deployments, newest first", blocks=(table,)),) if rows else ()
    return Document(
        banner=_banner(report),
        blocks=((Tiles(tiles=tiles),) if tiles else ()) + sections,
        footer=(links_line(report.links),) if report.links else (),
        whole=next((link for link in report.links if link.kind == "report"), None),
    )


def _banner(report: DeploymentsReport) -> Banner:
    eyebrow = (Strong(shorten(report.project, 60)), " · deployment history")
    if not report.rows:
        return Banner(tone="muted", title="Nothing was deployed yet", eyebrow=eyebrow)
    latest = report.rows[-1]
    places = plural(len({row.environment for row in report.rows}), "environment")
    line = (
        "The latest: release ",
        code(latest.release[:12]),
        " to ",
        Strong(latest.environment),
        f", {latest.outcome}.",
    )
    title = f"{plural(len(report.rows), 'deployment')} to {places}"
    return Banner(tone=_TONES[latest.outcome], title=title, eyebrow=eyebrow, lines=(line,))


def _tile(environment: str, newest_first: Sequence[DeploymentRow]) -> Tile:
    """Return what went live last in an environment, with the outcome of the newest attempt."""
    rows = [row for row in newest_first if row.environment == environment]
    live = next((row for row in rows if row.outcome in {"deployed", "unchanged"}), None)
    newest = rows[0]
    return Tile(
        label=f"live in {shorten(environment, 30)}",
        value=live.release[:8] if live else ABSENT,
        change=newest.outcome,
        tone=_TONES[newest.outcome],
        before=_time(newest.when),
    )


def _row(row: DeploymentRow) -> tuple[Line, ...]:
    each = (f"{phase.phase} {seconds(phase.seconds)}" for phase in row.phases[:12])
    phases = ", ".join(one.replace(" ", _NO_BREAK) for one in each)
    release: Line = (code(row.release[:12]), *((" from commit ", code(row.commit[:7])) if row.commit else ()))
    return (
        (_time(row.when),),
        (Strong(shorten(row.environment, 40)),),
        release,
        (Mark(tone=_TONES[row.outcome], text=row.outcome),),
        prose(row.reason, 300) or (ABSENT,),
        (phases or ABSENT,),
        _who(row),
    )


def _who(row: DeploymentRow) -> Line:
    return links_line((Link(text=row.who or "run", url=row.url),)) if row.url else (shorten(row.who, 60) or ABSENT,)


def _time(when: str) -> str:
    """Return an ISO 8601 time to the second without the letters: ``2013-06-15 06:00:00``."""
    return when[:19].replace("T", " ")
