"""Findings that mean broken data rather than drift: missing, type, range, new levels, absent columns (pure).

Training on broken data is harm, so a finding makes the verdict ``broken-data``, whatever the distances say. First
version: duplicates, freshness and row counts are not looked at.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from ci_core.monitoring.binning import moments
from ci_core.monitoring.profile import OTHER, CategoryLevels, NumericGrid

if TYPE_CHECKING:
    from ci_core.monitoring.null import ColumnNull
    from ci_core.monitoring.profile import ColumnCounts

MISSING_MARGIN = 0.02
"""Missing values beyond what the blocks show by more than this share are a finding."""
LEVEL_SHARE = 0.01
"""A single level that the reference does not have is a finding from this share of rows on."""
LEVELS_MARGIN = 0.02
"""Many rare new levels together are a finding when they exceed what the blocks show by this share: levels that come and
go (an airport served once a week, a seasonal one) are no fault."""
RANGE_SHARE = 0.01
"""Values far outside of the reference's range are a finding from this share of rows on."""
RANGE_WIDTHS = 3.0
"""Far outside: beyond the reference's range by three times its width. Seasons stay inside of that; a changed unit, or a
code such as -999 for missing, does not."""


def findings(null: ColumnNull, window: ColumnCounts) -> tuple[str, ...]:
    """Return what is broken in one column of a window, as short phrases; empty when it is sound.

    Args:
        null: the column's reference and the shares that its blocks lead us to expect.
        window: the column's counts in the window; at least one row.
    """
    found = [_missing(null, window), _infinite(null, window), _range(null, window), _new_levels(null, window)]
    return tuple(finding for finding in found if finding is not None)


def _share(counts: ColumnCounts, rows: int) -> float:
    return rows / counts.rows if counts.rows else 0.0


def _missing(null: ColumnNull, window: ColumnCounts) -> str | None:
    now = _share(window, window.missing)
    if now <= null.missing + MISSING_MARGIN:
        return None
    return f"missing {percent(_share(null.reference, null.reference.missing))} → {percent(now)}"


def _infinite(null: ColumnNull, window: ColumnCounts) -> str | None:
    if window.infinite == 0 or null.reference.infinite > 0:
        return None
    return f"infinite in {percent(_share(window, window.infinite))} of the rows"


def _range(null: ColumnNull, window: ColumnCounts) -> str | None:
    low, high = null.reference.minimum, null.reference.maximum
    if not isinstance(null.bins, NumericGrid) or low is None or high is None or not high > low:
        return None
    margin = RANGE_WIDTHS * (high - low)
    outside = sum(
        rows
        for code, rows in window.cells.items()
        if math.isfinite(place := null.bins.position(code)) and not low - margin <= place <= high + margin
    )
    if _share(window, outside) < RANGE_SHARE:
        return None
    return f"{percent(_share(window, outside))} far outside the range {low:.6g} to {high:.6g}"


def _new_levels(null: ColumnNull, window: ColumnCounts) -> str | None:
    if not isinstance(null.bins, CategoryLevels) or not null.bins.is_complete:
        return None
    together = _share(window, window.cells.get(OTHER, 0))
    frequent = {level: rows for level, rows in window.unseen.items() if _share(window, rows) >= LEVEL_SHARE}
    if together <= null.unseen + LEVELS_MARGIN and not frequent:
        return None
    named = frequent or dict(list(window.unseen.items())[:3])
    listed = ", ".join(f"`{level}` {percent(_share(window, rows))}" for level, rows in named.items())
    return f"new level{'s' if len(named) > 1 else ''} {listed}" if listed else f"new levels {percent(together)}"


def summary(null: ColumnNull, counts: ColumnCounts) -> str:
    """Return how a column looks, short: ``mean 38.1 (sd 9.7)`` or ``UA 18 %, B6 16 %, EV 16 %``."""
    present = counts.rows - counts.missing
    if not present:
        return "no values"
    missing = f", missing {percent(_share(counts, counts.missing))}" if counts.missing else ""
    if isinstance(null.bins, NumericGrid):
        seen = moments(null.bins, counts)
        if not math.isfinite(seen.mean):
            return "no finite values"
        return f"mean {number(seen.mean, near=seen.sd)} (sd {number(seen.sd, near=seen.sd)}){missing}"
    by_level = {
        **{level: counts.cells.get(code, 0) for code, level in enumerate(null.bins.levels)},
        **counts.unseen,
    }
    top = sorted(by_level.items(), key=lambda item: (-item[1], item[0]))[:3]
    return ", ".join(f"{level} {100 * rows / counts.rows:.0f} %" for level, rows in top if rows) + missing


def percent(share: float) -> str:
    """Return a share as people read it: ``2.0 %``, and ``0.03 %`` where one digit would say nothing."""
    value = 100 * share
    return f"{value:.1f} %" if value >= 0.1 or value == 0 else f"{value:.2g} %"  # noqa: PLR2004 - one digit's limit


def number(value: float, *, near: float) -> str:
    """Return a number with the digits that mean something beside a spread: ``1017.8`` beside 7.8.

    Args:
        value: finite.
        near: the spread, 0 or more; its first two digits decide where to stop.
    """
    if near <= 0:
        return f"{value:.6g}"
    decimals = 1 - math.floor(math.log10(near))
    if abs(value) >= 1e9 or decimals > 6:  # noqa: PLR2004 - longer than the table has room for
        return f"{value:.3g}"
    return f"{value:.{max(decimals, 0)}f}"
