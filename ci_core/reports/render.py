"""The renderings by name: what the commands and the CI adapters call.

Each masks what looks like a token. Who knows secret values passes a :class:`~ci_core.reports.redact.Redactor` that
knows them too.
"""

from __future__ import annotations

from dataclasses import replace
from functools import cache
from typing import TYPE_CHECKING

from ci_core.reports.build import COMMENT, PAGE, SUMMARY, TERMINAL, document
from ci_core.reports.deployments import deployments_document
from ci_core.reports.html import LARGEST_PAGE_BYTES, to_html
from ci_core.reports.junit import to_junit
from ci_core.reports.markdown import GITHUB_COMMENT_LIMIT, SUMMARY_LIMIT_BYTES, length_bytes, to_markdown
from ci_core.reports.monitoring_document import monitoring_document
from ci_core.reports.plots import plot_svg
from ci_core.reports.redact import SHAPES_ONLY
from ci_core.reports.terminal import to_terminal

if TYPE_CHECKING:
    from collections.abc import Callable

    from ci_core.reports.build import Extent
    from ci_core.reports.deployments import DeploymentsReport
    from ci_core.reports.document import Document
    from ci_core.reports.monitoring import MonitoringReport
    from ci_core.reports.redact import Redactor
    from ci_core.reports.report import Report

_ISSUE = replace(COMMENT, plots=0)
"""The issue has a sparkline for each column already."""
_PAGE_STEPS = (PAGE, replace(PAGE, rows=100, plots=8), replace(PAGE, rows=25, plots=2), replace(PAGE, rows=5, plots=0))
"""What a page shows less and less of until it fits; the last step fits whatever the data is."""


def render_markdown(report: Report, limit: int = GITHUB_COMMENT_LIMIT, *, redactor: Redactor = SHAPES_ONLY) -> str:
    """Return a report as Markdown of at most `limit` characters, at least 2,000."""
    return to_markdown(document(redactor.model(report), COMMENT), limit)


def render_summary(report: Report, limit: int = SUMMARY_LIMIT_BYTES, *, redactor: Redactor = SHAPES_ONLY) -> str:
    """Return a report as Markdown for a job summary of at most `limit` bytes: longer tables, and what the run took."""
    return to_markdown(document(redactor.model(report), SUMMARY), limit, measure=length_bytes)


def render_html(report: Report, *, redactor: Redactor = SHAPES_ONLY, stylesheet_url: str | None = None) -> str:
    """Return a report as an offline page of at most a megabyte; `stylesheet_url` for places without inline styles."""
    masked = redactor.model(report)
    return _page(lambda extent: document(masked, extent), stylesheet_url)


def render_terminal(
    report: Report, *, width: int = 100, with_colour: bool = False, redactor: Redactor = SHAPES_ONLY
) -> str:
    """Return a report, or a comparison without gates and plans, as text of `width` columns at most.

    Colours are for a terminal whose user did not set ``NO_COLOR``; the caller knows.
    """
    return to_terminal(document(redactor.model(report), TERMINAL), width=width, with_colour=with_colour)


def render_junit(report: Report, *, redactor: Redactor = SHAPES_ONLY) -> str:
    """Return a report's gates as JUnit XML."""
    return to_junit(redactor.model(report))


def render_issue(
    report: MonitoringReport, limit: int = GITHUB_COMMENT_LIMIT, *, redactor: Redactor = SHAPES_ONLY
) -> str:
    """Return the body of an environment's monitoring issue."""
    return to_markdown(monitoring_document(redactor.model(report), _ISSUE), limit)


def render_monitoring_page(
    report: MonitoringReport, *, redactor: Redactor = SHAPES_ONLY, stylesheet_url: str | None = None
) -> str:
    """Return an environment's monitoring as an offline page of at most a megabyte."""
    masked = redactor.model(report)
    return _page(lambda extent: monitoring_document(masked, extent), stylesheet_url)


def render_monitoring_terminal(report: MonitoringReport, *, width: int = 100, redactor: Redactor = SHAPES_ONLY) -> str:
    """Return an environment's monitoring as plain text."""
    return to_terminal(monitoring_document(redactor.model(report), replace(TERMINAL, plots=0)), width=width)


def render_deployments_page(
    report: DeploymentsReport, *, redactor: Redactor = SHAPES_ONLY, stylesheet_url: str | None = None
) -> str:
    """Return the deployment history as an offline page of at most a megabyte."""
    masked = redactor.model(report)
    return _page(lambda extent: deployments_document(masked, extent), stylesheet_url)


def render_deployments_markdown(
    report: DeploymentsReport, limit: int = GITHUB_COMMENT_LIMIT, *, redactor: Redactor = SHAPES_ONLY
) -> str:
    """Return the deployment history as Markdown of at most `limit` characters."""
    return to_markdown(deployments_document(redactor.model(report), COMMENT), limit)


def _page(make: Callable[[Extent], Document], stylesheet_url: str | None) -> str:
    draw = cache(plot_svg)  # a smaller page has the same plots, drawn already
    page = ""
    for extent in _PAGE_STEPS:
        page = to_html(make(extent), draw_plot=draw, stylesheet_url=stylesheet_url)
        if len(page.encode()) <= LARGEST_PAGE_BYTES:
            break
    return page
