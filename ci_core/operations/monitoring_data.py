"""Turn verdicts into the monitoring report (pure): what the issue and the page are rendered from."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ci_core.monitoring.describe import histogram
from ci_core.reports.monitoring import Bins, ColumnReport, MonitoringReport, WindowReport

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ci_core.deploy.spec import Live
    from ci_core.monitoring.records import WindowRecord
    from ci_core.monitoring.reference import ReferenceProfile
    from ci_core.monitoring.spec import ColumnVerdict
    from ci_core.reports.report import Link

_PICTURES = 12
"""Columns that get a histogram: those that moved most; the page stays small whatever the table's width."""
_TOP = 5


def monitoring_report(
    *,
    project: str,
    environment: str,
    live: Live,
    reference: ReferenceProfile,
    records: Sequence[WindowRecord],
    next_steps: Sequence[str],
    links: Sequence[Link] = (),
) -> MonitoringReport:
    """Return what is known about an environment's live traffic.

    Args:
        project: the project's name.
        environment: the environment's name.
        live: what serves there.
        reference: what the newest window was compared with.
        records: every judged window, oldest first.
        next_steps: what happens next, one sentence each.
        links: addresses that the reader will want.
    """
    newest = records[-1] if records else None
    return MonitoringReport(
        project=project,
        environment=environment,
        release=live.release,
        commit=live.commit,
        state=newest.verdict.state if newest else "insufficient-data",
        reasons=newest.verdict.reasons if newest else ("No complete window has been seen yet.",),
        window=_window(newest) if newest else None,
        calibrated=newest.verdict.calibrated if newest else True,
        columns=_columns(newest, reference) if newest else (),
        history=tuple(_window(record) for record in records),
        next_steps=tuple(next_steps),
        links=tuple(links),
    )


def _columns(record: WindowRecord, reference: ReferenceProfile) -> tuple[ColumnReport, ...]:
    return tuple(
        _column(column, _bins(column.name, reference, record) if rank < _PICTURES else None)
        for rank, column in enumerate(record.verdict.columns)
    )


def _window(record: WindowRecord) -> WindowReport:
    return WindowReport(
        start=record.window.start.isoformat(),
        end=record.window.end.isoformat(),
        label=record.window.label,
        state=record.verdict.state,
        rows=record.rows,
        top_columns=tuple(column.name for column in record.verdict.drifted[:_TOP]),
    )


def _column(column: ColumnVerdict, bins: Bins | None) -> ColumnReport:
    return ColumnReport(
        name=column.name,
        kind=column.kind,
        distance=column.distance,
        bound=column.bound,
        floor=column.floor,
        shift=column.shift,
        shift_bound=column.shift_bound,
        shift_floor=column.shift_floor,
        drifted=column.drifted,
        importance=column.importance,
        quality=column.quality,
        reference_summary=column.reference_summary,
        window_summary=column.window_summary,
        bins=bins,
    )


def _bins(name: str, reference: ReferenceProfile, record: WindowRecord) -> Bins | None:
    """Return the overlaid histogram, unless the window was counted against another reference or lacks the column."""
    if record.reference != reference.digest or name not in record.profile.columns:
        return None
    bars = histogram(reference.layout, reference.pooled, record.profile, name)
    if not bars.edges:
        return Bins(levels=bars.labels, reference=bars.reference, window=bars.window)
    inside = len(bars.edges) - 1  # the bar of missing values has no place on a numeric axis
    return Bins(edges=bars.edges, reference=bars.reference[:inside], window=bars.window[:inside])
