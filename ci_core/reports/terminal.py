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
from ci_core.reports.plot_text import plot_lines, plot_table
from ci_core.reports.text import number, shorten, sparkline, visible

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from ci_core.reports.document import Block, Document, Inline, Line
    from ci_core.reports.report import Graph

_WORDS = {"good": "PASS", "warn": "WARN", "bad": "FAIL", "info": "NOTE", "muted": "----"}
_SYMBOLS = {"good": "✓", "warn": "!", "bad": "✗", "info": "?", "muted": "·"}
_SIGNS = {"added": "+ ", "removed": "- ", "changed": "~ ", "renamed": "~ ", "same": "  "}
_LEAST_COLUMN = 6
_GAP = 2


def to_terminal(document: Document, *, width: int = 100) -> str:
    """Return the document as text, ending in one line end; lines are at most `width` columns (at least 40)."""
    width = max(40, width)
    banner = document.banner
    lines = [*_wrap(_line(banner.eyebrow), width), *_wrap(f"{_SYMBOLS[banner.tone]} {banner.title}", width)]
    lines += [wrapped for line in banner.lines for wrapped in _wrap(_line(line), width, indent="  ")]
    for block in document.blocks:
        rendered = _block(block, width)
        if rendered:
            lines += ["", *rendered]
    if document.footer:
        lines += ["", *(wrapped for line in document.footer for wrapped in _wrap(_line(line), width))]
    return "\n".join(line.rstrip() for line in lines) + "\n"


def _block(block: Block, width: int) -> list[str]:  # noqa: PLR0911  # one answer a kind
    match block:
        case Section():
            return _section(block, width)
        case Paragraph():
            sign = f"{_WORDS[block.tone]}: " if block.tone in {"warn", "bad"} else ""
            return _wrap(sign + _line(block.line), width)
        case BulletList():
            return [text for line in block.items for text in _wrap(_line(line), width, first="- ", indent="  ")]
        case Table():
            return _table(block, width)
        case CodeBlock():
            return [f"  | {_fit(text, width - 4)}" for text in visible(block.text, keep_lines=True).splitlines()]
        case GraphFigure():
            return _graph(block.graph, width)
        case PlotFigure():
            return _plot(block, width)
        case Strip():
            return _wrap(" ".join(_SYMBOLS[cell.tone] for cell in block.cells), width)
        case Tiles():
            return []


def _section(section: Section, width: int) -> list[str]:
    title = f"{section.title} ({visible(section.hint)})" if section.folded and section.hint else section.title
    lines = [_fit(title, width), "─" * min(width, _columns(title))]
    for index, block in enumerate(section.blocks):
        rendered = _block(block, width)
        if index and rendered and not isinstance(block, BulletList):
            lines.append("")
        lines += rendered
    return lines


def _plot(figure: PlotFigure, width: int) -> list[str]:
    table = plot_table(figure)
    lines = [_fit(visible(figure.plot.name), width)]
    lines += [_fit(f"  {_line(line)}", width) for line in plot_lines(figure)]
    return lines + (_table(table, width) if table else [])


def _graph(graph: Graph, width: int) -> list[str]:
    """Return one line a node with the nodes it leads to: a list reads better than a drawing of letters."""
    names = {node.id: visible(node.text) for node in graph.nodes}
    lines = []
    for node in graph.nodes:
        targets = [names[edge.target] for edge in graph.edges if edge.source == node.id and edge.target in names]
        leads = f" → {', '.join(targets)}" if targets else ""
        lines.append(_fit(f"{_SIGNS[node.change]}{node.kind} {names[node.id]}{leads}", width))
    return lines


def _table(table: Table, width: int) -> list[str]:
    titles = [column.title for column in table.columns]
    cells = [[_line(cell) for cell in row] for row in table.rows]
    filled = [index for index, _ in enumerate(titles) if any(row[index] for row in cells)]
    widths = _widths([[titles[index], *(row[index] for row in cells)] for index in filled], width)
    aligns = [table.columns[index].align for index in filled]
    lines = [_row([titles[index] for index in filled], widths, aligns)]
    lines += [_row([row[index] for index in filled], widths, aligns) for row in cells]
    return lines + ([f"… and {number(table.hidden)} more"] if table.hidden else [])


def _widths(columns: Sequence[Sequence[str]], width: int) -> list[int]:
    """Return each column's width; the widest give way, letter by letter, until the row fits."""
    widths = [max(map(_columns, column)) for column in columns]
    room = width - _GAP * (len(columns) - 1)
    while sum(widths) > room and max(widths) > _LEAST_COLUMN:
        widths[widths.index(max(widths))] -= 1
    return widths


def _row(cells: Iterable[str], widths: Sequence[int], aligns: Sequence[str]) -> str:
    parts = []
    for cell, width, align in zip(cells, widths, aligns, strict=True):
        text = _fit(cell, width)
        pad = " " * (width - _columns(text))
        parts.append(pad + text if align == "right" else text + pad)
    return (" " * _GAP).join(parts)


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
    for word in text.split():
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
