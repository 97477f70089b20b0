"""A verdict's sentences: the first says what happened, the second whether it matters and what follows (pure)."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from ci_core.monitoring.reference import LEAST_WINDOW_ROWS

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable

    from ci_core.monitoring.null import Null
    from ci_core.monitoring.spec import ColumnVerdict, Verdict

_NAMED = 4
"""Columns named in a sentence before the rest is only counted."""


def reasons(verdict: Verdict, *, null: Null, again: Collection[str], mattering: Collection[str]) -> tuple[str, ...]:
    """Return the two sentences of a verdict.

    Args:
        verdict: all but its reasons.
        null: what the window was judged by.
        again: columns beyond their bounds in two windows in a row and in both pooled.
        mattering: those of them that matter to the model.
    """
    sentences: dict[str, Callable[[], tuple[str, str]]] = {
        "no-drift": lambda: _no_drift(verdict, null),
        "potential": lambda: _potential(verdict, again),
        "drift": lambda: _drift(verdict, mattering),
        "broken-data": lambda: _broken(verdict),
        "insufficient-data": lambda: _insufficient(verdict),
    }
    return sentences[verdict.state]()


def _no_drift(verdict: Verdict, null: Null) -> tuple[str, str]:
    if null.is_calibrated:
        what = f"No column moved beyond what the {null.blocks} blocks of the reference do among themselves."
    else:
        what = (
            "No column moved beyond its bound; the bounds take all rows for independent, since the reference has too "
            "few blocks of time."
        )
    return what, _sight(verdict)


def _sight(verdict: Verdict) -> str:
    """Say how small a shift would have been seen, and which columns nothing can be said about."""
    visible = sorted(
        (column.smallest_visible, column.name) for column in verdict.columns if column.smallest_visible is not None
    )
    seen = [entry for entry in visible if math.isfinite(entry[0])]
    blind = [name for size, name in visible if math.isinf(size)]
    sentence = "Only changes in the mix of levels would have been seen"
    if seen:
        least, most = (f"{size:.2g} sd in `{name}`" for size, name in (seen[0], seen[-1]))
        sentence = f"A shift of {least}" + (f" to {most}" if len(seen) > 1 else "") + " would have been seen"
    return sentence + (f"; nothing can be said of {_listed(blind)} at this window." if blind else ".")


def _potential(verdict: Verdict, again: Collection[str]) -> tuple[str, str]:
    what = f"Beyond the bound: {_moves(verdict.drifted)}."
    if again:
        return what, f"{_listed(sorted(again))} moved as in the window before, but holds little importance."
    return what, "One window alone is at most potential: drift is the same column in two windows in a row."


def _drift(verdict: Verdict, mattering: Collection[str]) -> tuple[str, str]:
    moved = [column for column in verdict.drifted if column.name in mattering]
    what = f"Beyond the bound, as in the window before: {_moves(moved)}."
    if any(column.name == "_output" for column in moved):
        return what, "It matters: the model's own output has moved."
    weights = [column.importance for column in moved]
    if all(weight is None for weight in weights):
        return what, "How much the model depends on it is not known, so it is taken to matter."
    share = sum(weight for weight in weights if weight is not None)
    who = "these columns hold" if len(moved) > 1 else "this column holds"
    return what, f"It matters: {who} {share * 100:.0f} % of the model's importance."


def _broken(verdict: Verdict) -> tuple[str, str]:
    broken = [f"`{column.name}` {'; '.join(column.quality)}" for column in verdict.columns if column.quality]
    return f"The data are broken: {_some(broken)}.", "Mend the source first: retraining on broken data would do harm."


def _insufficient(verdict: Verdict) -> tuple[str, str]:
    rows = {0: "no rows", 1: "only 1 row"}.get(verdict.rows, f"only {verdict.rows} rows")
    return f"The window has {rows}; a verdict needs {LEAST_WINDOW_ROWS}.", "Widen the window or wait for more traffic."


def _moves(columns: Iterable[ColumnVerdict]) -> str:
    return _some([f"`{column.name}` {_move(column)}" for column in columns])


def _move(column: ColumnVerdict) -> str:
    if column.shift is not None:
        return f"by {column.shift:.2g} sd ({_core(column.reference_summary)} → {_core(column.window_summary)})"
    return f"by distance {column.distance:.2g} ({column.reference_summary} → {column.window_summary})"


def _core(summary: str) -> str:
    """Return ``38.1`` of ``mean 38.1 (sd 9.7), missing 2 %``."""
    return summary.removeprefix("mean ").partition(" (")[0]


def _some(phrases: list[str]) -> str:
    rest = len(phrases) - _NAMED
    return ", ".join(phrases[:_NAMED]) + (f" and {rest} more" if rest > 0 else "")


def _listed(names: list[str]) -> str:
    return _some([f"`{name}`" for name in names])
