"""A document as plain text for a terminal or a log: no colour, no width beyond the given one (pure)."""

from __future__ import annotations

import unicodedata
from typing import TYPE_CHECKING

from ci_core.reports.document import (
    Address,
    BulletList,
    Code,
    CodeBlock,
    GraphFigure,
    Mark,
    Paragraph,
    PlotFigure,
    Section,
    Spark,
    Strip,
    Strong,
    Table,
    Tiles,
)
from ci_core.reports.plot_dots import plot_dots
from ci_core.reports.plot_text import plot_lines, plot_table
from ci_core.reports.text import number, shorten, sparkline, visible

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from ci_core.reports.document import Block, Document, Inline, Line
    from ci_core.reports.report import Graph

_WORDS = {"good": "PASS", "warn": "WARN", "bad": "FAIL", "info": "NOTE", "muted": "----"}
_SYMBOLS = {"good": "✓", "warn": "!", "bad": "✗", "info": "?", "muted": "·"}
_SIGNS = {"added": "+ ", "removed": "- ", "changed": "~ ", "renamed": "~ ", "same": "  "}
_COLOURS = {"good": "32", "warn": "33", "bad": "31", "info": "35", "muted": "2"}
_CHANGE_COLOURS = {"added": "32", "removed": "31", "changed": "33", "renamed": "35", "same": ""}
_BOLD, _DIM = "1", "2"
_SMALLEST_WIDTH = 40
_MOST_NODES = 60
_MOST_TARGETS = 8
"""Nodes that one leads to and that are named."""
_LONGEST_NODE = 80
_LEAST_COLUMN = 12
"""A column that is narrower cannot be read: then each row becomes a few lines."""
_LONGEST_WORD = 30
"""A longer one may be broken."""
_GAP = 2


def to_terminal(document: Document, *, width: int = 100, with_colour: bool = False) -> str:
    """Return the document as text, ending in one line end.

    Args:
        document: what to show.
        width: columns that a line takes at most, 40 at least.
        with_colour: whether colours and bold letters are written; they never carry the message alone.
    """
    view = _View(max(_SMALLEST_WIDTH, width), with_colour=with_colour)
    banner = document.banner
    lines = _wrap(_line(banner.eyebrow), view.width)
    title = _wrap(f"{_SYMBOLS[banner.tone]} {visible(banner.title)}", view.width)
    lines += [view.paint(line, f"{_BOLD};{_COLOURS[banner.tone]}") for line in title]
    lines += [wrapped for line in banner.lines for wrapped in _wrap(_line(line), view.width, indent="  ")]
    for block in document.blocks:
        rendered = view.block(block)
        if rendered:
            lines += ["", *rendered]
    if document.footer:
        lines += ["", *(wrapped for line in document.footer for wrapped in _wrap(_line(line), view.width))]
    return "\n".join(line.rstrip() for line in lines) + "\n"


class _View:
    """Renders blocks as lines of one width."""

    def __init__(self, width: int, *, with_colour: bool) -> None:
        self.width = width
        self._with_colour = with_colour

    def paint(self, text: str, codes: str) -> str:
        """Return text in a colour; without colours, as it is."""
        return f"\x1b[{codes}m{text}\x1b[0m" if self._with_colour and codes and text.strip() else text

    def block(self, block: Block) -> list[str]:  # noqa: PLR0911  # one answer a kind
        """Return the lines of a block; none when it says nothing here."""
        match block:
            case Section():
                return self._section(block)
            case Paragraph():
                sign = f"{_WORDS[block.tone]}: " if block.tone in {"warn", "bad"} else ""
                codes = _COLOURS[block.tone] if block.tone in {"warn", "bad"} else ""
                return [self.paint(text, codes) for text in _wrap(sign + _line(block.line), self.width)]
            case BulletList():
                return [
                    text for line in block.items for text in _wrap(_line(line), self.width, first="- ", indent="  ")
                ]
            case Table():
                return self._table(block)
            case CodeBlock():
                return [
                    f"  | {_fit(text, self.width - 4)}" for text in visible(block.text, keep_lines=True).splitlines()
                ]
            case GraphFigure():
                return self._graph(block.graph)
            case PlotFigure():
                return self._plot(block)
            case Strip():
                return _wrap(" ".join(_SYMBOLS[cell.tone] for cell in block.cells), self.width)
            case Tiles():
                return []

    def _section(self, section: Section) -> list[str]:
        hint = f" ({section.hint})" if section.folded and section.hint else ""
        title = _fit(visible(f"{section.title}{hint}"), self.width)
        lines = [self.paint(title, _BOLD), self.paint("─" * _columns(title), _DIM)]
        for index, block in enumerate(section.blocks):
            rendered = self.block(block)
            if index and rendered and not isinstance(block, BulletList):
                lines.append("")
            lines += rendered
        return lines

    def _plot(self, figure: PlotFigure) -> list[str]:
        table = plot_table(figure)
        lines = [_fit(visible(figure.plot.name), self.width)]
        for line in plot_lines(figure):
            lines += _wrap(_line(line), self.width, first="  ", indent="    ")
        lines += [_fit(row, self.width) for row in (plot_dots(figure) or "").splitlines()]
        return lines + (self._table(table) if table else [])

    def _graph(self, graph: Graph) -> list[str]:
        """Return each node with those that it leads to: a list reads better than a drawing of letters."""
        names = {node.id: shorten(visible(node.text), _LONGEST_NODE) for node in graph.nodes}
        lines = []
        for node in graph.nodes[:_MOST_NODES]:
            targets = [names[edge.target] for edge in graph.edges if edge.source == node.id and edge.target in names]
            more = f" and {number(len(targets) - _MOST_TARGETS)} more" if len(targets) > _MOST_TARGETS else ""
            leads = f" → {', '.join(targets[:_MOST_TARGETS])}{more}" if targets else ""
            stale = " (stale)" if node.is_stale else ""
            text = f"{node.kind} {names[node.id]}{stale}{leads}"
            wrapped = _wrap(text, self.width, first=_SIGNS[node.change], indent="    ")
            lines += [self.paint(line, _CHANGE_COLOURS[node.change]) for line in wrapped]
        hidden = len(graph.nodes) - _MOST_NODES
        return [*lines, f"… and {number(hidden)} more"] if hidden > 0 else lines

    def _table(self, table: Table) -> list[str]:
        titles = [visible(column.title) for column in table.columns]
        cells = [[_line(cell) for cell in row] for row in table.rows]
        filled = [index for index, _ in enumerate(titles) if any(row[index] for row in cells)]
        widths = _widths([[titles[index], *(row[index] for row in cells)] for index in filled], self.width)
        more = [f"… and {number(table.hidden)} more"] if table.hidden else []
        if widths is None:
            return [line for row in cells for line in self._card(titles, row)] + more
        aligns = [table.columns[index].align for index in filled]
        lines = self._row([titles[index] for index in filled], widths, aligns, [_DIM] * len(filled))
        for row, source in zip(cells, table.rows, strict=True):
            codes = [_cell_colour(source[index]) for index in filled]
            lines += self._row([row[index] for index in filled], widths, aligns, codes)
        return lines + more

    def _card(self, titles: Sequence[str], row: Sequence[str]) -> list[str]:
        """Return a row of a table that is too wide: its cells one after the other, with their titles."""
        first, *others = [(title, cell) for title, cell in zip(titles, row, strict=True) if cell] or [("", "")]
        said = [first[1], *(f"{title} {cell}" for title, cell in others)]
        return _wrap(", ".join(said), self.width, first="- ", indent="  ")

    def _row(
        self, cells: Sequence[str], widths: Sequence[int], aligns: Sequence[str], codes: Sequence[str]
    ) -> list[str]:
        """Return the lines of a row: a cell that is too long goes on below."""
        columns = [_wrap(cell, width) for cell, width in zip(cells, widths, strict=True)]
        lines = []
        for index in range(max(1, *map(len, columns))):
            parts = []
            for column, width, align, code in zip(columns, widths, aligns, codes, strict=True):
                text = column[index] if index < len(column) else ""
                pad = " " * (width - _columns(text))
                painted = self.paint(text, code)
                parts.append(pad + painted if align == "right" else painted + pad)
            lines.append((" " * _GAP).join(parts))
        return lines


def _cell_colour(cell: Line) -> str:
    """Return the colour of a cell's first mark, or bold for strong words."""
    for inline in cell:
        if isinstance(inline, Mark):
            return _COLOURS[inline.tone]
        if isinstance(inline, Strong):
            return _BOLD
    return ""


def _widths(columns: Sequence[Sequence[str]], width: int) -> list[int] | None:
    """Return each column's width; the widest give way until the row fits. None when they would break words for it."""
    widths = [max(map(_columns, column)) for column in columns]
    least = [
        min(whole, max(_LEAST_COLUMN, _longest_word(column))) for whole, column in zip(widths, columns, strict=True)
    ]
    excess = sum(widths) + _GAP * (len(columns) - 1) - width
    if sum(widths) - excess < sum(least):
        return None
    for _ in range(excess):
        _, index = max(
            (wide - (wide == need) * wide, at) for at, (wide, need) in enumerate(zip(widths, least, strict=True))
        )
        widths[index] -= 1
    return widths


def _longest_word(column: Iterable[str]) -> int:
    words = (_columns(word) for cell in column for word in cell.split(" "))
    return min(_LONGEST_WORD, max(words, default=0))


def _fit(text: str, width: int) -> str:
    while _columns(text) > width:
        text = shorten(text, max(5, len(text) - (_columns(text) - width))) if len(text) > width > 5 else text[:width]  # noqa: PLR2004  # the least that can be shortened
        if _columns(text) > width:
            text = text[:-1]
    return text


def _columns(text: str) -> int:
    """Return how many columns a text takes: East Asian wide letters take two, combining marks none."""
    return sum(
        0 if unicodedata.combining(letter) else 2 if unicodedata.east_asian_width(letter) in "WF" else 1
        for letter in text
    )


def _wrap(text: str, width: int, *, first: str = "", indent: str = "") -> list[str]:
    """Return the text's words in lines of at most `width` columns; a longer word is broken."""
    lines, line = [], first or indent
    is_fresh = True
    for word in filter(None, text.split(" ")):  # not at a blank that must not break
        rest = word
        if not is_fresh and _columns(line) + 1 + _columns(word) <= width:
            line += f" {word}"
            continue
        if not is_fresh:
            lines.append(line)
            line = indent
        while _columns(line) + _columns(rest) > width:
            head = _head(rest, width - _columns(line))
            lines.append(line + head)
            rest, line = rest[len(head) :], indent
        line, is_fresh = line + rest, False
    return lines if is_fresh else [*lines, line]


def _head(word: str, width: int) -> str:
    """Return the beginning of a word that takes at most `width` columns, one letter at least."""
    end = 1
    while end < len(word) and _columns(word[: end + 1]) <= width:
        end += 1
    return word[:end]


def _line(line: Line) -> str:
    return "".join(map(_inline, line))


def _inline(inline: Inline) -> str:
    match inline:
        case str():
            return visible(inline)
        case Code(text) | Strong(text):
            return visible(text)
        case Mark():
            return f"{_SYMBOLS[inline.tone]} {visible(inline.text)}" if inline.is_state else visible(inline.text)
        case Address():
            return f"{visible(inline.text)} {visible(inline.url)}"
        case Spark():
            return sparkline(inline.values, low=0.0 if inline.from_zero else None)
