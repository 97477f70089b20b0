"""A document as Markdown for comments, issues and job summaries on GitHub and GitLab.

The text always fits the given limit: what does not fit is left out *between* rows, items, lines of output and blocks,
so that tables, fences and ``<details>`` stay whole, and the last line says what was left out and where the whole is.
Nothing in it changes from run to run by itself (no times), so that an unchanged report is an unchanged comment.
"""

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
from ci_core.reports.markdown_text import code_fence, disarm_comment, escape_block_start, escape_code, escape_prose
from ci_core.reports.plot_text import plot_lines, plot_table
from ci_core.reports.text import number, sparkline, visible

if TYPE_CHECKING:
    from collections.abc import Iterable

    from ci_core.reports.document import Block, Document, Inline, Line

GITHUB_COMMENT_LIMIT = 65_536
SMALLEST_LIMIT = 2_000
"""Below this there is no room for the answer itself."""

_SYMBOLS = {"good": "✅", "warn": "⚠️", "bad": "❌", "info": "🟣", "muted": "➖"}
_CELLS = {"good": "🟢", "warn": "🟡", "bad": "🔴", "info": "🟣", "muted": "⚪"}
_RESERVE = 700
"""Room kept for the last line: the names of our sections and one address."""
_LONGEST_URL = 300
_GAP = "\n\n"


def to_markdown(document: Document, limit: int = GITHUB_COMMENT_LIMIT) -> str:
    """Return the document as Markdown of at most `limit` characters, ending in one line end.

    Characters are counted as UTF-16 units, the larger of the two ways in which hosts count.

    Raises:
        ValueError: `limit` is below :data:`SMALLEST_LIMIT`.
    """
    if limit < SMALLEST_LIMIT:
        message = f"a limit of {limit} characters leaves no room for the answer"
        raise ValueError(message)
    blocks = [_banner(document.banner), *map(_block, document.blocks), *(_text_line(line) for line in document.footer)]
    whole = _GAP.join(block for block in blocks if block) + "\n"
    return whole if length(whole) <= limit else _fitted(document, limit)


def length(text: str) -> int:
    """Return how many UTF-16 units a text has: never fewer than its characters."""
    return len(text.encode("utf-16-le")) // 2


def _fitted(document: Document, limit: int) -> str:
    cut: dict[str, None] = {}
    room = limit - _RESERVE
    head = _banner(document.banner)
    if length(head) > room:
        head = _heading(document.banner)
    body = _fit_blocks(document.blocks, room - length(head) - len(_GAP), cut)
    return _GAP.join(part for part in (head, body, _cut_line(document, limit, list(cut))) if part) + "\n"


def _cut_line(document: Document, limit: int, cut: list[str]) -> str:
    sentence = f"✂️ **Shortened to fit {number(limit)} characters**"
    if cut:
        sentence += f": {', '.join(cut[:12])}"
    whole = document.whole
    if whole is not None and len(whole.url) <= _LONGEST_URL and is_safe_url(whole.url):
        return f"{sentence}. The whole: {_inline(Address(text=whole.text[:60], url=whole.url))}"
    return f"{sentence}. The whole is in the run's `report.html` and `report.json`."


def _fit_blocks(blocks: Iterable[Block], room: int, cut: dict[str, None]) -> str:
    parts: list[str] = []
    for block in blocks:
        text: str | None = _block(block)
        if text is not None and length(text) > room:
            if isinstance(block, Section):
                cut[block.title.lower()] = None
            text = _smaller(block, room, cut)
        if text:
            parts.append(text)
            room -= length(text) + len(_GAP)
    return _GAP.join(parts)


def _smaller(block: Block, room: int, cut: dict[str, None]) -> str | None:
    """Return the block with fewer rows, items, lines or children, or None when nothing of it fits."""
    if isinstance(block, Section):
        opening, closing = _section_shell(block)
        inner = _fit_blocks(block.blocks, room - length(opening) - length(closing) - 2 * len(_GAP), cut)
        return _GAP.join(part for part in (opening, inner, closing) if part) if inner else None
    if isinstance(block, Table):
        head, rows = _table_parts(block)
        kept = _prefix(rows, room - length(head) - 80)
        return _table_text(head, kept, block.hidden + len(rows) - len(kept)) if kept else None
    if isinstance(block, BulletList):
        items = [_item(line) for line in block.items]
        kept = _prefix(items, room - 40)
        return "\n".join([*kept, f"- … and {len(items) - len(kept)} more"]) if kept else None
    if isinstance(block, CodeBlock):
        lines = visible(block.text, keep_lines=True).splitlines()
        kept = _prefix(lines[::-1], room - 80)[::-1]
        return _code_block("\n".join([f"… {len(lines) - len(kept)} earlier lines", *kept])) if kept else None
    return None


def _prefix(lines: list[str], room: int) -> list[str]:
    """Return as many lines from the start as fit, with one line end each."""
    for index, line in enumerate(lines):
        room -= length(line) + 1
        if room < 0:
            return lines[:index]
    return lines


def _heading(banner: Banner) -> str:
    return f"## {_SYMBOLS[banner.tone]} {escape_prose(banner.title)}"


def _banner(banner: Banner) -> str:
    parts = [_heading(banner), _text_line(banner.eyebrow), *(_text_line(line) for line in banner.lines)]
    return _GAP.join(part for part in parts if part)


def _block(block: Block) -> str:  # noqa: PLR0911  # one answer a kind
    match block:
        case Section():
            opening, closing = _section_shell(block)
            return _GAP.join(part for part in (opening, *map(_block, block.blocks), closing) if part)
        case Paragraph():
            text = _text_line(block.line)
            return text if block.tone is None else f"> {_SYMBOLS[block.tone]} {text}"
        case BulletList():
            return "\n".join(_item(line) for line in block.items)
        case Table():
            return _table_text(*_table_parts(block), block.hidden)
        case CodeBlock():
            return _code_block(visible(block.text, keep_lines=True))
        case GraphFigure():
            return _fence(mermaid.flowchart(block.graph), "mermaid")
        case PlotFigure():
            return _plot(block)
        case Strip():
            return "".join(_CELLS[cell.tone] for cell in block.cells)
        case Tiles():
            return ""


def _section_shell(section: Section) -> tuple[str, str]:
    if not section.folded:
        return f"### {section.title}", ""
    hint = f" · {_summary_text(section.hint)}" if section.hint else ""
    return f"<details>\n<summary><b>{html.escape(section.title)}</b>{hint}</summary>", "</details>"


def _summary_text(text: str) -> str:
    """Return prose inside an HTML block: the same rule as in Markdown, in HTML's spelling."""
    words = [
        html.escape(word) if escape_prose(word) == word else f"<code>{html.escape(disarm_comment(word))}</code>"
        for word in visible(text).split()
    ]
    return " ".join(words)


def _table_parts(table: Table) -> tuple[str, list[str]]:
    titles = " | ".join(column.title for column in table.columns)
    rule = " | ".join("---:" if column.align == "right" else "---" for column in table.columns)
    rows = [f"| {' | '.join(_line(cell, in_table=True) for cell in row)} |" for row in table.rows]
    return f"| {titles} |\n| {rule} |", rows


def _table_text(head: str, rows: list[str], hidden: int) -> str:
    text = "\n".join([head, *rows])
    return f"{text}\n\n… and {number(hidden)} more" if hidden else text


def _item(line: Line) -> str:
    return f"- {_text_line(line)}"


def _code_block(text: str) -> str:
    return _fence(disarm_comment(text.rstrip("\n")), "text")


def _fence(text: str, language: str) -> str:
    opening, closing = code_fence(text, language)
    return f"{opening}\n{text}\n{closing}"


def _plot(figure: PlotFigure) -> str:
    title = f"**{_inline(Code(figure.plot.name))}**"
    table = plot_table(figure)
    lines = "\n".join(_item(line) for line in plot_lines(figure))
    chart = mermaid.xy_chart(figure.plot)
    parts = [title, _block(table) if table else "", lines, _fence(chart, "mermaid") if chart else ""]
    return _GAP.join(part for part in parts if part)


def _text_line(line: Line) -> str:
    return escape_block_start(_line(line))


def _line(line: Line, *, in_table: bool = False) -> str:
    text = ""
    for inline in line:
        piece = _inline(inline, in_table=in_table)
        # Two code spans that touch would be one.
        text += f" {piece}" if text.endswith("`") and piece.startswith("`") else piece
    return text.strip()


def _inline(inline: Inline, *, in_table: bool = False) -> str:
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
