"""A comparison as JSON, for ``graphship diff --json``: everything that differs, with long values of users cut short.

A metrics file may hold whole texts, and so may params. What is cut is said: ``"shortened": {"new": 41523}`` beside a
value tells how many characters it has. Secrets are masked first: of what is cut afterwards, nobody could tell that it
was one.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Final, cast

from ci_core.behaviour.shorten import is_short, shortened
from ci_core.operations.metric_data import LONGEST_TEXT
from ci_core.reports.text import shorten
from ci_core.versioning.plain import to_plain

if TYPE_CHECKING:
    from ci_core.masking import Masker
    from ci_core.operations.comparison import Comparison
    from ci_core.types import JsonObject, JsonValue
    from ci_core.versioning.difference import MetricDiff, ParamDiff

_SIDES: Final = ("old", "new")


def comparison_json(comparison: Comparison, masker: Masker) -> JsonObject:
    """Return what differs between two revisions as plain JSON data."""
    diff = comparison.diff
    return {
        **cast("JsonObject", to_plain(diff)),
        "metrics": [_bounded(one, masker) for one in diff.metrics],
        "params": [_bounded(one, masker) for one in diff.params],
        "graph_models": to_plain(comparison.graph_models),
        "tables": to_plain(comparison.tables),
        "behaviour": to_plain(comparison.behaviour),
    }


def _bounded(one: MetricDiff | ParamDiff, masker: Masker) -> JsonObject:
    plain = cast("JsonObject", to_plain(one))
    masked = {side: cast("JsonValue", masker.value(plain[side])) for side in _SIDES}
    lengths: JsonObject = {side: _length(value) for side, value in masked.items() if _is_long(value)}
    short = {side: _short(value, masker) for side, value in masked.items()}
    return {**plain, **short, **({"shortened": lengths} if lengths else {})}


def _is_long(value: JsonValue) -> bool:
    return len(value) > LONGEST_TEXT if isinstance(value, str) else not is_short(value)


def _short(value: JsonValue, masker: Masker) -> JsonValue:
    return shorten(value, LONGEST_TEXT) if isinstance(value, str) else shortened(value, masker)


def _length(value: JsonValue) -> int:
    """Return the characters of a text; of anything else those of its JSON."""
    return len(value) if isinstance(value, str) else len(json.dumps(value, ensure_ascii=False))
