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
from ci_core.reports.text import shorten
from ci_core.serving.spec import thaw

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
    is_hidden = metric.change == "changed" and isinstance(new, str) and old == new
    return shown.MetricRow(
        key=metric.key,
        old=old,
        new=new,
        difference=metric.difference,
        direction=metric.direction,
        note="differs where it is shortened here" if is_hidden else metric.note,
    )


def _shortened(value: JsonValue, masker: Masker) -> shown.Scalar:
    shown_value = scalar(value)
    return shorten(masker.text(shown_value), LONGEST_TEXT) if isinstance(shown_value, str) else shown_value


def scalar(value: JsonValue) -> shown.Scalar:
    """Return a value as one cell shows it: lists and mappings as JSON text."""
    if value is None or isinstance(value, bool | int | float | str):
        return value
    return json.dumps(thaw(value), ensure_ascii=False)
