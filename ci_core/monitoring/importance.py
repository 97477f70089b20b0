"""How much a model depends on each of its columns (pure: a scoring function in, shares out)."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

Columns: TypeAlias = Mapping[str, NDArray[Any]]
"""Column → ``(n_rows,)``: float64 with NaN for the missing, else an object array with None for the missing."""
Score: TypeAlias = Callable[[Columns], NDArray[np.float64]]
"""A model: columns of ``(n_rows,)`` → outputs ``(n_rows,)``."""


def permutation_importance(score: Score, columns: Columns, *, seed: int = 0, repeats: int = 2) -> dict[str, float]:
    """Return how much the model's output changes when one column is shuffled, as shares of the total.

    The mean absolute change of the output when the values of one column are dealt out to the rows anew, all other
    columns as they were. No labels are needed; it says what the output depends on, not whether rightly so. Columns
    that carry the same information share their importance.
    Source: L. Breiman, "Random forests", Machine Learning 45 (2001), §10, and A. Fisher, C. Rudin, F. Dominici, "All
    models are wrong, but many are useful", JMLR 20 (2019), eq. 3, with the output's change in place of the loss.

    Args:
        score: columns of arrays ``(n_rows,)`` → outputs ``(n_rows,)``.
        columns: a sample of the reference; 1,000 to 5,000 rows are usual.
        seed: of the shuffles; the same seed gives the same shares.
        repeats: shuffles per column.

    Returns:
        Column → share, 0 to 1, summing to 1; all 0 when no column changes the output, or there are no rows.
    """
    names = list(columns)
    rows = len(columns[names[0]]) if names else 0
    if rows == 0:
        return dict.fromkeys(names, 0.0)
    random = np.random.default_rng(seed)
    settled = score(columns)
    changes = {}
    for name in names:
        total = 0.0
        for _ in range(repeats):
            shuffled = {**columns, name: columns[name][random.permutation(rows)]}
            total += float(np.nanmean(np.abs(score(shuffled) - settled)))
        changes[name] = total / repeats
    whole = sum(changes.values())
    return {name: change / whole if whole > 0 else 0.0 for name, change in changes.items()}
