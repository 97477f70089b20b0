"""A judged window as the ledger keeps it, and its JSON (pure).

Stored key by key (:meth:`WindowRecord.to_dict`)::

    {"window": {"start": "2013-06-15T00:00:00+00:00", "end": "2013-06-16T00:00:00+00:00"},
     "reference": "sha256:…", "releases": ["4f…"], "rows": 837, "profile": {…, see profile.py},
     "verdict": {"verdict": "drift", "reasons": ["…", "…"], "calibrated": true,
                 "columns": [{"name": "temp", "kind": "numeric", "distance": 0.99, "bound": 1.13, "floor": 0.02,
                              "shift": 4.12, "shift-bound": 2.64, "shift-floor": 0.05, "drifted": true,
                              "quality": [], "importance": 0.21,
                              "reference": "mean 35.6 (sd 9.3)", "window": "mean 73.8 (sd 5.2)",
                              "smallest-visible": 2.64}]}}

An infinite number is written as the text ``inf``, which JSON has no number for.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any

from ci_core.monitoring.profile import Profile
from ci_core.monitoring.spec import ColumnVerdict, Verdict, Window
from ci_core.types import Digest, ReleaseId

if TYPE_CHECKING:
    from ci_core.types import JsonObject


@dataclass(frozen=True, slots=True, kw_only=True)
class WindowRecord:
    """One window, what was decided on it, and the counts that it was decided by."""

    window: Window
    verdict: Verdict
    releases: tuple[ReleaseId, ...]
    """Releases that answered in this window, sorted."""
    rows: int
    profile: Profile
    reference: Digest
    """Digest of the reference profile that it was compared with."""

    def to_dict(self) -> dict[str, Any]:
        """Return what ``json`` can write."""
        return {
            "window": window_to_dict(self.window),
            "reference": self.reference,
            "releases": list(self.releases),
            "rows": self.rows,
            "profile": self.profile.to_dict(),
            "verdict": verdict_to_dict(self.verdict),
        }

    @classmethod
    def from_dict(cls, data: JsonObject) -> WindowRecord:
        """Rebuild what :meth:`to_dict` gave."""
        stored: Any = data
        window = _window_from_dict(stored["window"])
        return cls(
            window=window,
            verdict=_verdict_from_dict(stored["verdict"], window=window, rows=stored["rows"]),
            releases=tuple(ReleaseId(release) for release in stored["releases"]),
            rows=stored["rows"],
            profile=Profile.from_dict(stored["profile"]),
            reference=Digest(stored["reference"]),
        )


def window_to_dict(window: Window) -> dict[str, str]:
    """Return a window's start and end as ISO 8601 text."""
    return {"start": window.start.isoformat(), "end": window.end.isoformat()}


def _window_from_dict(stored: Any) -> Window:
    return Window(start=datetime.fromisoformat(stored["start"]), end=datetime.fromisoformat(stored["end"]))


def verdict_to_dict(verdict: Verdict) -> dict[str, Any]:
    """Return a verdict in the spelling that ``graphship monitor --json`` publishes."""
    return {
        "verdict": verdict.state,
        "reasons": list(verdict.reasons),
        "calibrated": verdict.calibrated,
        "columns": [_column_to_dict(column) for column in verdict.columns],
    }


def _verdict_from_dict(stored: Any, *, window: Window, rows: int) -> Verdict:
    return Verdict(
        state=stored["verdict"],
        window=window,
        rows=rows,
        reasons=tuple(stored["reasons"]),
        calibrated=stored["calibrated"],
        columns=tuple(_column_from_dict(column) for column in stored["columns"]),
    )


def _column_to_dict(column: ColumnVerdict) -> dict[str, Any]:
    return {
        "name": column.name,
        "kind": column.kind,
        "distance": _written(column.distance),
        "bound": _written(column.bound),
        "floor": _written(column.floor),
        "shift": _written(column.shift),
        "shift-bound": _written(column.shift_bound),
        "shift-floor": _written(column.shift_floor),
        "drifted": column.drifted,
        "quality": list(column.quality),
        "importance": _written(column.importance),
        "reference": column.reference_summary,
        "window": column.window_summary,
        "smallest-visible": _written(column.smallest_visible),
    }


def _column_from_dict(stored: Any) -> ColumnVerdict:
    distance, bound, floor = (_read(stored[key]) for key in ("distance", "bound", "floor"))
    return ColumnVerdict(
        name=stored["name"],
        kind=stored["kind"],
        distance=distance or 0.0,
        bound=bound or 0.0,
        floor=floor or 0.0,
        shift=_read(stored["shift"]),
        shift_bound=_read(stored["shift-bound"]),
        shift_floor=_read(stored["shift-floor"]),
        drifted=stored["drifted"],
        quality=tuple(stored["quality"]),
        importance=_read(stored["importance"]),
        reference_summary=stored["reference"],
        window_summary=stored["window"],
        smallest_visible=_read(stored["smallest-visible"]),
    )


def _written(value: float | None) -> float | str | None:
    """Return a number with as many digits as mean something; the same bytes on every machine."""
    if value is None:
        return None
    return "inf" if math.isinf(value) else float(f"{value:.6g}")


def _read(value: float | str | None) -> float | None:
    return None if value is None else float(value)
