"""A document as Markdown for comments, issues and job summaries on GitHub and GitLab.

The text always fits the given limit: what does not fit is left out *between* rows, items, lines of output and blocks,
so that tables, fences and ``<details>`` stay whole, and the last line says what was left out and where the whole is.
Nothing in it changes from run to run by itself (no times), so that an unchanged report is an unchanged comment.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ci_core.reports.address import is_safe_url
from ci_core.reports.document import Address, BulletList, CodeBlock, Paragraph, Section, Table
from ci_core.reports.markdown_blocks import (
    GAP,
    banner_text,
    block_text,
    code_block_text,
    heading_text,
    inline_text,
    item_text,
    line_text,
    section_shell,
    table_parts,
    table_text,
)
from ci_core.reports.text import fair_share, number, visible

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from ci_core.reports.document import Block, Document

GITHUB_COMMENT_LIMIT = 65_536
"""UTF-16 units; GitLab's limit is 1,000,000."""
SUMMARY_LIMIT_BYTES = 1_048_576
"""GitHub drops a job summary that is one byte larger, the whole of it."""
SMALLEST_LIMIT = 2_000
"""Below this there is no room for the answer itself."""

_RESERVE = 700
"""Room kept for the last line: the names of our sections and one address."""
_FAIR_SHARE = 1_200
"""What a block gets at least, if there is so much left: half a table tells more than a dozen headings."""
_LONGEST_URL = 300


def length(text: str) -> int:
    """Return how many UTF-16 units a text has: the larger of the two ways in which hosts count characters."""
    return len(text.encode("utf-16-le", "surrogatepass")) // 2


def length_bytes(text: str) -> int:
    """Return how many bytes a text has as UTF-8: how job summaries are counted."""
    return len(text.encode())


def to_markdown(
    document: Document, limit: int = GITHUB_COMMENT_LIMIT, *, measure: Callable[[str], int] = length
) -> str:
    """Return the document as Markdown of at most `limit`, ending in one line end.

    Args:
        document: what to show.
        limit: largest length by `measure`, at least :data:`SMALLEST_LIMIT`.
        measure: how the host counts: :func:`length` or :func:`length_bytes`.

    Raises:
        ValueError: `limit` is below :data:`SMALLEST_LIMIT`.
    """
    if limit < SMALLEST_LIMIT:
        message = f"a limit of {limit} characters leaves no room for the answer"
        raise ValueError(message)
    footer = (line_text(line) for line in document.footer)
    parts = [banner_text(document.banner), *map(block_text, document.blocks), *footer]
    whole = GAP.join(part for part in parts if part) + "\n"
    return whole if measure(whole) <= limit else _Cutter(measure).page(document, limit)


class _Cutter:
    """Makes a page fit; remembers the names of the sections that lost something."""

    def __init__(self, measure: Callable[[str], int]) -> None:
        self._length = measure
        self._cut: dict[str, None] = {}

    def page(self, document: Document, limit: int) -> str:
        """Return the page in at most `limit`."""
        room = limit - _RESERVE
        head = banner_text(document.banner)
        if self._length(head) > room // 2:
            head = heading_text(document.banner)
        body = self._blocks(document.blocks, room - self._length(head) - len(GAP), is_top=True)
        return GAP.join(part for part in (head, body, self._last_line(document, limit)) if part) + "\n"

    def _last_line(self, document: Document, limit: int) -> str:
        sentence = f"✂️ **Shortened to fit {number(limit)} {'bytes' if self._length is length_bytes else 'characters'}**"
        if self._cut:
            sentence += f": {', '.join([*self._cut][:12])}"
        whole = document.whole
        if whole is not None and len(whole.url) <= _LONGEST_URL and is_safe_url(whole.url):
            return f"{sentence}. The whole: {inline_text(Address(text=whole.text[:60], url=whole.url))}"
        return f"{sentence}. The whole is in the run's `report.html` and `report.json`."

    def _blocks(self, blocks: Sequence[Block], room: int, *, is_top: bool = False) -> str:
        texts = list(map(block_text, blocks))
        share = max(fair_share([self._length(text) + len(GAP) for text in texts], room), _FAIR_SHARE)
        parts: list[str] = []
        for block, whole in zip(blocks, texts, strict=True):
            text: str | None = whole
            most = min(room, share) - len(GAP)
            if self._length(whole) > most:
                self._note(block, is_top=is_top)
                text = self._smaller(block, most)
            if text:
                parts.append(text)
                room -= self._length(text) + len(GAP)
        return GAP.join(parts)

    def _note(self, block: Block, *, is_top: bool) -> None:
        if isinstance(block, Section):
            self._cut[block.title.lower()] = None
        elif is_top and isinstance(block, Paragraph):
            self._cut["warnings"] = None

    def _smaller(self, block: Block, room: int) -> str | None:
        """Return the block with fewer rows, items, lines or children, or None when nothing of it fits."""
        if isinstance(block, Section):
            opening, closing = section_shell(block)
            inner = self._blocks(block.blocks, room - self._length(opening) - self._length(closing) - 2 * len(GAP))
            return GAP.join(part for part in (opening, inner, closing) if part) if inner else None
        if isinstance(block, Table):
            head, rows = table_parts(block)
            kept = self._prefix(rows, room - self._length(head) - 80)
            return table_text(head, kept, block.hidden + len(rows) - len(kept)) if kept else None
        if isinstance(block, BulletList):
            items = [item_text(line) for line in block.items]
            kept = self._prefix(items, room - 40)
            return "\n".join([*kept, f"- … and {number(len(items) - len(kept))} more"]) if kept else None
        if isinstance(block, CodeBlock):
            lines = visible(block.text, keep_lines=True).splitlines()
            kept = self._prefix(lines[::-1], room - 80)[::-1]
            return code_block_text("\n".join([f"… {len(lines) - len(kept)} earlier lines", *kept])) if kept else None
        return None

    def _prefix(self, lines: list[str], room: int) -> list[str]:
        """Return as many lines from the start as fit, with one line end each."""
        for index, line in enumerate(lines):
            room -= self._length(line) + 1
            if room < 0:
                return lines[:index]
        return lines
