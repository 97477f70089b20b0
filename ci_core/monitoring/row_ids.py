"""Whether whole numbers name rows, as ``1`` to ``n`` do, or measure something (pure).

Numbers that name rows move whenever rows are added, which says nothing. They are known by what they do not do: repeat.
Values that are drawn independently must, once there are enough rows for the range they lie in, however they are spread
over it (the birthday problem). Where they need not (amounts in cents over a wide range), nothing is concluded.
"""

from __future__ import annotations

import math

LEAST_EXPECTED = 14.0
"""Repeats that chance must give at the least before their absence proves anything: none then has a chance of e^-14."""
MOST_OF_EXPECTED = 0.01
"""Repeats are hardly there below this share of the fewest that chance would give: two files with one row in common."""
MOST_REPEATED = 0.01
"""Share of the rows that may repeat a value where the other version's values were found to name rows."""
COUNTED_ROWS = 100_000
"""Rows whose values are counted, about: all of those values that a hash picks, so that repeats stay together."""

IDENTIFIER = "an identifier, not compared: nearly every row has its own value"


def part_of(rows: int) -> int:
    """Return how many parts the values are cut into, of which one is counted."""
    return max(1, rows // COUNTED_ROWS)


def expected_repeats(rows: int, values: int) -> float:
    """Return how many rows repeat an earlier one's value on average, were rows drawn independently.

    ``n - R (1 - (1 - 1/R)^n)`` for ``n`` rows that take ``R`` values equally often; any other distribution on them, and
    any on fewer, gives more.

    >>> expected_repeats(23, 365) > 0.5, round(expected_repeats(1000, 1000)), expected_repeats(10, 1)
    (True, 368, 9.0)
    """
    if values <= 1:
        return float(max(rows - 1, 0))
    return rows + values * math.expm1(rows * math.log1p(-1 / values))


def may_name_rows(rows: int, low: int, high: int) -> bool:
    """Tell whether counting could show that a column names rows.

    Args:
        rows: those with a value.
        low: the smallest value.
        high: the largest.
    """
    values = high - low + 1
    has_room = values >= rows * (1 - MOST_REPEATED)
    return has_room and expected_repeats(rows, values) / part_of(rows) >= LEAST_EXPECTED


def names_rows(rows: int, low: int, high: int, *, repeats: float) -> bool:
    """Tell whether a column names rows.

    Args:
        rows: those with a value.
        low: the smallest value.
        high: the largest.
        repeats: share of the rows that repeat an earlier one's value, of the part that was counted.
    """
    expected = expected_repeats(rows, high - low + 1) / rows if rows else 0.0
    return may_name_rows(rows, low, high) and repeats <= MOST_OF_EXPECTED * expected
