"""Turn metrics into rows of the report: every number, and of texts what moved (pure).

A file of metrics may hold anything, such as ten thousand texts that nobody asked for: they must not make a report that
no host accepts.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from ci_core.masking import SHAPES_ONLY
from ci_core.reports import report as shown
from ci_core.reports.text import number, plural, shorten
from ci_core.serving.spec import thaw
from ci_core.versioning.compare import as_number

if TYPE_CHECKING:
    from ci_core.masking import Masker
    from ci_core.types import JsonValue
    from ci_core.versioning.difference import MetricDiff, SnapshotDiff

MOST_TEXTS: Final = 500
LONGEST_TEXT: Final = 500


@dataclass(frozen=True, slots=True, kw_only=True)
class MetricRows:
    """The metrics of a report."""

    rows: tuple[shown.MetricRow, ...]
    unchanged_texts: int = 0
    """Metrics that are text and as at the base."""
    more_texts: int = 0
    """Metrics that are text and moved, beyond the first of them."""


def metric_rows(diff: SnapshotDiff, masker: Masker = SHAPES_ONLY) -> MetricRows:
    """Return every metric that is a number, and those texts (lists are such, too) that are not as at the base.

    Args:
        diff: what differs.
        masker: takes secrets out of texts, before they are shortened.
    """
    rows, unchanged, moved = [], 0, 0
    for metric in diff.metrics:
        if _is_text(metric):
            if metric.change == "same":
                unchanged += 1
                continue
            moved += 1
            if moved > MOST_TEXTS:
                continue
        rows.append(_row(metric, masker))
    return MetricRows(rows=tuple(rows), unchanged_texts=unchanged, more_texts=max(0, moved - MOST_TEXTS))


def _is_text(metric: MetricDiff) -> bool:
    sides = [side for side in (metric.old, metric.new) if side is not None]
    return bool(sides) and not any(isinstance(side, bool | int | float) for side in sides)


def _row(metric: MetricDiff, masker: Masker) -> shown.MetricRow:
    old, new = _shortened(metric.old, masker), _shortened(metric.new, masker)
    are_lists = bool(_numbers(metric.old) and _numbers(metric.new))
    is_hidden = metric.change == "changed" and isinstance(new, str) and old == new
    return shown.MetricRow(
        key=metric.key,
        old=old,
        new=new,
        difference=metric.difference,
        direction=metric.direction,
        note="differs where it is shortened here" if is_hidden else "" if are_lists else metric.note,
    )


def _shortened(value: JsonValue, masker: Masker) -> shown.Scalar:
    values = _numbers(value)
    if values:
        return f"mean {number(sum(values) / len(values))} of {plural(len(values), 'value')}"
    shown_value = scalar(value)
    return shorten(masker.text(shown_value), LONGEST_TEXT) if isinstance(shown_value, str) else shown_value


def _numbers(value: JsonValue) -> list[float]:
    """Return the numbers of a list that holds nothing else, such as the folds of a cross-validation; else nothing."""
    found = thaw(value)
    if not isinstance(found, list):
        return []
    values = [value for value in map(as_number, found) if value is not None]
    return values if len(values) == len(found) else []


def scalar(value: JsonValue) -> shown.Scalar:
    """Return a value as one cell shows it: lists and mappings as JSON text."""
    if value is None or isinstance(value, bool | int | float | str):
        return value
    return json.dumps(thaw(value), ensure_ascii=False)
