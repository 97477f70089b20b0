"""A page as a neutral tree: what stands between the data and its renderings (pure).

Builders (``build.py``, ``monitoring_document.py``, ``deployments.py``) make a :class:`Document`; ``markdown.py``,
``html.py`` and ``terminal.py`` each turn it into text. **The tree holds raw text only, never markup**, so no builder
can forget to escape: every string in it may come from a stranger's repository, and each renderer treats it so.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, TypeAlias

from ci_core.reports.text import shorten

if TYPE_CHECKING:
    from ci_core.reports.report import Graph, Plot, Side
    from ci_core.reports.report import Link as ReportLink

Tone = Literal["good", "warn", "bad", "info", "muted"]
"""What a mark, a tile or a banner tells at a glance; never the only carrier of the message."""

LONGEST_NAME = 160
"""Characters of a name or value that are shown; the whole is in ``report.json``."""


@dataclass(frozen=True, slots=True)
class Code:
    """A name or value exactly as the user's files spell it."""

    text: str


@dataclass(frozen=True, slots=True)
class Strong:
    """Words that carry the sentence."""

    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Mark:
    """A word with a colour: the state of something, with a symbol, or the kind of a change, without one."""

    tone: Tone
    text: str
    is_state: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class Address:
    """Text that leads somewhere; a renderer links ``http:``, ``https:`` and relative addresses only."""

    text: str
    url: str


@dataclass(frozen=True, slots=True)
class Spark:
    """A row of numbers as a tiny picture."""

    values: tuple[float, ...]
    side: Side = "head"
    from_zero: bool = False
    """Whether the smallest picture is zero (counts) rather than the smallest value (curves)."""


Inline: TypeAlias = str | Code | Strong | Mark | Address | Spark
Line: TypeAlias = tuple[Inline, ...]
"""A line of text; a bare string in it is prose."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Paragraph:
    """One line of any length."""

    line: Line
    tone: Tone | None = None
    """A coloured call-out when set."""


@dataclass(frozen=True, slots=True, kw_only=True)
class BulletList:
    """Short lines of equal rank."""

    items: tuple[Line, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Column:
    """The head of a table's column."""

    title: str
    align: Literal["left", "right"] = "left"


@dataclass(frozen=True, slots=True, kw_only=True)
class Table:
    """Rows of lines, one cell a column."""

    columns: tuple[Column, ...]
    rows: tuple[tuple[Line, ...], ...]
    hidden: int = 0
    """How many more rows the data has than are shown."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CodeBlock:
    """Program output, line by line."""

    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class GraphFigure:
    """A serving graph to be drawn."""

    graph: Graph


@dataclass(frozen=True, slots=True, kw_only=True)
class PlotFigure:
    """A plot to be drawn; base and head (or reference and window) over each other."""

    plot: Plot
    base_name: str = "base"
    head_name: str = "head"


@dataclass(frozen=True, slots=True, kw_only=True)
class Tile:
    """One number, large."""

    label: str
    value: str
    change: str = ""
    tone: Tone = "muted"
    before: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Tiles:
    """The numbers to see first. They repeat what a table below says, so a renderer without room leaves them out."""

    tiles: tuple[Tile, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class StripCell:
    """One window on a time line."""

    tone: Tone
    label: str
    """When: ``2013-06-15``."""
    state: str
    detail: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Strip:
    """A time line of states, oldest first."""

    cells: tuple[StripCell, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Section:
    """A part of the page with a name."""

    slug: str
    """Stable kebab-case name: anchor in HTML, word in the note about what was left out."""
    title: str
    hint: str = ""
    """What is inside, for the closed state: ``3 changed``."""
    blocks: tuple[Block, ...]
    folded: bool = False


Block: TypeAlias = Paragraph | BulletList | Table | CodeBlock | GraphFigure | PlotFigure | Tiles | Strip | Section


@dataclass(frozen=True, slots=True, kw_only=True)
class Banner:
    """The answer, before anything else."""

    tone: Tone
    title: str
    eyebrow: Line = ()
    """What the page is about: ``flights · more trees · `more-trees` against `main```."""
    lines: tuple[Line, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Document:
    """A whole page."""

    banner: Banner
    blocks: tuple[Block, ...]
    footer: tuple[Line, ...] = ()
    whole: ReportLink | None = None
    """Where the unshortened page is."""


def code(text: str) -> Code:
    """Return a name or value as code, shortened to what can be read."""
    return Code(shorten(text, LONGEST_NAME))
