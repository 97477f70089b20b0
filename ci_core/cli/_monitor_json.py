"""What ``graphship monitor --json`` prints."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ci_core.monitoring.describe import column_statistics
from ci_core.monitoring.records import verdict_to_dict, window_to_dict

if TYPE_CHECKING:
    from ci_core.operations.compare_tables import TableComparison


def to_json(comparison: TableComparison) -> dict[str, Any]:
    """Return the comparison as one JSON object.

    Keys: ``verdict``, ``reasons``, ``calibrated``, ``rows``, ``window`` (start and end, or null), ``columns`` (see
    ``monitoring/records.py``, each with ``statistics``), ``windows`` (start, end, rows and verdict of each, in order;
    empty without a time column), ``not-compared`` (column → why).
    """
    verdict = comparison.verdict
    found = verdict_to_dict(verdict)
    for column in found["columns"]:
        column["statistics"] = _statistics(comparison, column["name"])
    return {
        **found,
        "rows": verdict.rows,
        "window": None if verdict.window is None else window_to_dict(verdict.window),
        "windows": [
            {**window_to_dict(record.window), "rows": record.rows, "verdict": record.verdict.state}
            for record in comparison.windows
        ],
        "not-compared": dict(comparison.not_compared),
    }


def _statistics(comparison: TableComparison, column: str) -> dict[str, float]:
    reference, window = comparison.reference, comparison.profile
    if column in window.faults or not window.rows:
        return {}
    found = column_statistics(reference.layout, reference.pooled, window, column)
    return {name: float(f"{value:.6g}") for name, value in found.items()}
