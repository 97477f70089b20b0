"""A grid whose cells are cheap to compute: what two versions of one table are counted on (pure).

Counts of :class:`NumericGrid` are stored and compared over months, so its cells are as fine far out as near the centre,
which costs a logarithm for each value. Two versions of a table are counted at once and thrown away. Here a division is
enough: the whole line is folded into the interval from -1 to 1, which is cut into equal cells.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from ci_core.monitoring.profile import MISSING, NEGATIVE_INFINITY, POSITIVE_INFINITY, NumericGrid

CELLS = 200
"""Cells on each side of the centre. Near it a cell is 1/200 of the scale wide, at ten scales 6 % of the distance."""


_OUTERMOST = CELLS - 0.25  # the middle of the last cell, which is half as wide as the others
_UNFOLDED = tuple(
    place / (CELLS - abs(place))
    for place in (max(-_OUTERMOST, min(_OUTERMOST, float(code))) for code in range(-CELLS, CELLS + 1))
)
"""Distance from the centre, in scales, of the middle of each cell."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FoldedGrid(NumericGrid):
    """Cells of equal width in ``d / (scale + |d|)``, `d` the distance from the centre; it has no atoms.

    What lies more than 399 scales from the centre is in the outermost cell and counts as 799 scales away.
    """

    def code(self, value: float) -> int:
        """Return the cell of one value; :func:`table_sql.folded_counts` computes the same for whole columns."""
        if math.isnan(value):
            return MISSING
        if math.isinf(value):
            return POSITIVE_INFINITY if value > 0 else NEGATIVE_INFINITY
        distance = value - self.centre
        if math.isinf(distance):
            return CELLS if distance > 0 else -CELLS
        return round(CELLS * (distance / (self.scale + abs(distance))))

    def position(self, code: int) -> float:
        """Return the value that stands for a cell: the middle of it, folded back, or an infinity."""
        if code >= MISSING:
            return {NEGATIVE_INFINITY: -math.inf, POSITIVE_INFINITY: math.inf}.get(code, math.nan)
        return self.centre + self.scale * _UNFOLDED[code + CELLS]

    def host(self, code: int) -> int:
        """Return `code`: there are no atoms, so each cell is its own host."""
        return code
