"""Metrics, params, models and environment of a report: what was and what is (pure)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ci_core.reports.document import Column, Paragraph, Section, Strong, code
from ci_core.reports.headline import change_line, main_metrics
from ci_core.reports.prose import prose
from ci_core.reports.rows import (
    CHANGE,
    DIFFERENCE,
    PAIR,
    RIGHT_PAIR,
    change_mark,
    count_changes,
    name_cell,
    short_digest,
    table,
    value,
)
from ci_core.reports.text import ABSENT, number, pair, plural, shorten, signed_size, size

if TYPE_CHECKING:
    from ci_core.reports.build import Extent
    from ci_core.reports.document import Line
    from ci_core.reports.report import Change, EnvironmentRow, MetricRow, ModelRow, ParamRow, Report

_NO_BREAK = "\N{NO-BREAK SPACE}"
_MOST_OPEN = 10
"""Metrics that stand open: more of them push the rest from the first screen."""
_DIGEST_LENGTHS = {32, 40, 64}


def metrics_section(report: Report, extent: Extent) -> Section | None:
    """Return the metrics: those with a gate or a direction first, then the others that moved, then the rest."""
    metrics = report.metrics
    if not metrics and not report.unchanged_texts:
        return None
    first = main_metrics(report)
    known = {id(row) for row in first}
    moved = [row for row in metrics if id(row) not in known and has_moved(row)]
    rest = [row for row in metrics if id(row) not in known and not has_moved(row)]
    rows = [_metric(row, with_base=report.base is not None) for row in [*first, *moved, *rest][: extent.rows]]
    after = Column(title="after" if report.base else "value", align="right")
    columns = (Column(title="metric"), RIGHT_PAIR[0], after, Column(title="difference"))
    return Section(
        slug="metrics",
        title="Metrics",
        hint=_metrics_hint(report),
        blocks=(
            *((table(columns, rows, len(metrics) + report.more_texts),) if rows else ()),
            *((Paragraph(line=(_unchanged_texts(report),)),) if report.unchanged_texts else ()),
        ),
        folded=len(metrics) > _MOST_OPEN or (report.base is not None and not any(map(has_moved, metrics))),
    )


def _unchanged_texts(report: Report) -> str:
    verb = "is" if report.unchanged_texts == 1 else "are"
    return f"{plural(report.unchanged_texts, 'metric')} that {verb} text {verb} as at the base"


def has_moved(row: MetricRow) -> bool:
    """Return whether a metric is another than before, or says so in a note."""
    return row.old != row.new or bool(row.note)


def _metrics_hint(report: Report) -> str:
    if report.base is None:
        return plural(len(report.metrics), "metric")
    better, worse = (
        sum(bool(row.difference) and row.direction == which for row in report.metrics) for which in ("better", "worse")
    )
    unchanged = sum(not has_moved(row) for row in report.metrics)
    counts = (
        (better, "better"),
        (worse, "worse"),
        (len(report.metrics) + report.more_texts - unchanged - better - worse, "changed otherwise"),
        (unchanged + report.unchanged_texts, "unchanged"),
    )
    return ", ".join(f"{number(count)} {word}" for count, word in counts if count)


def _metric(row: MetricRow, *, with_base: bool) -> tuple[Line, ...]:
    old, new = pair(row.old, row.new)
    # Without a base every metric would be new.
    before, change = ((shorten(old, 40),), change_line(row)) if with_base else ((), prose(row.note, 200))
    return ((code(row.key),), before, (Strong(shorten(new, 40)),), change)


def params_section(report: Report, extent: Extent) -> Section | None:
    """Return the params that differ, as the user would write them."""
    rows = [_param(row) for row in report.params[: extent.rows]]
    return _folded("params", (Column(title="param"), *PAIR), rows, [row.change for row in report.params])


def _param(row: ParamRow) -> tuple[Line, ...]:
    old = value(row.old, is_there=row.change != "added")
    new = value(row.new, is_there=row.change != "removed")
    return ((code(row.key),), old, new)


def models_section(report: Report, extent: Extent) -> Section | None:
    """Return the models that differ or that the registry knows: digest, size, version and stages."""
    columns = (CHANGE, Column(title="model"), *PAIR, DIFFERENCE, Column(title="registry"))
    rows = [_model(row) for row in report.models[: extent.rows]]
    return _folded("models", columns, rows, [row.change for row in report.models])


def _model(row: ModelRow) -> tuple[Line, ...]:
    moved = None if row.old_bytes is None or row.new_bytes is None else row.new_bytes - row.old_bytes
    return (
        (change_mark(row.change),),
        name_cell(row.path),
        _version(row.old_digest, row.old_bytes, is_known=row.old_problem is None),
        _version(row.new_digest, row.new_bytes, is_known=row.new_problem is None),
        (signed_size(moved),) if moved else (),
        (shorten(row.registered, 200),) if row.registered else (),
    )


def _version(digest: str | None, size_bytes: int | None, *, is_known: bool) -> Line:
    if digest is None:
        return (ABSENT if is_known else "not known",)
    shown = f" {size(size_bytes).replace(' ', _NO_BREAK)}" if size_bytes is not None else ""
    return (code(short_digest(digest)), *((shown,) if shown else ()))


def environment_section(report: Report, extent: Extent) -> Section | None:
    """Return what the code runs on and that differs: Python, lock files, packages."""
    columns = (CHANGE, Column(title="what"), *PAIR)
    rows = [_environment(row) for row in report.environment[: extent.rows]]
    return _folded("environment", columns, rows, [environment_change(row) for row in report.environment])


def environment_change(row: EnvironmentRow) -> Change:
    """Return whether it was added, removed or changed."""
    return "added" if row.old is None else "removed" if row.new is None else "changed"


def _environment(row: EnvironmentRow) -> tuple[Line, ...]:
    versions = (_shown_version(row.old), _shown_version(row.new))
    return ((change_mark(environment_change(row)),), (code(row.name),), *versions)


def _shown_version(version: str | None) -> Line:
    if version is None:
        return (ABSENT,)
    digest = version.rpartition(":")[2]
    is_digest = len(digest) in _DIGEST_LENGTHS and all(letter in "0123456789abcdef" for letter in digest)
    return (code(short_digest(version) if is_digest else shorten(version, 80)),)


def _folded(
    slug: str, columns: tuple[Column, ...], rows: list[tuple[Line, ...]], changes: list[Change]
) -> Section | None:
    if not rows:
        return None
    return Section(
        slug=slug,
        title=slug.capitalize(),
        hint=count_changes(changes) or "unchanged",
        blocks=(table(columns, rows, len(changes)),),
        folded=True,
    )
