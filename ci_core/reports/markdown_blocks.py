"""Blocks of a page as Markdown, whole; ``markdown.py`` makes them fit."""

from __future__ import annotations

import html
from typing import TYPE_CHECKING

from ci_core.reports import mermaid
from ci_core.reports.address import is_safe_url, quote_url
from ci_core.reports.document import (
    Address,
    Banner,
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
from ci_core.reports.markdown_text import disarm_comment, disarm_fence, escape_block_start, escape_code, escape_prose
from ci_core.reports.plot_dots import plot_dots
from ci_core.reports.plot_text import plot_lines, plot_table
from ci_core.reports.text import number, sparkline, visible

if TYPE_CHECKING:
    from ci_core.reports.document import Block, Inline, Line

GAP = "\n\n"

_SYMBOLS = {"good": "✅", "warn": "⚠️", "bad": "❌", "info": "🟣", "muted": "➖"}
_CELLS = {"good": "🟢", "warn": "🟡", "bad": "🔴", "info": "🟣", "muted": "⚪"}


def heading_text(banner: Banner) -> str:
    """Return the answer alone, as a heading."""
    return f"## {_SYMBOLS[banner.tone]} {escape_prose(banner.title)}"


def banner_text(banner: Banner) -> str:
    """Return the first lines of a page."""
    parts = [heading_text(banner), line_text(banner.eyebrow), *(line_text(line) for line in banner.lines)]
    return GAP.join(part for part in parts if part)


def block_text(block: Block) -> str:  # noqa: PLR0911  # one answer a kind
    """Return a block, whole."""
    match block:
        case Section():
            opening, closing = section_shell(block)
            return GAP.join(part for part in (opening, *map(block_text, block.blocks), closing) if part)
        case Paragraph():
            text = line_text(block.line)
            return text if block.tone is None else f"> {_SYMBOLS[block.tone]} {text}"
        case BulletList():
            return "\n".join(item_text(line) for line in block.items)
        case Table():
            return table_text(*table_parts(block), block.hidden)
        case CodeBlock():
            return code_block_text(visible(block.text, keep_lines=True))
        case GraphFigure():
            return _fence(mermaid.flowchart(block.graph), "mermaid")
        case PlotFigure():
            return _plot(block)
        case Strip():
            return "".join(_CELLS[cell.tone] for cell in block.cells)
        case Tiles():
            return ""


def section_shell(section: Section) -> tuple[str, str]:
    """Return what stands before and after the blocks of a section."""
    if not section.folded:
        return f"### {escape_prose(section.title)}", ""
    hint = f" · {_summary_text(section.hint)}" if section.hint else ""
    return f"<details>\n<summary><b>{_summary_text(section.title)}</b>{hint}</summary>", "</details>"


def _summary_text(text: str) -> str:
    """Return prose inside an HTML block: the same rule as in Markdown, in HTML's spelling."""
    words = [
        html.escape(word) if escape_prose(word) == word else f"<code>{html.escape(disarm_comment(word))}</code>"
        for word in visible(text).split()
    ]
    return " ".join(words)


def table_parts(table: Table) -> tuple[str, list[str]]:
    """Return a table's first two lines, and its rows."""
    titles = " | ".join(_escape(column.title, in_table=True) for column in table.columns)
    rule = " | ".join("---:" if column.align == "right" else "---" for column in table.columns)
    rows = [f"| {' | '.join(_line(cell, in_table=True) for cell in row)} |" for row in table.rows]
    return f"| {titles} |\n| {rule} |", rows


def table_text(head: str, rows: list[str], hidden: int) -> str:
    """Return a table of these rows; `hidden` more are counted below it."""
    text = "\n".join([head, *rows])
    return f"{text}\n\n… and {number(hidden)} more" if hidden else text


def item_text(line: Line) -> str:
    """Return one item of a list."""
    return f"- {line_text(line)}"


def code_block_text(text: str) -> str:
    """Return program output as a fenced block; `text` has no characters without a glyph any more."""
    return _fence(disarm_fence(disarm_comment(text.rstrip("\n"))), "text")


def _fence(text: str, language: str) -> str:
    return f"```{language}\n{text}\n```"


def _plot(figure: PlotFigure) -> str:
    title = f"**{inline_text(Code(figure.plot.name))}**"
    table = plot_table(figure)
    lines = "\n".join(item_text(line) for line in plot_lines(figure))
    chart, dots = mermaid.xy_chart(figure.plot), plot_dots(figure)
    picture = _fence(chart, "mermaid") if chart else code_block_text(dots) if dots else ""
    parts = [title, block_text(table) if table else "", lines, picture]
    return GAP.join(part for part in parts if part)


def line_text(line: Line) -> str:
    """Return a line that starts no block."""
    return escape_block_start(_line(line))


def _line(line: Line, *, in_table: bool = False) -> str:
    text = ""
    for inline in line:
        piece = inline_text(inline, in_table=in_table)
        # Two code spans that touch would be one.
        text += f" {piece}" if text.endswith("`") and piece.startswith("`") else piece
    return text.strip()


def inline_text(inline: Inline, *, in_table: bool = False) -> str:
    """Return a piece of a line."""
    match inline:
        case str():
            return _keep_ends(inline, in_table=in_table)
        case Code(text):
            return escape_code(text, in_table=in_table)
        case Strong(text):
            return f"**{_escape(text, in_table=in_table)}**" if text.strip() else ""
        case Mark():
            symbol = (_SYMBOLS if inline.is_state else _CELLS)[inline.tone]
            return f"{symbol} {_escape(inline.text, in_table=in_table)}".rstrip()
        case Address():
            text = _escape(inline.text, in_table=in_table)
            return f"[{text}](<{quote_url(inline.url)}>)" if text and is_safe_url(inline.url) else text
        case Spark():
            return sparkline(inline.values, low=0.0 if inline.from_zero else None)


def _keep_ends(text: str, *, in_table: bool) -> str:
    """Escape prose and keep the blanks that part it from its neighbours."""
    before = " " if text[:1].isspace() else ""
    after = " " if text[-1:].isspace() and text.strip() else ""
    return f"{before}{_escape(text, in_table=in_table)}{after}"


def _escape(text: str, *, in_table: bool) -> str:
    escaped = escape_prose(text)
    return escaped.replace("|", "\\|") if in_table else escaped
