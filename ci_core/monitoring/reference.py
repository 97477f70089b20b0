"""The reference as the rule sees it: one layout, the counts of each time block, and of all of them (pure)."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cached_property
from statistics import median
from typing import TYPE_CHECKING, Any

from ci_core.monitoring.profile import Layout, Profile, content_digest, merge

if TYPE_CHECKING:
    from ci_core.types import Digest, JsonObject

LEAST_WINDOW_ROWS = 500
"""Fewest rows for a verdict: 25 for each of the 20 bins."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Block:
    """One stretch of the reference's own time, as long as a window."""

    start: datetime
    """UTC; a multiple of the window's length since 1970-01-01."""
    profile: Profile


@dataclass(frozen=True, kw_only=True)  # no slots: the pooled profile and the digest are cached on the instance
class ReferenceProfile:
    """What windows are compared with.

    Stored as JSON (:meth:`to_dict`)::

        {"layout": {…}, "length_s": 86400.0, "blocks": [{"start": "2013-01-01T00:00:00+00:00", "profile": {…}}],
         "rest": {…}}
    """

    layout: Layout
    length: timedelta | None
    """Length of a block; None when the reference has no time column."""
    blocks: tuple[Block, ...]
    """In order of time; blocks without rows do not appear."""
    rest: Profile
    """Rows without a time: all of them when there is no time column."""

    @cached_property
    def pooled(self) -> Profile:
        """The whole reference."""
        return merge([self.rest, *(block.profile for block in self.blocks)])

    @cached_property
    def whole_blocks(self) -> tuple[Block, ...]:
        """The blocks that stand for a window: enough rows to be judged, and not cut off at an end of the table.

        A window with fewer rows is never judged, so such a block says nothing about windows. The first and the last
        block are often cut short by the table's end; they count when they have at least half of the median's rows.
        """
        usual = median(block.profile.rows for block in self.blocks) if self.blocks else 0
        ends = {0, len(self.blocks) - 1}
        return tuple(
            block
            for index, block in enumerate(self.blocks)
            if block.profile.rows >= max(LEAST_WINDOW_ROWS, usual / 2 if index in ends else 0)
        )

    @cached_property
    def digest(self) -> Digest:
        """Content hash; verdicts with another reference's digest are history of another comparison."""
        return content_digest(self.to_dict())

    def to_dict(self) -> dict[str, Any]:
        """Return what ``json`` can write."""
        return {
            "layout": self.layout.to_dict(),
            "length_s": None if self.length is None else self.length.total_seconds(),
            "blocks": [{"start": block.start.isoformat(), "profile": block.profile.to_dict()} for block in self.blocks],
            "rest": self.rest.to_dict(),
        }

    @classmethod
    def from_dict(cls, data: JsonObject) -> ReferenceProfile:
        """Rebuild what :meth:`to_dict` gave."""
        stored: Any = data
        return cls(
            layout=Layout.from_dict(stored["layout"]),
            length=None if stored["length_s"] is None else timedelta(seconds=stored["length_s"]),
            blocks=tuple(
                Block(start=datetime.fromisoformat(block["start"]), profile=Profile.from_dict(block["profile"]))
                for block in stored["blocks"]
            ),
            rest=Profile.from_dict(stored["rest"]),
        )
